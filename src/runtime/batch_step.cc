// One step of the batch: whose rows it holds, running it, and the tokens that come out of it.
#include <algorithm>

#include "base/error.h"
#include "runtime/batch.h"
#include "runtime/token_scores.h"

namespace octet::runtime {

namespace {

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::vector<Batch::Part> Batch::plan() {
  const auto has = [&](int bits) {
    return std::ranges::any_of(running_, [&](const auto& r) { return bits_of(*r) == bits; });
  };
  const bool both = has(8) && has(16);
  const int other = last_bits_ == 8 ? 16 : 8;
  if (has(other)) last_bits_ = other;
  std::vector<Part> parts;
  std::vector<ActiveRequest*> reading;
  for (const auto& request : running_) {
    if (bits_of(*request) != last_bits_) continue;
    if (position(*request) < request->prompt_size()) {
      reading.push_back(request.get());
    } else {
      parts.push_back({.request = request.get(), .rows = 1, .position = position(*request)});
    }
  }
  plan_prompts(std::move(reading), std::max<int64_t>(1, options_.chunk / (both ? 2 : 1)), parts);
  return parts;
}

void Batch::plan_prompts(std::vector<ActiveRequest*> reading, int64_t budget,
                         std::vector<Part>& parts) {
  if (reading.empty()) return;
  for (ActiveRequest* request : reading) adopt_pages(*request);
  const auto add = [&](ActiveRequest* request, int64_t rows) {
    parts.push_back({.request = request, .rows = rows, .position = position(*request)});
  };
  ActiveRequest* oldest = reading.front();
  if (whole_calls_) return add(oldest, unread(*oldest));
  const size_t first = parts.size();
  const int64_t share = reading.size() > 1 ? (budget + 1) / 2 : budget;
  add(oldest, std::min(unread(*oldest), share));
  budget -= parts[first].rows;
  std::stable_sort(reading.begin() + 1, reading.end(),
                   [&](const auto* a, const auto* b) { return unread(*a) < unread(*b); });
  for (size_t i = 1; i < reading.size() && budget > 0; ++i) {
    if (waits_for_another(*reading[i], parts)) continue;
    add(reading[i], std::min(unread(*reading[i]), budget));
    budget -= parts.back().rows;
  }
  parts[first].rows += std::min(budget, unread(*oldest) - parts[first].rows);
}

/// Whether another prompt that begins alike is just being read where this one stands, so that its
/// page can be shared in a moment. Only the oldest prompt never waits; all become the oldest.
bool Batch::waits_for_another(const ActiveRequest& request, const std::vector<Part>& parts) const {
  const int64_t from = position(request);
  const int64_t end = from + ops::kPagePositions;
  const bool at_page = from == request.chained_pages * ops::kPagePositions;
  if (!options_.share_prefixes || request.request.score_prompt || !at_page ||
      end >= request.prompt_size()) {
    return false;
  }
  return std::ranges::any_of(running_, [&](const auto& other) {
    if (other.get() == &request || bits_of(*other) != bits_of(request)) return false;
    const auto part = std::ranges::find(parts, other.get(), &Part::request);
    const int64_t reached = position(*other) + (part != parts.end() ? part->rows : 0);
    return reached > from && position(*other) < end && other->prompt_size() >= end &&
           std::equal(request.tokens.begin(), request.tokens.begin() + end, other->tokens.begin());
  });
}

void Batch::step() {
  const auto start = Clock::now();
  std::vector<Part> parts = plan();
  OCTET_CHECK(!parts.empty());
  // What fails, fails by the input of one sequence; the others are run again, to the same bits.
  try {
    run(parts);
  } catch (const std::exception&) {
    run_each_alone(parts);
  }
  count_step(parts, seconds_between(start, Clock::now()));
}

void Batch::run_each_alone(std::vector<Part>& parts) {
  const auto rewind = [&](const Part& part) {
    if (position(*part.request) > part.position)
      session_.truncate(part.request->sequence, part.position);
  };
  for (const Part& part : parts) rewind(part);
  for (const Part& part : parts) {
    std::vector<Part> alone = {part};
    try {
      run(alone);
    } catch (const std::exception& error) {
      rewind(part);
      end(*part.request,
          {.reason = Reason::error, .kind = ErrorKind::failed, .error = error.what()});
    }
  }
}

void Batch::run(std::vector<Part>& parts) {
  std::vector<Feed> feeds;
  for (const Part& part : parts) {
    const ActiveRequest& request = *part.request;
    const bool scores = request.request.score_prompt && part.position < request.prompt_size();
    const bool last = part.rows == unread(request);
    feeds.push_back(
        {.sequence = request.sequence,
         .tokens = std::span(request.tokens)
                       .subspan(static_cast<size_t>(part.position), static_cast<size_t>(part.rows)),
         .all_logits = scores,
         .no_logits = !scores && !(last && request.most > 0)});
  }
  const tensor::MatrixView<float> logits = session_.run(feeds, last_bits_);
  finish_rows(parts, logits);
}

namespace {

/// What is made of one row of logits: the score of a prompt's token, or the next token.
struct RowTask {
  ActiveRequest* request;
  std::span<const float> logits;
  TokenEvent* score = nullptr;
  TokenEvent chosen = {};

