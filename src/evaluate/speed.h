// A model's speed: prompt and decode tokens per second, and the work behind them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "device/cpu.h"
#include "evaluate/roofline.h"
#include "evaluate/timing.h"
#include "model/model.h"

namespace octet::evaluate {

/// Bytes of packed weights that one step reads: every linear layer's codes or 16/32-bit panels,
/// column scales and sums, kept columns and bias, the lm_head's among them. Not counted: rows of
/// the embedding that are gathered, norms, the 16-bit originals that `batch` takes columns from,
/// and the KV cache. Of a layer's experts as many as one row goes through.
int64_t step_weight_bytes(const model::Model& model);
int64_t step_weight_bytes(const linear::Linear& linear);

/// Operations (two per multiply-add) of linear layers, without padding and kept columns. With two
/// planes of activations or of weights every product counts as often as it is done.
struct Operations {
  double int8 = 0;
  double sixteen_bit = 0;
  double float32 = 0;

  double total() const { return int8 + sixteen_bit + float32; }
  /// Of `times` as many rows.
  Operations operator*(double times) const {
    return {int8 * times, sixteen_bit * times, float32 * times};
  }
  /// Seconds that they take at the machine's peaks.
  double seconds_at(const Roofline& roofline) const;
};
/// Of `rows` rows of a step, `logit_rows` of which go through the lm_head.
Operations step_operations(const model::Model& model, int64_t rows, int64_t logit_rows,
                           int activation_bits);
Operations operations_of(const linear::Linear& linear, int64_t rows, int activation_bits);

struct SpeedOptions {
  int64_t prompt_tokens = 512;
  int64_t decode_tokens = 64;
  int activation_bits = 16;
  uint64_t seed = 0;  ///< of the token ids
  RepeatLimits limits = {};
};

struct PromptSpeed {
  double tokens_per_s = 0;
  double seconds = 0;  ///< median of a prompt
  Operations operations;
  int repeats = 0;
};

struct DecodeSpeed {
  int64_t batch = 0;
  double tokens_per_s = 0;  ///< of all sequences together
  double step_s = 0;        ///< mean step of the median run
  double bytes_per_s = 0;   ///< step_weight_bytes / step_s
  int repeats = 0;
};

/// A prompt of pseudo-random tokens in an empty sequence, with logits of its last token.
PromptSpeed prompt_speed(device::Cpu& cpu, model::Model& model, const SpeedOptions& options);

/// `decode_tokens` steps of `batch` sequences that start empty, each fed a pseudo-random token per
/// step, with logits of all. Nothing is sampled.
DecodeSpeed decode_speed(device::Cpu& cpu, model::Model& model, int64_t batch,
                         const SpeedOptions& options);

/// Pseudo-random ids below `vocabulary_size`.
std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary_size, uint64_t seed);

}  // namespace octet::evaluate
