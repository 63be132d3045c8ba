// Sequences in flight on one model: their pages in the KV cache, and steps over them.
#include "runtime/session.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace octet::runtime {

using tensor::MatrixView;

namespace {

constexpr int64_t kStepRows = 512;

}  // namespace

int64_t step_rows(const linear::Precision& precision) {
  return linear::depends_on_call(precision.method, precision.outliers)
             ? std::numeric_limits<int64_t>::max()
             : kStepRows;
}

int64_t cache_pages(const model::Architecture& architecture, int64_t context, int64_t sequences) {
  return sequences * model::pages_for(context) * (architecture.encoder_decoder() ? 2 : 1);
}

Session::Session(model::Model& model, device::Cpu& cpu, int64_t context, int64_t sequences,
                 int64_t pages)
    : model_(model),
      cpu_(cpu),
      step_rows_(step_rows(model.precision())),
      context_(context),
      cache_(model.architecture(), model.cache_type(),
             pages > 0 ? pages : cache_pages(model.architecture(), context, sequences),
             model.first_gpu_layer()),
      pool_(cache_.pages()),
      sequences_(static_cast<size_t>(sequences)) {}

SequenceId Session::open() {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (sequences_[i].open) continue;
    sequences_[i].open = true;
    return static_cast<SequenceId>(i);
  }
  fail("all {} sequences are in use", sequences_.size());
}

void Session::close(SequenceId sequence) {
  truncate(sequence, 0);
  Sequence& state = sequences_[static_cast<size_t>(sequence)];
  give_pages(state.source_pages, 0);
  state.source_positions = 0;
  state.open = false;
}

int64_t Session::position(SequenceId sequence) const {
  return sequences_[static_cast<size_t>(sequence)].position;
}

void Session::truncate(SequenceId sequence, int64_t position) {
  Sequence& state = sequences_[static_cast<size_t>(sequence)];
  OCTET_CHECK(state.open && position >= 0 && position <= state.position);
  state.position = position;
  give_pages(state.pages, position);
  // What comes next is written into the last page: nobody else may read that.
  OCTET_CHECK(position % ops::kPagePositions == 0 ||
              (pool_.users(state.pages.back()) == 1 && !pool_.is_remembered(state.pages.back())));
}

void Session::adopt(SequenceId sequence, int32_t page) {
  Sequence& state = sequences_[static_cast<size_t>(sequence)];
  OCTET_CHECK(state.open && state.position == std::ssize(state.pages) * ops::kPagePositions);
  pool_.share(page);
  state.pages.push_back(page);
  state.position += ops::kPagePositions;
}

std::span<const int32_t> Session::pages(SequenceId sequence) const {
  return sequences_[static_cast<size_t>(sequence)].pages;
}

void Session::take_pages(std::vector<int32_t>& pages, int64_t positions) {
  while (std::ssize(pages) < model::pages_for(positions)) {
    pages.push_back(pool_.take());
  }
}

void Session::give_pages(std::vector<int32_t>& pages, int64_t positions) {
  while (std::ssize(pages) > model::pages_for(positions)) {
    pool_.release(pages.back());
    pages.pop_back();
  }
}

void Session::encode(SequenceId sequence, std::span<const int32_t> tokens, int activation_bits) {
  Sequence& state = sequences_[static_cast<size_t>(sequence)];
  const auto length = static_cast<int64_t>(tokens.size());
  OCTET_CHECK(state.open && state.position == 0 && model_.architecture().encoder_decoder());
  if (length == 0) fail("the text to encode is empty: give at least one token");
  if (length > context_) {
    fail("{} tokens to encode do not fit the context of {}; use a larger --ctx-size", length,
         context_);
  }
  give_pages(state.source_pages, length);
  take_pages(state.source_pages, length);
  state.source_positions = length;
  const model::Slice slice{.rows = length, .first_position = 0, .pages = state.source_pages.data()};
  model::Step step;
  step.tokens = tokens;
  step.slices = {&slice, 1};
  step.activation_bits = activation_bits;
  step.context = context_;
  model_.encode(cpu_, step, cache_);
}

namespace {

/// Rows of the feeds, handed out step by step.
class StepPlan {
 public:
  explicit StepPlan(std::span<const Feed> feeds) : feeds_(feeds) {}

