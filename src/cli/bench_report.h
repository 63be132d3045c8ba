// How octet bench prints its figures: markdown tables, or JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "device/cpu.h"
#include "evaluate/matmul_speed.h"
#include "evaluate/roofline.h"
#include "evaluate/speed.h"

namespace octet::cli {

/// The machine and its ceilings, as everything of one run is compared with.
struct Machine {
  int threads = 1;
  device::Isa isa = device::Isa::scalar;
  std::string gpu = {};  ///< its name, when the ceilings are a GPU's; peaks may be 0, unknown
  evaluate::Roofline roofline;
};

struct ModelReport {
  std::string model;  ///< path of the model or of the config
  linear::Precision precision;
  double load_s = 0;
  int64_t weights_bytes = 0;
  int64_t step_weight_bytes = 0;
  int64_t prompt_tokens = 0;
  int64_t decode_tokens = 0;
  evaluate::PromptSpeed prompt;
  std::vector<evaluate::DecodeSpeed> decode;
};

/// One size of the matmul bench.
struct MatmulReport {
  int64_t inputs = 0;
  int64_t outputs = 0;
  std::vector<evaluate::MatmulSpeed> speeds;
};

std::string roofline_text(const Machine& machine);
nlohmann::ordered_json roofline_json(const Machine& machine);

std::string model_text(const Machine& machine, const ModelReport& report);
nlohmann::ordered_json model_json(const Machine& machine, const ModelReport& report);

std::string matmul_text(const Machine& machine,
                        const std::vector<evaluate::MatmulVariant>& variants,
                        const std::vector<MatmulReport>& reports);
nlohmann::ordered_json matmul_json(const Machine& machine,
                                   const std::vector<evaluate::MatmulVariant>& variants,
                                   const std::vector<MatmulReport>& reports);

}  // namespace octet::cli
