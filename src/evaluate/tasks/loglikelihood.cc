// Runs batches of documents: first what their answers share, then one answer of each at a time.
#include "evaluate/tasks/loglikelihood.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evaluate/divergence.h"
#include "runtime/session.h"

namespace octet::evaluate {
namespace {

/// Documents of a batch at most, and positions of all their sequences together (KV cache).
constexpr int64_t kBatchDocuments = 32;
constexpr int64_t kBatchPositions = 4096;
/// Logits of this many rows are asked for at once: some tens of megabytes.
constexpr int64_t kLogitRows = 256;

int64_t longest_of(std::span<const DocumentSequences> documents, std::span<const size_t> wanted) {
  int64_t longest = 1;
  for (size_t index : wanted)
    longest = std::max(longest, longest_read(documents.subspan(index, 1)));
  return longest;
}

int64_t read_tokens(const DocumentSequences& document, bool whole) {
  int64_t tokens = whole ? 0 : document.shared;
  for (const TokenSequence& answer : document.answers)
    tokens += answer.read() - (whole ? 0 : document.shared);
  return tokens;
}

/// A document in flight.
struct Place {
  const DocumentSequences* document = nullptr;
  size_t index = 0;
  runtime::SequenceId sequence = 0;
  int64_t shared = 0;  ///< positions that stay when the next answer begins
  Answers answers;
};

class Run {
 public:
  Run(model::Model& model, device::Cpu& cpu, std::span<const DocumentSequences> documents,
      std::span<const size_t> wanted, const LoglikelihoodOptions& options)
      : cpu_(cpu),
        documents_(documents),
        wanted_(wanted),
        options_(options),
        whole_(linear::depends_on_call(model.precision().method, model.precision().outliers)),
        batch_(whole_ ? 1
                      : std::clamp<int64_t>(kBatchPositions / longest_of(documents, wanted), 1,
                                            kBatchDocuments)),
        session_(model, cpu, options.context, batch_) {
    for (size_t index : wanted) total_ += read_tokens(documents[index], whole_);
    for (int64_t i = 0; i < batch_; ++i) sequences_.push_back(session_.open());
  }

  void run() {
    for (size_t first = 0; first < wanted_.size(); first += static_cast<size_t>(batch_)) {
      const size_t count = std::min(static_cast<size_t>(batch_), wanted_.size() - first);
      begin(wanted_.subspan(first, count));
      size_t rounds = 0;
      for (const Place& place : places_) rounds = std::max(rounds, place.answers.size());
      for (size_t answer = 0; answer < rounds; ++answer) round(answer);
      for (const Place& place : places_) options_.finished(place.index, place.answers);
    }
  }

 private:
  /// Puts documents into the sequences and reads what their answers share.
  void begin(std::span<const size_t> indices) {
    places_.clear();
    for (size_t i = 0; i < indices.size(); ++i) {
      const DocumentSequences& document = documents_[indices[i]];
      Place place = {.document = &document,
                     .index = indices[i],
                     .sequence = sequences_[i],
                     .shared = whole_ ? 0 : document.shared,
                     .answers = Answers(document.answers.size())};
      session_.truncate(place.sequence, 0);
      if (place.shared > 0) {
        const std::span<const int32_t> tokens = document.answers.front().tokens;
        feeds_.push_back({.sequence = place.sequence,
                          .tokens = tokens.first(static_cast<size_t>(place.shared)),
                          .all_logits = false,
                          .no_logits = true});
      }
      places_.push_back(std::move(place));
    }
    run_feeds();
  }

