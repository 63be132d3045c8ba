// How methods score on a text, in a file that outlives the run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "evaluate/finished_lines.h"
#include "evaluate/perplexity.h"

namespace octet::evaluate {

/// A method's figures on a text, beside a reference.
struct MethodScore {
  Perplexity perplexity;  ///< without log-probabilities and logits of single tokens
  double tokens_per_s = 0;
  int64_t weights_bytes = 0;
  double kept_share = 0;  ///< of the columns of all linear inputs, kept in 16 bits
};

/// A file of finished lines, one a score.
class FinishedScores {
 public:
  /// Opens or creates the file; `command` is what writes it. Throws Error like FinishedLines.
  FinishedScores(std::filesystem::path path, std::string command);

  /// The score under a fingerprint of all that it depends on, or null when it is not in the file.
  const MethodScore* find(uint64_t settings) const;

  /// Appends a score; `label` is for the reader of the file. Throws Error when it cannot be
  /// written.
  void add(uint64_t settings, const std::string& label, const MethodScore& score);

 private:
  bool read(const nlohmann::ordered_json& line);

  std::map<uint64_t, MethodScore> finished_;
  FinishedLines lines_;
};

}  // namespace octet::evaluate
