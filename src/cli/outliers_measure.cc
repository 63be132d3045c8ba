// Measuring a model's outliers with a progress bar.
#include "cli/interrupt.h"
#include "cli/outliers_report.h"
#include "cli/progress.h"

namespace octet::cli {
namespace {

/// Progress of one part of a model's measurements.
std::function<void(double)> showing(Progress& progress, double from, double to) {
  return [&progress, from, to](double share) {
    throw_if_interrupted();
    progress.update(from + share * (to - from));
  };
}

}  // namespace

OutlierReport measure_outliers(device::Cpu& cpu, model::Model& model, const std::string& path,
                               std::span<const evaluate::Window> windows,
                               const OutlierOptions& options) {
  OutlierReport report = {.model = path,
                          .label = model_label(path),
                          .parameters = model.architecture().parameters(),
                          .survey = {},
                          .ablation = {}};
  const int activation_bits = model.precision().activation_bits;
  Progress progress(report.label);
  constexpr double kSurveyShare = 0.1;
  report.survey = evaluate::survey_outliers(cpu, model, windows, {.threshold = options.threshold},
                                            activation_bits, showing(progress, 0, kSurveyShare));
  evaluate::AblationOptions ablation;
  ablation.dimensions = options.dimensions.empty() ? report.survey.indices() : options.dimensions;
  ablation.not_random = report.survey.indices();
  ablation.random_sets = options.random_sets;
  ablation.seed = options.seed;
  ablation.activation_bits = activation_bits;
  ablation.progress = showing(progress, kSurveyShare, 1);
  report.ablation = evaluate::ablate(cpu, model, windows, ablation);
  return report;
}

}  // namespace octet::cli
