// Printing a study of thresholds: tables, plots, and the recommendation with its reasons.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/report_parts.h"
#include "evaluate/outliers/threshold_study.h"

namespace octet::cli {

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
