// Our own prompts and those of a user's file.
#include "evaluate/continuations/prompts.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "octet/error.h"
#include "support/temporary_directory.h"

namespace octet::evaluate {
namespace {

TEST(OwnPrompts, AreFourOfEachCheckedKindWithNamesOfTheirOwn) {
  std::set<std::string> names;
  int count[4] = {};
  for (const Prompt& prompt : own_prompts()) {
    EXPECT_FALSE(prompt.text.empty());
    names.insert(prompt.name);
    ++count[static_cast<int>(prompt.kind)];
  }
  EXPECT_EQ(names.size(), own_prompts().size());
  EXPECT_EQ(count[0], 4);
  EXPECT_EQ(count[1], 4);
  EXPECT_EQ(count[2], 4);
}

class PromptFile : public testing::Test {
 protected:
  std::vector<Prompt> read(const std::string& content) {
    write_file(path_, content);
    return read_prompts(path_);
  }
  std::string error(const std::string& content) {
    try {
      read(content);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  const test::TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "prompts.jsonl";
};

TEST_F(PromptFile, HoldsOnePromptALine) {
  const auto prompts = read(
      "{\"kind\": \"json\", \"text\": \"{\", \"name\": \"brace\"}\n\n"
      "{\"kind\": \"code\", \"text\": \"int main(\"}");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0].kind, PromptKind::json);
  EXPECT_EQ(prompts[0].name, "brace");
  EXPECT_EQ(prompts[1].name, "line 3");
  EXPECT_EQ(prompts[1].text, "int main(");
}

TEST_F(PromptFile, ErrorsNameTheLine) {
  EXPECT_NE(error("{\"kind\": \"json\", \"text\": \"{\"}\nx").find("line 2"), std::string::npos);
  EXPECT_NE(error("{\"kind\": \"poem\", \"text\": \"x\"}").find("'poem'"), std::string::npos);
  EXPECT_NE(error("{\"kind\": \"json\"}").find("'text'"), std::string::npos);
  EXPECT_NE(error("{\"kind\": 3, \"text\": \"x\"}").find("'kind'"), std::string::npos);
  EXPECT_NE(error("{\"kind\": \"json\", \"text\": \"\"}").find("empty"), std::string::npos);
  EXPECT_NE(error("\n").find("no prompts"), std::string::npos);
}

}  // namespace
}  // namespace octet::evaluate
