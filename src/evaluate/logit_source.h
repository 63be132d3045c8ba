// Where the logits of a window come from: a model run, or a file of saved log-probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "device/cpu.h"
#include "evaluate/windows.h"
#include "model/model.h"
#include "runtime/plan.h"
#include "runtime/session.h"
#include "tensor/view.h"

namespace octet::evaluate {

/// Rows asked for at once: large enough for a full matrix product, small enough that the logits of
/// two models stay some tens of megabytes.
inline constexpr int64_t kPartRows = 256;

/// Gives logits window by window, each in consecutive parts.
class LogitSource {
 public:
  virtual ~LogitSource() = default;

  virtual int64_t vocabulary_size() const = 0;
  /// True when a window has to be asked for in one part (methods that look at the whole call).
  virtual bool whole_windows() const = 0;
  /// Says which windows will be begun, in this order, so that short ones can be computed together.
  /// They must outlive the run.
  virtual void announce(std::span<const Window> windows) { (void)windows; }
  /// Starts the next window; `tokens` must outlive its parts.
  virtual void begin(std::span<const int32_t> tokens) = 0;
  /// Logits after each of the next `rows` tokens, [rows, vocabulary], up to a constant per row;
  /// valid until the next call. A saved file has none for a window's last token: one row fewer.
  virtual tensor::MatrixView<const float> next(int64_t rows) = 0;
};

/// What a ModelSource runs, for what a GPU must have room for. `longest`: tokens of the longest
/// window.
runtime::Workload scoring_workload(const linear::Precision& precision, int64_t longest);

/// Runs a model, each window in a fresh context. Short windows run several at a time, as sequences
/// of one step, which changes no bit; where a result depends on the whole call, never.
class ModelSource final : public LogitSource {
 public:
  /// `longest`: tokens of the longest window. `model` and `cpu` must outlive this.
  ModelSource(model::Model& model, device::Cpu& cpu, int64_t longest, int activation_bits);

  int64_t vocabulary_size() const override;
  bool whole_windows() const override;
  void announce(std::span<const Window> windows) override;
  void begin(std::span<const int32_t> tokens) override;
  tensor::MatrixView<const float> next(int64_t rows) override;

  /// From now on every pass is observed so, with one window in it.
  void observe(model::PassObserver observer) {
    observer_ = std::move(observer);
    observed_ = true;
  }

  /// Time spent in the model, and the tokens it read in that time.
  double seconds() const { return seconds_; }
  int64_t tokens() const { return tokens_; }

 private:
  /// Runs the announced windows that fit into a part together; false when those are fewer than two.
  bool run_batch();
  tensor::MatrixView<const float> run(std::span<const runtime::Feed> feeds, int64_t rows);

  model::Model& model_;
  runtime::Session session_;
  std::vector<runtime::SequenceId> sequences_;
  int activation_bits_;
  std::span<const Window> announced_;  ///< those not begun yet
  int64_t batch_left_ = 0;             ///< announced windows whose logits are in batch_
  tensor::MatrixView<const float> batch_;
  int64_t batch_row_ = 0;  ///< where the current window's next row is in batch_
  bool batched_ = false;   ///< the current window is in batch_
  model::PassObserver observer_;
  bool observed_ = false;
  std::span<const int32_t> window_;
  int64_t position_ = 0;
  double seconds_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace octet::evaluate
