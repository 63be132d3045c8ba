// Reading a task's data file line by line.
#include "evaluate/tasks/task_file.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace octet::evaluate {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kBlank = " \t\r\n";

/// How the file would have to be unpacked, by its first bytes; empty for one that is not packed.
std::string_view unpacker(std::string_view content) {
  if (content.starts_with("BZh")) return "bunzip2 -k";
  if (content.starts_with("\x1f\x8b")) return "gunzip -k";
  if (content.starts_with(std::string_view("\xfd"
                                           "7zXZ\0",
                                           6)))
    return "unxz -k";
  if (content.starts_with("\x28\xb5\x2f\xfd")) return "unzstd";
  return {};
}

}  // namespace

TaskFile::TaskFile(std::filesystem::path path, std::string_view format)
    : path_(std::move(path)), format_(format), content_(read_file(path_)) {
  const std::string_view tool = unpacker(content_);
  if (!tool.empty()) fail("{}: is compressed; unpack it first ({})", path_.string(), tool);
  if (content_.find_first_not_of(kBlank) == std::string::npos)
    fail("{}: the file is empty", path_.string());
}

std::vector<Line> TaskFile::lines(bool keep_blank) const {
  std::vector<Line> lines;
  const std::string_view content = content_;
  int64_t number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    std::string_view text = content.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (!keep_blank && text.find_first_not_of(kBlank) == std::string_view::npos) continue;
    lines.push_back({.text = text, .number = number});
  }
  return lines;
}

void TaskFile::wrong(const Line& line, const std::string& what) const {
  fail("{}: line {} {}; expected {}", path_.string(), line.number, what, format_);
}

Json TaskFile::object(const Line& line) const {
  Json object = Json::parse(line.text.begin(), line.text.end(), nullptr,
                            /*allow_exceptions=*/false);
  if (!object.is_object()) wrong(line, "is no JSON object");
  return object;
}

const Json& TaskFile::member_of(const Json& object, const Line& line, const char* member) const {
  const auto found = object.find(member);
  if (found == object.end()) wrong(line, fmt::format("has no member '{}'", member));
  return *found;
}

std::string TaskFile::text(const Json& object, const Line& line, const char* member) const {
  const Json& value = member_of(object, line, member);
  if (!value.is_string()) wrong(line, fmt::format("has a '{}' that is no string", member));
  if (value.get_ref<const std::string&>().empty())
    wrong(line, fmt::format("has an empty '{}'", member));
  return value.get<std::string>();
}

std::vector<std::string> TaskFile::texts(const Json& object, const Line& line,
                                         const char* member) const {
  const Json& list = member_of(object, line, member);
  if (!list.is_array() || list.size() < 2)
    wrong(line, fmt::format("has a '{}' that is no list of two or more strings", member));
  std::vector<std::string> texts;
  for (const Json& value : list) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      wrong(line, fmt::format("has a '{}' with something other than text in it", member));
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

size_t TaskFile::choice(const Json& object, const Line& line, const char* member,
                        size_t choices) const {
  const Json& value = member_of(object, line, member);
  if (!value.is_number_integer() || value < 0 || value >= choices)
    wrong(line, fmt::format("has a '{}' that is no number from 0 to {}", member, choices - 1));
  return value.get<size_t>();
}

size_t TaskFile::choice(const Line& line, size_t choices) const {
  const size_t last = line.text.find_last_not_of(kBlank) + 1;
  size_t value = choices;
  const char* const end = line.text.data() + last;
  const auto parsed = std::from_chars(line.text.data(), end, value);
  if (last == 0 || parsed.ec != std::errc() || parsed.ptr != end || value >= choices)
    wrong(line, fmt::format("is no number from 0 to {}", choices - 1));
  return value;
}

}  // namespace octet::evaluate
