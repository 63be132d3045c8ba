// UTF-8, the byte-level alphabet, regular expressions, normalisers and pre-tokenisers.
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/prefix_matcher.h"
#include "tokenizer/regex.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

TEST(Utf8, EveryCodePointComesBackAndSurrogatesAreBroken) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    std::string text;
    append_utf8(text, code_point);
    const Utf8Unit unit = utf8_unit(text);
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
      EXPECT_EQ(unit.kind, Utf8Unit::Kind::kBroken);
      continue;
    }
    ASSERT_EQ(unit.kind, Utf8Unit::Kind::kCharacter) << static_cast<uint32_t>(code_point);
    ASSERT_EQ(unit.length, text.size());
    ASSERT_EQ(decode_character(text, unit.length), code_point);
  }
}

// The sequences of table 3-8 of the Unicode standard and the replacements it recommends.
TEST(Utf8, MaximalSubpartsAreReplacedAsUnicodeRecommends) {
  const std::string mark = "\uFFFD";
  EXPECT_EQ(replace_broken_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            mark + mark + mark + mark + mark + mark + mark + mark + "A");
  EXPECT_EQ(replace_broken_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            mark + mark + mark + mark + mark + mark + mark + mark + "A");
  EXPECT_EQ(replace_broken_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            mark + mark + mark + mark + "A");
  EXPECT_EQ(replace_broken_utf8("\xF5\x90"), mark + mark);
}

