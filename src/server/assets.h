// Files that are part of the program.
#pragma once

#include <string_view>

namespace octet::server {

extern const std::string_view kPage;     ///< page.html
extern const std::string_view kOpenApi;  ///< openapi.json

}  // namespace octet::server
