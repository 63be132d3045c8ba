// The likeliest continuations of prompts: a step reads one token of each.
#include "evaluate/continuations/greedy.h"

#include <algorithm>
#include <span>

#include "evaluate/divergence.h"
#include "runtime/session.h"

namespace octet::evaluate {
namespace {

using Tokens = std::vector<int32_t>;

/// Prompts that run at the same time at most.
constexpr size_t kBatch = 16;

int64_t longest_of(const std::vector<Tokens>& prompts) {
  size_t longest = 0;
  for (const Tokens& prompt : prompts) longest = std::max(longest, prompt.size());
  return static_cast<int64_t>(longest);
}

class Run {
 public:
  Run(model::Model& model, device::Cpu& cpu, const std::vector<Tokens>& prompts,
      const GreedyOptions& options)
      : model_(model),
        prompts_(prompts),
        options_(options),
        alone_(model.architecture().encoder_decoder() ||
               linear::depends_on_call(model.precision().method, model.precision().outliers)),
        session_(model, cpu, longest_of(prompts) + options.tokens + 1,
                 alone_ ? 1 : static_cast<int64_t>(std::min(kBatch, prompts.size()))),
        continuations_(prompts.size()) {}

  std::vector<Tokens> run() {
    const size_t step = alone_ ? 1 : kBatch;
    for (size_t first = 0; first < prompts_.size(); first += step) {
      if (alone_) {
        run_alone(first);
      } else {
        run_batch(first, std::min(prompts_.size(), first + step));
      }
    }
    return std::move(continuations_);
  }

 private:
  void run_alone(size_t index) {
    runtime::GenerateOptions options;
    options.max_tokens = options_.tokens;
    options.sampling.temperature = 0;
    options.activation_bits = options_.activation_bits;
    const auto on_token = [this](int32_t, float) {
      advance(1);
      return true;
    };
    const runtime::Generated generated =
        runtime::generate(session_, model_, prompts_[index], options, on_token);
    continuations_[index] = generated.tokens;
    if (generated.ended) continuations_[index].push_back(kEndOfText);
    advance(options_.tokens - std::ssize(generated.tokens));
  }

  /// A text in flight.
  struct Place {
    size_t index;
    runtime::SequenceId sequence;
  };

  void run_batch(size_t first, size_t end) {
    std::vector<Place> places;
    std::vector<runtime::Feed> feeds;
    for (size_t index = first; index < end; ++index) {
      places.push_back({index, session_.open()});
      feeds.push_back({.sequence = places.back().sequence, .tokens = prompts_[index]});
    }
    while (!places.empty()) {
      const tensor::MatrixView<const float> logits = session_.run(feeds, options_.activation_bits);
      std::vector<Place> going_on;
      for (size_t i = 0; i < places.size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        if (choose(places[i], {logits.row(row), static_cast<size_t>(logits.columns)})) {
          going_on.push_back(places[i]);
        } else {
          session_.close(places[i].sequence);
        }
      }
      places = std::move(going_on);
      feeds.clear();
      for (const Place& place : places)
        feeds.push_back({.sequence = place.sequence,
                         .tokens = std::span<const int32_t>(continuations_[place.index]).last(1)});
    }
  }

  /// Adds the likeliest token; false when the text ends with it.
  bool choose(const Place& place, std::span<const float> logits) {
    Tokens& continuation = continuations_[place.index];
    const auto token = static_cast<int32_t>(argmax(logits));
    const std::vector<int32_t>& ends = model_.architecture().end_tokens;
    if (std::ranges::find(ends, token) != ends.end()) {
      advance(options_.tokens - std::ssize(continuation));
      continuation.push_back(kEndOfText);
      return false;
    }
    continuation.push_back(token);
    advance(1);
    return std::ssize(continuation) < options_.tokens;
  }

  void advance(int64_t tokens) {
    done_ += tokens;
    if (options_.progress)
      options_.progress(static_cast<double>(done_) /
                        static_cast<double>(options_.tokens * std::ssize(prompts_)));
  }

  const model::Model& model_;
  const std::vector<Tokens>& prompts_;
  const GreedyOptions& options_;
  bool alone_;
  runtime::Session session_;
  std::vector<Tokens> continuations_;
  int64_t done_ = 0;
};

}  // namespace

std::vector<Tokens> greedy_continuations(model::Model& model, device::Cpu& cpu,
                                         const std::vector<Tokens>& prompts,
                                         const GreedyOptions& options) {
  return Run(model, cpu, prompts, options).run();
}

}  // namespace octet::evaluate
