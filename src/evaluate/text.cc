// Reading an evaluation text: finds out the format, then takes its documents.
#include "evaluate/text.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace octet::evaluate {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kBlank = " \t\r\n";

enum class Format { plain, json_lines, json_array };

/// A discarded value when `text` is not valid JSON.
Json parse(std::string_view text) {
  return Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

std::string_view first_line(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find('\n', begin) - begin);
}

Format format_of(const std::filesystem::path& path, std::string_view text) {
  const std::string extension = path.extension().string();
  if (extension == ".txt") return Format::plain;
  const std::string_view line = first_line(text);
  const bool named_json = extension == ".json" || extension == ".jsonl" || extension == ".ndjson";
  if (!named_json) {
    if (!line.empty() && line.front() == '{' && parse(line).is_object()) return Format::json_lines;
    if (!line.empty() && line.front() == '[' && parse(text).is_array()) return Format::json_array;
    return Format::plain;
  }
  const bool array = !line.empty() && line.front() == '[';
  return array ? Format::json_array : Format::json_lines;
}

/// The text of one element; `place` is "line 3" or "element 3" for the message.
std::string document_of(const Json& element, const std::string& field,
                        const std::filesystem::path& path, const std::string& place) {
  if (element.is_string()) return element.get<std::string>();
  if (!element.is_object())
    fail("{}: {} is neither a string nor an object with a text", path.string(), place);
  const auto member = element.find(field);
  if (member == element.end())
    fail("{}: {} has no member '{}'; name the one that holds the text with --text-field",
         path.string(), place, field);
  if (!member->is_string()) fail("{}: {}: '{}' is not a string", path.string(), place, field);
  return member->get<std::string>();
}

std::vector<std::string> json_lines(const std::filesystem::path& path, std::string_view text,
                                    const std::string& field) {
  std::vector<std::string> documents;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(kBlank) == std::string_view::npos) continue;
    const std::string place = fmt::format("line {}", number);
    const Json element = parse(line);
    if (element.is_discarded()) fail("{}: {} is not valid JSON", path.string(), place);
    documents.push_back(document_of(element, field, path, place));
  }
  return documents;
}

std::vector<std::string> json_array(const std::filesystem::path& path, std::string_view text,
                                    const std::string& field) {
  const Json array = parse(text);
  if (!array.is_array()) fail("{}: not a valid JSON array", path.string());
  std::vector<std::string> documents;
  documents.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i)
    documents.push_back(document_of(array[i], field, path, fmt::format("element {}", i + 1)));
  return documents;
}

}  // namespace

std::vector<std::string> read_documents(const std::filesystem::path& path,
                                        const std::string& field) {
  const std::string text = read_file(path);
  if (text.empty()) fail("{}: the file is empty", path.string());
  if (const size_t zero = text.find('\0'); zero != std::string::npos)
    fail("{}: byte {} is zero; this is no text", path.string(), zero);
  std::vector<std::string> documents;
  switch (format_of(path, text)) {
    case Format::plain:
      documents.push_back(text);
      break;
    case Format::json_lines:
      documents = json_lines(path, text, field);
      break;
    case Format::json_array:
      documents = json_array(path, text, field);
      break;
  }
  if (documents.empty()) fail("{}: the file holds no text", path.string());
  return documents;
}

std::string join(const std::vector<std::string>& documents) {
  std::string joined;
  for (size_t i = 0; i < documents.size(); ++i) {
    if (i > 0) joined += '\n';
    joined += documents[i];
  }
  return joined;
}

}  // namespace octet::evaluate
