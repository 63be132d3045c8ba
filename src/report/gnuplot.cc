// gnuplot as a child process: commands in, a drawing out.
#include "report/gnuplot.h"

#include <optional>

#include "base/error.h"
#include "base/process.h"

namespace octet::report {

std::string run_gnuplot(std::string_view commands) {
  std::optional<Finished> finished = run_program({"gnuplot"}, commands);
  if (!finished) {
    fail("gnuplot, which draws the plots, is not installed; apt-get install gnuplot-nox");
  }
  if (!finished->succeeded) fail("gnuplot failed: {}", finished->messages);
  return std::move(finished->output);
}

std::string gnuplot_string(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
  }
  return quoted + "'";
}

}  // namespace octet::report
