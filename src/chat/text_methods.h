// The methods of Python's str, for the texts of a chat template.
#pragma once

#include <string_view>

#include "chat/arguments.h"
#include "chat/value.h"

namespace octet::chat {

/// Whether Python's str has a method of this name.
bool is_text_method(std::string_view name);

/// text.name(arguments). Throws Error for a method that is not supported.
Value call_text_method(Account& account, const std::string& text, std::string_view name,
                       const Arguments& arguments);

}  // namespace octet::chat