  /// Reads and scores the answer with this number of every document that has so many.
  void round(size_t answer) {
    int64_t rows = 0;
    for (Place& place : places_) {
      if (answer >= place.answers.size()) continue;
      session_.truncate(place.sequence, place.shared);
      const TokenSequence& sequence = place.document->answers[answer];
      const auto tokens = std::span<const int32_t>(sequence.tokens)
                              .subspan(static_cast<size_t>(place.shared),
                                       static_cast<size_t>(sequence.read() - place.shared));
      feeds_.push_back(
          {.sequence = place.sequence, .tokens = tokens, .all_logits = true, .no_logits = false});
      fed_.push_back(&place);
      rows += std::ssize(tokens);
      if (rows < kLogitRows) continue;
      score(answer);
      rows = 0;
    }
    score(answer);
  }

  struct Row {
    Place* place = nullptr;
    int64_t row = 0;  ///< of the logits
    int32_t target = 0;
    double nll = 0;
    bool top = false;
  };

  /// Runs what has been fed and adds up the scores of the continuations' tokens.
  void score(size_t answer) {
    std::vector<Row> rows;
    int64_t row = 0;
    for (Place* place : fed_) {
      const TokenSequence& sequence = place->document->answers[answer];
      for (int64_t position = place->shared; position < sequence.read(); ++position, ++row) {
        if (position + 1 < sequence.scored_from) continue;
        const int32_t target = sequence.tokens[static_cast<size_t>(position + 1)];
        rows.push_back({.place = place, .row = row, .target = target});
      }
    }
    const tensor::MatrixView<const float> logits = run_feeds();
    cpu_.team().for_each(std::ssize(rows), [&](int64_t i, int) {
      Row& one = rows[static_cast<size_t>(i)];
      const std::span<const float> values(logits.row(one.row), static_cast<size_t>(logits.columns));
      one.nll = score_row(values, one.target).nll;
      one.top = argmax(values) == one.target;
    });
    for (const Row& one : rows) {
      if (!std::isfinite(one.nll))
        fail(
            "{}: document {}: the probability of a token is not a positive number; the model or "
            "the "
            "method breaks down here",
            options_.source, one.place->index + 1);
      Answer& result = one.place->answers[answer];
      result.loglikelihood -= one.nll;
      result.greedy = result.greedy && one.top;
    }
    fed_.clear();
  }

  tensor::MatrixView<const float> run_feeds() {
    if (feeds_.empty()) return {};
    const tensor::MatrixView<const float> logits = session_.run(feeds_, options_.activation_bits);
    for (const runtime::Feed& feed : feeds_) done_ += std::ssize(feed.tokens);
    feeds_.clear();
    if (options_.progress)
      options_.progress(static_cast<double>(done_) / static_cast<double>(total_));
    return logits;
  }

  device::Cpu& cpu_;
  std::span<const DocumentSequences> documents_;
  std::span<const size_t> wanted_;
  const LoglikelihoodOptions& options_;
  bool whole_;
  int64_t batch_;
  runtime::Session session_;
  std::vector<runtime::SequenceId> sequences_;
  std::vector<Place> places_;
  std::vector<runtime::Feed> feeds_;
  std::vector<Place*> fed_;
  int64_t total_ = 0;
  int64_t done_ = 0;
};

void check_vocabulary(const model::Model& model, std::span<const DocumentSequences> documents,
                      std::span<const size_t> wanted) {
  const int64_t vocabulary = model.architecture().vocabulary_size;
  for (size_t index : wanted) {
    for (const TokenSequence& answer : documents[index].answers) {
      OCTET_CHECK(answer.scored_from >= 1 && answer.scored_from < std::ssize(answer.tokens));
      for (int32_t token : answer.tokens) {
        if (token < 0 || token >= vocabulary)
          fail("token id {} lies outside the model's vocabulary of {}", token, vocabulary);
      }
    }
  }
}

}  // namespace

void loglikelihoods(model::Model& model, device::Cpu& cpu,
                    std::span<const DocumentSequences> documents, std::span<const size_t> wanted,
                    const LoglikelihoodOptions& options) {
  check_vocabulary(model, documents, wanted);
  if (!wanted.empty()) Run(model, cpu, documents, wanted, options).run();
}

}  // namespace octet::evaluate
