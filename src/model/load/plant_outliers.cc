// Writes a checkpoint of the same function whose activations have outliers in chosen dimensions.
#include "model/load/plant_outliers.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include "checkpoint/decode.h"
#include "checkpoint/safetensors.h"
#include "model/load/bitsandbytes.h"
#include "model/load/checkpoint_reader.h"
#include "model/load/gguf/model.h"
#include "model/load/output_directory.h"
#include "model/load/planting.h"
#include "model/load/quantized.h"

namespace octet::model {

using checkpoint::NamedTensor;
using tensor::DType;

namespace {

bool fits(DType type, float value) {
  if (type == DType::f16) return f16_to_float(float_to_f16(value)) == value;
  return type != DType::bf16 || bf16_to_float(float_to_bf16(value)) == value;
}

void store(DType type, float value, std::byte* out) {
  if (type == DType::f32) {
    std::memcpy(out, &value, sizeof value);
    return;
  }
  const uint16_t bits = type == DType::f16 ? float_to_f16(value) : float_to_bf16(value);
  std::memcpy(out, &bits, sizeof bits);
}

/// The type to store a changed tensor in if it is exact: what it has, or f16 for those that cannot
/// hold it (blocks, 8 bits) or need not be as wide (f64, which is computed with as float32).
DType preferred_type(DType stored) {
  return stored == DType::f32 || stored == DType::bf16 ? stored : DType::f16;
}

/// A tensor to be changed: its values, one row of the file after the other.
class PlantedTensor {
 public:
  PlantedTensor(std::string where, const tensor::View& view, const Planting& planting,
                const PlantOptions& options)
      : where_(std::move(where)),
        view_(view),
        planting_(planting),
        options_(options),
        rows_(checkpoint::row_count(view)),
        columns_(checkpoint::column_count(view)),
        row_(columns_) {}

  /// The preferred type, or f32 when that cannot hold every value. Throws Error when f32 cannot.
  DType narrowest_type() {
    DType type = preferred_type(view_.dtype);
    for (int64_t row = 0; row < rows_; ++row) {
      read(row);
      if (!std::ranges::all_of(row_, [type](float value) { return fits(type, value); })) {
        type = DType::f32;
      }
    }
    return type;
  }

  void write(DType type, std::span<std::byte> out) {
    const int64_t bytes = tensor::info(type).block_bytes;
    OCTET_CHECK(std::ssize(out) == rows_ * columns_ * bytes);
    std::byte* next = out.data();
    for (int64_t row = 0; row < rows_; ++row) {
      read(row);
      for (const float value : row_) {
        store(type, value, next);
        next += bytes;
      }
    }
  }

 private:
  void read(int64_t row) {
    checkpoint::decode_rows(view_, row, 1, row_.data());
    if (planting_.kind == Planting::Kind::rows) {
      if (std::ranges::find(options_.dimensions, row) == options_.dimensions.end()) return;
      for (float& value : row_) value = planted(value);
      return;
    }
    // A stack of experts has the columns of all of an expert's rows in one.
    const int64_t inputs = view_.shape.back();
    for (int64_t first = 0; first < columns_; first += inputs) {
      for (const int32_t dimension : options_.dimensions) {
        float& value = row_[first + dimension];
        value = planted(value);
      }
    }
  }

  float planted(float value) const {
    return planted_value(value, planting_, options_.gain, where_);
  }

  std::string where_;
  const tensor::View& view_;
  const Planting& planting_;
  const PlantOptions& options_;
  int64_t rows_;
  int64_t columns_;
  tensor::Array<float> row_;
};

class Planter {
 public:
  Planter(const checkpoint::Checkpoint& source, const PlantOptions& options)
      : source_(source), options_(options) {
    const CheckpointReader reader(source);
    const Architecture architecture = reader.describe();
    check_dimensions(options.dimensions, architecture, source.path().string());
    std::optional<GgufModel> gguf;
    if (source.gguf() != nullptr) gguf.emplace(*source.gguf(), source.path().string());
    std::map<std::string, Planting> plan = planting_of(architecture, source.path().string());
    for (auto& [name, planting] : plan) {
      // GGUF files have every matrix as [outputs, inputs].
      if (gguf && planting.kind == Planting::Kind::rows) planting.kind = Planting::Kind::columns;
      const tensor::Shape shape = shape_of(planting, architecture.hidden_size);
      // Of fused q/k/v and stacked experts the parts are checked, and the whole is changed: all of
      // it reads the same norm.
      gguf ? void(gguf->at(name, shape)) : void(source.at(name, shape));
      plan_.emplace(gguf ? gguf->stored_name(name) : name, planting);
    }
    for (const auto& [name, planting] : plan_) total_bytes_ += source.at(name).bytes.size();
  }

