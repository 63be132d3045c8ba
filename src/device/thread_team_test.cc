// A team runs every task once on its members, hands errors back, sleeps, wakes and stops.
#include "device/thread_team.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octet::device {
namespace {

using std::chrono::milliseconds;

class Team : public ::testing::TestWithParam<int> {};

TEST_P(Team, RunCallsEveryMemberOnceEachOnItsOwnThread) {
  ThreadTeam team(GetParam());
  ASSERT_EQ(team.size(), GetParam());
  std::vector<std::thread::id> first(static_cast<size_t>(team.size()));
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<int> calls(static_cast<size_t>(team.size()), 0);
    std::vector<std::thread::id> ids(static_cast<size_t>(team.size()));
    team.run([&](int thread) {
      ++calls.at(static_cast<size_t>(thread));
      ids.at(static_cast<size_t>(thread)) = std::this_thread::get_id();
    });
    EXPECT_EQ(calls, std::vector<int>(static_cast<size_t>(team.size()), 1));
    EXPECT_EQ(ids[0], std::this_thread::get_id());
    EXPECT_EQ(std::set<std::thread::id>(ids.begin(), ids.end()).size(), ids.size());
    if (repeat == 0) first = ids;
    EXPECT_EQ(ids, first);
  }
}

TEST_P(Team, ForEachRunsEveryTaskExactlyOnceOnAMemberThread) {
  ThreadTeam team(GetParam());
  for (int64_t tasks : {0, 1, 2, 3, 7, 8, 9, 1000}) {
    std::vector<std::atomic<int>> done(static_cast<size_t>(tasks));
    std::atomic<bool> strangers{false};
    team.for_each(tasks, [&](int64_t task, int thread) {
      done.at(static_cast<size_t>(task)).fetch_add(1);
      if (thread < 0 || thread >= team.size()) strangers = true;
    });
    for (const std::atomic<int>& count : done) ASSERT_EQ(count, 1) << tasks;
    EXPECT_FALSE(strangers);
  }
  team.for_each(-1, [](int64_t, int) { FAIL(); });
}

TEST_P(Team, ForEachStartsTasksInRisingOrder) {
  ThreadTeam team(GetParam());
  std::vector<std::vector<int64_t>> taken(static_cast<size_t>(team.size()));
  team.for_each(
      500, [&](int64_t task, int thread) { taken[static_cast<size_t>(thread)].push_back(task); });
  for (const std::vector<int64_t>& tasks : taken) {
    EXPECT_TRUE(std::is_sorted(tasks.begin(), tasks.end()));
  }
}

TEST_P(Team, WritesBeforeARunAreSeenByMembersAndTheirsByTheCaller) {
  ThreadTeam team(GetParam());
  // Plain integers: the thread sanitizer fails here when a run does not order them.
  int64_t input = 0;
  std::vector<int64_t> output(static_cast<size_t>(team.size()), 0);
  int64_t expected = 0;
  for (int repeat = 0; repeat < 2000; ++repeat) {
    input = repeat;
    team.run([&](int thread) { output[static_cast<size_t>(thread)] += input; });
    expected += repeat;
  }
  for (int64_t sum : output) EXPECT_EQ(sum, expected);
}

// Short works one after the other: members that come late must not touch a work that is over. Each
// has memory of its own that is freed at once, so the sanitizers see one that does.
TEST_P(Team, ForEachLeavesNoMemberBehindInAFinishedWork) {
  ThreadTeam team(GetParam());
  for (int repeat = 0; repeat < 3000; ++repeat) {
    if (repeat % 500 == 0) std::this_thread::sleep_for(milliseconds(2));  // members fall asleep
    const int64_t tasks = 2 + repeat % 5;
    std::vector<int64_t> done(static_cast<size_t>(tasks), -1);
    const auto first = std::make_unique<int64_t>(repeat);
    team.for_each(tasks,
                  [&](int64_t task, int) { done[static_cast<size_t>(task)] = *first + task; });
    for (int64_t task = 0; task < tasks; ++task) {
      ASSERT_EQ(done[static_cast<size_t>(task)], repeat + task);
    }
  }
}

TEST_P(Team, RunAndForEachMayFollowEachOther) {
  ThreadTeam team(GetParam());
  for (int repeat = 0; repeat < 300; ++repeat) {
    std::atomic<int> tasks{0};
    std::atomic<int> members{0};
    team.for_each(9, [&](int64_t, int) { tasks.fetch_add(1); });
    team.run([&](int) { members.fetch_add(1); });
    ASSERT_EQ(tasks, 9);
    ASSERT_EQ(members, team.size());
  }
}

