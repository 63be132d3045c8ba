// Any bytes as a tokenizer.model: an Error, or ids that decode to valid UTF-8.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace octet::tokenizer;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = parse_sentencepiece(input, "input", {});
    const std::string_view texts[] = {"Once upon a time  \xE2\x82\xAC\xFF", input.substr(0, 100)};
    for (const std::string_view text : texts) {
      const std::string decoded = tokenizer->decode(tokenizer->encode(text), false);
      if (well_formed_prefix(decoded) != decoded.size()) __builtin_trap();
    }
  } catch (const octet::Error&) {
  }
  return 0;
}
