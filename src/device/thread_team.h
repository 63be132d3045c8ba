// A fixed team of threads that runs one function at a time on all of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "device/function_ref.h"

namespace octet::device {

/// `size` threads, the caller among them. While work comes quickly the others spin; after a short
/// bounded time without work they sleep. Every member, the caller included while it works, flushes
/// denormals to zero (FTZ and DAZ), as AMX does, so that all instruction sets give the same bits.
/// One caller at a time; a function must not call back into its own team.
class ThreadTeam {
 public:
  /// Throws Error when the system does not give so many threads.
  explicit ThreadTeam(int size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `function(thread)` once on every member, thread in [0, size()); returns when all are
  /// done. The first exception thrown by a member is thrown again here.
  void run(FunctionRef<void(int)> function);

  /// Calls `function(task, thread)` for every task in [0, tasks), handed out in rising order.
  /// A member that the system does not let run in time gets none, and is not waited for.
  void for_each(int64_t tasks, FunctionRef<void(int64_t, int)> function);

 private:
  void work(int thread);
  void call(int thread) noexcept;
  void stop();
  void open(const FunctionRef<void(int)>& function);
  void close();
  bool is_new(uint64_t epoch, uint64_t seen) const { return epoch % 2 == 1 && epoch != seen; }

  std::vector<std::thread> workers_;
  const FunctionRef<void(int)>* function_ = nullptr;
  std::atomic<uint64_t> epoch_{0};  ///< odd while there is work to join
  std::atomic<int> active_{0};      ///< workers that may be using function_
  std::atomic<int> joined_{0};      ///< workers that have done this epoch's work
  std::atomic<bool> stop_{false};
  std::atomic<int> sleeping_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

/// How many threads a program of this process should use: the CPUs its affinity mask allows.
int available_threads();

/// Flushes denormals to zero on this thread while it lives.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned saved_;
};

}  // namespace octet::device
