// Whether a request carries the right key.
#pragma once

#include <string_view>

namespace octet::server {

/// Compares in a time that depends on the length of what was given only.
bool same_secret(std::string_view given, std::string_view secret);

/// Whether an Authorization header is "Bearer KEY".
bool authorized(std::string_view header, std::string_view key);

}  // namespace octet::server
