// Which paths there are, by which method, and who may ask for them.
#pragma once

#include <string>
#include <string_view>

namespace octet::server {

/// Followed by a model's name.
inline constexpr std::string_view kModelPath = "/v1/models/";

struct RequestHead {
  std::string method;
  std::string path;
  std::string authorization;  ///< the header's value; empty: none
};

/// Throws ApiError 401 without the right key (of paths that need one, unknown ones among them), 404
/// for an unknown path and 405 for another method. An empty `api_key`: everyone may ask.
void check_route(const RequestHead& head, const std::string& api_key);

}  // namespace octet::server