TEST_P(Team, AnExceptionOfAnyMemberIsThrownAgainAndTheTeamGoesOn) {
  ThreadTeam team(GetParam());
  for (int thrower = 0; thrower < team.size(); ++thrower) {
    std::atomic<int> calls{0};
    const auto work = [&](int thread) {
      calls.fetch_add(1);
      if (thread == thrower) fail("member {} failed", thread);
    };
    try {
      team.run(work);
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), "member " + std::to_string(thrower) + " failed");
    }
    EXPECT_EQ(calls, team.size());
  }
  std::atomic<int> calls{0};
  team.run([&](int) { calls.fetch_add(1); });
  EXPECT_EQ(calls, team.size());
}

TEST_P(Team, OneExceptionIsThrownWhenAllMembersFail) {
  ThreadTeam team(GetParam());
  EXPECT_THROW(team.run([](int) { throw std::out_of_range("all"); }), std::out_of_range);
  EXPECT_THROW(team.for_each(100, [](int64_t, int) { throw std::out_of_range("all"); }),
               std::out_of_range);
  EXPECT_NO_THROW(team.run([](int) {}));
}

TEST_P(Team, WorksAfterItsMembersWentToSleep) {
  ThreadTeam team(GetParam());
  for (milliseconds pause : {milliseconds(0), milliseconds(1), milliseconds(20)}) {
    for (int repeat = 0; repeat < 5; ++repeat) {
      std::this_thread::sleep_for(pause);
      std::atomic<int> calls{0};
      team.run([&](int) { calls.fetch_add(1); });
      ASSERT_EQ(calls, team.size());
    }
  }
}

TEST_P(Team, StopsWhileItsMembersSpinAndWhileTheySleep) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    ThreadTeam spinning(GetParam());
    if (repeat % 2 == 0) spinning.run([](int) {});
  }
  ThreadTeam sleeping(GetParam());
  std::this_thread::sleep_for(milliseconds(20));
}

#if defined(__x86_64__)
TEST_P(Team, EveryMemberFlushesDenormalsAndTheCallerGetsItsModeBack) {
  constexpr unsigned kFlushToZero = 1u << 15;
  constexpr unsigned kDenormalsAreZero = 1u << 6;
  constexpr unsigned kBoth = kFlushToZero | kDenormalsAreZero;
  const unsigned before = _mm_getcsr();
  ASSERT_EQ(before & kBoth, 0u);
  ThreadTeam team(GetParam());
  const volatile float tiny = std::numeric_limits<float>::min();
  const volatile float denormal = std::numeric_limits<float>::denorm_min();
  const auto check = [&](int) {
    const volatile float halved = tiny * 0.5f;         // FTZ: a denormal result is zero
    const volatile float raised = denormal * 0x1p60f;  // DAZ: a denormal operand is zero
    if ((_mm_getcsr() & kBoth) != kBoth || halved != 0.0f || raised != 0.0f) {
      throw std::runtime_error("denormals are kept");
    }
  };
  EXPECT_NO_THROW(team.run(check));
  EXPECT_EQ(_mm_getcsr(), before);
  for (int64_t tasks : {1, 50}) {
    EXPECT_NO_THROW(team.for_each(tasks, [&](int64_t, int thread) { check(thread); }));
    EXPECT_EQ(_mm_getcsr(), before);
  }
  EXPECT_THROW(team.run([](int) { throw std::runtime_error("x"); }), std::runtime_error);
  EXPECT_EQ(_mm_getcsr(), before);
}
#endif

INSTANTIATE_TEST_SUITE_P(Sizes, Team, ::testing::Range(1, 9),
                         [](const auto& size) { return std::to_string(size.param); });

TEST(ThreadTeam, SleepingMembersUseNoProcessorTime) {
  ThreadTeam team(4);
  team.run([](int) {});
  std::this_thread::sleep_for(milliseconds(20));  // far longer than the members spin
  const auto processor_seconds = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double before = processor_seconds();
  std::this_thread::sleep_for(milliseconds(200));
  // Spinning would use 200 ms on at least one processor; sleeping uses nothing measurable.
  EXPECT_LT(processor_seconds() - before, 0.05);
}

TEST(ThreadTeam, MoreThreadsThanTheSystemGivesIsAnErrorNotACrash) {
  const auto start_too_many = [] {
    // No room for the stacks of so many threads.
    const rlimit limit{size_t{1} << 30, size_t{1} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(3);
    try {
      ThreadTeam team(2000);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::_Exit(1);
    }
    std::_Exit(0);
  };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's shadow does not fit a limited address space";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(start_too_many(), ::testing::ExitedWithCode(1), "cannot start .* of 2000 threads");
}

TEST(ThreadTeam, AvailableThreadsFollowTheAffinityMask) {
  EXPECT_GE(available_threads(), 1);
  cpu_set_t whole;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(whole), &whole), 0);
  std::thread([&] {
    int first = 0;
    while (!CPU_ISSET(first, &whole)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);  // this thread only
    EXPECT_EQ(available_threads(), 1);
  }).join();
  EXPECT_EQ(available_threads(), CPU_COUNT(&whole));
}

}  // namespace
}  // namespace octet::device
