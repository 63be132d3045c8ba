// Logits from a model: feeds a window's parts to one sequence of a session.
#include "evaluate/logit_source.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace octet::evaluate {

ModelSource::ModelSource(model::Model& model, device::Cpu& cpu, int64_t longest,
                         int activation_bits)
    : model_(model),
      session_(model, cpu, longest),
      sequence_(session_.open()),
      activation_bits_(activation_bits) {}

int64_t ModelSource::vocabulary_size() const {
  return model_.architecture().vocabulary_size;
}

bool ModelSource::whole_windows() const {
  const linear::Precision& precision = model_.precision();
  return linear::depends_on_call(precision.method, precision.outliers);
}

void ModelSource::begin(std::span<const int32_t> tokens) {
  session_.truncate(sequence_, 0);
  window_ = tokens;
  position_ = 0;
}

tensor::MatrixView<const float> ModelSource::next(int64_t rows) {
  const int64_t left = static_cast<int64_t>(window_.size()) - position_;
  OCTET_CHECK(rows > 0 && rows <= left);
  const runtime::Feed feed = {.sequence = sequence_,
                              .tokens = window_.subspan(position_, rows),
                              .all_logits = true,
                              .no_logits = false};
  const auto start = std::chrono::steady_clock::now();
  const tensor::MatrixView<float> logits = session_.run({&feed, 1}, activation_bits_, observer_);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  OCTET_CHECK(logits.rows == rows && logits.columns == vocabulary_size());
  position_ += rows;
  tokens_ += rows;
  return logits;
}

}  // namespace octet::evaluate
