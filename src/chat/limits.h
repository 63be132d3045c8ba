// How much a chat template may do: what is charged for its work, and where it stands for errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"

namespace octet::chat {

/// A template comes with a model and may be hostile; within these it can neither hang nor exhaust
/// memory.
struct Limits {
  int64_t steps = 5'000'000;                ///< expressions, statements and elements gone over
  int64_t bytes = int64_t{1} << 29;         ///< text and elements made or searched, all together
  int64_t prompt_bytes = int64_t{1} << 26;  ///< of the result
};

/// Macro calls and expressions inside one another.
inline constexpr int kDeepestEvaluation = 600;
/// Lists and objects inside one another.
inline constexpr int kDeepestValue = 100;

/// One rendering's account, and the line of the template it is at.
class Account {
 public:
  Account(std::string source, const Limits& limits) : source_(std::move(source)), limits_(limits) {}

  void at_line(int line) { line_ = line; }
  int line() const { return line_; }
  const Limits& limits() const { return limits_; }

  void step() {
    if (++steps_ > limits_.steps) fail("takes more than {} steps", limits_.steps);
  }

  /// Before `count` bytes are made or gone over.
  void bytes(size_t count) {
    bytes_ += static_cast<int64_t>(count < kMost ? count : kMost);
    if (bytes_ > limits_.bytes) fail("handles more than {} bytes of text", limits_.bytes);
  }

  /// Before `count` elements are made or gone over.
  void elements(size_t count) { bytes(count < kMost / 32 ? count * 32 : kMost); }

  /// Throws Error naming the template and the line.
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    octet::fail("{}: line {}: {}", source_, line_,
                fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  static constexpr size_t kMost = size_t{1} << 40;  // sums of it stay inside int64_t

  std::string source_;
  Limits limits_;
  int line_ = 1;
  int64_t steps_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace octet::chat
