// Writing bitsandbytes' int8 checkpoints.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include "checkpoint/decode.h"
#include "checkpoint/safetensors.h"
#include "linear/kernels.h"
#include "model/families/families.h"
#include "model/load/bitsandbytes.h"
#include "model/load/checkpoint_reader.h"
#include "model/load/layer_precision.h"
#include "model/load/output_directory.h"
#include "model/load/quantized.h"
#include "quant/absmax.h"

namespace octet::model {

using nlohmann::json;
using tensor::DType;

namespace {

/// A linear layer's matrix as bitsandbytes stores it.
struct CodeMatrix {
  tensor::Array<int8_t> codes;  ///< [outputs][inputs]
  tensor::Array<float> scales;  ///< [outputs]
};

/// Matrices of the layers' linear layers that become int8, by their tensors' names.
struct Matrix {
  MatrixName name;
  int64_t inputs;
};

class BitsandbytesWriter {
 public:
  BitsandbytesWriter(device::Cpu& cpu, const checkpoint::Checkpoint& source,
                     const LoadOptions& options)
      : cpu_(cpu),
        source_(source),
        options_(options),
        reader_(source),
        architecture_(describe_architecture(reader_.config())) {
    for (const Stack stack : kStacks) {
      for (const LayerNames& layer : architecture_.names_of(stack)) {
        for (const LinearId id : linears_of(layer)) choose(linear_of(layer, id));
      }
    }
    // A head that shares the embedding's weights cannot be int8.
    if (architecture_.names.lm_head != architecture_.names.token_embedding) {
      choose(architecture_.lm_head());
    }
  }

  SavedBytes write(const std::filesystem::path& directory) {
    std::vector<checkpoint::NamedTensor> tensors;
    int64_t done = 0;
    for (const std::string& name : source_.names()) {
      const tensor::View& view = source_.at(name);
      if (const auto found = matrices_.find(name); found != matrices_.end()) {
        add_codes(found->second, tensors);
      } else {
        tensors.push_back({name, view});
      }
      done += static_cast<int64_t>(view.bytes.size());
      if (options_.progress) {
        options_.progress(static_cast<double>(done) / static_cast<double>(source_.bytes()));
      }
    }
    // The widest elements first, so that every tensor is aligned although nothing lies between.
    std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
      return tensor::info(a.view.dtype).block_bytes > tensor::info(b.view.dtype).block_bytes;
    });
    SavedBytes saved{.weights_16bit = 2 * architecture_.parameters()};
    for (const auto& each : tensors) saved.weights += static_cast<int64_t>(each.view.bytes.size());
    checkpoint::write_safetensors(directory / "model.safetensors", tensors, {{"format", "pt"}},
                                  checkpoint::Padding::none);
    return saved;
  }

  /// Module names for transformers: every matrix that stays as it is and could be a linear layer.
  std::vector<std::string> skipped_modules() const {
    std::vector<std::string> skipped;
    const ModelNames& names = architecture_.names;
    if (!matrices_.contains("lm_head.weight")) skipped.emplace_back("lm_head");
    for (const std::string& name : source_.names()) {
      const bool matrix = source_.at(name).shape.size() == 2 && name.ends_with(".weight");
      if (!matrix || matrices_.contains(name) || name == names.token_embedding ||
          name == names.position_embedding || name == "lm_head.weight") {
        continue;
      }
      skipped.push_back(bitsandbytes_name(name, ""));
    }
    return skipped;
  }

 private:
  void choose(const LinearNames& names) {
    if (names.storage != Storage::as_asked) return;
    for (const MatrixName& part : names.parts) {
      if (is_skipped(part.weight, options_.skip_modules)) continue;
      if (!part.weight.ends_with(".weight")) {
        fail("{}: bitsandbytes has no form for this layer; use --format octet",
             source_.where(part.weight));
      }
      matrices_.emplace(part.weight, Matrix{part, names.inputs});
    }
  }

  void add_codes(const Matrix& matrix, std::vector<checkpoint::NamedTensor>& tensors) {
    written_.push_back(quantise(matrix));
    const CodeMatrix& made = written_.back();
    const std::string& name = matrix.name.weight;
    const tensor::Shape rows = {matrix.name.outputs};
    tensors.push_back({name, view(DType::i8, {matrix.name.outputs, matrix.inputs}, made.codes)});
    tensors.push_back({bitsandbytes_name(name, ".SCB"), view(DType::f32, rows, made.scales)});
    static constexpr std::array<std::byte, 1> kRowMajor = {};
    tensors.push_back({bitsandbytes_name(name, ".weight_format"),
                       tensor::View{DType::u8, {}, std::span<const std::byte>(kRowMajor)}});
  }

