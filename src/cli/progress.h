// A progress bar with the time left, drawn on standard error when that is a terminal.
#pragma once

#include <chrono>
#include <string>

namespace octet::cli {

/// One line that is redrawn at most ten times a second and wiped when done. Draws nothing when
/// standard error is no terminal.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `share` of the work is done, 0 to 1.
  void update(double share);
  /// Wipes the line, so that what follows starts on a clean one.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_;
};

/// "0:07", "12:30", "1:02:03".
std::string clock_time(double seconds);

}  // namespace octet::cli
