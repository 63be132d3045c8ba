// Scoring a task as EleutherAI's harness does.
#include "evaluate/tasks/accuracy.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace octet::evaluate {
namespace {

size_t best_of(std::span<const double> scores) {
  return static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
}

TaskScore score_greedy(std::span<const Answers> answers) {
  std::vector<double> right;
  std::vector<double> loglikelihoods;
  for (const Answers& document : answers) {
    right.push_back(document.front().greedy ? 1 : 0);
    loglikelihoods.push_back(document.front().loglikelihood);
  }
  const Mean loglikelihood = mean_of(loglikelihoods);
  const double perplexity = std::exp(-loglikelihood.value);
  TaskScore score;
  score.accuracy = mean_of(right);
  score.perplexity = {.value = perplexity,
                      .standard_error = perplexity * loglikelihood.standard_error};
  return score;
}

TaskScore score_choices(std::span<const Document> documents, std::span<const Answers> answers) {
  std::vector<double> right;
  std::vector<double> right_norm;
  for (size_t i = 0; i < documents.size(); ++i) {
    const Document& document = documents[i];
    std::vector<double> sums;
    std::vector<double> per_character;
    for (size_t a = 0; a < document.requests.size(); ++a) {
      const double sum = answers[i][a].loglikelihood;
      sums.push_back(sum);
      per_character.push_back(
          sum / static_cast<double>(answer_characters(document.requests[a].continuation)));
    }
    right.push_back(best_of(sums) == document.gold ? 1 : 0);
    right_norm.push_back(best_of(per_character) == document.gold ? 1 : 0);
  }
  TaskScore score;
  score.accuracy = mean_of(right);
  score.accuracy_norm = mean_of(right_norm);
  return score;
}

}  // namespace

int64_t answer_characters(std::string_view continuation) {
  if (continuation.starts_with(' ')) continuation.remove_prefix(1);
  return std::ranges::count_if(
      continuation, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; });
}

TaskScore score_task(Task task, std::span<const Document> documents,
                     std::span<const Answers> answers) {
  OCTET_CHECK(!documents.empty() && documents.size() == answers.size());
  for (size_t i = 0; i < documents.size(); ++i)
    OCTET_CHECK(answers[i].size() == documents[i].requests.size());
  TaskScore score = is_greedy(task) ? score_greedy(answers) : score_choices(documents, answers);
  score.documents = std::ssize(documents);
  return score;
}

}  // namespace octet::evaluate
