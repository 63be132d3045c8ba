// Scores the windows of a text with many models of one checkpoint, each beside the same reference.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/loading.h"
#include "cli/options.h"
#include "cli/perplexity_report.h"
#include "cli/text_windows.h"
#include "evaluate/finished_scores.h"

namespace octet::cli {

class TextScorer {
 public:
  struct Settings {
    linear::Method reference = linear::Method::fp32;
    std::optional<std::string> resume = {};  ///< a file of finished scores
    std::string command = {};                ///< whose file that is: "octet sweep"
  };
  /// Reads the description; models are loaded when they are needed. `documents` are those of
  /// `text`, which with `cpu` and `common` must outlive this. Throws Error for files that cannot be
  /// used.
  TextScorer(device::Cpu& cpu, const CommonOptions& common, const TextOptions& text,
             std::vector<std::string> documents, const Settings& settings);

  /// Loads the model and scores it, or takes the score from the file of finished ones. `place` is
  /// for the progress bar: "3 of 12: ".
  Row score(const linear::Precision& precision, const model::PlantWhileLoading& plant,
            const std::string& place);

  const model::Architecture& architecture() const { return architecture_; }
  /// What every window is cut to.
  int64_t window_tokens() const { return window_; }

  /// The model that others are compared with, and the windows; loads it.
  model::Loaded& reference();
  std::span<const evaluate::Window> windows();

 private:
  uint64_t fingerprint_of(const linear::Precision& precision,
                          const model::PlantWhileLoading& plant) const;
  void open_reference();
  evaluate::MethodScore run(model::Loaded& loaded, const linear::Precision& precision,
                            bool is_reference, const std::string& label);

  device::Cpu& cpu_;
  const CommonOptions& common_;
  const TextOptions& text_;
  linear::Precision reference_precision_;
  model::Architecture architecture_;
  int64_t window_ = 0;
  std::vector<std::string> documents_;
  std::string identity_;  ///< of the model, the text and what is common to all scores
  std::optional<evaluate::FinishedScores> finished_;
  std::optional<LoadedModel> reference_;
  std::vector<evaluate::Window> windows_;
  std::unique_ptr<evaluate::ModelSource> reference_source_;
};

}  // namespace octet::cli
