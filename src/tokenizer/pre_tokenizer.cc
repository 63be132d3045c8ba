// Cutting normalised text into the pieces a tokeniser's model works on one by one.
#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/normalizer.h"

namespace octet::tokenizer {
namespace {

using Piece = Pieces::Piece;

struct Cut {
  size_t begin;
  size_t end;
  bool is_match;
};

// The matches and what lies between them, in order.
std::vector<Cut> cuts_of(const SplitAtPattern& step, std::string_view text) {
  std::vector<Cut> cuts;
  size_t covered = 0;
  step.pattern.for_each_match(text, [&](size_t begin, size_t end) {
    if (begin > covered) cuts.push_back({covered, begin, step.invert});
    if (end > begin) cuts.push_back({begin, end, !step.invert});
    covered = end;
  });
  if (covered < text.size()) cuts.push_back({covered, text.size(), step.invert});
  return cuts;
}

// Joins neighbours as the behaviour asks; `cuts` shrinks in place.
void join(std::vector<Cut>& cuts, SplitBehavior behavior) {
  if (behavior == SplitBehavior::kIsolated) return;
  if (behavior == SplitBehavior::kRemoved) {
    std::erase_if(cuts, [](const Cut& cut) { return cut.is_match; });
    return;
  }
  const auto belongs = [&](const Cut& left, const Cut& right) {
    switch (behavior) {
      case SplitBehavior::kMergedWithPrevious:
        return right.is_match && !left.is_match;
      case SplitBehavior::kMergedWithNext:
        return left.is_match && !right.is_match;
      default:
        return left.is_match == right.is_match;
    }
  };
  std::vector<Cut> joined;
  for (size_t i = 0; i < cuts.size(); ++i) {
    if (i > 0 && belongs(cuts[i - 1], cuts[i])) {
      joined.back().end = cuts[i].end;
    } else {
      joined.push_back(cuts[i]);
    }
  }
  cuts = std::move(joined);
}

class Stepper {
 public:
  Stepper(const Piece& piece, std::deque<std::string>& owned, std::vector<Piece>& out)
      : piece_(piece), owned_(owned), out_(out) {}

  void operator()(const SplitAtPattern& step) {
    std::vector<Cut> cuts = cuts_of(step, piece_.text);
    join(cuts, step.behavior);
    for (const Cut& cut : cuts) push(piece_.text, cut.begin, cut.end);
  }

  void operator()(const PrefixSpace&) {
    if (piece_.text.starts_with(' ')) {
      out_.push_back(piece_);
    } else {
      owned_.emplace_back(" ").append(piece_.text);
      out_.push_back({owned_.back(), piece_.at_start});
    }
  }

  void operator()(const Metaspace& step) {
    std::string text = Replacer::of_text(" ", step.replacement).apply(piece_.text);
    const bool wanted = step.prepend == Metaspace::Prepend::kAlways ||
                        (step.prepend == Metaspace::Prepend::kFirst && piece_.at_start);
    if (wanted && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
    owned_.push_back(std::move(text));
    const std::string_view whole = owned_.back();
    size_t begin = 0;
    while (step.split && begin < whole.size()) {
      const size_t next = whole.find(step.replacement, begin + 1);
      if (next == std::string_view::npos) break;
      push(whole, begin, next);
      begin = next;
    }
    push(whole, begin, whole.size());
  }

 private:
  void push(std::string_view text, size_t begin, size_t end) {
    if (end > begin)
      out_.push_back({text.substr(begin, end - begin), piece_.at_start && begin == 0});
  }

  const Piece& piece_;
  std::deque<std::string>& owned_;
  std::vector<Piece>& out_;
};

}  // namespace

PreTokenizerStep isolate(std::string_view pattern) {
  return SplitAtPattern{Regex(pattern), SplitBehavior::kIsolated, false};
}

Pieces PreTokenizer::split(std::string_view text, bool at_start) const {
  Pieces result;
  if (text.empty()) return result;
  result.pieces.push_back({text, at_start});
  std::vector<Piece> next;
  for (const PreTokenizerStep& step : steps_) {
    next.clear();
    for (const Piece& piece : result.pieces) {
      std::visit(Stepper(piece, result.owned, next), step);
    }
    std::swap(result.pieces, next);
  }
  return result;
}

}  // namespace octet::tokenizer
