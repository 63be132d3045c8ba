// Printing the scores of tasks.
#include "cli/eval_report.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/options.h"
#include "cli/report.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using evaluate::Answer;
using evaluate::Answers;
using evaluate::Mean;

std::string method_cells(const linear::Precision& precision) {
  return fmt::format("| {} | {} |", linear::name(precision.method), activation_bits_of(precision));
}

std::string percent_cells(const std::optional<Mean>& mean) {
  if (!mean) return " – | – |";
  return fmt::format(" {:.2f}% | {:.2f} |", mean->value * 100, mean->standard_error * 100);
}

Json loglikelihoods(const EvalRow& row) {
  Json documents = Json::array();
  for (const Answers& answers : row.answers) {
    Json document = Json::array();
    for (const Answer& answer : answers) document.push_back(answer.loglikelihood);
    if (is_greedy(row.task)) document.push_back(answers.front().greedy);
    documents.push_back(std::move(document));
  }
  return documents;
}

Json value_or_null(const std::optional<Mean>& mean, double Mean::*member) {
  return mean ? Json((*mean).*member) : Json(nullptr);
}

}  // namespace

Mean mean_accuracy(const std::vector<EvalRow>& tasks) {
  const auto count = static_cast<double>(tasks.size());
  double sum = 0;
  double squares = 0;  // the tasks' errors are independent of each other
  for (const EvalRow& row : tasks) {
    sum += row.score.accuracy.value;
    squares += row.score.accuracy.standard_error * row.score.accuracy.standard_error;
  }
  return {.value = sum / count, .standard_error = std::sqrt(squares) / count};
}

std::string eval_table_head() {
  return "| method | bits | task | n | accuracy | ± | by characters | ± | perplexity |\n"
         "|---|---|---|---|---|---|---|---|---|\n";
}

std::string eval_table_row(const EvalRow& row) {
  const evaluate::TaskScore& score = row.score;
  const std::string perplexity =
      score.perplexity ? fmt::format("{:.3f}", score.perplexity->value) : "–";
  return fmt::format("{} {} | {} |{}{} {} |\n", method_cells(row.precision), name(row.task),
                     score.documents, percent_cells(score.accuracy),
                     percent_cells(score.accuracy_norm), perplexity);
}

std::string eval_mean_row(const std::vector<EvalRow>& tasks) {
  int64_t documents = 0;
  for (const EvalRow& row : tasks) documents += row.score.documents;
  return fmt::format("{} mean | {} |{}{} – |\n", method_cells(tasks.front().precision), documents,
                     percent_cells(mean_accuracy(tasks)), percent_cells({}));
}

Json eval_json(const EvalRow& row) {
  const evaluate::TaskScore& score = row.score;
  const linear::Precision& precision = row.precision;
  Json object = {{"task", name(row.task)},
                 {"data", row.data},
                 {"method", linear::name(precision.method)},
                 {"activation_bits", activation_bits_of(precision)},
                 {"n", score.documents},
                 {"accuracy", score.accuracy.value},
                 {"stderr", score.accuracy.standard_error},
                 {"accuracy_norm", value_or_null(score.accuracy_norm, &Mean::value)},
                 {"stderr_norm", value_or_null(score.accuracy_norm, &Mean::standard_error)}};
  if (score.perplexity) {
    object["perplexity"] = score.perplexity->value;
    object["perplexity_stderr"] = score.perplexity->standard_error;
  }
  if (linear::is_int8(precision.method)) {
    add_threshold_json(object, precision);
    object["outliers"] = linear::name(precision.outliers);
  }
  object["loglikelihoods"] = loglikelihoods(row);
  return object;
}

Json eval_mean_json(const std::vector<EvalRow>& tasks) {
  const Mean mean = mean_accuracy(tasks);
  const linear::Precision& precision = tasks.front().precision;
  return {{"method", linear::name(precision.method)},
          {"activation_bits", activation_bits_of(precision)},
          {"tasks", tasks.size()},
          {"accuracy", mean.value},
          {"stderr", mean.standard_error}};
}

}  // namespace octet::cli
