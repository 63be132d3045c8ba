// Reading tasks: every format's prompts, and what is said about a wrong file.
#include "evaluate/tasks/task.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "octet/error.h"
#include "support/temporary_directory.h"

namespace octet::evaluate {
namespace {

class TaskFiles : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, std::string_view content) {
    write_file(directory_.path() / name, content);
    return directory_.path() / name;
  }

  std::vector<Document> read(Task task, std::string_view content) {
    return read_task(task, file("data", content));
  }

  std::string error_of(Task task, std::string_view content) {
    try {
      read(task, content);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

 private:
  test::TemporaryDirectory directory_;
};

/// "context|continuation" of every request.
std::vector<std::string> texts(const Document& document) {
  std::vector<std::string> texts;
  texts.reserve(document.requests.size());
  for (const Request& request : document.requests)
    texts.push_back(request.context + "|" + request.continuation);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(Tasks, NamesAreReadBack) {
  for (Task task : all_tasks()) EXPECT_EQ(parse_task(name(task)), task);
  EXPECT_EQ(name(Task::arc_easy), "arc-easy");
  EXPECT_FALSE(parse_task("arc"));
}

TEST_F(TaskFiles, LambadaAsksForTheLastWord) {
  const auto documents = read(Task::lambada,
                              "{\"context\": \"It is\", \"continuation\": \"red\"}\n\n"
                              "{\"context\": \"He\\n said\", \"continuation\": \"no\"}\r\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(texts(documents[0]), Texts{"It is| red"});
  EXPECT_EQ(texts(documents[1]), Texts{"He\n said| no"});
}

TEST_F(TaskFiles, HellaswagHasSixLinesATask) {
  const auto documents =
      read(Task::hellaswag, "Roof: he\n3\na\nb\nc\nd.\r\nBed: she\n0 \ne\nf\ng\nh");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(texts(documents[0]),
            (Texts{"Roof: he| a", "Roof: he| b", "Roof: he| c", "Roof: he| d."}));
  EXPECT_EQ(documents[0].gold, 3u);
  EXPECT_EQ(documents[1].gold, 0u);
}

TEST_F(TaskFiles, PiqaTakesLabelsFromASecondFile) {
  const std::string line = "{\"goal\": \"cut\", \"sol1\": \"saw\", \"sol2\": \"sew \"}\n";
  const std::filesystem::path data = file("valid.jsonl", line + line);
  EXPECT_THROW(read_task(Task::piqa, data), Error);
  file("valid-labels.lst", "1\n0\n");
  const auto documents = read_task(Task::piqa, data);
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(texts(documents[0]),
            (Texts{"Question: cut\nAnswer:| saw", "Question: cut\nAnswer:| sew "}));
  EXPECT_EQ(documents[0].gold, 1u);
  EXPECT_EQ(documents[1].gold, 0u);
  EXPECT_EQ(read_task(Task::piqa, data, file("other", "0\n1"))[0].gold, 0u);
  EXPECT_THROW(read_task(Task::piqa, data, file("other", "0\n")), Error);
  EXPECT_THROW(read_task(Task::piqa, data, file("other", "0\n2\n")), Error);
}

TEST_F(TaskFiles, WinograndeScoresWhatFollowsTheOptions) {
  const auto documents = read(Task::winogrande,
                              "{\"context_options\": [\"As Ann\", \"As Bea\"], "
                              "\"continuation\": \"won.\", \"gold\": 1}");
  EXPECT_EQ(texts(documents.at(0)), (Texts{"As Ann| won.", "As Bea| won."}));
  EXPECT_EQ(documents[0].gold, 1u);
}

TEST_F(TaskFiles, QueriesGetAnAnswerLineUnlessTheyHaveIt) {
  const std::string choices = "\", \"choices\": [\"no\", \"yes\"], \"gold\": 1}\n";
  const auto documents = read(Task::boolq, "{\"query\": \"It.\\nQuestion: is it?" + choices +
                                               "{\"query\": \"Is it?\\nAnswer:" + choices);
  EXPECT_EQ(texts(documents.at(0)),
            (Texts{"It.\nQuestion: is it?\nAnswer:| no", "It.\nQuestion: is it?\nAnswer:| yes"}));
  EXPECT_EQ(texts(documents.at(1)), (Texts{"Is it?\nAnswer:| no", "Is it?\nAnswer:| yes"}));
  EXPECT_EQ(read(Task::arc_easy, "{\"query\": \"Q" + choices)[0].gold, 1u);
}

TEST_F(TaskFiles, WrongFilesAreNamedWithTheLine) {
  const struct {
    Task task;
    const char* content;
    const char* words;
  } wrong[] = {
      {Task::lambada, "", "the file is empty"},
      {Task::lambada, "\n \n", "the file is empty"},
      {Task::lambada, "BZh91AY&SY", "unpack it first (bunzip2 -k)"},
      {Task::lambada, "\x1f\x8b\x08", "unpack it first (gunzip -k)"},
      {Task::lambada, "once\n", "line 1 is no JSON object"},
      {Task::lambada, "[]", "line 1 is no JSON object"},
      {Task::lambada, "\n{\"context\": \"a\"}", "line 2 has no member 'continuation'"},
      {Task::lambada, R"({"context": 1, "continuation": "b"})", "a 'context' that is no string"},
      {Task::lambada, R"({"context": "a", "continuation": ""})", "an empty 'continuation'"},
      {Task::hellaswag, "he\n4\na\nb\nc\nd\n", "line 2 is no number from 0 to 3"},
      {Task::hellaswag, "he\n\na\nb\nc\nd\n", "line 2 is no number"},
      {Task::hellaswag, "he\n1\na\nb\nc\n", "line 5 ends a task too early"},
      {Task::hellaswag, "he\n1\na\n\nc\nd\n", "line 4 is empty"},
      {Task::hellaswag, "he\n1\na\nb\nc\nd\nshe\n", "line 7 is not followed by a label"},
      {Task::hellaswag, "{\"a\": 1}\n{\"a\": 2}\n", "line 2 is no number from 0 to 3"},
      {Task::piqa, "{}", "--labels"},
      {Task::winogrande, R"({"context_options": ["a"], "continuation": "b", "gold": 0})",
       "no list of two or more strings"},
      {Task::winogrande, R"({"context_options": ["a", 1], "continuation": "b", "gold": 0})",
       "something other than text"},
      {Task::winogrande, R"({"context_options": ["a", "b"], "continuation": "b", "gold": 2})",
       "a 'gold' that is no number from 0 to 1"},
      {Task::arc_easy, R"({"query": "a", "choices": ["b", "c"], "gold": -1})", "no number"},
      {Task::boolq, R"({"query": "a", "choices": ["b", "c"], "gold": "1"})", "no number"},
      {Task::boolq, R"({"query": "a", "choices": ["b", "c"]})", "no member 'gold'"},
  };
  for (const auto& one : wrong) {
    const std::string error = error_of(one.task, one.content);
    EXPECT_NE(error.find("/data"), std::string::npos) << one.content << ": " << error;
    EXPECT_NE(error.find(one.words), std::string::npos) << one.content << ": " << error;
  }
}

}  // namespace
}  // namespace octet::evaluate
