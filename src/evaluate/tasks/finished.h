// The documents that an evaluation has finished, in a file that outlives it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "evaluate/finished_lines.h"
#include "evaluate/tasks/loglikelihood.h"
#include "evaluate/tasks/sequences.h"

namespace octet::evaluate {

/// Of what a model reads for a document: equal documents under other prompts differ.
uint64_t fingerprint(const DocumentSequences& document);

/// What a line belongs to. Lines of other runs may stand in the same file.
struct RunIdentity {
  uint64_t settings = 0;  ///< fingerprint of all that the log-likelihoods depend on
  std::string method;     ///< these two for the reader of the file
  std::string task;
};

/// A file of finished lines, one a document.
class FinishedDocuments {
 public:
  /// Opens or creates the file; throws Error like FinishedLines.
  explicit FinishedDocuments(std::filesystem::path path);

  /// The answers to a document with `answers` answers, or null when it is not in the file.
  const Answers* find(const RunIdentity& run, uint64_t document, size_t answers) const;

  /// Appends a document. Throws Error when the file cannot be written.
  void add(const RunIdentity& run, uint64_t document, const Answers& answers);

 private:
  bool read(const nlohmann::ordered_json& line);

  std::map<std::pair<uint64_t, uint64_t>, Answers> finished_;  ///< by settings and document
  FinishedLines lines_;
};

}  // namespace octet::evaluate
