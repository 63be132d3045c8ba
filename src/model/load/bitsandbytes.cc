// bitsandbytes' int8 checkpoints, as Hugging Face transformers writes them.
#include "model/load/bitsandbytes.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "checkpoint/layout.h"

namespace octet::model {

using nlohmann::json;

namespace {

constexpr std::string_view kWeight = ".weight";

std::string config_file(const checkpoint::Checkpoint& checkpoint) {
  return (checkpoint.path() / "config.json").string();
}

bool flag(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const json* quantization_config(const checkpoint::Checkpoint& checkpoint) {
  if (checkpoint.gguf() != nullptr || !checkpoint.config().is_object()) return nullptr;
  const auto found = checkpoint.config().find("quantization_config");
  if (found == checkpoint.config().end() || found->is_null()) return nullptr;
  if (!found->is_object()) {
    fail("{}: \"quantization_config\" is not an object", config_file(checkpoint));
  }
  return &*found;
}

}  // namespace

bool is_bitsandbytes(const checkpoint::Checkpoint& checkpoint) {
  const json* quantization = quantization_config(checkpoint);
  if (quantization == nullptr) return false;
  const auto method = quantization->find("quant_method");
  // Old files have no method but say load_in_8bit.
  const bool named = method != quantization->end() && method->is_string();
  const std::string name = named ? method->get<std::string>() : "bitsandbytes";
  if (name != "bitsandbytes" || flag(*quantization, "load_in_4bit")) {
    fail(
        "{}: the weights are quantised ({}{}); octet reads unquantised and bitsandbytes' int8 ones",
        config_file(checkpoint), name, name == "bitsandbytes" ? ", 4 bits" : "");
  }
  return flag(*quantization, "load_in_8bit");
}

LoadOptions fit_to_bitsandbytes(const checkpoint::Checkpoint& checkpoint, LoadOptions options) {
  using linear::Method;
  const std::string file = config_file(checkpoint);
  linear::Precision& precision = options.precision;
  if (linear::is_int8(precision.method) && precision.method != Method::llm_int8 &&
      precision.method != Method::absmax_vectorwise) {
    fail(
        "{}: the weights are int8 already, with a scale for each row; --method {} would quantise "
        "them twice, so load the original checkpoint for it",
        file, linear::name(precision.method));
  }
  if (precision.outliers == linear::OutlierMode::kept &&
      linear::has_decomposition(precision.method)) {
    if (options.asked.outliers) {
      fail("{}: there are no 16-bit weights to keep columns of; use --outliers token or batch",
           file);
    }
    precision.outliers = linear::OutlierMode::token;
  }
  const json& quantization = *quantization_config(checkpoint);
  const auto threshold = quantization.find("llm_int8_threshold");
  if (!options.asked.threshold && threshold != quantization.end() && !threshold->is_null()) {
    if (!threshold->is_number() || !(threshold->get<double>() >= 0)) {
      fail("{}: \"llm_int8_threshold\" is not a number ≥ 0", file);
    }
    precision.threshold = threshold->get<float>();
  }
  return options;
}

std::string bitsandbytes_name(const std::string& weight, const std::string& ending) {
  OCTET_CHECK(weight.ends_with(kWeight));
  return weight.substr(0, weight.size() - kWeight.size()) + ending;
}

tensor::Shared<float> bitsandbytes_scales(const checkpoint::Checkpoint& checkpoint,
                                          const std::string& weight, const tensor::Shape& shape) {
  const tensor::View& codes = checkpoint.at(weight);
  if (codes.shape != shape) {
    fail("{} has shape {} instead of {}; it does not fit the configuration",
         checkpoint.where(weight), checkpoint::printable(codes.shape),
         checkpoint::printable(shape));
  }
  const std::string format_name = bitsandbytes_name(weight, ".weight_format");
  const tensor::View* format = checkpoint.find(format_name);
  if (format != nullptr && (format->bytes.size() != 1 || format->bytes[0] != std::byte{0})) {
    fail(
        "{}: the int8 weights are in a GPU's layout; save the model again with a newer "
        "bitsandbytes",
        checkpoint.where(format_name));
  }
  const tensor::View& stored = checkpoint.at(bitsandbytes_name(weight, ".SCB"), {shape[0]});
  tensor::Array<float> scales(shape[0]);
  checkpoint::decode_rows(stored, 0, 1, scales.data());
  return tensor::Shared<float>(std::move(scales));
}

}  // namespace octet::model
