// Printing a method's perplexity: a row of a table, or of the JSON results.
#include "cli/perplexity_report.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/report.h"

namespace octet::cli {

using Json = nlohmann::ordered_json;

std::string table_head() {
  return "| method | bits | perplexity | ± | KL mean | KL p99 | same top-1 | tokens/s | weights |\n"
         "|---|---|---|---|---|---|---|---|---|\n";
}

std::string table_row(const Row& row) {
  std::string divergence = "– | – | –";
  if (row.result.divergence) {
    const evaluate::Divergence& d = *row.result.divergence;
    divergence =
        fmt::format("{:.5f} | {:.4f} | {:.2f}%", d.kl.value, d.kl_p99, d.top1_agreement * 100);
  }
  return fmt::format("| {} | {} | {:.4f} | {:.4f} | {} | {:.1f} | {} |\n",
                     linear::name(row.precision.method), activation_bits_of(row.precision),
                     row.result.value(), row.result.standard_error(), divergence, row.tokens_per_s,
                     size_text(row.weights_bytes));
}

nlohmann::ordered_json json_row(const Row& row, const std::vector<int64_t>* logits_at) {
  const evaluate::Perplexity& result = row.result;
  const linear::Precision& precision = row.precision;
  Json object = {{"method", linear::name(precision.method)},
                 {"perplexity", result.value()},
                 {"mean_nll", result.nll.value},
                 {"stderr", result.standard_error()},
                 {"nll_stderr", result.nll.standard_error}};
  if (result.divergence) {
    object["kl_mean"] = result.divergence->kl.value;
    object["kl_stderr"] = result.divergence->kl.standard_error;
    object["kl_p99"] = result.divergence->kl_p99;
    object["top1_agreement"] = result.divergence->top1_agreement;
  }
  object["tokens_per_s"] = row.tokens_per_s;
  object["weights_bytes"] = row.weights_bytes;
  object["activation_bits"] = activation_bits_of(precision);
  if (linear::has_decomposition(precision.method)) {
    object["outliers"] = linear::name(precision.outliers);
    add_threshold_json(object, precision);
    object["kept_columns_share"] = row.kept_share;
  }
  if (logits_at != nullptr) {
    object["logprobs"] = Json::array({nullptr});  // nothing predicts the first token
    for (double logprob : result.logprobs) object["logprobs"].push_back(logprob);
    if (!logits_at->empty()) {
      object["positions"] = *logits_at;
      object["logits"] = result.logits;
    }
  }
  return object;
}

}  // namespace octet::cli
