// Requests as token sequences: what a model reads, and from where on it is scored.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "evaluate/tasks/task.h"
#include "tokenizer/tokenizer.h"

namespace octet::evaluate {

/// Context and continuation; tokens[scored_from], … are the continuation's. 1 ≤ scored_from < size.
struct TokenSequence {
  std::vector<int32_t> tokens;
  int64_t scored_from = 1;

  /// Tokens that a model reads: nothing is predicted after the last.
  int64_t read() const { return static_cast<int64_t>(tokens.size()) - 1; }
};

/// A document's sequences. They mostly begin alike, and what they share is read once.
struct DocumentSequences {
  std::vector<TokenSequence> answers;
  int64_t shared = 0;  ///< first tokens that all have in common, none of which gives a score
};

/// How texts become tokens and how many of them a model reads.
struct Encoding {
  const tokenizer::Tokenizer& tokenizer;
  bool add_bos = false;  ///< put the start token in front of every context
};

/// Context and continuation are encoded together and cut where the context's own encoding ends, as
/// the harness does; spaces that end a context count to the continuation. An empty context stands
/// for the start (else the end) token. `source` names the data in the Error that is thrown when
/// the tokenizer lacks that token or makes nothing of a continuation.
std::vector<DocumentSequences> encode_documents(const Encoding& encoding,
                                                std::span<const Document> documents,
                                                std::string_view source);

/// Cuts sequences from the left, so that a model of `context` positions can read them. Throws Error
/// when a continuation alone is longer.
void cut_to_context(std::span<DocumentSequences> documents, int64_t context,
                    std::string_view source);

/// The most tokens that any of the sequences reads.
int64_t longest_read(std::span<const DocumentSequences> documents);

}  // namespace octet::evaluate
