// Where the logits of a window come from: a model run, or a file of saved log-probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "device/cpu.h"
#include "model/model.h"
#include "runtime/session.h"
#include "tensor/view.h"

namespace octet::evaluate {

/// Gives logits window by window, each in consecutive parts.
class LogitSource {
 public:
  virtual ~LogitSource() = default;

  virtual int64_t vocabulary_size() const = 0;
  /// True when a window has to be asked for in one part (methods that look at the whole call).
  virtual bool whole_windows() const = 0;
  /// Starts the next window; `tokens` must outlive its parts.
  virtual void begin(std::span<const int32_t> tokens) = 0;
  /// Logits after each of the next `rows` tokens, [rows, vocabulary], up to a constant per row;
  /// valid until the next call. A saved file has none for a window's last token: one row fewer.
  virtual tensor::MatrixView<const float> next(int64_t rows) = 0;
};

/// Runs a model, one sequence at a time, each window in a fresh context.
class ModelSource final : public LogitSource {
 public:
  /// `longest`: tokens of the longest window. `model` and `cpu` must outlive this.
  ModelSource(model::Model& model, device::Cpu& cpu, int64_t longest, int activation_bits);

  int64_t vocabulary_size() const override;
  bool whole_windows() const override;
  void begin(std::span<const int32_t> tokens) override;
  tensor::MatrixView<const float> next(int64_t rows) override;

  /// From now on every pass is observed so.
  void observe(model::PassObserver observer) { observer_ = std::move(observer); }

  /// Time spent in the model, and the tokens it read in that time.
  double seconds() const { return seconds_; }
  int64_t tokens() const { return tokens_; }

 private:
  model::Model& model_;
  runtime::Session session_;
  runtime::SequenceId sequence_;
  int activation_bits_;
  model::PassObserver observer_;
  std::span<const int32_t> window_;
  int64_t position_ = 0;
  double seconds_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace octet::evaluate
