// Timing prompts and decode steps, and counting the bytes and operations behind them.
#include "evaluate/speed.h"

#include <random>

#include "base/error.h"
#include "runtime/session.h"

namespace octet::evaluate {

using linear::Linear;

int64_t step_weight_bytes(const Linear& linear) {
  const linear::LinearParts& parts = linear.parts();
  size_t bytes = parts.panels32.bytes() + parts.bias.bytes();
  if (!linear::is_int8(parts.method)) {
    bytes += parts.panels16.bytes();
  } else {
    bytes += parts.codes.bytes() + parts.column_sums.bytes() + parts.column_scales.bytes() +
             parts.column_zeros.bytes() + parts.kept_panels.bytes();
  }
  return static_cast<int64_t>(bytes);
}

namespace {

/// Calls function(linear, is_head) for every linear layer that a step multiplies with.
template <typename Function>
void for_each_linear(const model::Model& model, const Function& function) {
  const model::Weights& weights = model.weights();
  if (weights.embedding_projection) function(*weights.embedding_projection, false);
  for (const model::Layer& layer : weights.layers) {
    for (const Linear* linear :
         {&layer.qkv, &layer.attention_output, &layer.router, &layer.up, &layer.down}) {
      if (linear->outputs() > 0) function(*linear, false);
    }
    if (layer.experts.empty()) continue;
    // All experts of a layer are of one size.
    for (int64_t i = 0; i < model.architecture().experts_per_token; ++i) {
      function(layer.experts[static_cast<size_t>(i)].up, false);
      function(layer.experts[static_cast<size_t>(i)].down, false);
    }
  }
  if (weights.output_projection) function(*weights.output_projection, true);
  function(*weights.lm_head, true);
}

}  // namespace

int64_t step_weight_bytes(const model::Model& model) {
  int64_t bytes = 0;
  for_each_linear(model, [&](const Linear& linear, bool) { bytes += step_weight_bytes(linear); });
  return bytes;
}

double Operations::seconds_at(const Roofline& roofline) const {
  double seconds = 0;
  if (int8 > 0) seconds += int8 / roofline.int8_per_s;
  if (sixteen_bit > 0) seconds += sixteen_bit / roofline.bfloat16_per_s;
  if (float32 > 0) seconds += float32 / roofline.float32_per_s;
  return seconds;
}

Operations operations_of(const Linear& linear, int64_t rows, int activation_bits) {
  const double once = 2.0 * static_cast<double>(rows) * static_cast<double>(linear.inputs()) *
                      static_cast<double>(linear.outputs());
  const linear::LinearParts& parts = linear.parts();
  Operations operations;
  if (parts.method == linear::Method::fp32) {
    operations.float32 = once;
  } else if (!linear::is_int8(parts.method)) {
    // Products of planes: (hi, hi), (lo, hi) with two of activations, (hi, lo) of f16 weights.
    const int products =
        linear.precision().sixteen_bit_planes + (parts.sixteen_bit == ops::SixteenBit::f16 ? 1 : 0);
    operations.sixteen_bit = once * products;
  } else {
    const bool two_planes = parts.method == linear::Method::llm_int8 && activation_bits == 16;
    operations.int8 = once * (two_planes ? 2 : 1);
  }
  return operations;
}

Operations step_operations(const model::Model& model, int64_t rows, int64_t logit_rows,
                           int activation_bits) {
  Operations sum;
  for_each_linear(model, [&](const Linear& linear, bool is_head) {
    const Operations one = operations_of(linear, is_head ? logit_rows : rows, activation_bits);
    sum.int8 += one.int8;
    sum.sixteen_bit += one.sixteen_bit;
    sum.float32 += one.float32;
  });
  return sum;
}

std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary_size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(random() % static_cast<uint64_t>(vocabulary_size));
  }
  return tokens;
}

PromptSpeed prompt_speed(device::Cpu& cpu, model::Model& model, const SpeedOptions& options) {
  const std::vector<int32_t> tokens =
      random_tokens(options.prompt_tokens, model.architecture().vocabulary_size, options.seed);
  runtime::Session session(model, cpu, options.prompt_tokens);
  const runtime::SequenceId sequence = session.open();
  const auto once = [&] {
    session.truncate(sequence, 0);
    const runtime::Feed feed{.sequence = sequence, .tokens = tokens};
    return seconds_of([&] { session.run({&feed, 1}, options.activation_bits); });
  };
  once();  // warms caches, clocks and buffers
  const std::vector<double> seconds = repeat(once, options.limits);
  PromptSpeed speed;
  speed.seconds = median(seconds);
  speed.tokens_per_s = static_cast<double>(options.prompt_tokens) / speed.seconds;
  speed.operations = step_operations(model, options.prompt_tokens, 1, options.activation_bits);
  speed.repeats = static_cast<int>(seconds.size());
  return speed;
}

namespace {

/// Sequences that all take one token per step.
class DecodeBatch {
 public:
  DecodeBatch(device::Cpu& cpu, model::Model& model, int64_t batch, const SpeedOptions& options)
      : options_(options),
        session_(model, cpu, options.decode_tokens, batch),
        tokens_(random_tokens(options.decode_tokens * batch, model.architecture().vocabulary_size,
                              options.seed + 1)),
        feeds_(static_cast<size_t>(batch)) {
    for (runtime::Feed& feed : feeds_) feed.sequence = session_.open();
  }

  /// Seconds of all steps, from empty sequences on.
  double run(int64_t steps) {
    for (const runtime::Feed& feed : feeds_) session_.truncate(feed.sequence, 0);
    return seconds_of([&] {
      auto token = tokens_.begin();
      for (int64_t step = 0; step < steps; ++step) {
        for (runtime::Feed& feed : feeds_) feed.tokens = {token++, 1};
        session_.run(feeds_, options_.activation_bits);
      }
    });
  }

 private:
  const SpeedOptions& options_;
  runtime::Session session_;
  std::vector<int32_t> tokens_;
  std::vector<runtime::Feed> feeds_;
};

}  // namespace

DecodeSpeed decode_speed(device::Cpu& cpu, model::Model& model, int64_t batch,
                         const SpeedOptions& options) {
  OCTET_CHECK(batch > 0 && options.decode_tokens > 0);
  DecodeBatch sequences(cpu, model, batch, options);
  sequences.run(std::min<int64_t>(options.decode_tokens, 4));  // warms caches, clocks and buffers
  const std::vector<double> seconds =
      repeat([&] { return sequences.run(options.decode_tokens); }, options.limits);
  DecodeSpeed speed;
  speed.batch = batch;
  speed.step_s = median(seconds) / static_cast<double>(options.decode_tokens);
  speed.tokens_per_s = static_cast<double>(batch) / speed.step_s;
  speed.bytes_per_s = static_cast<double>(step_weight_bytes(model)) / speed.step_s;
  speed.repeats = static_cast<int>(seconds.size());
  return speed;
}

}  // namespace octet::evaluate
