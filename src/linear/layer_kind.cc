// Names of the kinds of layers.
#include "linear/layer_kind.h"

namespace octet::linear {

namespace {

constexpr std::array<std::string_view, kLayerKinds.size()> kNames = {"qkv", "o", "up", "down"};

}  // namespace

std::string_view name(LayerKind kind) {
  return kNames[static_cast<size_t>(kind)];
}

std::optional<LayerKind> parse_layer_kind(std::string_view text) {
  for (const LayerKind kind : kLayerKinds) {
    if (text == name(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace octet::linear
