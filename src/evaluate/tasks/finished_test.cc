// The file of finished documents: what is found again, and what is refused.
#include "evaluate/tasks/finished.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "octet/error.h"
#include "support/temporary_directory.h"

namespace octet::evaluate {
namespace {

const RunIdentity kRun = {.settings = 0xfedcba9876543210u, .method = "fp32", .task = "piqa"};
const Answers kAnswers = {{.loglikelihood = -1.0 / 3, .greedy = false},
                          {.loglikelihood = -40.28219, .greedy = true}};

class Finished : public testing::Test {
 protected:
  std::filesystem::path path() const { return directory_.path() / "finished.jsonl"; }
  std::string error_of(std::string_view content) const {
    write_file(path(), content);
    try {
      const FinishedDocuments file(path());
    } catch (const Error& error) {
      EXPECT_EQ(read_file(path()), content);  // another kind of file is left alone
      return error.what();
    }
    return "";
  }

 private:
  test::TemporaryDirectory directory_;
};

TEST_F(Finished, DocumentsAreFoundAgainToTheLastBit) {
  {
    FinishedDocuments file(path());
    EXPECT_EQ(file.find(kRun, 1, 2), nullptr);
    file.add(kRun, 1, kAnswers);
  }
  FinishedDocuments file(path());
  file.add(kRun, 2, {{.loglikelihood = -5, .greedy = true}});
  const FinishedDocuments again(path());
  ASSERT_NE(again.find(kRun, 1, 2), nullptr);
  EXPECT_EQ(*again.find(kRun, 1, 2), kAnswers);
  EXPECT_NE(again.find(kRun, 2, 1), nullptr);
}

TEST_F(Finished, DocumentsOfOtherSettingsOrTextsAreNotTaken) {
  FinishedDocuments file(path());
  file.add(kRun, 1, kAnswers);
  RunIdentity other = kRun;
  ++other.settings;
  EXPECT_EQ(file.find(other, 1, 2), nullptr);
  EXPECT_EQ(file.find(kRun, 3, 2), nullptr);
  EXPECT_EQ(file.find(kRun, 1, 4), nullptr);
}

TEST_F(Finished, ALineThatWasCutOffIsTakenOut) {
  {
    FinishedDocuments file(path());
    file.add(kRun, 1, kAnswers);
    file.add(kRun, 2, kAnswers);
  }
  const std::string whole = read_file(path());
  const size_t first = whole.find('\n') + 1;
  for (size_t end : {first + 1, first + 10, first + 40, whole.size() - 1}) {
    write_file(path(), whole.substr(0, end));
    FinishedDocuments file(path());
    EXPECT_NE(file.find(kRun, 1, 2), nullptr);
    EXPECT_EQ(file.find(kRun, 2, 2), nullptr);
    file.add(kRun, 2, kAnswers);
    EXPECT_EQ(read_file(path()), whole);
  }
}

TEST_F(Finished, OtherFilesAreRefusedAndKept) {
  EXPECT_NE(error_of("a text").find("line 1 was not written"), std::string::npos);
  EXPECT_NE(error_of("{\"goal\": \"a\"}\n").find("line 1 was not written"), std::string::npos);
  EXPECT_NE(error_of("{\"octet_eval\":1,\"settings\":\"zz\"}\n").find("line 1"), std::string::npos);
  EXPECT_NE(error_of("{\"octet_eval\":1,\"settings\":\"1\",\"document\":\"2\",\"answers\":[1]}\n")
                .find("line 1"),
            std::string::npos);
}

TEST(Fingerprint, IsFnv1aAndTellsPromptsApart) {
  EXPECT_EQ(fingerprint(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fingerprint("a"), 0xaf63dc4c8601ec8cu);
  const DocumentSequences one = {.answers = {{.tokens = {1, 2, 3}, .scored_from = 1}}};
  const DocumentSequences two = {.answers = {{.tokens = {1, 2, 3}, .scored_from = 2}}};
  const DocumentSequences three = {.answers = {{.tokens = {12, 3}, .scored_from = 1}}};
  EXPECT_NE(fingerprint(one), fingerprint(two));
  EXPECT_NE(fingerprint(one), fingerprint(three));
}

}  // namespace
}  // namespace octet::evaluate
