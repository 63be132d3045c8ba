// Scores as lines of a file.
#include "evaluate/finished_scores.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace octet::evaluate {
namespace {

using Json = nlohmann::ordered_json;

/// One member for each figure, so that reading and writing cannot differ.
template <typename Score, typename Visit>
void for_each_figure(Score& score, const Visit& visit) {
  visit("tokens", score.perplexity.tokens);
  visit("windows", score.perplexity.windows);
  visit("mean_nll", score.perplexity.nll.value);
  visit("nll_stderr", score.perplexity.nll.standard_error);
  visit("tokens_per_s", score.tokens_per_s);
  visit("weights_bytes", score.weights_bytes);
  visit("kept_columns_share", score.kept_share);
  if (!score.perplexity.divergence) return;
  auto& divergence = *score.perplexity.divergence;
  visit("kl_mean", divergence.kl.value);
  visit("kl_stderr", divergence.kl.standard_error);
  visit("kl_p99", divergence.kl_p99);
  visit("top1_agreement", divergence.top1_agreement);
}

}  // namespace

FinishedScores::FinishedScores(std::filesystem::path path, std::string command)
    : lines_(std::move(path), {.marker = "octet_score", .command = std::move(command)},
             [this](const Json& line) { return read(line); }) {}

const MethodScore* FinishedScores::find(uint64_t settings) const {
  const auto found = finished_.find(settings);
  return found == finished_.end() ? nullptr : &found->second;
}

void FinishedScores::add(uint64_t settings, const std::string& label, const MethodScore& score) {
  Json line = {{"settings", hexadecimal(settings)}, {"label", label}};
  for_each_figure(score, [&line](const char* name, auto value) { line[name] = value; });
  lines_.add(line);
  finished_[settings] = score;
}

bool FinishedScores::read(const Json& line) {
  const auto settings = fingerprint_in(line, "settings");
  MethodScore score;
  if (line.contains("kl_mean")) score.perplexity.divergence.emplace();
  bool whole = settings.has_value();
  for_each_figure(score, [&](const char* name, auto& value) {
    const auto found = line.find(name);
    if (found == line.end() || !found->is_number()) {
      whole = false;
    } else {
      found->get_to(value);
    }
  });
  if (whole) finished_[*settings] = score;
  return whole;
}

}  // namespace octet::evaluate
