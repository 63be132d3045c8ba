// Normalisation of text before it is tokenised, as a list of steps.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/charsmap.h"
#include "tokenizer/regex.h"

namespace octet::tokenizer {

/// Replaces every occurrence of a text or of a pattern by a fixed text.
class Replacer {
 public:
  static Replacer of_text(std::string_view text, std::string content);
  static Replacer of_pattern(std::string_view pattern, std::string content);

  /// `text` must be well-formed UTF-8 if this was made of a pattern.
  std::string apply(std::string_view text) const;

 private:
  std::string text_;            // what to replace when there is no pattern
  std::vector<Regex> pattern_;  // none or one
  std::string content_;
};

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };
struct Lowercase {};
/// Puts `text` in front of a text that is not empty.
struct Prepend {
  std::string text;
};
/// Removes white space at the ends.
struct StripSpace {
  bool left;
  bool right;
};

using NormalizerStep =
    std::variant<UnicodeForm, Lowercase, Prepend, StripSpace, Replacer, Charsmap>;

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

  bool empty() const { return steps_.empty(); }

  /// `text` must be well-formed UTF-8.
  std::string apply(std::string_view text) const;

 private:
  std::vector<NormalizerStep> steps_;
};

/// Whether `code_point` is Unicode white space (the property White_Space).
bool is_white_space(char32_t code_point);

}  // namespace octet::tokenizer
