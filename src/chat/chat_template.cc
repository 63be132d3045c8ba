// A model's chat template: the text of a conversation as the model was trained to read it.
#include "chat/chat_template.h"

#include <nlohmann/json.hpp>

#include "chat/interpreter.h"

namespace octet::chat {

Template::Template(std::string_view text, std::string source)
    : source_(std::move(source)), tree_(std::make_unique<SyntaxTree>(parse(text, source_))) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::render(const nlohmann::ordered_json& variables, const std::tm& now,
                             const Limits& limits) const {
  Account account(source_, limits);
  std::vector<std::pair<std::string, Value>> values;
  for (const auto& [name, value] : variables.items())
    values.emplace_back(name, Value::from_json(value, source_ + ": variable '" + name + "'"));
  return Interpreter(account, now).run(*tree_, std::move(values));
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  ::localtime_r(&now, &local);
  return local;
}

}  // namespace octet::chat
