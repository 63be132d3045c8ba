// The object {"token": id, …} of vocab.json and of tokenizer.json's BPE models.
#include "tokenizer/json_components.h"

namespace octet::tokenizer {

std::shared_ptr<Vocabulary> read_vocabulary(const JsonNode& node) {
  const nlohmann::json& tokens = node.json();
  if (!tokens.is_object()) node.fail("must be an object of tokens and ids");
  auto vocabulary = std::make_shared<Vocabulary>();
  size_t bytes = 0;
  for (const auto& [text, id] : tokens.items()) bytes += text.size();
  vocabulary->reserve(tokens.size(), bytes);
  for (const auto& [text, id] : tokens.items()) {
    const bool valid =
        id.is_number_unsigned() && id.get<uint64_t>() <= static_cast<uint64_t>(kMaximumTokenId);
    if (!valid) node.fail("gives \"{}\" an id outside 0 … {}", text, kMaximumTokenId);
    vocabulary->add(text, id.get<TokenId>());
  }
  return vocabulary;
}

}  // namespace octet::tokenizer
