// Runs AMX kernels on machines without AMX, by emulating the tile instructions one by one.
//
// Encodings and semantics follow the Intel 64 and IA-32 Architectures Software Developer's Manual,
// volume 2 (the TILE* and TDP* entries). Every tile instruction has a three-byte VEX prefix:
//   C4 | R X B mmmmm (inverted; map 2) | W vvvv L pp | opcode | ModRM | [SIB] | [displacement]
#include "support/amx_emulator.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "base/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <ucontext.h>
#endif

namespace octet::test {

namespace {

std::atomic<uint64_t> g_instructions{0};
static_assert(std::atomic<uint64_t>::is_always_lock_free);  // a signal handler counts with it

}  // namespace

uint64_t AmxEmulator::instructions() {
  return g_instructions.load(std::memory_order_relaxed);
}

#if defined(__x86_64__)
namespace {

constexpr int kTiles = 8;
constexpr int kMaxRows = 16;
constexpr int kRowBytes = 64;

struct Tile {
  int rows = 0;
  int column_bytes = 0;
  // Whatever lies outside rows × column_bytes is zero, as in a real tile.
  alignas(64) uint8_t data[kMaxRows][kRowBytes] = {};

  bool configured() const { return rows != 0; }
};

struct TileState {
  uint8_t palette = 0;
  uint8_t start_row = 0;
  Tile tiles[kTiles];
};

// The memory operand of LDTILECFG and STTILECFG.
struct TileConfig {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t column_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64);

thread_local TileState t_state;
struct sigaction g_previous;  // what SIGILL did before the emulator came

enum Prefix { kNone = 0, k66 = 1, kF3 = 2, kF2 = 3 };  // VEX.pp

// One decoded instruction.
struct Instruction {
  int opcode = 0;
  int prefix = 0;
  int reg = 0;   // ModRM.reg: a tile, or the /digit of LDTILECFG
  int rm = 0;    // ModRM.rm of a register operand
  int vvvv = 0;  // third operand
  bool memory = false;
  bool has_sib = false;
  uint64_t address = 0;
  uint64_t stride = 0;  // index register · scale; 0 without index
  int bytes = 0;
};

uint64_t general_register(const ucontext_t& context, int number) {
  static constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                     REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                     REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(context.uc_mcontext.gregs[kOrder[number]]);
}

int64_t read_displacement(const uint8_t* code, int bytes) {
  if (bytes == 1) return static_cast<int8_t>(code[0]);
  int32_t value = 0;
  if (bytes == 4) std::memcpy(&value, code, 4);
  return value;
}

// The address of a memory operand; `code` stands behind ModRM and moves behind the operand.
void decode_memory(const ucontext_t& context, const uint8_t* start, const uint8_t* code, int modrm,
                   int rex_x, int rex_b, Instruction& in) {
  const int mod = modrm >> 6;
  int base = modrm & 7;
  in.memory = true;
  uint64_t address = 0;
  int displacement_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
  bool relative = false;
  if (base == 4) {  // SIB: scale, index, base
    const int sib = *code++;
    in.has_sib = true;
    base = sib & 7;
    const int index = ((sib >> 3) & 7) | rex_x;
    if (index != 4) in.stride = general_register(context, index) << (sib >> 6);
    if (base == 5 && mod == 0) {
      displacement_bytes = 4;
    } else {
      address = general_register(context, base | rex_b);
    }
  } else if (base == 5 && mod == 0) {  // relative to the next instruction
    displacement_bytes = 4;
    relative = true;
  } else {
    address = general_register(context, base | rex_b);
  }
  address += static_cast<uint64_t>(read_displacement(code, displacement_bytes));
  code += displacement_bytes;
  in.bytes = static_cast<int>(code - start);
  if (relative) {
    address +=
        static_cast<uint64_t>(context.uc_mcontext.gregs[REG_RIP]) + static_cast<uint64_t>(in.bytes);
  }
  in.address = address;
}

// False when the instruction at the context's RIP is not VEX.128.0F38.W0 at all.
bool decode(const ucontext_t& context, Instruction& in) {
  const auto* start = reinterpret_cast<const uint8_t*>(context.uc_mcontext.gregs[REG_RIP]);
  if (start[0] != 0xc4 || (start[1] & 0x1f) != 2 || (start[2] & 0x84) != 0) return false;
  const bool extended_reg = (start[1] & 0x80) == 0;
  const int rex_x = (start[1] & 0x40) == 0 ? 8 : 0;
  const int rex_b = (start[1] & 0x20) == 0 ? 8 : 0;
  in.prefix = start[2] & 3;
  in.vvvv = (~start[2] >> 3) & 15;
  in.opcode = start[3];
  const int modrm = start[4];
  in.reg = (modrm >> 3) & 7;
  in.rm = modrm & 7;
  if (extended_reg) return false;  // there are only eight tiles
  if (modrm >> 6 == 3) {
    in.bytes = 5;
    return rex_b == 0;
  }
  decode_memory(context, start, start + 5, modrm, rex_x, rex_b, in);
  return true;
}

bool load_config(TileState& state, uint64_t address) {
  TileConfig config;
  std::memcpy(&config, reinterpret_cast<const void*>(address), sizeof(config));
  if (config.palette > 1) return false;
  TileState fresh;
  if (config.palette == 1) {
    for (uint8_t byte : config.reserved) {
      if (byte != 0) return false;
    }
    for (int t = 0; t < 16; ++t) {
      const int rows = config.rows[t];
      const int column_bytes = config.column_bytes[t];
      if (rows > kMaxRows || column_bytes > kRowBytes || (rows == 0) != (column_bytes == 0)) {
        return false;
      }
      if (t >= kTiles) {
        if (rows != 0) return false;
        continue;
      }
      fresh.tiles[t].rows = rows;
      fresh.tiles[t].column_bytes = column_bytes;
    }
    fresh.palette = 1;
    fresh.start_row = config.start_row;
  }
  state = fresh;
  return true;
}

void store_config(const TileState& state, uint64_t address) {
  TileConfig config = {};
  config.palette = state.palette;
  config.start_row = state.start_row;
  for (int t = 0; t < kTiles; ++t) {
    config.rows[t] = static_cast<uint8_t>(state.tiles[t].rows);
    config.column_bytes[t] = static_cast<uint16_t>(state.tiles[t].column_bytes);
  }
  std::memcpy(reinterpret_cast<void*>(address), &config, sizeof(config));
}

void load_tile(TileState& state, Tile& tile, const Instruction& in) {
  for (int row = state.start_row; row < tile.rows; ++row) {
    const uint64_t from = in.address + static_cast<uint64_t>(row) * in.stride;
    std::memset(tile.data[row], 0, kRowBytes);
    std::memcpy(tile.data[row], reinterpret_cast<const void*>(from),
                static_cast<size_t>(tile.column_bytes));
  }
  state.start_row = 0;
}

void store_tile(TileState& state, const Tile& tile, const Instruction& in) {
  for (int row = state.start_row; row < tile.rows; ++row) {
    const uint64_t to = in.address + static_cast<uint64_t>(row) * in.stride;
    std::memcpy(reinterpret_cast<void*>(to), tile.data[row],
                static_cast<size_t>(tile.column_bytes));
  }
  state.start_row = 0;
}

// c[m][n] += Σ_k Σ_j a[m][4k+j] · b[k][4n+j], modulo 2^32.
template <typename A, typename B>
void dot_bytes(Tile& c, const Tile& a, const Tile& b) {
  const int columns = c.column_bytes / 4;
  for (int m = 0; m < c.rows; ++m) {
    uint32_t sums[kRowBytes / 4];
    std::memcpy(sums, c.data[m], sizeof(sums));
    for (int k = 0; k < a.column_bytes / 4; ++k) {
      for (int n = 0; n < columns; ++n) {
        int32_t four = 0;
        for (int j = 0; j < 4; ++j) {
          four += static_cast<A>(a.data[m][4 * k + j]) * static_cast<B>(b.data[k][4 * n + j]);
        }
        sums[n] += static_cast<uint32_t>(four);
      }
    }
    std::memcpy(c.data[m], sums, sizeof(sums));
  }
}

// c[m][n] += even + odd, where even and odd are chains of fused multiply-adds over the first and
// second elements of the pairs. The caller has set MXCSR; keeping this out of line keeps its
// arithmetic behind that.
__attribute__((noinline, target("avx2,fma"))) void dot_bf16(Tile& c, const Tile& a, const Tile& b) {
  const __m256i high_half = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  for (int m = 0; m < c.rows; ++m) {
    for (int half = 0; half < 2; ++half) {
      __m256 even = _mm256_setzero_ps();
      __m256 odd = _mm256_setzero_ps();
      for (int k = 0; k < a.column_bytes / 4; ++k) {
        uint32_t a_pair = 0;
        std::memcpy(&a_pair, &a.data[m][4 * k], 4);
        const __m256i b_pairs =
            _mm256_load_si256(reinterpret_cast<const __m256i*>(&b.data[k][32 * half]));
        const __m256i a_even = _mm256_set1_epi32(static_cast<int>(a_pair << 16));
        const __m256i a_odd = _mm256_set1_epi32(static_cast<int>(a_pair & 0xffff0000u));
        const __m256i b_even = _mm256_slli_epi32(b_pairs, 16);
        const __m256i b_odd = _mm256_and_si256(b_pairs, high_half);
        even = _mm256_fmadd_ps(_mm256_castsi256_ps(a_even), _mm256_castsi256_ps(b_even), even);
        odd = _mm256_fmadd_ps(_mm256_castsi256_ps(a_odd), _mm256_castsi256_ps(b_odd), odd);
      }
      auto* sums = reinterpret_cast<float*>(&c.data[m][32 * half]);
      _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), _mm256_add_ps(even, odd)));
    }
    std::memset(&c.data[m][c.column_bytes], 0, static_cast<size_t>(kRowBytes - c.column_bytes));
  }
}

