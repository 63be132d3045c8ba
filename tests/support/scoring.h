// Running a loaded model over token ids in tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "model/load/load.h"
#include "runtime/session.h"

namespace octet::test {

using Logits = std::vector<std::vector<float>>;

/// Logits of every position of `tokens`, run as one prompt cut into chunks of `chunk` rows (0:
/// one). An encoder-decoder encodes `source` first.
inline Logits all_logits(model::Model& model, device::Cpu& cpu, std::span<const int32_t> tokens,
                         int activation_bits = 16, size_t chunk = 0,
                         std::span<const int32_t> source = {}) {
  runtime::Session session(model, cpu,
                           static_cast<int64_t>(std::max(tokens.size(), source.size())));
  const runtime::SequenceId sequence = session.open();
  if (model.architecture().encoder_decoder()) session.encode(sequence, source, activation_bits);
  Logits logits;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t count = chunk == 0 ? tokens.size() : std::min(chunk, tokens.size() - begin);
    const runtime::Feed feed{
        .sequence = sequence, .tokens = tokens.subspan(begin, count), .all_logits = true};
    const auto rows = session.run({&feed, 1}, activation_bits);
    for (int64_t r = 0; r < rows.rows; ++r) {
      logits.emplace_back(rows.row(r), rows.row(r) + rows.columns);
    }
    begin += count;
  }
  return logits;
}

/// Mean negative log-likelihood of tokens[1..] under the logits before them.
inline double mean_nll(const Logits& logits, std::span<const int32_t> tokens) {
  double sum = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    sum += runtime::log_sum_exp(logits[i - 1]) -
           static_cast<double>(logits[i - 1][static_cast<size_t>(tokens[i])]);
  }
  return sum / static_cast<double>(tokens.size() - 1);
}

inline std::vector<int32_t> greedy(model::Model& model, device::Cpu& cpu,
                                   std::span<const int32_t> prompt, int64_t count,
                                   bool ignore_eos = true, int activation_bits = 16) {
  runtime::Session session(model, cpu, static_cast<int64_t>(prompt.size()) + count + 1);
  runtime::GenerateOptions options;
  options.max_tokens = count;
  options.sampling.temperature = 0;
  options.ignore_eos = ignore_eos;
  options.activation_bits = activation_bits;
  return runtime::generate(session, model, prompt, options, {}).tokens;
}

inline model::LoadOptions with_method(linear::Method method, int activation_bits = 16,
                                      linear::OutlierMode outliers = linear::OutlierMode::kept) {
  model::LoadOptions options;
  options.precision.method = method;
  options.precision.activation_bits = activation_bits;
  options.precision.outliers = outliers;
  return options;
}

}  // namespace octet::test