  bool done() const { return feed_ == feeds_.size(); }
  size_t feed() const { return feed_; }
  size_t offset() const { return offset_; }
  int64_t take(int64_t room) {
    const auto left = static_cast<int64_t>(feeds_[feed_].tokens.size() - offset_);
    const int64_t rows = std::min(room, left);
    offset_ += static_cast<size_t>(rows);
    if (rows == left) {
      ++feed_;
      offset_ = 0;
    }
    return rows;
  }

 private:
  std::span<const Feed> feeds_;
  size_t feed_ = 0;
  size_t offset_ = 0;
};

/// One step's tokens, slices and wanted rows, in the making.
struct StepRows {
  std::vector<int32_t> tokens;
  std::vector<model::Slice> slices;
  std::vector<int64_t> logit_rows;

  void add(const Feed& feed, size_t offset, const model::Slice& slice) {
    const int64_t rows = slice.rows;
    const auto first = static_cast<int64_t>(tokens.size());
    const auto begin = feed.tokens.begin() + static_cast<std::ptrdiff_t>(offset);
    tokens.insert(tokens.end(), begin, begin + rows);
    slices.push_back(slice);
    const bool last = offset + static_cast<size_t>(rows) == feed.tokens.size();
    if (feed.no_logits) return;
    if (feed.all_logits) {
      for (int64_t r = 0; r < rows; ++r) logit_rows.push_back(first + r);
    } else if (last) {
      logit_rows.push_back(first + rows - 1);
    }
  }
};

int64_t wanted_rows(std::span<const Feed> feeds) {
  int64_t wanted = 0;
  for (const Feed& feed : feeds) {
    if (feed.no_logits || feed.tokens.empty()) continue;
    wanted += feed.all_logits ? static_cast<int64_t>(feed.tokens.size()) : 1;
  }
  return wanted;
}

}  // namespace

void Session::reserve(std::span<const Feed> feeds) {
  for (const Feed& feed : feeds) {
    Sequence& state = sequences_[static_cast<size_t>(feed.sequence)];
    OCTET_CHECK(state.open && !feed.tokens.empty());
    const int64_t end = state.position + static_cast<int64_t>(feed.tokens.size());
    if (end > context_) {
      fail("{} tokens do not fit the context of {}; use a larger --ctx-size or a shorter prompt",
           end, context_);
    }
    if (model_.architecture().encoder_decoder() && state.source_positions == 0) {
      fail("{} models encode a text before they decode; only octet generate does that",
           model_.architecture().family);
    }
    take_pages(state.pages, end);
  }
}

float* Session::logits(int64_t size) {
  if (model_.on_gpu()) {
    gpu_logits_.ensure(size);
    return gpu_logits_.data();
  }
  logits_.ensure(size);
  return logits_.data();
}

MatrixView<float> Session::run(std::span<const Feed> feeds, int activation_bits,
                               const model::PassObserver& observer) {
  reserve(feeds);
  const int64_t vocabulary = model_.architecture().vocabulary_size;
  const int64_t wanted = wanted_rows(feeds);
  float* logits = this->logits(std::max<int64_t>(1, wanted * vocabulary));
  int64_t written = 0;
  const int64_t most_rows = observer.heads ? std::numeric_limits<int64_t>::max() : step_rows_;
  StepPlan plan(feeds);
  while (!plan.done()) {
    StepRows rows;
    int64_t room = most_rows;
    while (!plan.done() && room > 0) {
      const Feed& feed = feeds[plan.feed()];
      const size_t offset = plan.offset();
      Sequence& state = sequences_[static_cast<size_t>(feed.sequence)];
      const int64_t taken = plan.take(room);
      rows.add(feed, offset,
               {.rows = taken,
                .first_position = state.position,
                .pages = state.pages.data(),
                .source_pages = state.source_pages.data(),
                .source_positions = state.source_positions});
      state.position += taken;
      room -= taken;
    }
    model::Step step;
    step.tokens = rows.tokens;
    step.slices = rows.slices;
    step.logit_rows = rows.logit_rows;
    step.activation_bits = activation_bits;
    step.context = context_;
    const auto count = static_cast<int64_t>(rows.logit_rows.size());
    model_.forward(cpu_, step, cache_, {logits + written * vocabulary, count, vocabulary},
                   observer);
    written += count;
  }
  return {logits, wanted, vocabulary};
}

}  // namespace octet::runtime
