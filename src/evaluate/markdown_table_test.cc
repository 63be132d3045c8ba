// Tables line up, whatever the width of their characters.
#include "evaluate/markdown_table.h"

#include <gtest/gtest.h>

namespace octet::evaluate {
namespace {

TEST(MarkdownTable, columnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(markdown_table({{"", "tokens/s", "ms"}, {"prompt", "1.5", "100.25"}, {"b", "12"}}),
            "|        | tokens/s |     ms |\n"
            "|--------|---------:|-------:|\n"
            "| prompt |      1.5 | 100.25 |\n"
            "| b      |       12 |        |\n");
}

TEST(MarkdownTable, charactersOfSeveralBytesCountOnce) {
  EXPECT_EQ(markdown_table({{"größe", "µs"}, {"a", "12345"}}),
            "| größe |    µs |\n"
            "|-------|------:|\n"
            "| a     | 12345 |\n");
}

TEST(MarkdownTable, narrowColumnsKeepRoomForTheRule) {
  EXPECT_EQ(markdown_table({{"a", "b"}}),
            "| a   |   b |\n"
            "|-----|----:|\n");
}

TEST(MarkdownTable, noRowsAreNoTable) {
  EXPECT_EQ(markdown_table({}), "");
}

}  // namespace
}  // namespace octet::evaluate