  template <typename T>
  static tensor::View view(DType dtype, tensor::Shape shape, const tensor::Array<T>& elements) {
    return {dtype, std::move(shape), std::as_bytes(std::span<const T>(elements))};
  }

  CodeMatrix quantise(const Matrix& matrix) const {
    const MatrixName& name = matrix.name;
    const int64_t inputs = matrix.inputs;
    const tensor::View& stored =
        source_.at(name.weight, name.transposed ? tensor::Shape{inputs, name.outputs}
                                                : tensor::Shape{name.outputs, inputs});
    CodeMatrix made{tensor::Array<int8_t>(name.outputs * inputs),
                    tensor::Array<float>(name.outputs)};
    constexpr int64_t kRows = 64;  // a block of columns, of a transposed matrix, is read at once
    tensor::Array<float> values(cpu_.team().size() * kRows * inputs);
    tensor::Array<uint16_t> halves(cpu_.team().size() * inputs);
    cpu_.team().for_each((name.outputs + kRows - 1) / kRows, [&](int64_t block, int thread) {
      const int64_t first = block * kRows;
      const int64_t count = std::min(kRows, name.outputs - first);
      float* rows = values.data() + thread * kRows * inputs;
      if (name.transposed) {
        checkpoint::decode_columns_block(stored, first, count, rows);
      } else {
        checkpoint::decode_rows(stored, first, count, rows);
      }
      for (int64_t row = 0; row < count; ++row) {
        const std::span<float> x(rows + row * inputs, static_cast<size_t>(inputs));
        round_to_f16(x, halves.data() + thread * inputs, name.weight);
        const float scale = quant::absmax_scale(x);
        made.scales[first + row] = scale;
        quant::quantize_absmax(x, scale, {made.codes.data() + (first + row) * inputs, x.size()});
      }
    });
    source_.release(stored);
    return made;
  }

  /// As bitsandbytes, which knows f16 only. NaN is refused too.
  void round_to_f16(std::span<float> x, uint16_t* bits, const std::string& name) const {
    if (!narrow_row_(
            {.type = tensor::DType::f16, .k = std::ssize(x), .row = x.data(), .out = bits})) {
      fail(
          "{}: a weight is beyond 65504 or not a number, which bitsandbytes' f16 cannot hold; use "
          "--format octet",
          source_.where(name));
    }
    for (size_t i = 0; i < x.size(); ++i) x[i] = f16_to_float(bits[i]);
  }

  device::Cpu& cpu_;
  ops::NarrowRowFunction* narrow_row_ = linear::Kernels::choose(cpu_.features()).narrow_row;
  const checkpoint::Checkpoint& source_;
  const LoadOptions& options_;
  CheckpointReader reader_;
  Architecture architecture_;
  std::map<std::string, Matrix> matrices_;
  std::vector<CodeMatrix> written_;
};

}  // namespace

SavedBytes save_bitsandbytes(device::Cpu& cpu, const std::filesystem::path& source,
                             const std::filesystem::path& directory, const LoadOptions& options) {
  const auto checkpoint = checkpoint::Checkpoint::open(source);
  if (checkpoint->gguf() != nullptr || is_quantized(*checkpoint) || is_bitsandbytes(*checkpoint)) {
    fail(
        "{}: --format bitsandbytes converts an unquantised Hugging Face directory; give the "
        "original checkpoint",
        source.string());
  }
  if (options.precision.kind_thresholds != linear::KindThresholds{}) {
    fail("--threshold {}: bitsandbytes has one threshold for all layers",
         linear::thresholds_text(options.precision));
  }
  BitsandbytesWriter writer(cpu, *checkpoint, options);
  make_output_directory(directory);
  const SavedBytes saved = writer.write(directory);
  json config = checkpoint->config();
  config["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                   {"load_in_8bit", true},
                                   {"load_in_4bit", false},
                                   {"llm_int8_threshold", options.precision.threshold},
                                   {"llm_int8_skip_modules", writer.skipped_modules()},
                                   {"llm_int8_has_fp16_weight", false},
                                   {"llm_int8_enable_fp32_cpu_offload", false}};
  copy_tokenizer(*checkpoint, directory);
  // Last, so that a directory with a config is whole.
  write_file(directory / "config.json", config.dump(2) + "\n");
  return saved;
}

}  // namespace octet::model
