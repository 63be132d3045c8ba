// What a GGUF architecture makes of a Hugging Face model, as data: one description each.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/gguf.h"

namespace octet::model {

enum class GgufKind : uint8_t { count, number, flag };

/// A metadata key (behind "ARCHITECTURE.") and the config.json option that it holds.
struct GgufKey {
  std::string_view key;
  std::string_view option;
  GgufKind kind = GgufKind::count;
};

/// An option that only the presence of a tensor tells.
struct GgufSign {
  std::string_view tensor;
  std::string_view option;
  bool when_present = true;
};

/// Which part of a GGUF tensor is the Hugging Face tensor.
enum class GgufPart : uint8_t {
  whole,
  member,  ///< the one of the first dimension that the name's last number counts (an expert)
  query,   ///< the first third of the rows; then the second and the third
  key,
  value
};

/// A module in both namings, without ".weight" or ".bias". Each '#' of `huggingface` stands for a
/// number; they fill those of `gguf` in the same order. Of several lines for a module the first
/// counts whose tensor is there (converters changed over time).
struct GgufName {
  std::string_view huggingface;
  std::string_view gguf;
  GgufPart part = GgufPart::whole;
};

struct GgufArchitecture {
  std::string_view name;                         ///< general.architecture
  std::vector<std::string_view> model_types;     ///< of config.json; the first is the usual one
  std::vector<std::span<const GgufKey>> keys;    ///< a later one for the same option wins
  std::vector<std::span<const GgufName>> names;  ///< searched in this order
  std::vector<GgufSign> signs = {};
  std::string_view constants = "{}";  ///< further config.json, as text
  bool rotary = true;
  /// The rows of q and k lie in rotary pairs (2i, 2i+1) per head where Hugging Face has
  /// (i, i + head_dim/2).
  bool paired_rows = false;
  /// What no table says; gets the config so far.
  void (*complete)(const checkpoint::Gguf& gguf, nlohmann::json& config) = nullptr;
};

/// All that octet reads, sorted by name. Common to them, because converters see to it: matrices are
/// [outputs, inputs] (GPT-2's are not in Hugging Face's files), and a fused q/k/v holds all
/// queries, then all keys, then all values (GPT-NeoX's, BLOOM's and Falcon's lie by head or group
/// there).
std::span<const GgufArchitecture> gguf_architectures();

/// Null when there is none of that name.
const GgufArchitecture* find_gguf_architecture(std::string_view name);

/// The one that models of a config.json's model_type become; null when converters take none.
const GgufArchitecture* gguf_architecture_of(std::string_view model_type);

}  // namespace octet::model
