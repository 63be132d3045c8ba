// Documents as lines of a file.
#include "evaluate/tasks/finished.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace octet::evaluate {
namespace {

using Json = nlohmann::ordered_json;

/// The answers in a line: [[log-likelihood, greedy], …].
std::optional<Answers> answers_in(const Json& object) {
  const auto found = object.find("answers");
  if (found == object.end() || !found->is_array() || found->empty()) return {};
  Answers answers;
  for (const Json& one : *found) {
    if (!one.is_array() || one.size() != 2 || !one[0].is_number() || !one[1].is_boolean())
      return {};
    answers.push_back({.loglikelihood = one[0].get<double>(), .greedy = one[1].get<bool>()});
  }
  return answers;
}

}  // namespace

uint64_t fingerprint(const DocumentSequences& document) {
  std::string text;
  for (const TokenSequence& answer : document.answers) {
    text += fmt::format("{}:", answer.scored_from);
    for (const int32_t token : answer.tokens) text += fmt::format("{},", token);
  }
  return fingerprint(text);
}

FinishedDocuments::FinishedDocuments(std::filesystem::path path)
    : lines_(std::move(path), {.marker = "octet_eval", .command = "octet eval"},
             [this](const Json& line) { return read(line); }) {}

bool FinishedDocuments::read(const Json& line) {
  const auto settings = fingerprint_in(line, "settings");
  const auto document = fingerprint_in(line, "document");
  auto answers = answers_in(line);
  if (!settings || !document || !answers) return false;
  finished_[{*settings, *document}] = std::move(*answers);
  return true;
}

const Answers* FinishedDocuments::find(const RunIdentity& run, uint64_t document,
                                       size_t answers) const {
  const auto found = finished_.find({run.settings, document});
  return found == finished_.end() || found->second.size() != answers ? nullptr : &found->second;
}

void FinishedDocuments::add(const RunIdentity& run, uint64_t document, const Answers& answers) {
  Json list = Json::array();
  for (const Answer& answer : answers)
    list.push_back(Json::array({answer.loglikelihood, answer.greedy}));
  lines_.add({{"settings", hexadecimal(run.settings)},
              {"method", run.method},
              {"task", run.task},
              {"document", hexadecimal(document)},
              {"answers", std::move(list)}});
  finished_[{run.settings, document}] = answers;
}

}  // namespace octet::evaluate
