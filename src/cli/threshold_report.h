// Printing a study of thresholds: tables, plots, and the recommendation with its reasons.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/report_parts.h"
#include "evaluate/outliers/threshold_study.h"

namespace octet::cli {

/// Studies the thresholds with a progress bar; `reference` is the model in 32 bits. Throws
/// Interrupted after Ctrl-C.
evaluate::ThresholdStudy measure_thresholds(device::Cpu& cpu, const CommonOptions& common,
                                            model::Model& reference,
                                            std::span<const evaluate::Window> windows,
                                            const linear::Precision& base,
                                            const std::vector<float>& thresholds);

struct ThresholdReport {
  std::string model;
  std::string file;
  int64_t tokens = 0;  ///< predicted ones
  const evaluate::ThresholdStudy& study;
};

std::vector<ReportTable> threshold_tables(const ThresholdReport& report);
std::vector<ReportFigure> threshold_figures(const ThresholdReport& report);
/// A sentence for each kind of layer, then one on all of them at once.
std::vector<std::string> threshold_reasons(const evaluate::ThresholdStudy& study);

std::string threshold_text(const ThresholdReport& report);
std::string threshold_page(const ThresholdReport& report);
nlohmann::ordered_json threshold_json(const ThresholdReport& report);

}  // namespace octet::cli
