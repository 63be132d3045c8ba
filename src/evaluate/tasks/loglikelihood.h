// Log-likelihoods of the answers to documents, many documents in a step.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "device/cpu.h"
#include "evaluate/tasks/sequences.h"
#include "model/model.h"

namespace octet::evaluate {

/// What a model says of one continuation.
struct Answer {
  double loglikelihood = 0;  ///< of all its tokens together, nats
  bool greedy = true;        ///< each of its tokens is the most probable one

  bool operator==(const Answer&) const = default;
};
using Answers = std::vector<Answer>;

struct LoglikelihoodOptions {
  std::string_view source;  ///< what messages call the documents' file
  int activation_bits = 16;
  int64_t context = 0;  ///< positions of the model's context, at least the longest sequence's
  /// Called with each document's index in `documents` as it is done, in rising order.
  std::function<void(size_t document, const Answers& answers)> finished;
  /// Called with the share of the tokens done. Throwing from either callback stops the run.
  std::function<void(double share)> progress = {};
};

/// Runs the documents `wanted` (rising indices into `documents`). Several run as sequences of the
/// same steps, and what a document's answers have in common is read once, which changes no bit;
/// where a result depends on the whole call (linear::depends_on_call), every sequence is a call of
/// its own. Throws Error when a log-likelihood is not a number.
void loglikelihoods(model::Model& model, device::Cpu& cpu,
                    std::span<const DocumentSequences> documents, std::span<const size_t> wanted,
                    const LoglikelihoodOptions& options);

}  // namespace octet::evaluate
