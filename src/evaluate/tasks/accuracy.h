// From the log-likelihoods of a task's answers to its accuracy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "evaluate/divergence.h"
#include "evaluate/tasks/loglikelihood.h"
#include "evaluate/tasks/task.h"

namespace octet::evaluate {

struct TaskScore {
  int64_t documents = 0;
  /// Share of the documents whose most likely answer (the first among equals) is right; of a greedy
  /// task, whose continuation is what greedy decoding gives.
  Mean accuracy;
  /// The same with each log-likelihood divided by the characters of its answer; not of greedy
  /// tasks.
  std::optional<Mean> accuracy_norm;
  /// exp(−mean log-likelihood), per document, and its standard error to first order; greedy tasks.
  std::optional<Mean> perplexity;
};

/// `answers` are those of `documents`, in order; at least one document.
TaskScore score_task(Task task, std::span<const Document> documents,
                     std::span<const Answers> answers);

/// Characters (Unicode code points) of a continuation without the space it begins with.
int64_t answer_characters(std::string_view continuation);

}  // namespace octet::evaluate