  void run() {
    const Request& asked = request->request;
    const int top = asked.top_logprobs.value_or(0);
    if (score != nullptr) {
      *score = score_token(logits, score->token, top);
      return;
    }
    chosen.token = choose(logits, asked.sampling,
                          {.tokens = request->tokens, .prompt_size = asked.prompt.size()},
                          request->forbidden, asked.sequence, request->tokens.size());
    if (asked.top_logprobs) chosen = score_token(logits, chosen.token, top);
  }
};

}  // namespace

void Batch::finish_rows(const std::vector<Part>& parts, tensor::MatrixView<float> logits) {
  std::vector<RowTask> tasks;
  int64_t row = 0;
  const auto add = [&](ActiveRequest* request, TokenEvent* score) {
    tasks.push_back({request, {logits.row(row++), static_cast<size_t>(logits.columns)}, score});
  };
  for (const Part& part : parts) {
    ActiveRequest& request = *part.request;
    const bool scores = request.request.score_prompt && part.position < request.prompt_size();
    const bool chooses = unread(request) == 0 && request.most > 0;
    for (int64_t i = part.position; scores && i < part.position + part.rows; ++i) {
      if (i + 1 == request.prompt_size()) {
        row += chooses ? 0 : 1;
        continue;
      }
      TokenEvent& score = request.prompt_scores.tokens[static_cast<size_t>(i)];
      score.token = request.tokens[static_cast<size_t>(i + 1)];
      add(&request, &score);
    }
    if (chooses) add(&request, nullptr);
  }
  cpu_.team().for_each(std::ssize(tasks),
                       [&](int64_t task, int) { tasks[static_cast<size_t>(task)].run(); });
  for (const Part& part : parts) {
    remember_pages(*part.request);
    if (unread(*part.request) == 0 && part.position < part.request->prompt_size())
      finish_prompt(*part.request);
  }
  for (RowTask& task : tasks) {
    if (task.score == nullptr) accept(*task.request, std::move(task.chosen));
  }
}

void Batch::finish_prompt(ActiveRequest& request) {
  request.prompt_read = Clock::now();
  if (request.request.score_prompt) request.stream->push(std::move(request.prompt_scores));
  if (request.most == 0) return end(request, {.reason = Reason::length});
  statistics_.first_token_seconds.add(seconds_between(request.submitted, *request.prompt_read));
}

void Batch::accept(ActiveRequest& request, TokenEvent token) {
  if (request.is_end(token.token)) {
    return end(request, {.reason = Reason::stop, .stop_token = std::move(token)});
  }
  const auto now = Clock::now();
  if (request.answer_size() > 0) {
    const double gap = seconds_between(request.last_token, now);
    statistics_.token_gap_seconds.add(gap);
    request.longest_gap_s = std::max(request.longest_gap_s, gap);
  }
  request.last_token = now;
  request.tokens.push_back(token.token);
  ++statistics_.generated_tokens;
  request.stream->push(std::move(token));
  if (request.answer_size() == request.most) end(request, {.reason = Reason::length});
}

void Batch::count_step(const std::vector<Part>& parts, double seconds) {
  ++statistics_.steps;
  statistics_.step_s += seconds;
  statistics_.step_seconds.add(seconds);
  statistics_.batch_size.add(static_cast<double>(parts.size()));
  for (const Part& part : parts) {
    if (part.position < part.request->prompt_size()) statistics_.prompt_tokens += part.rows;
  }
}

}  // namespace octet::runtime
