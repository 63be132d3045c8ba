// The operations of a forward pass on a CPU.
#include "model/cpu_forward.h"

#include <algorithm>

#include "base/error.h"
#include "model/rows.h"
#include "ops/simd/map.h"

namespace octet::model {

using tensor::MatrixView;

CpuForwardPass::CpuForwardPass(device::Cpu& cpu, const Architecture& architecture,
                               const Weights& weights, const Step& step, KvCache& cache,
                               Scratch& scratch, Stack stack)
    : ForwardPass(architecture, weights, step, stack),
      cpu_(cpu),
      cache_(cache),
      scratch_(scratch),
      norm_(ops::choose(ops::norm_kernels(), cpu.features()).function),
      rope_(ops::choose(ops::rope_kernels(), cpu.features()).function),
      activation_(ops::choose(ops::activation_kernels(), cpu.features()).function) {
  const Architecture& a = architecture_;
  hidden_ = matrix(scratch.hidden, rows_, a.hidden_size);
  normed_ = matrix(scratch.normed, rows_, a.hidden_size);
  qkv_ = matrix(scratch.qkv, rows_, a.query_size() + 2 * a.kv_size());
  attention_ = matrix(scratch.attention, rows_, a.query_size());
  up_ = matrix(scratch.up, rows_, a.intermediate_size * (a.gated ? 2 : 1));
  plan_attention();
  if (a.positions == Positions::rope) rotary_angles();
}

MatrixView<float> CpuForwardPass::embedded(int64_t rows) {
  return matrix(scratch_.embedded, rows, architecture_.embedding_size);
}

void CpuForwardPass::look_up_tokens(MatrixView<float> out) {
  const float factor = architecture_.embedding_scale;
  for_rows(cpu_, rows_, out.columns, [&](int64_t row) {
    float* values = out.row(row);
    weights_.token_embedding->read_row(step_.tokens[static_cast<size_t>(row)], values);
    if (factor == 1) return;
    for (int64_t i = 0; i < out.columns; ++i) values[i] *= factor;
  });
}

void CpuForwardPass::add_positions() {
  const Architecture& a = architecture_;
  for_rows(cpu_, rows_, a.hidden_size, [&](int64_t row) {
    const size_t s = slice_of(row);
    const int64_t position = step_.slices[s].first_position + row - slice_rows_[s];
    const float* values =
        &weights_.position_embedding[(position + a.position_offset) * a.hidden_size];
    float* hidden = hidden_.row(row);
    for (int64_t i = 0; i < a.hidden_size; ++i) hidden[i] += values[i];
  });
}

MatrixView<float> CpuForwardPass::normalised(const Norm& norm, MatrixView<float> x,
                                             MatrixView<float> out) {
  if (!norm.present()) return x;
  for_rows(cpu_, x.rows, 4 * x.columns,
           [&](int64_t row) { normalise_row(norm, x.row(row), x.columns, out.row(row)); });
  return out;
}

void CpuForwardPass::normalise_row(const Norm& norm, const float* x, int64_t columns, float* out) {
  norm_({.x = x,
         .columns = columns,
         .weight = norm.weight.data(),
         .bias = norm.bias.size() > 0 ? norm.bias.data() : nullptr,
         .weight_offset = architecture_.norm_weight_offset,
         .epsilon = architecture_.norm_epsilon,
         .subtract_mean = architecture_.norm == NormKind::layer,
         .out = out});
}

void CpuForwardPass::make_row(const Input& input, int64_t row) {
  const Architecture& a = architecture_;
  float* values = input.rows.row(row);
  if (input.pending == Input::Pending::norm) {
    normalise_row(*input.norm, input.source.row(row), input.rows.columns, values);
  } else if (input.pending == Input::Pending::activation) {
    activation_({.kind = a.activation,
                 .x = values,
                 .up = a.gated ? values + a.intermediate_size : nullptr,
                 .columns = a.intermediate_size,
                 .out = values});
  }
}

MatrixView<float> CpuForwardPass::made(Input& input) {
  if (input.pending != Input::Pending::nothing) {
    for_rows(cpu_, input.rows.rows, 4 * input.rows.columns,
             [&](int64_t row) { make_row(input, row); });
    input.pending = Input::Pending::nothing;
  }
  return input.rows;
}

CpuForwardPass::Input CpuForwardPass::observed(const PassObserver& observer, int64_t index,
                                               LinearId id, const Input& x) {
  if (!observer.input) return x;
  Input whole = x;
  const MatrixView<float> rows = made(whole);
  const MatrixView<float> own = matrix(scratch_.observed, rows.rows, rows.columns);
  for_rows(cpu_, rows.rows, rows.columns,
           [&](int64_t row) { std::copy_n(rows.row(row), rows.columns, own.row(row)); });
  observer.input(index, id, own);
  return {.rows = own};
}

void CpuForwardPass::apply(const linear::Linear& linear, const Input& x, MatrixView<float> out,
                           const float* residual, int64_t residual_stride, int64_t layer,
                           std::string_view what, std::span<const int64_t> calls) {
  const auto make = [&](int64_t row) { make_row(x, row); };
  const device::FunctionRef<void(int64_t)> make_row = make;
  const int64_t bad =
      linear.forward(cpu_, x.rows, out,
                     {.activation_bits = step_.activation_bits,
                      .calls = calls,
                      .residual = residual,
                      .residual_stride = residual_stride,
                      .make_row = x.pending == Input::Pending::nothing ? nullptr : &make_row},
                     scratch_.linear);
  if (bad >= 0) fail_input(layer, what, bad);
}

void CpuForwardPass::add_to_hidden(MatrixView<const float> x) {
  for_rows(cpu_, x.rows, x.columns, [&](int64_t row) {
    float* hidden = hidden_.row(row);
    for (int64_t i = 0; i < x.columns; ++i) hidden[i] += x.row(row)[i];
  });
}

void CpuForwardPass::scale(MatrixView<float> x, float factor) {
  for_rows(cpu_, x.rows, x.columns, [&](int64_t row) {
    for (int64_t i = 0; i < x.columns; ++i) x.row(row)[i] *= factor;
  });
}

void CpuForwardPass::gather_logit_rows() {
  // Rows ascend, so none is overwritten before it is read.
  for (int64_t i = 0; i < std::ssize(step_.logit_rows); ++i) {
    const int64_t row = step_.logit_rows[static_cast<size_t>(i)];
    if (row != i) std::copy_n(hidden_.row(row), hidden_.columns, hidden_.row(i));
  }
}

void CpuForwardPass::cap_logits(MatrixView<float> logits) {
  const float cap = architecture_.logit_softcap;
  const auto map = ops::choose(ops::map_kernels(), cpu_.features()).function;
  for_rows(cpu_, logits.rows, logits.columns, [&](int64_t row) {
    float* values = logits.row(row);
    for (int64_t i = 0; i < logits.columns; ++i) values[i] /= cap;
    map({.function = ops::Elementary::tanh, .x = values, .count = logits.columns, .out = values});
    for (int64_t i = 0; i < logits.columns; ++i) values[i] *= cap;
  });
}

}  // namespace octet::model
