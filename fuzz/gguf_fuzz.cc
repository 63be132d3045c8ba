// Any bytes as a GGUF file: an Error, or metadata and tensors that can be read and, when there is a
// vocabulary, a tokeniser that takes the text in general.name.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "checkpoint/gguf.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace {

/// Runs an accessor that may find another type under the key.
template <typename Access>
void access(Access get) {
  try {
    (void)get();
  } catch (const octet::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto content = octet::checkpoint::parse_gguf(file, "input");
    const auto& metadata = content.metadata;
    const nlohmann::json pairs = metadata.to_json();
    for (auto pair = pairs.begin(); pair != pairs.end(); ++pair) {
      const std::string& key = pair.key();
      access([&] { return metadata.integer(key); });
      access([&] { return metadata.number(key); });
      access([&] { return metadata.integers(key); });
      access([&] { return metadata.numbers(key); });
      access([&] { return metadata.strings(key); });
    }
    access([&] {
      const auto tokenizer = octet::tokenizer::make_gguf_tokenizer(
          octet::tokenizer::read_gguf_vocabulary(metadata, "input"));
      return tokenizer->decode(
          tokenizer->encode(metadata.string("general.name").value_or("a text of 12 words's")));
    });
    for (const auto& [name, view] : content.tensors) {
      if (!octet::tensor::is_floating(view.dtype)) continue;
      std::vector<float> values(static_cast<size_t>(view.elements()));
      octet::checkpoint::decode_rows(view, 0, octet::checkpoint::row_count(view), values.data());
    }
  } catch (const octet::Error&) {
  }
  return 0;
}
