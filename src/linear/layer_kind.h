// The kinds of linear layers of a transformer: what they read differs, and so do its outliers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace octet::linear {

/// The projections of attention to queries, keys and values; its output projection; the first and
/// the second layer of a feed-forward block. Those of cross attention count as attention's.
enum class LayerKind : uint8_t { qkv, output, up, down };
inline constexpr std::array kLayerKinds = {LayerKind::qkv, LayerKind::output, LayerKind::up,
                                           LayerKind::down};

/// "qkv", "o", "up", "down": what options and JSON call them.
std::string_view name(LayerKind kind);
std::optional<LayerKind> parse_layer_kind(std::string_view text);

}  // namespace octet::linear
