// Printing what is known of models' outliers: tables, JSON, and parts of a page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "cli/report_parts.h"
#include "evaluate/outliers/ablation.h"
#include "evaluate/outliers/survey.h"

namespace octet::cli {

/// One model's outliers and what they are worth.
struct OutlierReport {
  std::string model;  ///< as it was given
  std::string label;  ///< short, for tables and plots
  int64_t parameters = 0;
  evaluate::OutlierSurvey survey;
  evaluate::Ablation ablation;
};

/// Surveys the windows with `model`, in 32 bits, and ablates what is found (or `dimensions`), with
/// a progress bar. Throws Interrupted after Ctrl-C.
struct OutlierOptions {
  float threshold = 6;
  std::vector<int32_t> dimensions = {};  ///< to ablate instead of those found
  int random_sets = 3;
  uint64_t seed = 0;
};
OutlierReport measure_outliers(device::Cpu& cpu, model::Model& model, const std::string& path,
                               std::span<const evaluate::Window> windows,
                               const OutlierOptions& options);

/// "SmolLM2-135M" of a path: its last part that says something.
std::string model_label(const std::string& path);

/// Table 4, each model's dimensions, those that models share, outlier columns, the ablation.
std::vector<ReportTable> outlier_tables(std::span<const OutlierReport> reports);

/// Figures 3 and 4 over the models, and each model's outlier columns layer by layer.
std::vector<ReportFigure> outlier_figures(std::span<const OutlierReport> reports);

nlohmann::ordered_json outliers_json(const OutlierReport& report);

}  // namespace octet::cli