bool dot(TileState& state, const Instruction& in) {
  if (in.vvvv >= kTiles || state.start_row != 0) return false;
  Tile& c = state.tiles[in.reg];
  const Tile& a = state.tiles[in.rm];
  const Tile& b = state.tiles[in.vvvv];
  if (&a == &b || &a == &c || &b == &c) return false;
  if (!a.configured() || !b.configured() || !c.configured()) return false;
  if (c.column_bytes % 4 != 0 || a.column_bytes % 4 != 0) return false;
  if (c.rows != a.rows || a.column_bytes / 4 != b.rows || c.column_bytes != b.column_bytes) {
    return false;
  }
  if (in.opcode == 0x5c) {
    if (in.prefix != kF3) return false;
    // Rounding to nearest even, denormals flushed on both sides, all exceptions masked: what
    // TDPBF16PS does whatever MXCSR says. The interrupted code's MXCSR is in its saved context.
    const unsigned saved = _mm_getcsr();
    _mm_setcsr(0x9fc0);
    dot_bf16(c, a, b);
    _mm_setcsr(saved);
    return true;
  }
  switch (in.prefix) {
    case kF2:
      dot_bytes<int8_t, int8_t>(c, a, b);
      break;
    case kF3:
      dot_bytes<int8_t, uint8_t>(c, a, b);
      break;
    case k66:
      dot_bytes<uint8_t, int8_t>(c, a, b);
      break;
    default:
      dot_bytes<uint8_t, uint8_t>(c, a, b);
  }
  return true;
}

