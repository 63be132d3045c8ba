// A model's chat template: the text of a conversation as the model was trained to read it.
#pragma once

#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/limits.h"

namespace octet::chat {

struct SyntaxTree;

/// A template, parsed.
class Template {
 public:
  /// `source` names it in errors. Throws Error naming the line of what is wrong or not supported.
  Template(std::string_view text, std::string source);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  /// The text it makes with these variables, an object. Throws Error naming the line when that
  /// fails, the template refuses or a limit is reached.
  std::string render(const nlohmann::ordered_json& variables, const std::tm& now,
                     const Limits& limits = {}) const;

 private:
  std::string source_;
  std::unique_ptr<SyntaxTree> tree_;
};

/// The wall clock's time, which templates may print the date of.
std::tm local_time();

}  // namespace octet::chat
