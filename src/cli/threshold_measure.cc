// Studying a model's thresholds with a progress bar.
#include <fmt/core.h>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/threshold_report.h"

namespace octet::cli {

evaluate::ThresholdStudy measure_thresholds(device::Cpu& cpu, const CommonOptions& common,
                                            model::Model& reference,
                                            std::span<const evaluate::Window> windows,
                                            const linear::Precision& base,
                                            const std::vector<float>& thresholds) {
  Progress progress(fmt::format("{} α", thresholds.size()));
  evaluate::ThresholdStudyOptions options;
  options.base = base;
  options.thresholds = thresholds;
  options.progress = [&progress](double share) {
    throw_if_interrupted();
    progress.update(share);
  };
  options.load = [&](const linear::Precision& precision) {
    model::LoadOptions load = load_options(common, precision);  // on the CPU, where passes are seen
    load.progress = [](double) { throw_if_interrupted(); };
    return model::load(cpu, common.model, load);
  };
  return evaluate::study_thresholds(cpu, reference, windows, options);
}

}  // namespace octet::cli