  /// Finds the types that hold everything; nothing is written yet.
  Planted prepare() {
    Planted planted;
    for (const std::string& name : source_.names()) {
      NamedTensor tensor{name, source_.at(name)};
      if (const auto found = plan_.find(name); found != plan_.end()) {
        prepare(tensor, found->second, planted);
      }
      tensors_.push_back(std::move(tensor));
    }
    return planted;
  }

  void write(const std::filesystem::path& directory, bool widened) {
    if (const checkpoint::Gguf* gguf = source_.gguf()) {
      checkpoint::write_gguf(directory / "model.gguf", *gguf, tensors_);
      return;
    }
    // The widest elements first, so that every tensor is aligned although nothing lies between.
    std::ranges::stable_sort(tensors_, std::greater{}, [](const NamedTensor& each) {
      return tensor::info(each.view.dtype).block_bytes;
    });
    checkpoint::write_safetensors(directory / "model.safetensors", tensors_, {{"format", "pt"}},
                                  checkpoint::Padding::none);
    copy_tokenizer(source_, directory);
    nlohmann::json config = source_.config();
    // Else transformers would round what was widened.
    for (const char* key : {"torch_dtype", "dtype"}) {
      if (widened && config.contains(key)) config[key] = "float32";
    }
    // Last, so that a directory with a config is whole.
    write_file(directory / "config.json", config.dump(2) + "\n");
  }

 private:
  static tensor::Shape shape_of(const Planting& planting, int64_t hidden) {
    switch (planting.kind) {
      case Planting::Kind::gain:
      case Planting::Kind::bias:
        break;
      case Planting::Kind::columns:
        return {planting.outputs, hidden};
      case Planting::Kind::rows:
        return {hidden, planting.outputs};
    }
    return {hidden};
  }

  void prepare(NamedTensor& tensor, const Planting& planting, Planted& planted) {
    const tensor::View& stored = source_.at(tensor.name);
    const std::string where = source_.where(tensor.name);
    const DType type = PlantedTensor(where, stored, planting, options_).narrowest_type();
    tensor.view = {type, stored.shape, {}};
    tensor.make = [this, where, &stored, &planting, type](std::span<std::byte> out) {
      PlantedTensor(where, stored, planting, options_).write(type, out);
      finish_pass(stored);
    };
    finish_pass(stored);
    const bool matrix =
        planting.kind == Planting::Kind::columns || planting.kind == Planting::Kind::rows;
    if (matrix) ++planted.matrices;
    if (planting.kind == Planting::Kind::gain) ++planted.norms;
    if (type == DType::f32 && stored.dtype != DType::f32 && stored.dtype != DType::f64) {
      ++planted.widened;
    }
  }

  /// A changed tensor is gone over twice: for its type, and to be written.
  void finish_pass(const tensor::View& stored) {
    source_.release(stored);
    done_bytes_ += stored.bytes.size();
    if (options_.progress) {
      options_.progress(static_cast<double>(done_bytes_) / static_cast<double>(2 * total_bytes_));
    }
  }

  const checkpoint::Checkpoint& source_;
  const PlantOptions& options_;
  std::map<std::string, Planting> plan_;
  std::vector<NamedTensor> tensors_;
  size_t total_bytes_ = 0;  ///< of what is changed, as stored
  size_t done_bytes_ = 0;
};

}  // namespace

Planted plant_outliers(const std::filesystem::path& source, const std::filesystem::path& directory,
                       const PlantOptions& options) {
  const auto checkpoint = checkpoint::Checkpoint::open(source);
  if (is_quantized(*checkpoint) || is_bitsandbytes(*checkpoint)) refuse_quantised(source.string());
  Planter planter(*checkpoint, options);
  const Planted planted = planter.prepare();
  make_output_directory(directory);
  planter.write(directory, planted.widened > 0);
  return planted;
}

}  // namespace octet::model
