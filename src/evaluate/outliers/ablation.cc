// Zeroing dimensions on trial for attention, and for good for perplexity.
#include "evaluate/outliers/ablation.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "base/error.h"
#include "evaluate/logit_source.h"
#include "evaluate/outliers/attention_mass.h"
#include "runtime/session.h"

namespace octet::evaluate {
namespace {

using model::LinearSlot;
using tensor::MatrixView;

/// `count` of the dimensions that are not in `taken`, ascending.
std::vector<int32_t> draw(int64_t count, int64_t hidden_size, const std::vector<int32_t>& taken,
                          uint64_t seed) {
  std::vector<int32_t> left;
  for (int32_t i = 0; i < hidden_size; ++i) {
    if (std::ranges::find(taken, i) == taken.end()) left.push_back(i);
  }
  if (std::ssize(left) < count) {
    fail("{} dimensions to set to zero leave {} of {} to draw as many from", count, left.size(),
         hidden_size);
  }
  std::mt19937_64 random(seed);
  std::vector<int32_t> drawn;
  for (int64_t i = 0; i < count; ++i) {
    const size_t at = random() % left.size();
    drawn.push_back(left[at]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::ranges::sort(drawn);
  return drawn;
}

/// Shares of the work as they are done, passes over all windows.
class Passes {
 public:
  Passes(const std::function<void(double)>& progress, size_t count)
      : progress_(progress), count_(static_cast<double>(count)) {}
  void within(double share) {
    if (progress_) progress_((done_ + share) / count_);
  }
  void next() { ++done_; }

 private:
  const std::function<void(double)>& progress_;
  double count_;
  double done_ = 0;
};

void measure_attention(device::Cpu& cpu, model::Model& model, std::span<const Window> windows,
                       std::vector<Ablated*> sets, int activation_bits, Passes& passes) {
  std::vector<double> sums(sets.size());
  double rows = 0;  // of all layers
  double total_rows = 0;
  for (const Window& window : windows) {
    total_rows += static_cast<double>(model.architecture().layers * std::ssize(window));
  }
  model::PassObserver observer;
  for (const Ablated* set : sets) observer.trials.push_back(set->dimensions);
  observer.heads = [&](int64_t layer, size_t trial, MatrixView<const float> qkv) {
    sums[trial] +=
        static_cast<double>(qkv.rows) * top_attention(cpu.team(), model.architecture(), layer, qkv);
    if (trial == 0) rows += static_cast<double>(qkv.rows);
    passes.within(rows / total_rows);
  };
  runtime::Session session(model, cpu, longest_window(windows));
  const runtime::SequenceId sequence = session.open();
  for (const Window& window : windows) {
    session.truncate(sequence, 0);
    const runtime::Feed feed = {
        .sequence = sequence, .tokens = window, .all_logits = false, .no_logits = true};
    session.run({&feed, 1}, activation_bits, observer);
  }
  for (size_t i = 0; i < sets.size(); ++i) sets[i]->top_attention = sums[i] / rows;
}

void zero(std::span<const int32_t> dimensions, MatrixView<float> input) {
  for (int64_t row = 0; row < input.rows; ++row) {
    for (const int32_t dimension : dimensions) input.row(row)[dimension] = 0;
  }
}

void measure_perplexity(device::Cpu& cpu, model::Model& model, std::span<const Window> windows,
                        Ablated& set, int activation_bits, Passes& passes) {
  ModelSource source(model, cpu, longest_window(windows), activation_bits);
  if (!set.dimensions.empty()) {
    model::PassObserver observer;
    observer.input = [&set](int64_t, model::LinearId id, MatrixView<float> input) {
      if (id.slot == LinearSlot::qkv || id.slot == LinearSlot::up) zero(set.dimensions, input);
    };
    source.observe(std::move(observer));
  }
  set.perplexity = perplexity(cpu.team(), source, windows,
                              {.progress = [&passes](double share) { passes.within(share); }});
  passes.next();
}

double mean_over(const std::vector<Ablated>& sets, double (*value)(const Ablated&)) {
  double sum = 0;
  for (const Ablated& set : sets) sum += value(set);
  return sets.empty() ? 0 : sum / static_cast<double>(sets.size());
}

}  // namespace

double Ablation::random_top_attention() const {
  return mean_over(random, [](const Ablated& set) { return set.top_attention; });
}

double Ablation::random_perplexity() const {
  return mean_over(random, [](const Ablated& set) { return set.perplexity.value(); });
}

Ablation ablate(device::Cpu& cpu, model::Model& model, std::span<const Window> windows,
                const AblationOptions& options) {
  OCTET_CHECK(!windows.empty());
  const int64_t hidden_size = model.architecture().hidden_size;
  for (const int32_t dimension : options.dimensions) {
    if (dimension < 0 || dimension >= hidden_size) {
      fail("dimension {} lies outside this model's hidden state of {}", dimension, hidden_size);
    }
  }
  Ablation ablation;
  ablation.without.dimensions = options.dimensions;
  std::vector<Ablated*> sets = {&ablation.whole};
  if (!options.dimensions.empty()) {
    std::vector<int32_t> taken = options.dimensions;
    taken.insert(taken.end(), options.not_random.begin(), options.not_random.end());
    for (int i = 0; i < options.random_sets; ++i) {
      ablation.random.push_back({.dimensions = draw(std::ssize(options.dimensions), hidden_size,
                                                    taken, options.seed + static_cast<uint64_t>(i)),
                                 .perplexity = {}});
    }
    sets.push_back(&ablation.without);
    for (Ablated& set : ablation.random) sets.push_back(&set);
  }
  Passes passes(options.progress, sets.size() + 1);
  measure_attention(cpu, model, windows, sets, options.activation_bits, passes);
  passes.next();
  for (Ablated* set : sets) {
    measure_perplexity(cpu, model, windows, *set, options.activation_bits, passes);
  }
  return ablation;
}

}  // namespace octet::evaluate
