// The kinds of linear layers that outliers are counted by: what they read differs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/architecture.h"

namespace octet::model {

/// The projections of attention to queries, keys and values; its output projection; the first and
/// the second layer of a feed-forward block. Those of cross attention count as attention's.
enum class LayerKind : uint8_t { qkv, output, up, down };
inline constexpr std::array kLayerKinds = {LayerKind::qkv, LayerKind::output, LayerKind::up,
                                           LayerKind::down};

/// "qkv", "o", "up", "down": what options and JSON call them.
std::string_view name(LayerKind kind);
std::optional<LayerKind> parse_layer_kind(std::string_view text);
/// None of a router.
std::optional<LayerKind> kind_of(LinearSlot slot);

}  // namespace octet::model
