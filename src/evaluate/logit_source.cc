// Logits from a model: feeds a window's parts to one sequence of a session.
#include "evaluate/logit_source.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace octet::evaluate {
namespace {

/// Windows that run at the same time at most, and their positions in the KV cache.
constexpr int64_t kBatchWindows = 32;
constexpr int64_t kBatchPositions = 4096;

int64_t sequences_for(const linear::Precision& precision, int64_t longest) {
  if (linear::depends_on_call(precision.method, precision.outliers)) return 1;
  return std::clamp<int64_t>(kBatchPositions / longest, 1, kBatchWindows);
}

}  // namespace

runtime::Workload scoring_workload(const linear::Precision& precision, int64_t longest) {
  return {.context = longest,
          .sequences = sequences_for(precision, longest),
          .all_logits = true,
          .most_rows = kPartRows};
}

ModelSource::ModelSource(model::Model& model, device::Cpu& cpu, int64_t longest,
                         int activation_bits)
    : model_(model),
      session_(model, cpu, longest, sequences_for(model.precision(), longest)),
      activation_bits_(activation_bits) {
  for (int64_t i = 0; i < sequences_for(model.precision(), longest); ++i)
    sequences_.push_back(session_.open());
}

int64_t ModelSource::vocabulary_size() const {
  return model_.architecture().vocabulary_size;
}

bool ModelSource::whole_windows() const {
  const linear::Precision& precision = model_.precision();
  return linear::depends_on_call(precision.method, precision.outliers);
}

void ModelSource::announce(std::span<const Window> windows) {
  announced_ = windows;
  batch_left_ = 0;
}

void ModelSource::begin(std::span<const int32_t> tokens) {
  if (batched_) batch_row_ += std::ssize(window_) - position_;  // to the end of the window before
  window_ = tokens;
  position_ = 0;
  const bool expected = !announced_.empty() && announced_.front().data() == tokens.data();
  batched_ = expected && (batch_left_ > 0 || run_batch());
  if (!expected) announced_ = {};
  if (expected) announced_ = announced_.subspan(1);
  if (batched_) --batch_left_;
  if (!batched_) session_.truncate(sequences_.front(), 0);
}

bool ModelSource::run_batch() {
  if (observed_) return false;  // it is told nothing of windows
  std::vector<runtime::Feed> feeds;
  int64_t rows = 0;
  for (const Window& window : announced_) {
    rows += std::ssize(window);
    if (rows > kPartRows || feeds.size() == sequences_.size()) break;
    const runtime::SequenceId sequence = sequences_[feeds.size()];
    session_.truncate(sequence, 0);
    feeds.push_back(
        {.sequence = sequence, .tokens = window, .all_logits = true, .no_logits = false});
  }
  if (feeds.size() < 2) return false;
  batch_left_ = std::ssize(feeds);
  batch_row_ = 0;
  rows = 0;
  for (const runtime::Feed& feed : feeds) rows += std::ssize(feed.tokens);
  batch_ = run(feeds, rows);
  return true;
}

tensor::MatrixView<const float> ModelSource::next(int64_t rows) {
  const int64_t left = static_cast<int64_t>(window_.size()) - position_;
  OCTET_CHECK(rows > 0 && rows <= left);
  tensor::MatrixView<const float> logits;
  if (batched_) {
    logits = {batch_.row(batch_row_), rows, batch_.columns};
    batch_row_ += rows;
  } else {
    const runtime::Feed feed = {.sequence = sequences_.front(),
                                .tokens = window_.subspan(position_, rows),
                                .all_logits = true,
                                .no_logits = false};
    logits = run({&feed, 1}, rows);
  }
  position_ += rows;
  return logits;
}

tensor::MatrixView<const float> ModelSource::run(std::span<const runtime::Feed> feeds,
                                                 int64_t rows) {
  const auto start = std::chrono::steady_clock::now();
  const tensor::MatrixView<float> logits = session_.run(feeds, activation_bits_, observer_);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  OCTET_CHECK(logits.rows == rows && logits.columns == vocabulary_size());
  tokens_ += rows;
  return logits;
}

}  // namespace octet::evaluate
