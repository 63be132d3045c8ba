// Scoring a text with many models of one checkpoint, and keeping the scores.
#include "cli/text_scorer.h"

#include <fmt/core.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/model_identity.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "evaluate/text.h"

namespace octet::cli {
namespace {

using evaluate::ModelSource;
using linear::Precision;

}  // namespace

TextScorer::TextScorer(device::Cpu& cpu, const CommonOptions& common, const TextOptions& text,
                       std::vector<std::string> documents, const Settings& settings)
    : cpu_(cpu),
      common_(common),
      text_(text),
      reference_precision_(precision_of(common, settings.reference)),
      architecture_(model::describe(common.model).architecture),
      documents_(std::move(documents)) {
  window_ = context_size(common, architecture_, kDefaultWindow);
  if (!settings.resume) return;
  identity_ =
      fmt::format("{}{}\n{:016x} {} {}\n{} {}\n", model_identity(common.model), OCTET_VERSION,
                  evaluate::fingerprint(evaluate::join(documents_)), window_,
                  text.chunks.value_or(0), linear::name(settings.reference), common.skip_modules);
  finished_.emplace(*settings.resume, settings.command);
}

uint64_t TextScorer::fingerprint_of(const Precision& precision,
                                    const model::PlantWhileLoading& plant) const {
  std::string text = fmt::format("{}{} {} {} {}\n", identity_, linear::name(precision.method),
                                 linear::thresholds_text(precision),
                                 linear::name(precision.outliers), precision.activation_bits);
  if (plant.gain != 1) {
    text += fmt::format("{}:", plant.gain);
    for (const int32_t dimension : plant.dimensions) text += fmt::format("{},", dimension);
  }
  return evaluate::fingerprint(text);
}

Row TextScorer::score(const Precision& precision, const model::PlantWhileLoading& plant,
                      const std::string& place) {
  const bool natural = plant.gain == 1;
  const std::string label =
      natural ? fmt::format("{}", linear::name(precision.method))
              : fmt::format("{} × {}", linear::name(precision.method), plant.gain);
  const uint64_t fingerprint = finished_ ? fingerprint_of(precision, plant) : 0;
  const evaluate::MethodScore* known = finished_ ? finished_->find(fingerprint) : nullptr;
  evaluate::MethodScore score;
  if (known != nullptr) {
    score = *known;
  } else {
    open_reference();
    if (natural && precision.method == reference_precision_.method &&
        precision.activation_bits == reference_precision_.activation_bits) {
      score = run(reference_->loaded, precision, true, place + label);
    } else {
      LoadedModel model = load_model(
          cpu_, common_, precision,
          {.plant = plant,
           .report_kept = false,
           .workloads = [&](const model::Architecture&) -> std::vector<runtime::Workload> {
             return {evaluate::scoring_workload(precision, window_)};
           }});
      score = run(model.loaded, precision, false, place + label);
    }
    if (finished_) finished_->add(fingerprint, label, score);
  }
  return {.precision = precision,
          .result = score.perplexity,
          .tokens_per_s = score.tokens_per_s,
          .weights_bytes = score.weights_bytes,
          .kept_share = score.kept_share};
}

model::Loaded& TextScorer::reference() {
  open_reference();
  return reference_->loaded;
}

std::span<const evaluate::Window> TextScorer::windows() {
  open_reference();
  return windows_;
}

void TextScorer::open_reference() {
  if (reference_) return;
  CommonOptions on_cpu = common_;
  on_cpu.device = "cpu";  // where a pass can be observed
  reference_.emplace(load_model(cpu_, on_cpu, reference_precision_));
  const linear::Method stored = reference_->loaded.model.precision().method;
  if (stored != reference_precision_.method)
    fail("{}: holds the weights of {} and nothing to compare with; give the original checkpoint",
         common_.model, linear::name(stored));
  windows_ = windows_for(reference_->loaded, documents_, text_, common_).windows;
  reference_source_ = std::make_unique<ModelSource>(reference_->loaded.model, cpu_, window_,
                                                    reference_precision_.activation_bits);
}

evaluate::MethodScore TextScorer::run(model::Loaded& loaded, const Precision& precision,
                                      bool is_reference, const std::string& label) {
  ModelSource source(loaded.model, cpu_, window_, precision.activation_bits);
  Progress progress(fmt::format("{} ({} windows)", label, windows_.size()));
  evaluate::PerplexityOptions options;
  options.reference = is_reference ? &source : reference_source_.get();
  options.progress = [&progress](double share) {
    throw_if_interrupted();
    progress.update(share);
  };
  evaluate::MethodScore score;
  score.perplexity = evaluate::perplexity(cpu_.team(), source, windows_, options);
  score.tokens_per_s = rate(source.tokens(), source.seconds());
  score.weights_bytes = loaded.model.weights().bytes();
  score.kept_share = kept_share(loaded);
  return score;
}

}  // namespace octet::cli
