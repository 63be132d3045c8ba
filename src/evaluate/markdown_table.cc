// Padding cells to the width of their column.
#include "evaluate/markdown_table.h"

#include <algorithm>

namespace octet::evaluate {

namespace {

size_t width_of(const std::string& text) {  // bytes that do not continue a character
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string markdown_table(const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return "";
  std::vector<size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows) {
    for (size_t i = 0; i < std::min(row.size(), widths.size()); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < rows[r].size() ? rows[r][i] : "";
      const std::string padding(widths[i] - width_of(cell), ' ');
      text += "| " + (i == 0 ? cell + padding : padding + cell) + " ";
    }
    text += "|\n";
    if (r > 0) continue;
    for (size_t i = 0; i < widths.size(); ++i) {
      text += i == 0 ? "|" + std::string(widths[i] + 2, '-')
                     : "|" + std::string(widths[i] + 1, '-') + ":";
    }
    text += "|\n";
  }
  return text;
}

}  // namespace octet::evaluate
