// Perplexity: feeds windows part by part to the sources and scores the rows on all threads.
#include "evaluate/perplexity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet::evaluate {
namespace {

std::span<const float> row_of(tensor::MatrixView<const float> rows, int64_t index) {
  return {rows.row(index), static_cast<size_t>(rows.columns)};
}

void check_windows(std::span<const Window> windows, const LogitSource& source,
                   const LogitSource* reference) {
  const int64_t vocabulary = source.vocabulary_size();
  if (reference != nullptr && reference->vocabulary_size() != vocabulary)
    fail("--reference: its vocabulary has {} tokens, the model's {}; compare the same model",
         reference->vocabulary_size(), vocabulary);
  for (const Window& window : windows) {
    OCTET_CHECK(window.size() >= 2);
    for (int32_t token : window) {
      if (token < 0 || token >= vocabulary)
        fail("token id {} lies outside the model's vocabulary of {}", token, vocabulary);
    }
  }
}

/// Runs one after the other what every part needs.
class Run {
 public:
  Run(device::ThreadTeam& team, LogitSource& source, const PerplexityOptions& options)
      : team_(team), source_(source), options_(options) {}

  void window(const Window& tokens) {
    const auto length = static_cast<int64_t>(tokens.size());
    LogitSource* const reference = options_.reference;
    const bool beside = reference != nullptr && reference != &source_;
    source_.begin(tokens);
    if (beside) reference->begin(tokens);
    if (options_.save != nullptr) options_.save->begin(tokens);
    const bool whole = source_.whole_windows() || (beside && reference->whole_windows());
    const int64_t step = whole ? length : kPartRows;
    for (int64_t first = 0; first < length; first += step) {
      const int64_t rows = std::min(step, length - first);
      const tensor::MatrixView<const float> logits = source_.next(rows);
      tensor::MatrixView<const float> other;
      if (reference != nullptr) other = beside ? reference->next(rows) : logits;
      part(tokens, first, logits, other);
      done_ += rows;
      if (options_.progress) options_.progress(static_cast<double>(done_));
    }
    ++windows_;
  }

  Perplexity result() {
    Perplexity result;
    result.tokens = static_cast<int64_t>(nll_.size());
    result.windows = windows_;
    result.nll = mean_of(nll_);
    if (options_.reference != nullptr) {
      Divergence divergence;
      divergence.kl = mean_of(kl_);
      divergence.kl_p99 = quantile_of(kl_, 0.99);
      divergence.top1_agreement = static_cast<double>(same_top_) / static_cast<double>(kl_.size());
      result.divergence = divergence;
    }
    if (options_.keep_logprobs)
      for (double nll : nll_) result.logprobs.push_back(-nll);
    result.logits = std::move(logits_);
    return result;
  }

 private:
  /// Scores rows first, first + 1, … of a window; the row after its last token predicts nothing.
  void part(const Window& tokens, int64_t first, tensor::MatrixView<const float> logits,
            tensor::MatrixView<const float> other) {
    const int64_t scored = std::min(logits.rows, static_cast<int64_t>(tokens.size()) - 1 - first);
    scores_.resize(scored);
    team_.for_each(scored, [&](int64_t i, int) {
      const std::span<const float> beside =
          other.data == nullptr ? std::span<const float>{} : row_of(other, i);
      scores_[i] = score_row(row_of(logits, i), tokens[first + i + 1], beside);
    });
    for (int64_t i = 0; i < scored; ++i) {
      const RowScore& score = scores_[i];
      if (!std::isfinite(score.nll))
        fail(
            "window {}: the probability of token {} is not a positive number; the model or the "
            "method breaks down here",
            windows_ + 1, first + i + 1);
      nll_.push_back(score.nll);
      if (options_.reference == nullptr) continue;
      kl_.push_back(score.kl);
      same_top_ += score.same_top ? 1 : 0;
    }
    if (options_.save != nullptr)
      for (int64_t i = 0; i < scored; ++i) options_.save->row(row_of(logits, i));
    if (windows_ > 0) return;
    for (int64_t position : options_.logits_at) {
      if (position < first || position >= first + logits.rows) continue;
      const auto row = row_of(logits, position - first);
      logits_.emplace_back(row.begin(), row.end());
    }
  }

  device::ThreadTeam& team_;
  LogitSource& source_;
  const PerplexityOptions& options_;
  std::vector<RowScore> scores_;
  std::vector<double> nll_;
  std::vector<double> kl_;
  std::vector<std::vector<float>> logits_;
  int64_t same_top_ = 0;
  int64_t windows_ = 0;
  int64_t done_ = 0;
};

}  // namespace

double Perplexity::value() const {
  return std::exp(nll.value);
}

double Perplexity::standard_error() const {
  return value() * nll.standard_error;
}

Perplexity perplexity(device::ThreadTeam& team, LogitSource& source,
                      std::span<const Window> windows, const PerplexityOptions& options) {
  OCTET_CHECK(!windows.empty());
  check_windows(windows, source, options.reference);
  PerplexityOptions scaled = options;
  if (options.progress) {
    const auto total =
        static_cast<double>(predicted_tokens(windows) + static_cast<int64_t>(windows.size()));
    scaled.progress = [&options, total](double done) { options.progress(done / total); };
  }
  Run run(team, source, scaled);
  source.announce(windows);
  if (options.reference != nullptr && options.reference != &source)
    options.reference->announce(windows);
  for (const Window& window : windows) run.window(window);
  return run.result();
}

}  // namespace octet::evaluate
