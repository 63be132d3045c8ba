// What generated JSON and Python are told to be: whole, cut off, or wrong.
#include "evaluate/continuations/checks.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

namespace octet::evaluate {
namespace {

GeneratedText json(std::string prompt, std::string continuation, bool ended = false) {
  return {PromptKind::json, std::move(prompt), std::move(continuation), ended};
}

GeneratedText python(std::string prompt, std::string continuation, bool ended = false) {
  return {PromptKind::python, std::move(prompt), std::move(continuation), ended};
}

TEST(JsonCheck, LooksAtTheFirstValueOnly) {
  EXPECT_EQ(check_json(json("{\"a\": ", "1}")), Check::parses);
  EXPECT_EQ(check_json(json("As JSON:\n{\"a\": ", "[1, 2]}\n\nAnd {so on")), Check::parses);
  EXPECT_EQ(check_json(json("An answer: ", "[\"x\\u00e9\"]")), Check::parses);
}

TEST(JsonCheck, TellsWhatIsCutOffFromWhatIsWrong) {
  for (const char* cut : {"", "1", "1,", "\"b", "\"b\\", "tru", "-", "{\"x\"", "[[[", "\"\\u00"}) {
    EXPECT_EQ(check_json(json("{\"a\": ", cut)), Check::unfinished) << cut;
    EXPECT_EQ(check_json(json("{\"a\": ", cut, /*ended=*/true)), Check::broken) << cut;
  }
  for (const char* wrong : {"}", "1]", "1 2", "'b'", "truth", "1,}", "\"\t\"", "nul}", "1, 2: 3"})
    EXPECT_EQ(check_json(json("{\"a\": ", wrong)), Check::broken) << wrong;
  EXPECT_EQ(check_json(json("none", " here")), Check::unfinished);
  EXPECT_EQ(check_json(json("none", " here", true)), Check::broken);
}

TEST(PythonBlock, EndsWhereALineBeginsAtTheMargin) {
  const std::string head = "def f(x):\n";
  Block block = python_block(python(head, "    return x\n\n\nprint(f(1))\nprint"));
  EXPECT_EQ(block.source, head + "    return x\n\n\n");
  EXPECT_TRUE(block.whole);
  block = python_block(python(head, "    return g(\n        x\n)\n    # and so"));
  EXPECT_EQ(block.source, head + "    return g(\n        x\n)\n");
  EXPECT_FALSE(block.whole);
  block = python_block(python(head, "    return x", true));
  EXPECT_EQ(block.source, head + "    return x");
  EXPECT_TRUE(block.whole);
  EXPECT_EQ(python_block(python(head, "    return")).source, head);
}

TEST(PythonCheck, TellsWholeWrongAndCutOff) {
  const std::string head = "def f(x):\n";
  const std::vector<Check> checks = check_texts({
      python(head, "    return x\nprint 'the rest does not matter'\n"),
      python(head, "    return x +\nprint(1)\n"),
      python(head, "    return g(x,\n"),
      python(head, "    return x\n    y = '"),
      python(head, "    return x; import os; os.abort()\n"),
      {PromptKind::prose, "Once", " upon a time", true},
      {PromptKind::code, "int f(", "int x)", true},
      json("[", "]"),
      python(head, std::string("    x\0y\n", 8) + "end\n"),
  });
  if (checks[0] == Check::not_checked) GTEST_SKIP() << "python3 is not here; test skipped";
  EXPECT_EQ(checks, (std::vector<Check>{Check::parses, Check::broken, Check::unfinished,
                                        Check::parses, Check::parses, Check::not_checked,
                                        Check::not_checked, Check::parses, Check::broken}));
}

TEST(PythonCheck, SurvivesTextThatIsNoUtf8AndDeepNesting) {
  const std::string deep(100000, '(');
  const auto checks = check_texts({python("x = '", "\xff'\n\ny"), python("", deep, true)});
  if (checks[0] == Check::not_checked) GTEST_SKIP() << "python3 is not here; test skipped";
  EXPECT_EQ(checks[0], Check::parses);
  EXPECT_NE(checks[1], Check::parses);
}

TEST(PythonCheck, SaysNotCheckedWithoutPython) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const auto checks = check_texts({python("x = ", "1\n", true), json("[", "]")});
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(checks, (std::vector<Check>{Check::not_checked, Check::parses}));
}

}  // namespace
}  // namespace octet::evaluate