// Opcode 49: configuration, release and zero.
bool configure(TileState& state, const Instruction& in) {
  if (in.vvvv != 0) return false;
  if (in.memory) {
    if (in.reg != 0) return false;
    if (in.prefix == kNone) return load_config(state, in.address + in.stride);
    if (in.prefix != k66) return false;
    store_config(state, in.address + in.stride);
    return true;
  }
  if (in.prefix == kNone && in.reg == 0 && in.rm == 0) {
    state = TileState{};
    return true;
  }
  Tile& tile = state.tiles[in.reg];
  if (in.prefix != kF2 || in.rm != 0 || !tile.configured()) return false;
  std::memset(tile.data, 0, sizeof(tile.data));
  return true;
}

// Opcode 4b: loads and stores.
bool transfer(TileState& state, const Instruction& in) {
  Tile& tile = state.tiles[in.reg];
  if (!in.memory || !in.has_sib || in.vvvv != 0 || !tile.configured()) return false;
  if (state.start_row >= tile.rows) return false;
  if (in.prefix == kF2 || in.prefix == k66) {
    load_tile(state, tile, in);
    return true;
  }
  if (in.prefix != kF3) return false;
  store_tile(state, tile, in);
  return true;
}

// False when a real CPU would refuse the instruction.
bool emulate(TileState& state, const Instruction& in) {
  switch (in.opcode) {
    case 0x49:
      return configure(state, in);
    case 0x4b:
      return transfer(state, in);
    case 0x5c:
    case 0x5e:
      return !in.memory && dot(state, in);
    default:
      return false;
  }
}

void on_illegal_instruction(int, siginfo_t*, void* raw) {
  auto& context = *static_cast<ucontext_t*>(raw);
  Instruction in;
  if (decode(context, in) && emulate(t_state, in)) {
    context.uc_mcontext.gregs[REG_RIP] += in.bytes;
    g_instructions.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  // Not ours: the instruction runs again and meets whatever handled SIGILL before.
  ::sigaction(SIGILL, &g_previous, nullptr);
}

int g_emulators = 0;

}  // namespace

AmxEmulator::AmxEmulator() {
  if (device::cpu_features().amx || !device::cpu_features().avx2) return;
  emulating_ = true;
  if (g_emulators++ > 0) return;
  struct sigaction action = {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO;
  OCTET_CHECK(::sigaction(SIGILL, &action, &g_previous) == 0);
}

AmxEmulator::~AmxEmulator() {
  if (emulating_ && --g_emulators == 0) ::sigaction(SIGILL, &g_previous, nullptr);
}

device::CpuFeatures features_with_emulated_amx() {
  device::CpuFeatures features = device::cpu_features();
  features.amx = features.amx || features.avx512;
  return features;
}

#else

AmxEmulator::AmxEmulator() = default;
AmxEmulator::~AmxEmulator() = default;

device::CpuFeatures features_with_emulated_amx() {
  return device::cpu_features();
}

#endif

}  // namespace octet::test