TEST(ByteLevel, AlphabetIsOneToOneAndSpellsAsGpt2) {
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string spelled(spell_byte(static_cast<uint8_t>(byte)));
    seen.insert(spelled);
    std::string back;
    append_spelled_bytes(spelled, back);
    EXPECT_EQ(back, std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(seen.size(), 256u);
  EXPECT_EQ(spell_bytes(" \n\t\x7F\xA0\xAD"), "ĠĊĉġłŃ");
  std::string raw;
  append_spelled_bytes("a b", raw);  // a space is not in the alphabet
  EXPECT_EQ(raw, "a b");
}

TEST(PrefixMatcher, ReportsEveryPrefixShortestFirst) {
  const PrefixMatcher matcher({{"abc", 3}, {"a", 1}, {"", 9}, {"ab", 2}, {"a", 7}, {"b", 4}});
  std::vector<std::pair<size_t, uint32_t>> found;
  matcher.for_each_prefix("abd", [&](size_t length, uint32_t value) {
    found.push_back({length, value});
  });
  EXPECT_EQ(found, (std::vector<std::pair<size_t, uint32_t>>{{1, 1}, {2, 2}}));
}

std::vector<std::string> matches(const char* pattern, std::string_view text) {
  std::vector<std::string> out;
  Regex(pattern).for_each_match(
      text, [&](size_t begin, size_t end) { out.emplace_back(text.substr(begin, end - begin)); });
  return out;
}

TEST(Regex, SpaceAndWordAreUnicodes) {
  EXPECT_TRUE(matches(R"(\s)", "\u180E").empty());  // no white space since Unicode 6.3
  EXPECT_EQ(matches(R"(\s)", "\u00A0\u3000\u0085").size(), 3u);
  EXPECT_EQ(matches(R"([^\s]+)", "a\u3000b\u180E"), (std::vector<std::string>{"a", "b\u180E"}));
  EXPECT_EQ(matches(R"(\w+)", "e\u0301 x_1!"), (std::vector<std::string>{"e\u0301", "x_1"}));
  EXPECT_EQ(matches(R"([^\w\s]+)", "a!? b"), (std::vector<std::string>{"!?"}));
}

TEST(Regex, SurvivesEmptyMatchesAndEscapesLiterals) {
  EXPECT_EQ(matches("x*", "aéx").size(), 4u);  // before a, before é, x, at the end
  const std::string odd = "a.b*[c]{2}(^$)|\\Q-#";
  EXPECT_EQ(matches(Regex::literal(odd).c_str(), odd), (std::vector<std::string>{odd}));
}

TEST(Regex, RefusesPatternsAndGivesUpOnEndlessOnes) {
  EXPECT_THROW(Regex("(unclosed"), Error);
  EXPECT_THROW(Regex("\xFF"), Error);
  EXPECT_THROW(Regex(std::string(1 << 17, 'a')), Error);
  EXPECT_THROW(matches("(a+)+$", std::string(4000, 'a') + "b"), Error);
}

std::string normalized(NormalizerStep step, std::string_view text) {
  std::vector<NormalizerStep> steps;
  steps.push_back(std::move(step));
  return Normalizer(std::move(steps)).apply(text);
}

TEST(Normalizer, AppliesUnicodeForms) {
  EXPECT_EQ(normalized(UnicodeForm::kNfc, "e\u0301ﬁ"), "éﬁ");
  EXPECT_EQ(normalized(UnicodeForm::kNfd, "éﬁ"), "e\u0301ﬁ");
  EXPECT_EQ(normalized(UnicodeForm::kNfkc, "e\u0301ﬁ①"), "éfi1");
  EXPECT_EQ(normalized(UnicodeForm::kNfkd, "éﬁ"), "e\u0301fi");
}

TEST(Normalizer, LowercasesStripsPrependsAndReplaces) {
  EXPECT_EQ(normalized(Lowercase{}, "ÀİΣß"), "ài\u0307σß");
  EXPECT_EQ(normalized(StripSpace{true, true}, " \u3000a b\n"), "a b");
  EXPECT_EQ(normalized(StripSpace{false, true}, " a "), " a");
  EXPECT_EQ(normalized(StripSpace{true, false}, "   "), "");
  EXPECT_EQ(normalized(Prepend{"▁"}, "a"), "▁a");
  EXPECT_EQ(normalized(Prepend{"▁"}, ""), "");
  EXPECT_EQ(normalized(Replacer::of_text("aa", "b"), "aaaxaa"), "baxb");
  EXPECT_EQ(normalized(Replacer::of_pattern(" {2,}", "_"), "a   b c"), "a_b c");
}

// utf8proc orders marks by bubbling: 2^18 squared would be minutes.
TEST(Normalizer, TakesAnEndlessRunOfCombiningMarksInSeconds) {
  std::string marks = "a";
  for (int i = 0; i < 1 << 17; ++i) marks += "\u0301\u0316";  // classes 230 and 220: out of order
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(normalized(UnicodeForm::kNfd, marks).size(), marks.size());
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_LT(elapsed.count(), 30.0);
}

std::vector<std::string> pieces(PreTokenizerStep step, std::string_view text) {
  std::vector<PreTokenizerStep> steps;
  steps.push_back(std::move(step));
  const PreTokenizer pre_tokenizer(std::move(steps));
  const Pieces split = pre_tokenizer.split(text, true);
  std::vector<std::string> out;
  for (const auto& piece : split.pieces) out.emplace_back(piece.text);
  return out;
}

using Texts = std::vector<std::string>;

TEST(PreTokenizer, SplitsByEachBehaviour) {
  const auto split = [](SplitBehavior behavior, bool invert = false) {
    return pieces(SplitAtPattern{Regex("-"), behavior, invert}, "the-final--countdown");
  };
  using enum SplitBehavior;
  EXPECT_EQ(split(kRemoved), (Texts{"the", "final", "countdown"}));
  EXPECT_EQ(split(kIsolated), (Texts{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split(kMergedWithPrevious), (Texts{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split(kMergedWithNext), (Texts{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split(kContiguous), (Texts{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(split(kRemoved, true), (Texts{"-", "-", "-"}));
}

TEST(PreTokenizer, CutsAsGpt2Does) {
  EXPECT_EQ(pieces(isolate(kGpt2Pattern), "Hello  world's 123abc!?\n\n x "),
            (Texts{"Hello", " ", " world", "'s", " 123", "abc", "!?", "\n\n", " x", " "}));
}

TEST(PreTokenizer, MetaspaceMarksAndCutsAtSpaces) {
  const auto split = [](Metaspace::Prepend prepend, bool cut, std::string_view text) {
    return pieces(Metaspace{"▁", prepend, cut}, text);
  };
  using enum Metaspace::Prepend;
  EXPECT_EQ(split(kAlways, true, "a  b"), (Texts{"▁a", "▁", "▁b"}));
  EXPECT_EQ(split(kAlways, true, " a"), (Texts{"▁a"}));
  EXPECT_EQ(split(kNever, true, "a b"), (Texts{"a", "▁b"}));
  EXPECT_EQ(split(kFirst, false, "a b"), (Texts{"▁a▁b"}));
  EXPECT_EQ(split(kAlways, true, ""), Texts{});
}

TEST(PreTokenizer, PrefixSpaceIsAddedOnce) {
  EXPECT_EQ(pieces(PrefixSpace{}, "a"), (Texts{" a"}));
  EXPECT_EQ(pieces(PrefixSpace{}, " a"), (Texts{" a"}));
}

}  // namespace
}  // namespace octet::tokenizer
