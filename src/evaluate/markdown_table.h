// A markdown table whose columns line up, so that it also reads well in a terminal.
#pragma once

#include <string>
#include <vector>

namespace octet::evaluate {

/// The first row is the head; rows may be shorter than it. The first column is aligned left, the
/// others right. Widths are those of UTF-8 characters.
std::string markdown_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace octet::evaluate
