// Regular expressions of tokenisers (Oniguruma's or Rust's dialect) over PCRE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "device/function_ref.h"

namespace octet::tokenizer {

class Regex {
 public:
  /// Compiles `pattern`; throws Error that shows it when PCRE2 does not understand it.
  explicit Regex(std::string_view pattern);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// Calls found(begin, end) for the matches in `text`, left to right, none overlapping. `text`
  /// must be well-formed UTF-8. Throws Error when matching takes too many steps.
  void for_each_match(std::string_view text,
                      device::FunctionRef<void(size_t begin, size_t end)> found) const;

  /// The pattern that matches `text` itself.
  static std::string literal(std::string_view text);

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace octet::tokenizer
