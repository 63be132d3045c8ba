// Runs kernels on a CPU: every thread of a block is a fiber, which goes on until it waits.
#include <algorithm>
#include <array>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "device/thread_team.h"
#include "gpu_emulator/cuda.h"

namespace octet::gpu_emulator {

dim3 thread_index;
dim3 block_index;
dim3 block_size;
dim3 grid_size;

namespace {

namespace context = boost::context;

constexpr int kWarp = 32;
constexpr size_t kStackBytes = 64 << 10;
/// Warps that exchange words more than once before all have read them use the halves in turn.
constexpr int kMostWords = 8;

/// Threads that wait for each other: all that have not ended.
struct Group {
  int alive = 0;
  int arrived = 0;
  uint64_t generation = 0;

  void leave() {
    --alive;
    if (arrived > 0 && arrived == alive) release();
  }
  void release() {
    arrived = 0;
    ++generation;
  }
};

struct Warp {
  Group group;
  std::array<std::array<uint32_t, kWarp * kMostWords>, 2> words;
};

class Block;
Block* running = nullptr;

/// Threads' fibers, made once: each runs one thread of a block whenever the block asks it to.
class Fibers {
 public:
  /// Goes on with a thread until it waits or ends.
  void resume(size_t thread) {
    if (thread >= fibers_.size()) fibers_.resize(thread + 1);
    context::fiber& fiber = fibers_[thread];
    if (!fiber) fiber = make();
    fiber = std::move(fiber).resume();
  }
  /// From a fiber: goes on with whoever resumed it.
  void yield() { scheduler_ = std::move(scheduler_).resume(); }

 private:
  context::fiber make();

  std::vector<context::fiber> fibers_;
  context::fiber scheduler_;
};

Fibers fibers;

/// A block's threads in turn, until all have ended.
class Block {
 public:
  Block(int threads, const std::function<void()>& body)
      : body_(body),
        ended_(static_cast<size_t>(threads), false),
        warps_(static_cast<size_t>((threads + kWarp - 1) / kWarp)) {
    OCTET_CHECK(threads > 0 && threads % kWarp == 0);
    all_.alive = threads;
    for (Warp& warp : warps_) warp.group.alive = kWarp;
  }

  void run() {
    running = this;
    while (all_.alive > 0) {
      for (size_t thread = 0; thread < ended_.size(); ++thread) {
        if (ended_[thread]) continue;
        thread_index = dim3(static_cast<unsigned>(thread), 0, 0);
        fibers.resume(thread);
      }
    }
    running = nullptr;
  }

  void run_thread() {
    body_();
    const size_t thread = thread_index.x;
    ended_[thread] = true;
    warps_[thread / kWarp].group.leave();
    all_.leave();
  }
  void wait(Group& group) {
    const uint64_t generation = group.generation;
    if (++group.arrived == group.alive) {
      group.release();
      return;
    }
    while (group.generation == generation) fibers.yield();
  }
  Group& all() { return all_; }
  Warp& warp() { return warps_[thread_index.x / kWarp]; }

 private:
  const std::function<void()>& body_;
  std::vector<bool> ended_;
  Group all_;
  std::vector<Warp> warps_;
};

context::fiber Fibers::make() {
  return context::fiber(std::allocator_arg, context::fixedsize_stack(kStackBytes),
                        [this](context::fiber&& scheduler) {
                          scheduler_ = std::move(scheduler);
                          while (true) {
                            running->run_thread();
                            yield();
                          }
                          return std::move(scheduler_);
                        });
}

std::vector<std::byte> shared;

}  // namespace

std::byte* dynamic_shared() {
  const auto address = reinterpret_cast<uintptr_t>(shared.data());
  return shared.data() + (128 - address % 128) % 128;
}

void run(dim3 blocks, int threads, int64_t shared_bytes, const std::function<void()>& body) {
  const device::FlushDenormals flush;
  grid_size = blocks;
  block_size = dim3(static_cast<unsigned>(threads));
  // As large as it was asked for, so that a sanitizer sees what goes beyond.
  shared = std::vector<std::byte>(static_cast<size_t>(shared_bytes) + 128, std::byte{0xcd});
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        block_index = dim3(x, y, z);
        Block(threads, body).run();
      }
    }
  }
}

