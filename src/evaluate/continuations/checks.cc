// Parsing generated JSON here, and generated Python by its own parser.
#include "evaluate/continuations/checks.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/process.h"

namespace octet::evaluate {
namespace {

using Json = nlohmann::json;

/// Reads a list of sources, writes a list: true for those that parse, null where it cannot tell.
constexpr const char* kPythonParser = R"(
import ast, json, sys
def check(source):
    try:
        ast.parse(source)
        return True
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return None
print(json.dumps([check(source) for source in json.load(sys.stdin)]))
)";

/// Takes note of where parsing fails, keeps nothing.
class ErrorPlace : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    read = position;
    return false;
  }

  std::size_t read = 0;  ///< characters read when it failed, the end of the text being one
};

/// What python3 says of each source; nothing when it is not installed or fails.
std::optional<std::vector<std::optional<bool>>> ask_python(const Json& sources) {
  const std::optional<Finished> finished =
      run_program({"python3", "-I", "-W", "ignore", "-c", kPythonParser},
                  sources.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!finished || !finished->succeeded) return std::nullopt;
  const Json answers = Json::parse(finished->output, nullptr, /*allow_exceptions=*/false);
  if (!answers.is_array() || answers.size() != sources.size()) return std::nullopt;
  std::vector<std::optional<bool>> parsed;
  for (const Json& answer : answers)
    parsed.push_back(answer.is_boolean() ? std::optional(answer.get<bool>()) : std::nullopt);
  return parsed;
}

}  // namespace

std::string_view name(Check check) {
  switch (check) {
    case Check::parses:
      return "parses";
    case Check::broken:
      return "broken";
    case Check::unfinished:
      return "unfinished";
    case Check::not_checked:
      break;
  }
  return "not checked";
}

Check check_json(const GeneratedText& text) {
  const std::string whole = text.prompt + text.continuation;
  const size_t begin = whole.find_first_of("[{");
  if (begin == std::string::npos) return text.ended ? Check::broken : Check::unfinished;
  const std::string_view value = std::string_view(whole).substr(begin);
  ErrorPlace place;
  if (Json::sax_parse(value.begin(), value.end(), &place, Json::input_format_t::json,
                      /*strict=*/false)) {
    return Check::parses;
  }
  return place.read > value.size() && !text.ended ? Check::unfinished : Check::broken;
}

Block python_block(const GeneratedText& text) {
  const std::string& made = text.continuation;
  for (size_t newline = made.find('\n'); newline != std::string::npos;
       newline = made.find('\n', newline + 1)) {
    const size_t next = newline + 1;
    if (next < made.size() && std::string_view(" \t\r\n)]}").find(made[next]) == std::string::npos)
      return {text.prompt + made.substr(0, next), true};
  }
  if (text.ended) return {text.prompt + made, true};
  const size_t last = made.rfind('\n');
  return {text.prompt + made.substr(0, last == std::string::npos ? 0 : last + 1), false};
}

std::vector<Check> check_texts(const std::vector<GeneratedText>& texts) {
  std::vector<Check> checks(texts.size(), Check::not_checked);
  std::vector<size_t> asked;
  std::vector<Block> blocks;
  Json sources = Json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].kind == PromptKind::json) checks[i] = check_json(texts[i]);
    if (texts[i].kind != PromptKind::python) continue;
    asked.push_back(i);
    blocks.push_back(python_block(texts[i]));
    sources.push_back(blocks.back().source);
  }
  if (asked.empty()) return checks;
  const auto answers = ask_python(sources);
  if (!answers) return checks;
  for (size_t i = 0; i < asked.size(); ++i) {
    if (!(*answers)[i]) continue;
    const Check otherwise = blocks[i].whole ? Check::broken : Check::unfinished;
    checks[asked[i]] = *(*answers)[i] ? Check::parses : otherwise;
  }
  return checks;
}

}  // namespace octet::evaluate
