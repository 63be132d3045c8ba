// Reading and appending to the file of finished documents.
#include "evaluate/tasks/finished.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace octet::evaluate {
namespace {

using Json = nlohmann::ordered_json;

/// What every line begins with: tells a line that was cut off from another kind of file.
constexpr std::string_view kPrefix = R"({"octet_eval":1,)";

bool may_be_cut_off(std::string_view line) {
  return line.starts_with(kPrefix) || kPrefix.starts_with(line);
}

uint64_t add_bytes(uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3u;
  }
  return hash;
}

constexpr uint64_t kEmpty = 0xcbf29ce484222325u;

std::optional<uint64_t> hexadecimal(const Json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_string()) return {};
  const auto& text = found->get_ref<const std::string&>();
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {};
  return value;
}

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

uint64_t fingerprint(std::string_view bytes) {
  return add_bytes(kEmpty, bytes);
}

uint64_t fingerprint(const DocumentSequences& document) {
  uint64_t hash = kEmpty;
  for (const TokenSequence& answer : document.answers) {
    hash = add_bytes(hash, fmt::format("{}:", answer.scored_from));
    for (const int32_t token : answer.tokens) hash = add_bytes(hash, fmt::format("{},", token));
  }
  return hash;
}

FinishedDocuments::FinishedDocuments(std::filesystem::path path) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) {
    const std::string content = read_file(path_);
    size_t begin = 0;
    int64_t number = 0;
    for (size_t end = 0; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1)
      read_line(std::string_view(content).substr(begin, end - begin), ++number);
    if (begin < content.size()) {
      if (!may_be_cut_off(std::string_view(content).substr(begin)))
        fail("{}: line {} was not written by octet eval; give --resume a file of its own",
             path_.string(), number + 1);
      std::error_code error;
      std::filesystem::resize_file(path_, begin, error);
      if (error) fail("{}: cannot write: {}", path_.string(), error.message());
    }
  }
  stream_.open(path_, std::ios::binary | std::ios::app);
  if (!stream_) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

void FinishedDocuments::read_line(std::string_view line, int64_t number) {
  const Json object = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (line.starts_with(kPrefix) && object.is_object()) {
    const auto settings = hexadecimal(object, "settings");
    const auto document = hexadecimal(object, "document");
    auto answers = answers_in(object);
    if (settings && document && answers) {
      finished_[{*settings, *document}] = std::move(*answers);
      return;
    }
  }
  fail("{}: line {} was not written by octet eval; give --resume a file of its own", path_.string(),
       number);
}

const Answers* FinishedDocuments::find(const RunIdentity& run, uint64_t document,
                                       size_t answers) const {
  const auto found = finished_.find({run.settings, document});
  return found == finished_.end() || found->second.size() != answers ? nullptr : &found->second;
}

void FinishedDocuments::add(const RunIdentity& run, uint64_t document, const Answers& answers) {
  Json line = {{"octet_eval", 1},
               {"settings", fmt::format("{:016x}", run.settings)},
               {"method", run.method},
               {"task", run.task},
               {"document", fmt::format("{:016x}", document)}};
  Json list = Json::array();
  for (const Answer& answer : answers)
    list.push_back(Json::array({answer.loglikelihood, answer.greedy}));
  line["answers"] = std::move(list);
  // One write a line, so that only the last one can be cut off.
  stream_ << line.dump() + "\n" << std::flush;
  if (!stream_) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
  finished_[{run.settings, document}] = answers;
}

}  // namespace octet::evaluate
