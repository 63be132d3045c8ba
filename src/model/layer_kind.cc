// Names of the kinds of layers.
#include "model/layer_kind.h"

namespace octet::model {

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

std::optional<LayerKind> kind_of(LinearSlot slot) {
  switch (slot) {
    case LinearSlot::qkv:
    case LinearSlot::cross_query:
    case LinearSlot::cross_key_value:
      return LayerKind::qkv;
    case LinearSlot::attention_output:
    case LinearSlot::cross_output:
      return LayerKind::output;
    case LinearSlot::up:
      return LayerKind::up;
    case LinearSlot::down:
      return LayerKind::down;
    case LinearSlot::router:
      break;
  }
  return std::nullopt;
}

}  // namespace octet::model
