// The documents that an evaluation has finished, in a file that outlives it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "evaluate/tasks/loglikelihood.h"
#include "evaluate/tasks/sequences.h"

namespace octet::evaluate {

/// FNV-1a, 64 bits: the same on every machine, unlike std::hash.
uint64_t fingerprint(std::string_view bytes);
/// Of what a model reads for a document: equal documents under other prompts differ.
uint64_t fingerprint(const DocumentSequences& document);

/// What a line belongs to. Lines of other runs may stand in the same file.
struct RunIdentity {
  uint64_t settings = 0;  ///< fingerprint of all that the log-likelihoods depend on
  std::string method;     ///< these two for the reader of the file
  std::string task;
};

/// A file of JSON lines, one a document, each written as soon as the document is done. A line that
/// was cut off by a crash is taken out when the file is opened.
class FinishedDocuments {
 public:
  /// Opens or creates the file. Throws Error when it cannot be written, or naming the line that
  /// this class has not written.
  explicit FinishedDocuments(std::filesystem::path path);

  /// The answers to a document with `answers` answers, or null when it is not in the file.
  const Answers* find(const RunIdentity& run, uint64_t document, size_t answers) const;

  /// Appends a document. Throws Error when the file cannot be written.
  void add(const RunIdentity& run, uint64_t document, const Answers& answers);

 private:
  void read_line(std::string_view line, int64_t number);

  std::filesystem::path path_;
  std::map<std::pair<uint64_t, uint64_t>, Answers> finished_;  ///< by settings and document
  std::ofstream stream_;
};

}  // namespace octet::evaluate
