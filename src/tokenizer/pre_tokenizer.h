// Cutting normalised text into the pieces a tokeniser's model works on one by one.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/regex.h"

namespace octet::tokenizer {

/// What becomes of the matches of a split.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Cuts at the matches of a pattern.
struct SplitAtPattern {
  Regex pattern;
  SplitBehavior behavior;
  bool invert;  ///< what lies between the matches counts as the match
};

/// Puts a space in front of a piece that does not start with one.
struct PrefixSpace {};

/// Spells spaces as `replacement` and cuts before each.
struct Metaspace {
  enum class Prepend { kAlways, kFirst, kNever };
  std::string replacement;
  Prepend prepend;
  bool split;
};

using PreTokenizerStep = std::variant<SplitAtPattern, PrefixSpace, Metaspace>;

/// Pieces, with the text of those that steps changed.
struct Pieces {
  struct Piece {
    std::string_view text;
    bool at_start;  ///< begins where the whole input begins
  };
  std::vector<Piece> pieces;
  std::deque<std::string> owned;
};

class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps) : steps_(std::move(steps)) {}

  /// Cuts `text`, well-formed UTF-8 that outlives the result, into pieces that are not empty.
  Pieces split(std::string_view text, bool at_start) const;

 private:
  std::vector<PreTokenizerStep> steps_;
};

/// The step that makes each match of `pattern` a piece, and what lies between.
PreTokenizerStep isolate(std::string_view pattern);

/// GPT-2's pattern, which the ByteLevel pre-tokeniser uses.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace octet::tokenizer
