// Any bytes as a file of torch.save: an Error or tensors that can be decoded.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "checkpoint/torch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto content = octet::checkpoint::parse_torch(file, "input");
    for (const auto& [name, view] : content.tensors) {
      if (!octet::tensor::is_floating(view.dtype)) continue;
      std::vector<float> values(static_cast<size_t>(view.elements()));
      octet::checkpoint::decode_rows(view, 0, octet::checkpoint::row_count(view), values.data());
    }
  } catch (const octet::Error&) {
  }
  return 0;
}
