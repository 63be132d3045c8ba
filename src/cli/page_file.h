// The file that a page or a picture goes to, checked before long work whose result it will hold.
#pragma once

#include <optional>
#include <string>

namespace octet::cli {

/// Throws Error when `path`, the value of `flag`, lies in no directory, or when gnuplot, which the
/// file's plots need, is not installed. Nothing to do without a path.
void check_page_file(const std::optional<std::string>& path, const char* flag);

}  // namespace octet::cli
