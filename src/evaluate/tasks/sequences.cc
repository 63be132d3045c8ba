// Encoding requests, and finding what the sequences of a document share.
#include "evaluate/tasks/sequences.h"

#include <algorithm>

#include "base/error.h"

namespace octet::evaluate {
namespace {

std::vector<int32_t> encode(const tokenizer::Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_special = false, .parse_special = false});
}

int32_t first_token(const tokenizer::Tokenizer& tokenizer, std::string_view source) {
  if (const auto begin = tokenizer.bos()) return *begin;
  if (const auto end = tokenizer.eos()) return *end;
  fail("{}: an empty context needs a start token, and this model's tokenizer has none", source);
}

/// The number of tokens that all answers begin with, before any that gives a score.
int64_t shared_tokens(std::span<const TokenSequence> answers) {
  const TokenSequence& first = answers.front();
  int64_t shared = first.scored_from - 1;
  for (const TokenSequence& answer : answers) {
    shared = std::min(shared, answer.scored_from - 1);
    const auto end = first.tokens.begin() + shared;
    shared = std::mismatch(first.tokens.begin(), end, answer.tokens.begin()).first -
             first.tokens.begin();
  }
  return shared;
}

TokenSequence encode_request(const Encoding& encoding, const Request& request,
                             std::string_view source) {
  std::string_view context = request.context;
  context = context.substr(0, context.find_last_not_of(" \t\r\n") + 1);
  TokenSequence sequence;
  if (encoding.add_bos) {
    const auto begin = encoding.tokenizer.bos();
    if (!begin) fail("--add-bos: this model's tokenizer has no start token");
    sequence.tokens.push_back(*begin);
  } else if (context.empty()) {
    sequence.tokens.push_back(first_token(encoding.tokenizer, source));
  }
  const std::vector<int32_t> whole =
      encode(encoding.tokenizer, request.context + request.continuation);
  sequence.scored_from =
      std::ssize(sequence.tokens) + std::ssize(encode(encoding.tokenizer, context));
  sequence.tokens.insert(sequence.tokens.end(), whole.begin(), whole.end());
  return sequence;
}

}  // namespace

std::vector<DocumentSequences> encode_documents(const Encoding& encoding,
                                                std::span<const Document> documents,
                                                std::string_view source) {
  std::vector<DocumentSequences> encoded;
  encoded.reserve(documents.size());
  for (const Document& document : documents) {
    DocumentSequences& sequences = encoded.emplace_back();
    for (const Request& request : document.requests) {
      sequences.answers.push_back(encode_request(encoding, request, source));
      const TokenSequence& answer = sequences.answers.back();
      if (answer.scored_from >= std::ssize(answer.tokens))
        fail("{}: document {}: the tokenizer makes no token of '{}'", source, encoded.size(),
             request.continuation);
    }
    sequences.shared = shared_tokens(sequences.answers);
  }
  return encoded;
}

void cut_to_context(std::span<DocumentSequences> documents, int64_t context,
                    std::string_view source) {
  for (size_t i = 0; i < documents.size(); ++i) {
    for (TokenSequence& answer : documents[i].answers) {
      const int64_t scored = std::ssize(answer.tokens) - answer.scored_from;
      if (scored > context)
        fail(
            "{}: document {}: a continuation of {} tokens does not fit the context of {}; use "
            "a larger -c",
            source, i + 1, scored, context);
      const int64_t left_out = std::max<int64_t>(0, answer.read() - context);
      answer.tokens.erase(answer.tokens.begin(), answer.tokens.begin() + left_out);
      answer.scored_from -= left_out;
    }
    documents[i].shared = shared_tokens(documents[i].answers);
  }
}

int64_t longest_read(std::span<const DocumentSequences> documents) {
  int64_t longest = 0;
  for (const DocumentSequences& document : documents)
    for (const TokenSequence& answer : document.answers) longest = std::max(longest, answer.read());
  return longest;
}

}  // namespace octet::evaluate
