// Pages of a KV cache: their users, what is remembered of them, and which goes first.
#include "runtime/page_pool.h"

#include <gtest/gtest.h>

namespace octet::runtime {
namespace {

using Tokens = std::vector<int32_t>;
constexpr PagePool::Chain kRoot = 16;

TEST(PagePool, APageIsFreeAgainWhenItsLastUserReleasesIt) {
  PagePool pool(2);
  const int32_t page = pool.take();
  pool.share(page);
  EXPECT_EQ(pool.used(), 1);
  pool.release(page);
  EXPECT_EQ(pool.used(), 1);
  pool.release(page);
  EXPECT_EQ(pool.used(), 0);
  EXPECT_EQ(pool.available(), 2);
}

TEST(PagePool, RemembersAPageByAllTokensBeforeItAndItsRoot) {
  PagePool pool(4);
  const int32_t first = pool.take();
  const int32_t second = pool.take();
  const auto after_first = pool.remember(first, kRoot, Tokens{1, 2});
  pool.remember(second, after_first, Tokens{3, 4});
  EXPECT_EQ(pool.find(kRoot, Tokens{1, 2})->page, first);
  EXPECT_EQ(pool.find(after_first, Tokens{3, 4})->page, second);
  EXPECT_FALSE(pool.find(kRoot, Tokens{3, 4}));
  EXPECT_FALSE(pool.find(8, Tokens{1, 2}));
  EXPECT_FALSE(pool.find(kRoot, Tokens{1, 3}));
}

TEST(PagePool, RememberedPagesOutliveTheirUsersUntilMemoryIsNeededTheLongestUnusedFirst) {
  PagePool pool(3);
  std::vector<int32_t> pages;
  for (int32_t i = 0; i < 3; ++i) {
    pages.push_back(pool.take());
    pool.remember(pages.back(), kRoot, Tokens{i});
  }
  for (const int32_t page : {pages[1], pages[0], pages[2]}) pool.release(page);
  EXPECT_EQ(pool.remembered(), 3);
  EXPECT_EQ(pool.used(), 0);
  // Used once more, a page becomes the last to go.
  pool.share(pages[1]);
  pool.release(pages[1]);
  EXPECT_EQ(pool.take(), pages[0]);
  EXPECT_FALSE(pool.find(kRoot, Tokens{0}));
  EXPECT_TRUE(pool.find(kRoot, Tokens{1}));
  EXPECT_TRUE(pool.find(kRoot, Tokens{2}));
  EXPECT_EQ(pool.take(), pages[2]);
  EXPECT_EQ(pool.take(), pages[1]);
  EXPECT_EQ(pool.available(), 0);
}

TEST(PagePool, OfTwoPagesWithTheSameTokensTheFirstIsFoundAndTheOtherIsPlain) {
  PagePool pool(2);
  const int32_t first = pool.take();
  const int32_t second = pool.take();
  const auto chain = pool.remember(first, kRoot, Tokens{1});
  EXPECT_EQ(pool.remember(second, kRoot, Tokens{1}), chain);
  EXPECT_FALSE(pool.is_remembered(second));
  pool.release(second);
  EXPECT_EQ(pool.remembered(), 0);
  EXPECT_EQ(pool.find(kRoot, Tokens{1})->page, first);
}

TEST(PagePool, WhatFollowsAForgottenPageIsNotFoundAfterTheSameTokensAreReadAgain) {
  PagePool pool(2);
  const int32_t first = pool.take();
  const int32_t second = pool.take();
  const auto chain = pool.remember(first, kRoot, Tokens{1});
  pool.remember(second, chain, Tokens{2});
  pool.release(first);
  const int32_t again = pool.take();  // forgets `first`
  EXPECT_NE(pool.remember(again, kRoot, Tokens{1}), chain);
  EXPECT_FALSE(pool.find(pool.find(kRoot, Tokens{1})->chain, Tokens{2}));
}

}  // namespace
}  // namespace octet::runtime
