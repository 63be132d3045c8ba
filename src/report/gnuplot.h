// gnuplot as a child process: commands in, a drawing out.
#pragma once

#include <string>
#include <string_view>

namespace octet::report {

/// What gnuplot writes to its standard output for `commands`. Throws Error when it is not
/// installed, with the package that has it, or when it fails, with what it said.
std::string run_gnuplot(std::string_view commands);

/// `text` as a string of gnuplot's language, in which nothing is expanded; control characters
/// become spaces.
std::string gnuplot_string(std::string_view text);

}  // namespace octet::report
