// The body of an error response.
#include "server/api_error.h"

#include <nlohmann/json.hpp>

namespace octet::server {
namespace {

using Json = nlohmann::ordered_json;

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace

std::string error_json(const ApiError& error) {
  const Json object = {{"error",
                        {{"message", error.what()},
                         {"type", type_of(error.status)},
                         {"param", text_or_null(error.param)},
                         {"code", text_or_null(error.code)}}}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace octet::server
