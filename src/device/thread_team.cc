// A fixed team of threads that runs one function at a time on all of them.
#include "device/thread_team.h"

#include <sched.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octet::device {

namespace {

// Spins before a worker sleeps: about 100 µs, longer than any gap inside a step.
constexpr int kSpins = 4000;

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

template <typename Condition>
void spin_while(const Condition& condition) {
  for (int spins = 0; condition(); ++spins) {
    if (spins < kSpins) {
      pause_cpu();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace

ThreadTeam::ThreadTeam(int size) {
  OCTET_CHECK(size >= 1);
  workers_.reserve(static_cast<size_t>(size - 1));
  try {
    for (int thread = 1; thread < size; ++thread) {
      workers_.emplace_back([this, thread] { work(thread); });
    }
  } catch (const std::system_error& error) {
    const size_t started = workers_.size() + 1;
    stop();
    fail("cannot start more than {} of {} threads ({}); ask for fewer", started, size,
         error.what());
  }
}

ThreadTeam::~ThreadTeam() {
  stop();
}

void ThreadTeam::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true, std::memory_order_release);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::call(int thread) noexcept {
  try {
    (*function_)(thread);
  } catch (...) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadTeam::open(const FunctionRef<void(int)>& function) {
  function_ = &function;
  joined_.store(0, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_seq_cst) > 0) {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
}

void ThreadTeam::close() {
  // A worker says that it is active before it looks whether the work is still open, and here it is
  // the other way round: one of the two sees the other (sequential consistency).
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  spin_while([&] { return active_.load(std::memory_order_seq_cst) > 0; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadTeam::run(FunctionRef<void(int)> function) {
  const FlushDenormals flush;
  open(function);
  call(0);
  const auto workers = static_cast<int>(workers_.size());
  spin_while([&] { return joined_.load(std::memory_order_acquire) < workers; });
  close();
}

void ThreadTeam::for_each(int64_t tasks, FunctionRef<void(int64_t, int)> function) {
  if (tasks <= 0) return;
  if (tasks == 1 || workers_.empty()) {
    const FlushDenormals flush;
    for (int64_t task = 0; task < tasks; ++task) function(task, 0);
    return;
  }
  const FlushDenormals flush;
  std::atomic<int64_t> next{0};
  const auto take_tasks = [&](int thread) {
    for (int64_t task = next.fetch_add(1, std::memory_order_relaxed); task < tasks;
         task = next.fetch_add(1, std::memory_order_relaxed)) {
      function(task, thread);
    }
  };
  const FunctionRef<void(int)> work_function = take_tasks;
  open(work_function);
  call(0);
  close();
}

void ThreadTeam::work(int thread) {
  const FlushDenormals flush;
  uint64_t seen = 0;
  while (true) {
    uint64_t epoch = 0;
    int spins = 0;
    while (!is_new(epoch = epoch_.load(std::memory_order_acquire), seen)) {
      if (stop_.load(std::memory_order_acquire)) return;
      if (++spins < kSpins) {
        pause_cpu();
        continue;
      }
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, [&] {
        return is_new(epoch_.load(std::memory_order_seq_cst), seen) ||
               stop_.load(std::memory_order_acquire);
      });
      sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      spins = 0;  // woken too late for this work perhaps, but more follows it
    }
    active_.fetch_add(1, std::memory_order_seq_cst);
    if (epoch_.load(std::memory_order_seq_cst) == epoch) {
      call(thread);
      joined_.fetch_add(1, std::memory_order_release);
    }
    active_.fetch_sub(1, std::memory_order_seq_cst);
    seen = epoch;
  }
}

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) {
  _mm_setcsr(saved_ | 0x8040u);
}
FlushDenormals::~FlushDenormals() {
  _mm_setcsr(saved_);
}
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() = default;
#endif

}  // namespace octet::device
