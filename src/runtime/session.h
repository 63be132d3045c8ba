// Sequences in flight on one model: their pages in the KV cache, prompts and decoding.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "device/cpu.h"
#include "device/gpu_memory.h"
#include "model/model.h"
#include "runtime/page_pool.h"
#include "runtime/sampler.h"
#include "tensor/owner.h"
#include "tensor/view.h"

namespace octet::runtime {

using SequenceId = int32_t;

/// Rows of a step at most: a longer prompt is cut, but for methods whose rows depend on the whole
/// call, which have no limit.
int64_t step_rows(const linear::Precision& precision);

/// Pages of the KV cache for `context` positions in each of `sequences` sequences, and for what
/// each attends to beside an encoder.
int64_t cache_pages(const model::Architecture& architecture, int64_t context, int64_t sequences);

/// Rows of several sequences to run in one step.
struct Feed {
  SequenceId sequence = 0;
  std::span<const int32_t> tokens;  ///< next tokens of that sequence
  bool all_logits = false;          ///< logits of every row, else of the last one only
  bool no_logits = false;           ///< logits of no row (a chunk of a prompt)
};

/// Owns the KV cache of a number of sequences and runs steps over them. Not thread-safe.
class Session {
 public:
  /// At most `sequences` sequences of at most `context` positions, in a cache of `pages` pages; 0:
  /// as many as all of them need when full. With fewer, who calls sees to it that they suffice.
  Session(model::Model& model, device::Cpu& cpu, int64_t context, int64_t sequences = 1,
          int64_t pages = 0);

  /// A new empty sequence. Throws Error when all are in use.
  SequenceId open();
  void close(SequenceId sequence);
  int64_t position(SequenceId sequence) const;
  /// Forgets positions from `position` on.
  void truncate(SequenceId sequence, int64_t position);
  /// Of an encoder-decoder, before the first run: the text to attend to. Throws Error when it is
  /// empty or longer than the context.
  void encode(SequenceId sequence, std::span<const int32_t> tokens, int activation_bits);
  /// A sequence at the end of a page goes on with a full page that holds its next tokens already.
  void adopt(SequenceId sequence, int32_t page);
  std::span<const int32_t> pages(SequenceId sequence) const;
  PagePool& pool() { return pool_; }
  const PagePool& pool() const { return pool_; }
  int64_t context() const { return context_; }
  int64_t kv_cache_bytes() const { return cache_.bytes(); }

  /// Runs the feeds, in steps of at most step_rows() rows; in one where `observer` has trials.
  /// Returns the wanted logits, [rows wanted, vocabulary], valid until the next call.
  /// Throws Error when a sequence would outgrow the context.
  tensor::MatrixView<float> run(std::span<const Feed> feeds, int activation_bits,
                                const model::PassObserver& observer = {});

 private:
  void take_pages(std::vector<int32_t>& pages, int64_t positions);
  void give_pages(std::vector<int32_t>& pages, int64_t positions);
  /// Pages for what the feeds will add; throws before anything runs.
  void reserve(std::span<const Feed> feeds);

  struct Sequence {
    bool open = false;
    int64_t position = 0;
    std::vector<int32_t> pages;
    std::vector<int32_t> source_pages;  ///< what encode() made
    int64_t source_positions = 0;
  };
  model::Model& model_;
  device::Cpu& cpu_;
  int64_t step_rows_;
  int64_t context_;
  model::KvCache cache_;
  PagePool pool_;
  std::vector<Sequence> sequences_;
  float* logits(int64_t size);

  tensor::Array<float> logits_;
  device::PinnedArray<float> gpu_logits_;  ///< instead, of a model on a GPU
};

/// What generation asks for.
struct GenerateOptions {
  int64_t max_tokens = 128;
  Sampling sampling;
  bool ignore_eos = false;
  int activation_bits = 16;
  /// What ends the text besides the model's own end tokens.
  std::vector<int32_t> end_tokens = {};
  /// Asked between the chunks of a long prompt; when it says true, generation ends without tokens.
  std::function<bool()> stop_early = {};
};

struct Generated {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  double prompt_s = 0;
  double decode_s = 0;
  bool ended = false;  ///< stopped at an end token (not part of tokens) rather than at max_tokens
};

/// Generates after `prompt` (at least one token; an encoder-decoder encodes it and begins a text of
/// its own) in a fresh sequence of the session. `on_token` is
/// called with each token as it is chosen; returning false stops.
Generated generate(Session& session, const model::Model& model, std::span<const int32_t> prompt,
                   const GenerateOptions& options,
                   const std::function<bool(int32_t token, float logprob)>& on_token);

}  // namespace octet::runtime
