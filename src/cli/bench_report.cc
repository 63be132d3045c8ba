// Printing speeds beside the ceilings measured in the same run.
#include "cli/bench_report.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/report.h"
#include "evaluate/markdown_table.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

std::string percent(double share) {
  return fmt::format("{:.0f}%", share * 100);
}

/// Where a step's weights come from when every step reads them again.
bool weights_fit_cache(const Machine& machine, int64_t bytes) {
  return bytes <= machine.roofline.cache_bytes;
}

double share_of_dram(const Machine& machine, double bytes_per_s) {
  return bytes_per_s / machine.roofline.dram_bytes_per_s;
}

std::string machine_line(const Machine& machine) {
  const evaluate::Roofline& roofline = machine.roofline;
  return fmt::format(
      "{} threads, {}. Ceilings: int8 {:.2f} TOPS, bf16 {:.2f} TFLOPS, float32 {:.2f} TFLOPS, DRAM "
      "read {:.1f} GB/s (over {}); last-level cache {}\n",
      machine.threads, device::name(machine.isa), roofline.int8_per_s / 1e12,
      roofline.bfloat16_per_s / 1e12, roofline.float32_per_s / 1e12,
      roofline.dram_bytes_per_s / 1e9, size_text(roofline.dram_buffer_bytes),
      size_text(roofline.cache_bytes));
}

Json ceilings(const evaluate::Roofline& roofline) {
  return {{"int8_tops", roofline.int8_per_s / 1e12},
          {"bf16_tflops", roofline.bfloat16_per_s / 1e12},
          {"float32_tflops", roofline.float32_per_s / 1e12},
          {"dram_gb_per_s", roofline.dram_bytes_per_s / 1e9},
          {"dram_buffer_bytes", roofline.dram_buffer_bytes},
          {"cache_bytes", roofline.cache_bytes}};
}

std::string precision_text(const linear::Precision& precision) {
  std::string text = fmt::format("{}, {}-bit activations", linear::name(precision.method),
                                 activation_bits_of(precision));
  if (linear::decomposes(precision)) {
    text += fmt::format(", outliers {} at {}", linear::name(precision.outliers),
                        linear::thresholds_text(precision));
  }
  return text;
}

double prompt_share(const Machine& machine, const ModelReport& report) {
  return report.prompt.operations.seconds_at(machine.roofline) / report.prompt.seconds;
}

}  // namespace

std::string roofline_text(const Machine& machine) {
  const evaluate::Roofline& roofline = machine.roofline;
  const Rows rows = {{"ceiling", fmt::format("{} threads", machine.threads)},
                     {fmt::format("int8 ({})", device::name(machine.isa)),
                      fmt::format("{:.2f} TOPS", roofline.int8_per_s / 1e12)},
                     {"bf16", fmt::format("{:.2f} TFLOPS", roofline.bfloat16_per_s / 1e12)},
                     {"float32", fmt::format("{:.2f} TFLOPS", roofline.float32_per_s / 1e12)},
                     {fmt::format("DRAM read, {}", size_text(roofline.dram_buffer_bytes)),
                      fmt::format("{:.1f} GB/s", roofline.dram_bytes_per_s / 1e9)},
                     {"last-level cache", size_text(roofline.cache_bytes)}};
  return evaluate::markdown_table(rows);
}

Json roofline_json(const Machine& machine) {
  return {{"threads", machine.threads},
          {"isa", device::name(machine.isa)},
          {"roofline", ceilings(machine.roofline)}};
}

std::string model_text(const Machine& machine, const ModelReport& report) {
  std::string text =
      fmt::format("{}: {}; weights {}, loaded in {:.1f} s\n", report.model,
                  precision_text(report.precision), size_text(report.weights_bytes), report.load_s);
  text += machine_line(machine) + "\n";
  const evaluate::PromptSpeed& prompt = report.prompt;
  Rows rows = {
      {"", "tokens/s", "ms", "reached", "of ceiling"},
      {fmt::format("prompt of {}", report.prompt_tokens),
       fmt::format("{:.1f}", prompt.tokens_per_s), fmt::format("{:.1f}", prompt.seconds * 1e3),
       fmt::format("{:.2f} TOPS", prompt.operations.total() / prompt.seconds / 1e12),
       percent(prompt_share(machine, report))}};
  for (const evaluate::DecodeSpeed& speed : report.decode) {
    rows.push_back({fmt::format("decode {}, batch {}", report.decode_tokens, speed.batch),
                    fmt::format("{:.1f}", speed.tokens_per_s),
                    fmt::format("{:.2f}", speed.step_s * 1e3),
                    fmt::format("{:.1f} GB/s", speed.bytes_per_s / 1e9),
                    percent(share_of_dram(machine, speed.bytes_per_s))});
  }
  text += evaluate::markdown_table(rows);
  text += fmt::format(
      "\nprompt: operations of the linear layers against the arithmetic peak; decode: a step reads "
      "{} of weights, which {} the last-level cache, against DRAM\n",
      size_text(report.step_weight_bytes),
      weights_fit_cache(machine, report.step_weight_bytes) ? "fit" : "do not fit");
  return text;
}

