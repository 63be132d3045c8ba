// Reading evaluation texts: the formats, and what is said about a wrong file.
#include "evaluate/text.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "octet/error.h"
#include "support/shared_data.h"

namespace octet::evaluate {
namespace {

using Documents = std::vector<std::string>;

class TextFile : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("octet_text_test_" + std::to_string(::getpid()) + "_" +
                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path file(const std::string& name, std::string_view content) {
    write_file(directory_ / name, content);
    return directory_ / name;
  }

  std::string error_of(const std::filesystem::path& path) {
    try {
      read_documents(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

 private:
  std::filesystem::path directory_;
};

TEST_F(TextFile, PlainTextIsOneDocumentByteForByte) {
  const std::string text = " \n = Robert <unk> = \n\nA line.\n";
  EXPECT_EQ(read_documents(file("wiki", text)), Documents{text});
  EXPECT_EQ(read_documents(file("wiki.raw", text)), Documents{text});
}

TEST_F(TextFile, TextThatOnlyBeginsLikeJsonIsPlain) {
  EXPECT_EQ(read_documents(file("a", "[Music] plays\n")), Documents{"[Music] plays\n"});
  EXPECT_EQ(read_documents(file("b", "{not json}\n")), Documents{"{not json}\n"});
  EXPECT_EQ(read_documents(file("c.txt", "[\"x\"]")), Documents{"[\"x\"]"});
}

TEST_F(TextFile, JsonLinesHoldObjectsOrStringsAndBlankLines) {
  const std::string lines = "{\"text\":\"one\\n\",\"n\":1}\r\n\n{\"text\":\"two\"}\n\"three\"";
  const Documents expected = {"one\n", "two", "three"};
  EXPECT_EQ(read_documents(file("a.jsonl", lines)), expected);
  EXPECT_EQ(read_documents(file("a", lines)), expected);
}

TEST_F(TextFile, JsonArraysHoldStringsOrObjects) {
  const std::string array = " [\n \"one\",\n {\"text\": \"z\\u00fcei\"}\n]\n";
  const Documents expected = {"one", "z\u00fcei"};
  EXPECT_EQ(read_documents(file("a.json", array)), expected);
  EXPECT_EQ(read_documents(file("a", array)), expected);
}

TEST_F(TextFile, TheFieldCanBeNamed) {
  const auto path = file("a.jsonl", "{\"text\":\"no\",\"body\":\"yes\"}\n");
  EXPECT_EQ(read_documents(path, "body"), Documents{"yes"});
}

TEST_F(TextFile, DocumentsAreJoinedByOneNewline) {
  EXPECT_EQ(join({"a", "", "b\n", "c"}), "a\n\nb\n\nc");
  EXPECT_EQ(join({"a"}), "a");
}

TEST_F(TextFile, ErrorsNameTheFileAndThePlace) {
  EXPECT_NE(error_of(file("a.jsonl", "{\"text\":\"x\"}\n{\"text\":")).find("line 2"),
            std::string::npos);
  EXPECT_NE(error_of(file("b.jsonl", "{\"body\":\"x\"}")).find("--text-field"), std::string::npos);
  EXPECT_NE(error_of(file("c.json", "[\"x\", 3]")).find("element 2"), std::string::npos);
  EXPECT_NE(error_of(file("d.json", "[\"x\"")).find("d.json"), std::string::npos);
  EXPECT_NE(error_of(file("e.jsonl", "{\"text\":7}")).find("not a string"), std::string::npos);
  EXPECT_NE(error_of(file("empty.txt", "")).find("empty"), std::string::npos);
  EXPECT_NE(error_of(file("blank.jsonl", "\n\n")).find("no text"), std::string::npos);
  EXPECT_NE(error_of(file("model.gguf", std::string("GGUF\3\0", 6))).find("byte 5 is zero"),
            std::string::npos);
  EXPECT_NE(error_of("/nonexistent/text").find("/nonexistent/text"), std::string::npos);
}

TEST(SharedTexts, AreReadInTheirFormats) {
  const auto directory = test::shared_path("data/perplexity");
  OCTET_REQUIRE_PATH(directory);
  EXPECT_EQ(read_documents(directory / "wikitext2-test.raw.txt").size(), 1u);
  EXPECT_EQ(read_documents(directory / "c4-validation-1000.jsonl").size(), 1000u);
  EXPECT_EQ(read_documents(directory / "tinystories_1000.json").size(), 1000u);
}

}  // namespace
}  // namespace octet::evaluate
