// The token sequences that are scored: windows of one text, or documents cut to a length.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace octet::evaluate {

/// One sequence; every token but the first is predicted from those before it.
using Window = std::vector<int32_t>;

/// Consecutive windows of `length` ≥ 2 tokens, at most `limit` of them; a shorter rest is left out.
std::vector<Window> cut_windows(std::span<const int32_t> tokens, int64_t length,
                                std::optional<int64_t> limit);

/// A document as a window: `begin` in front when given, cut to `length` tokens in all.
Window document_window(std::span<const int32_t> tokens, std::optional<int32_t> begin,
                       int64_t length);

/// Takes out windows in which nothing is predicted (fewer than two tokens).
void drop_short(std::vector<Window>& windows);

/// Tokens of the longest window; 0 of none.
int64_t longest_window(std::span<const Window> windows);

/// Tokens that are predicted: the length of each window less one.
int64_t predicted_tokens(std::span<const Window> windows);

}  // namespace octet::evaluate
