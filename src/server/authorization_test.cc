// Keys in Authorization headers.
#include "server/authorization.h"

#include <gtest/gtest.h>

namespace octet::server {
namespace {

TEST(Authorization, TakesTheKeyAndNothingElse) {
  EXPECT_TRUE(authorized("Bearer secret", "secret"));
  EXPECT_TRUE(authorized("bearer  secret", "secret"));
  for (const char* header :
       {"", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "secret", "Bearer Secret",
        "Bearer secretsecret", "Basic secret", "Bearer secret "})
    EXPECT_FALSE(authorized(header, "secret")) << header;
}

TEST(Authorization, SecretsAreComparedWhole) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abd", "abc"));
  EXPECT_FALSE(same_secret("", "abc"));
  EXPECT_FALSE(same_secret("a", ""));
  EXPECT_TRUE(same_secret("", ""));
  // A repetition of the secret folds onto itself; the length tells them apart.
  EXPECT_FALSE(same_secret("abcabc", "abc"));
}

}  // namespace
}  // namespace octet::server
