// Child processes: what goes in and comes out, failures, programs that are not there.
#include "base/process.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

TEST(Process, ReadsItsInputAndGivesItsOutput) {
  const std::string large(1 << 20, 'x');  // more than a pipe holds
  const auto finished = run_program({"cat"}, large);
  ASSERT_TRUE(finished.has_value());
  EXPECT_TRUE(finished->succeeded);
  EXPECT_EQ(finished->output, large);
  EXPECT_EQ(finished->messages, "");
}

TEST(Process, TakesArgumentsAsTheyAre) {
  const auto finished = run_program({"printf", "%s", "$HOME `id` ; 'a'"}, "");
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->output, "$HOME `id` ; 'a'");
}

TEST(Process, TellsFailureWithWhatWasSaid) {
  const auto finished = run_program({"sh", "-c", "echo wrong >&2; exit 3"}, "");
  ASSERT_TRUE(finished.has_value());
  EXPECT_FALSE(finished->succeeded);
  EXPECT_EQ(finished->messages, "wrong\n");
  EXPECT_FALSE(run_program({"sh", "-c", "kill -9 $$"}, "")->succeeded);
}

TEST(Process, IsNothingWhereThereIsNoSuchProgram) {
  EXPECT_FALSE(run_program({"octet-has-no-such-program"}, "").has_value());
}

}  // namespace
}  // namespace octet