Json model_json(const Machine& machine, const ModelReport& report) {
  Json object = {{"model", report.model},
                 {"method", linear::name(report.precision.method)},
                 {"activation_bits", activation_bits_of(report.precision)}};
  if (linear::has_decomposition(report.precision.method)) {
    object["outliers"] = linear::name(report.precision.outliers);
    add_threshold_json(object, report.precision);
  }
  object["threads"] = machine.threads;
  object["isa"] = device::name(machine.isa);
  object["load_s"] = report.load_s;
  object["weights_bytes"] = report.weights_bytes;
  object["step_weight_bytes"] = report.step_weight_bytes;
  object["weights_fit_cache"] = weights_fit_cache(machine, report.step_weight_bytes);
  object["prompt_tokens"] = report.prompt_tokens;
  object["prompt_tokens_per_s"] = report.prompt.tokens_per_s;
  object["prompt_tops"] = report.prompt.operations.total() / report.prompt.seconds / 1e12;
  object["prompt_share_of_peak"] = prompt_share(machine, report);
  object["prompt_repeats"] = report.prompt.repeats;
  object["decode_tokens"] = report.decode_tokens;
  object["decode"] = Json::array();
  for (const evaluate::DecodeSpeed& speed : report.decode) {
    object["decode"].push_back({{"batch", speed.batch},
                                {"tokens_per_s", speed.tokens_per_s},
                                {"step_ms", speed.step_s * 1e3},
                                {"gb_per_s", speed.bytes_per_s / 1e9},
                                {"share_of_dram", share_of_dram(machine, speed.bytes_per_s)},
                                {"repeats", speed.repeats}});
  }
  object["roofline"] = ceilings(machine.roofline);
  return object;
}

std::string matmul_text(const Machine& machine,
                        const std::vector<evaluate::MatmulVariant>& variants,
                        const std::vector<MatmulReport>& reports) {
  std::string text = machine_line(machine);
  Rows head = {{"", "d", "rows", "µs", "vs 16-bit", "of peak", "of DRAM"}};
  for (const MatmulReport& report : reports) {
    text += "\n";
    Rows rows = head;
    for (const evaluate::MatmulSpeed& speed : report.speeds) {
      rows.push_back({variants[speed.variant].name, std::to_string(report.inputs),
                      std::to_string(speed.rows), fmt::format("{:.1f}", speed.seconds * 1e6),
                      fmt::format("{:.2f}", speed.speedup), percent(speed.share_of_peak),
                      percent(speed.share_of_dram)});
    }
    text += evaluate::markdown_table(rows);
  }
  return text;
}

Json matmul_json(const Machine& machine, const std::vector<evaluate::MatmulVariant>& variants,
                 const std::vector<MatmulReport>& reports) {
  Json object = roofline_json(machine);
  object["matmul"] = Json::array();
  for (const MatmulReport& report : reports) {
    for (const evaluate::MatmulSpeed& speed : report.speeds) {
      const evaluate::MatmulVariant& variant = variants[speed.variant];
      Json one = {{"inputs", report.inputs},
                  {"outputs", report.outputs},
                  {"rows", speed.rows},
                  {"variant", variant.name},
                  {"method", linear::name(variant.precision.method)},
                  {"activation_bits", activation_bits_of(variant.precision)}};
      if (linear::decomposes(variant.precision)) {
        one["outliers"] = linear::name(variant.precision.outliers);
      }
      one["product_alone"] = variant.product_alone;
      one["microseconds"] = speed.seconds * 1e6;
      one["speedup_over_16bit"] = speed.speedup;
      one["tops"] = speed.operations / speed.seconds / 1e12;
      one["gb_per_s"] = speed.weight_bytes / speed.seconds / 1e9;
      one["share_of_peak"] = speed.share_of_peak;
      one["share_of_dram"] = speed.share_of_dram;
      object["matmul"].push_back(std::move(one));
    }
  }
  return object;
}

}  // namespace octet::cli
