// What octet report measures of a model, and the verdict that follows from it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/continuations_run.h"
#include "cli/outliers_report.h"
#include "cli/perplexity_report.h"
#include "cli/sweep_cells.h"
#include "cli/threshold_report.h"
#include "evaluate/verdict.h"
#include "report/page.h"

namespace octet::cli {

/// How fast a method runs here.
struct MeasuredSpeed {
  linear::Precision precision;
  int64_t weights_bytes = 0;
  int64_t prompt_tokens = 0;
  double prompt_tokens_per_s = 0;
  double alone_tokens_per_s = 0;    ///< one sequence
  double batched_tokens_per_s = 0;  ///< of all sequences together
};
inline constexpr int64_t kReportBatch = 8;

struct ModelEvidence {
  std::string model;
  std::string text;  ///< the file
  std::string command;
  std::string machine;
  std::string reference;       ///< the method that others are compared with
  int64_t window = 0;          ///< tokens
  int64_t bytes_16bit = 0;     ///< of the weights as bf16 has them
  std::vector<Row> rows = {};  ///< Table 1
  OutlierReport outliers = {};
  std::optional<evaluate::ThresholdStudy> thresholds = {};  ///< where there is a threshold
  ContinuationsRun continuations = {};
  std::vector<MeasuredSpeed> speeds = {};
  std::optional<Sweep> sweep = {};
};

/// One for each row, with what the continuations say of it.
std::vector<evaluate::MethodEvidence> judged_rows(const ModelEvidence& evidence);

/// What is said first: tone, headline, the figures it rests on and what else there is to choose.
struct Verdict {
  report::Page::Tone tone = report::Page::Tone::plain;
  std::string headline;
  std::vector<std::string> grounds;
  std::vector<std::string> cautions;  ///< when not to use int8, or which
};
Verdict verdict_of(const ModelEvidence& evidence);

std::string evidence_text(const ModelEvidence& evidence);
nlohmann::ordered_json evidence_json(const ModelEvidence& evidence);
/// The whole page.
std::string evidence_page(const ModelEvidence& evidence);

}  // namespace octet::cli
