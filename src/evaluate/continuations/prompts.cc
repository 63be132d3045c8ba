// The beginnings of texts whose continuations are compared.
#include "evaluate/continuations/prompts.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace octet::evaluate {
namespace {

using Json = nlohmann::json;

constexpr std::array kKinds = {
    std::pair{PromptKind::prose, std::string_view("prose")},
    std::pair{PromptKind::python, std::string_view("python")},
    std::pair{PromptKind::json, std::string_view("json")},
    std::pair{PromptKind::code, std::string_view("code")},
};

/// The string under this member; `required` decides whether it may be missing.
std::string text_in(const Json& object, const char* member, bool required,
                    const std::string& place) {
  const auto found = object.find(member);
  if (found == object.end() && !required) return "";
  if (found == object.end() || !found->is_string())
    fail("{}: no string '{}'; a prompt is {{\"kind\": \"json\", \"text\": \"…\"}}", place, member);
  return found->get<std::string>();
}

Prompt prompt_in(std::string_view line, const std::string& file, int64_t number) {
  const std::string place = fmt::format("{}: line {}", file, number);
  const Json object = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail("{}: is no JSON object", place);
  const std::string kind = text_in(object, "kind", true, place);
  const std::optional<PromptKind> known = parse_prompt_kind(kind);
  if (!known)
    fail("{}: '{}' is no kind of prompt; there are prose, python, json, code", place, kind);
  Prompt prompt = {.kind = *known,
                   .name = text_in(object, "name", false, place),
                   .text = text_in(object, "text", true, place)};
  if (prompt.text.empty()) fail("{}: the text is empty", place);
  if (prompt.name.empty()) prompt.name = fmt::format("line {}", number);
  return prompt;
}

}  // namespace

std::string_view name(PromptKind kind) {
  return std::ranges::find(kKinds, kind, &std::pair<PromptKind, std::string_view>::first)->second;
}

std::optional<PromptKind> parse_prompt_kind(std::string_view text) {
  for (const auto& [kind, word] : kKinds)
    if (word == text) return kind;
  return std::nullopt;
}

const std::vector<Prompt>& own_prompts() {
  // None ends with a blank: tokenisers put it into the token that follows.
  static const std::vector<Prompt> prompts = {
      {PromptKind::prose, "lighthouse",
       "The lighthouse keeper climbed the stairs every evening, and on the last day of October she "
       "found"},
      {PromptKind::prose, "boiling", "Water boils at a lower temperature on a mountain because"},
      {PromptKind::prose, "letter",
       "Dear Sir or Madam,\n\nI am writing about the bicycle that I bought from your shop last "
       "week."},
      {PromptKind::prose, "repair", "To repair a torn page in an old book, first"},
      {PromptKind::python, "leap years",
       "def is_leap_year(year):\n    \"\"\"True for leap years of the Gregorian calendar.\"\"\""},
      {PromptKind::python, "word counts",
       "def count_words(text):\n    \"\"\"How often each word occurs in the text, in lower case, "
       "as "
       "a dict.\"\"\"\n    counts = {}"},
      {PromptKind::python, "stack",
       "class Stack:\n    \"\"\"Last in, first out.\"\"\"\n\n    def __init__(self):\n        "
       "self.items = []\n\n    def push(self, item):"},
      {PromptKind::python, "binary search",
       "def binary_search(values, wanted):\n    \"\"\"The index of `wanted` in the sorted list, or "
       "-1.\"\"\"\n    low, high = 0, len(values) - 1"},
      {PromptKind::json, "person",
       "{\n  \"name\": \"Ada Lovelace\",\n  \"born\": 1815,\n  \"known for\":"},
      {PromptKind::json, "cities",
       "[\n  {\"city\": \"Oslo\", \"country\": \"Norway\", \"capital\": true},\n  {\"city\": "
       "\"Porto\","},
      {PromptKind::json, "recipe",
       "{\n  \"title\": \"Lentil soup\",\n  \"ingredients\": [\n    {\"name\": \"red lentils\", "
       "\"grams\": 250},"},
      {PromptKind::json, "order",
       "{\"order\": 1042, \"customer\": {\"name\": \"J. Rivera\", \"city\":"},
  };
  return prompts;
}

std::vector<Prompt> read_prompts(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  std::vector<Prompt> prompts;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    prompts.push_back(prompt_in(line, path.string(), number));
  }
  if (prompts.empty()) fail("{}: holds no prompts", path.string());
  return prompts;
}

}  // namespace octet::evaluate
