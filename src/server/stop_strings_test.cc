// Stop strings in texts that come in pieces.
#include "server/stop_strings.h"

#include <gtest/gtest.h>

namespace octet::server {
namespace {

/// What passes when the text comes in pieces of so many bytes.
std::string passed(std::vector<std::string> stops, std::string_view text, size_t piece) {
  StopStrings strings(std::move(stops));
  std::string out;
  for (size_t i = 0; i < text.size(); i += piece) out += strings.push(text.substr(i, piece));
  if (!strings.stopped()) out += strings.finish();
  return out;
}

TEST(StopStrings, EndTheTextHoweverItIsCut) {
  for (size_t piece = 1; piece < 12; ++piece) {
    EXPECT_EQ(passed({"stop"}, "go on, stop here", piece), "go on, ") << piece;
    EXPECT_EQ(passed({"xyz", "\n\n"}, "a\nb\n\nc", piece), "a\nb") << piece;
    EXPECT_EQ(passed({"aab"}, "aaaab", piece), "aa") << piece;
    EXPECT_EQ(passed({"never"}, "it is neve", piece), "it is neve") << piece;
    EXPECT_EQ(passed({}, "all of it", piece), "all of it") << piece;
    EXPECT_EQ(passed({"a"}, "abc", piece), "") << piece;
  }
}

TEST(StopStrings, HoldBackOnlyWhatMayBegin) {
  StopStrings strings({"END", "EXIT"});
  EXPECT_EQ(strings.push("one E"), "one ");
  EXPECT_EQ(strings.push("N"), "");
  EXPECT_EQ(strings.push("V"), "ENV");
  EXPECT_EQ(strings.push("EEXI"), "E");
  EXPECT_FALSE(strings.stopped());
  EXPECT_EQ(strings.push("T"), "");
  EXPECT_TRUE(strings.stopped());
  EXPECT_EQ(strings.push("more"), "");
  EXPECT_EQ(strings.finish(), "");
}

}  // namespace
}  // namespace octet::server
