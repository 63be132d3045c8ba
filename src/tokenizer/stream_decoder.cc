// Decoding whole sequences and token by token, by the same steps.
#include "tokenizer/tokenizer.h"

namespace octet::tokenizer {

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  DecodeState state;
  std::string out;
  for (const TokenId id : ids) decode_next(id, skip_special, state, out);
  decode_end(state, out);
  return out;
}

std::string StreamDecoder::push(TokenId id) {
  std::string out;
  tokenizer_.decode_next(id, skip_special_, state_, out);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out;
  tokenizer_.decode_end(state_, out);
  state_ = {};
  return out;
}

}  // namespace octet::tokenizer
