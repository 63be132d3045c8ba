// Reading JSON that may be hostile: bounded nesting, short one-line errors.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace octet::checkpoint {

enum class Duplicates { keep_last, refuse };

/// The JSON value of `text`. Throws Error naming `source` when it is not JSON, is nested more than
/// 64 levels deep, or (with `refuse`) names a member of an object twice.
nlohmann::json parse_json(std::string_view text, std::string_view source,
                          Duplicates duplicates = Duplicates::keep_last);

}  // namespace octet::checkpoint
