// Continuous batching: many requests, from any threads, on one model.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "device/cpu.h"
#include "model/model.h"
#include "runtime/histogram.h"
#include "runtime/request.h"

namespace octet::runtime {

struct SchedulerOptions {
  /// Positions of a sequence at most, prompt and answer together. One number for all requests, so
  /// that RoPE types that look at the context's size give each the same angles.
  int64_t context = 4096;
  int64_t sequences = 32;     ///< that run together at most; more wait
  int64_t queue_limit = 256;  ///< requests that wait at most
  /// Pages of the KV cache, 64 positions each; 0: as many as all sequences with a full context use.
  /// Remembered prefixes come to fill them all: with share_prefixes this much memory is used in
  /// time.
  int64_t pages = 0;
  /// Rows of prompts in a step at most: how long a decoding sequence may have to wait.
  int64_t chunk = 128;
  bool share_prefixes = true;
};

/// A view of the scheduler at one moment. Counters grow from 0 over its lifetime.
struct Statistics {
  int64_t running = 0;
  int64_t queued = 0;
  std::array<int64_t, kReasons> finished{};  ///< by Reason
  int64_t refused = 0;                       ///< by submit
  int64_t prompt_tokens = 0;                 ///< computed
  int64_t shared_prompt_tokens = 0;          ///< taken from the prefix cache instead
  int64_t generated_tokens = 0;
  int64_t steps = 0;
  double step_s = 0;             ///< of all steps, sampling included
  int64_t pages = 0;             ///< of the KV cache
  int64_t pages_used = 0;        ///< by running sequences
  int64_t pages_remembered = 0;  ///< of finished ones, kept for prompts that begin alike
  int64_t kv_cache_bytes = 0;
  Histogram batch_size = Histogram({1, 2, 4, 8, 16, 32, 64, 128, 256});  ///< sequences in a step
  Histogram step_seconds = seconds_histogram();
  Histogram queue_seconds = seconds_histogram();
  Histogram first_token_seconds = seconds_histogram();  ///< from submission to the first token
  Histogram token_gap_seconds = seconds_histogram();    ///< between two tokens of a request
  Histogram longest_gap_seconds = seconds_histogram();  ///< the longest of each finished request
};

/// Runs requests on one model, on a thread of its own. While it lives, nobody else may use the
/// model or the Cpu.
///
/// A step holds one row of each decoding sequence and beside them at most `chunk` rows of prompts,
/// so nobody's decoding waits for more than one chunk. Sequences of 8 and of 16 activation bits
/// cannot share a step: they take turns, with half the chunk each. The oldest prompt gets at least
/// half of a chunk, the shortest ones the rest, so that neither kind starves.
///
/// **A request's tokens and scores are the same bits** as of the same request alone, whatever runs
/// beside it, is cancelled beside it or was read before. For methods whose rows depend on the whole
/// call (linear::depends_on_call) every prompt is one call, read in one step however long it is,
/// and no prefix is shared.
///
/// Requests are admitted in the order of submission, each once the cache has room for its prompt
/// and all tokens that it may generate. So what runs can always finish: there is nothing to
/// deadlock, and nothing is computed twice. The price is that a request with a needlessly large
/// max_tokens may wait, or make others wait, for memory that it will not use.
///
/// Full pages of finished and of running sequences serve later prompts that begin with the same
/// tokens, at the same activation_bits. Pages nobody runs on go when memory is needed, the one
/// longest unused first.
class Scheduler {
 public:
  /// Throws Error for options out of range and for encoder-decoder models, which are not supported.
  Scheduler(model::Model& model, device::Cpu& cpu, const SchedulerOptions& options);
  /// shutdown() without time.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Queues the request, at once. Throws Refused when it is invalid, cannot fit, the queue is full
  /// or the scheduler shuts down.
  Stream submit(Request request);

  /// Accepts nothing from now on, runs what was accepted until `deadline`, then ends the rest with
  /// ErrorKind::shutting_down and stops the thread. Every stream has its EndEvent when it returns.
  void shutdown(Clock::time_point deadline);

  Statistics statistics() const;
  int64_t context() const;
  /// The longest prompt with `max_tokens` to generate that can fit; less than 1: none.
  int64_t longest_prompt(int64_t max_tokens) const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace octet::runtime
