// The warpgroup instructions of src/ops/cuda/warpgroup.cuh on a CPU, from the words of PTX ISA.
#include "gpu_emulator/warpgroup.h"

#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <vector>

#include "base/error.h"

namespace octet::ops::cuda {

namespace {

/// A kernel finds its dynamic shared memory here: at no multiple of what swizzling wants.
constexpr uint32_t kWindow = 3 * 128;
/// More turns than any other thread can need: the barrier is never reached.
constexpr int kMostTurns = 1 << 20;

std::byte* shared_memory(uint32_t address) {
  return gpu_emulator::dynamic_shared() + (address - kWindow);
}

/// Swizzling of 128 bytes: bits 4–6 of an address in shared memory change with its bits 7–9.
uint32_t swizzled(uint32_t address) {
  return address ^ ((address >> 7 & 7) << 4);
}

/// A barrier as it lies in its 64 bits.
struct Barrier {
  int32_t bytes;  // announced and not yet there
  uint16_t phase : 1;
  uint16_t expected : 15;  // arrivals of a phase
  uint16_t missing;

  void end_phase_when_complete() {
    if (missing > 0 || bytes != 0) return;
    phase ^= 1;
    missing = expected;
  }
};
static_assert(sizeof(Barrier) == 8);

template <typename Change>
void change(uint64_t* barrier, Change what) {
  auto state = std::bit_cast<Barrier>(*barrier);
  what(state);
  state.end_phase_when_complete();
  *barrier = std::bit_cast<uint64_t>(state);
}

struct Matrix {
  const std::byte* base;
  int64_t rows;
  int64_t row_bytes;
  int64_t box_rows;
};

struct Copy {
  Matrix matrix;
  uint32_t to;
  int64_t k;
  int64_t row;
  uint64_t* barrier;

  void run() const {
    for (int64_t r = 0; r < matrix.box_rows; ++r) {
      for (int64_t i = 0; i < kBoxBytes; i += 16) {
        const bool inside = row + r < matrix.rows && k + i < matrix.row_bytes;
        std::array<std::byte, 16> chunk{};
        if (inside) {
          std::memcpy(chunk.data(), matrix.base + (row + r) * matrix.row_bytes + k + i, 16);
        }
        const auto at = static_cast<uint32_t>(r * kBoxBytes + i);
        std::memcpy(shared_memory(swizzled(to + at)), chunk.data(), 16);
      }
    }
    const auto bytes = static_cast<int32_t>(matrix.box_rows * kBoxBytes);
    change(barrier, [&](Barrier& state) { state.bytes -= bytes; });
  }
};

std::deque<Copy> copies;

void run_copies_to(const uint64_t* barrier) {
  std::deque<Copy> others;
  for (const Copy& copy : copies) {
    if (copy.barrier == barrier) {
      copy.run();
    } else {
      others.push_back(copy);
    }
  }
  copies = std::move(others);
}

/// 16 bytes of row `row` of the operand, from byte k of its start on.
const int8_t* operand(uint64_t descriptor, int row, int k) {
  const auto start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
  const auto groups = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  const auto offset = static_cast<uint32_t>(row % 8 * 128 + k);
  return reinterpret_cast<const int8_t*>(
      shared_memory(swizzled(start + static_cast<uint32_t>(row / 8) * groups + offset)));
}

struct Multiplication {
  int32_t* sums;
  uint64_t a;
  uint64_t b;
  bool add;

  void run(int thread) const {
    const int first_row = thread / 32 * 16 + thread % 32 / 4;
    for (int i = 0; i < kWarpgroupSums; ++i) {
      const int row = first_row + i % 4 / 2 * 8;
      const int column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      int32_t sum = add ? sums[i] : 0;
      for (int k = 0; k < 32; k += 16) {
        const int8_t* x = operand(a, row, k);
        const int8_t* w = operand(b, column, k);
        for (int e = 0; e < 16; ++e) sum += x[e] * w[e];
      }
      sums[i] = sum;
    }
  }
};

/// The products that a thread has asked for.
struct Products {
  std::vector<Multiplication> open;
  std::deque<std::vector<Multiplication>> groups;
};

Products& products_of_thread() {
  static std::array<Products, 1024> all;
  return all[threadIdx.x];
}

}  // namespace

uint32_t shared_address(const void* memory) {
  return kWindow + static_cast<uint32_t>(static_cast<const std::byte*>(memory) -
                                         gpu_emulator::dynamic_shared());
}

void barrier_start(uint64_t* barrier, uint32_t arrivals) {
  const auto count = static_cast<uint16_t>(arrivals);
  *barrier = std::bit_cast<uint64_t>(Barrier{0, 0, static_cast<uint16_t>(count & 0x7fff), count});
}

void barrier_arrive(uint64_t* barrier) {
  change(barrier, [](Barrier& state) {
    OCTET_CHECK(state.missing > 0);
    --state.missing;
  });
}

void barrier_expect(uint64_t* barrier, uint32_t bytes) {
  change(barrier, [&](Barrier& state) {
    OCTET_CHECK(state.missing > 0);
    state.bytes += static_cast<int32_t>(bytes);
    --state.missing;
  });
}

void barrier_wait(uint64_t* barrier, uint32_t parity) {
  run_copies_to(barrier);
  for (int turn = 0; std::bit_cast<Barrier>(*barrier).phase == parity; ++turn) {
    OCTET_CHECK(turn < kMostTurns);
    gpu_emulator::yield();
    run_copies_to(barrier);
  }
}

void copy_box(const TensorMap& map, std::byte* to, int32_t k, int32_t row, uint64_t* barrier) {
  Copy copy = {{}, shared_address(to), k, row, barrier};
  std::memcpy(&copy.matrix, map.bits, sizeof copy.matrix);
  OCTET_CHECK(copy.to % 1024 == 0);
  copies.push_back(copy);
}

void multiply(WarpgroupSums& sums, uint64_t a, uint64_t b, int add) {
  for (const uint64_t descriptor : {a, b}) {
    // Swizzling of 128 bytes that begins at a multiple of 1024, 16 bytes for the unused distance.
    OCTET_CHECK(descriptor >> 62 == 1 && (descriptor >> 46 & 0xffff) == 0);
    OCTET_CHECK((descriptor >> 16 & 0xffff) == 1 && (descriptor >> 14 & 3) == 0);
  }
  products_of_thread().open.push_back({sums, a, b, add != 0});
}

void products_commit() {
  Products& products = products_of_thread();
  products.groups.push_back(std::move(products.open));
  products.open.clear();
}

void products_finish(int pending) {
  Products& products = products_of_thread();
  while (std::ssize(products.groups) > pending) {
    for (const Multiplication& one : products.groups.front()) {
      one.run(static_cast<int>(threadIdx.x) % 128);
    }
    products.groups.pop_front();
  }
}

TensorMap byte_matrix(const void* base, int64_t rows, int64_t row_bytes, int box_rows) {
  OCTET_CHECK(reinterpret_cast<uintptr_t>(base) % 16 == 0 && row_bytes % 16 == 0);
  OCTET_CHECK(rows > 0 && box_rows > 0 && box_rows <= 256);
  const Matrix matrix = {static_cast<const std::byte*>(base), rows, row_bytes, box_rows};
  TensorMap map = {};
  std::memcpy(map.bits, &matrix, sizeof matrix);
  return map;
}

}  // namespace octet::ops::cuda
