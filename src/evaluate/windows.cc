// Cutting token sequences into the windows that are scored.
#include "evaluate/windows.h"

#include <algorithm>

#include "base/error.h"

namespace octet::evaluate {

std::vector<Window> cut_windows(std::span<const int32_t> tokens, int64_t length,
                                std::optional<int64_t> limit) {
  OCTET_CHECK(length >= 2);
  int64_t count = static_cast<int64_t>(tokens.size()) / length;
  if (limit) count = std::min(count, *limit);
  std::vector<Window> windows;
  for (int64_t i = 0; i < count; ++i) {
    const auto part = tokens.subspan(i * length, length);
    windows.emplace_back(part.begin(), part.end());
  }
  return windows;
}

Window document_window(std::span<const int32_t> tokens, std::optional<int32_t> begin,
                       int64_t length) {
  Window window;
  if (begin) window.push_back(*begin);
  const int64_t room = std::max<int64_t>(0, length - static_cast<int64_t>(window.size()));
  const auto taken = tokens.first(std::min<size_t>(tokens.size(), room));
  window.insert(window.end(), taken.begin(), taken.end());
  return window;
}

void drop_short(std::vector<Window>& windows) {
  std::erase_if(windows, [](const Window& window) { return window.size() < 2; });
}

int64_t longest_window(std::span<const Window> windows) {
  int64_t longest = 0;
  for (const Window& window : windows) longest = std::max(longest, std::ssize(window));
  return longest;
}

int64_t predicted_tokens(std::span<const Window> windows) {
  int64_t sum = 0;
  for (const Window& window : windows) sum += static_cast<int64_t>(window.size()) - 1;
  return sum;
}

}  // namespace octet::evaluate
