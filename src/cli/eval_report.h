// How octet eval prints a task's scores: a markdown table, or JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "evaluate/tasks/accuracy.h"
#include "linear/precision.h"

namespace octet::cli {

/// A task's scores under one method, ready to print.
struct EvalRow {
  linear::Precision precision;
  evaluate::Task task;
  std::string data;  ///< the file
  evaluate::TaskScore score = {};
  std::vector<evaluate::Answers> answers = {};
};

/// The accuracy of several tasks together, each with the same weight (Figure 1).
evaluate::Mean mean_accuracy(const std::vector<EvalRow>& tasks);

std::string eval_table_head();
std::string eval_table_row(const EvalRow& row);
/// The line below the rows of a method's tasks.
std::string eval_mean_row(const std::vector<EvalRow>& tasks);

/// `task`, `accuracy`, `accuracy_norm`, `stderr`, `n` and the log-likelihoods of every document; of
/// a greedy task each with whether greedy decoding gives the continuation.
nlohmann::ordered_json eval_json(const EvalRow& row);
nlohmann::ordered_json eval_mean_json(const std::vector<EvalRow>& tasks);

}  // namespace octet::cli
