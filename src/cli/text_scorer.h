// Scores the windows of a text with many models of one checkpoint, each beside the same reference.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/loading.h"
#include "cli/options.h"
#include "cli/perplexity_report.h"
#include "evaluate/finished_scores.h"
#include "evaluate/windows.h"

namespace octet::cli {

/// The text and its windows.
struct TextOptions {
  std::string file;
  std::string text_field = "text";
  std::optional<int64_t> chunks;
};
/// -f, --text-field and --chunks.
void add_text_options(CLI::App& app, TextOptions& options);

/// Consecutive windows of the documents joined; throws Error naming the file when there is none.
struct TextWindows {
  std::vector<evaluate::Window> windows;
  int64_t text_tokens = 0;
};
TextWindows windows_of_text(const tokenizer::Tokenizer& tokenizer,
                            const std::vector<std::string>& documents, int64_t length,
                            const TextOptions& options);

class TextScorer {
 public:
  struct Settings {
    linear::Method reference = linear::Method::fp32;
    std::optional<std::string> resume = {};  ///< a file of finished scores
    std::string command = {};                ///< whose file that is: "octet sweep"
  };
  /// Reads text and description; models are loaded when they are needed. All must outlive this.
  /// Throws Error for files that cannot be used.
  TextScorer(device::Cpu& cpu, const CommonOptions& common, const TextOptions& text,
             const Settings& settings);

  /// Loads the model and scores it, or takes the score from the file of finished ones. `place` is
  /// for the progress bar: "3 of 12: ".
  Row score(const linear::Precision& precision, const model::PlantWhileLoading& plant,
            const std::string& place);

  const model::Architecture& architecture() const { return architecture_; }
  /// What every window is cut to.
  int64_t window_tokens() const { return window_; }

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
