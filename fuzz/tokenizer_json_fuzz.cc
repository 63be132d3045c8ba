// Any bytes as a tokenizer.json and a text: an Error, or ids that decode to valid UTF-8.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace octet::tokenizer;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // What follows the last closing brace is the text.
  const size_t end = std::min(input.rfind('}'), size - 1) + 1;
  try {
    const auto tokenizer = parse_tokenizer_json(input.substr(0, end), "input", {});
    const std::string_view texts[] = {input.substr(end), input.substr(0, 200),
                                      "Hello  world 123 \xE2\x82\xAC\xFF"};
    for (const std::string_view text : texts) {
      try {
        const std::string decoded = tokenizer->decode(tokenizer->encode(text), false);
        if (well_formed_prefix(decoded) != decoded.size()) __builtin_trap();
      } catch (const octet::Error&) {
      }
    }
  } catch (const octet::Error&) {
  }
  return 0;
}