namespace {

/// Threads of the kernel that runs that waited for earlier kernels.
int64_t waits = 0;

}  // namespace

void note_wait_for_earlier_kernels() {
  ++waits;
}

void run_early(dim3 blocks, int threads, int64_t shared_bytes, const std::function<void()>& body) {
  waits = 0;
  run(blocks, threads, shared_bytes, body);
  OCTET_CHECK(waits == int64_t{1} * blocks.x * blocks.y * blocks.z * threads);
}

void yield() {
  fibers.yield();
}

void wait_for_block() {
  running->wait(running->all());
}

void wait_for_warp() {
  running->wait(running->warp().group);
}

const uint32_t* exchange(const uint32_t* words, int count) {
  OCTET_CHECK(count <= kMostWords);
  Warp& warp = running->warp();
  auto& slot = warp.words[warp.group.generation % 2];
  const auto lane = static_cast<int>(thread_index.x) % kWarp;
  std::copy_n(words, count, slot.begin() + lane * count);
  wait_for_warp();
  return slot.data();
}

}  // namespace octet::gpu_emulator

namespace octet::ops::cuda {

namespace {

/// The operands of all lanes, and where this lane's results lie.
class Warp {
 public:
  explicit Warp(const MmaOperands& mine) {
    std::array<uint32_t, 6> words;
    std::copy_n(mine.a, 4, words.begin());
    std::copy_n(mine.b, 2, words.begin() + 4);
    words_ = gpu_emulator::exchange(words.data(), 6);
    lane_ = static_cast<int>(threadIdx.x % 32);
  }
  /// Row (0 to 15) and output (0 to 7) of result i.
  int row(int i) const { return lane_ / 4 + i / 2 * 8; }
  int output(int i) const { return lane_ % 4 * 2 + i % 2; }
  /// The word that lane 4·(row % 8) + q holds of that row of A, q = 0 to 3, in half `half` of K.
  uint32_t a(int row, int q, int half) const {
    return words_[(row % 8 * 4 + q) * 6 + half * 2 + row / 8];
  }
  uint32_t b(int output, int q, int half) const { return words_[(output * 4 + q) * 6 + 4 + half]; }

 private:
  const uint32_t* words_;
  int lane_;
};

float element(uint32_t word, int index, bool f16) {
  const auto bits = static_cast<uint16_t>(word >> (16 * index));
  return f16 ? f16_to_float(bits) : bf16_to_float(bits);
}

}  // namespace

void emulated_mma_s8(int32_t (&c)[4], const MmaOperands& mine) {
  const Warp warp(mine);
  for (int i = 0; i < 4; ++i) {
    for (int half = 0; half < 2; ++half) {
      for (int q = 0; q < 4; ++q) {
        const uint32_t a = warp.a(warp.row(i), q, half);
        const uint32_t b = warp.b(warp.output(i), q, half);
        for (int byte = 0; byte < 4; ++byte) {
          c[i] += static_cast<int8_t>(a >> (8 * byte)) * static_cast<int8_t>(b >> (8 * byte));
        }
      }
    }
  }
}

void emulated_mma16(float (&c)[4], const MmaOperands& mine, bool f16) {
  const Warp warp(mine);
  for (int i = 0; i < 4; ++i) {
    double sum = c[i];
    for (int half = 0; half < 2; ++half) {
      for (int q = 0; q < 4; ++q) {
        const uint32_t a = warp.a(warp.row(i), q, half);
        const uint32_t b = warp.b(warp.output(i), q, half);
        for (int index = 0; index < 2; ++index) {
          sum += static_cast<double>(element(a, index, f16)) * element(b, index, f16);
        }
      }
    }
    c[i] = static_cast<float>(sum);
  }
}

}  // namespace octet::ops::cuda
