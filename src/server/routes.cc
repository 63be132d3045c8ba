// The table of paths.
#include "server/routes.h"

#include <fmt/core.h>

#include <array>

#include "server/api_error.h"
#include "server/authorization.h"

namespace octet::server {
namespace {

struct Route {
  const char* method;
  const char* path;
  bool open;  ///< without a key
};
constexpr std::array kRoutes = {
    Route{"GET", "/", true},
    Route{"GET", "/health", true},
    Route{"GET", "/openapi.json", true},
    Route{"GET", "/metrics", false},
    Route{"GET", "/v1/models", false},
    Route{"GET", "/tokenizer_info", false},
    Route{"POST", "/v1/completions", false},
    Route{"POST", "/v1/chat/completions", false},
    Route{"POST", "/tokenize", false},
    Route{"POST", "/detokenize", false},
};

}  // namespace

void check_route(const RequestHead& head, const std::string& api_key) {
  const bool is_model = head.path.starts_with(kModelPath) && head.path != kModelPath;
  std::string allowed = is_model ? "GET" : "";
  bool open = api_key.empty();
  for (const Route& route : kRoutes) {
    if (head.path != route.path) continue;
    allowed = route.method;
    open = open || route.open;
  }
  if (!open && !authorized(head.authorization, api_key))
    throw ApiError(401, "the API key is missing or wrong: send Authorization: Bearer KEY", {},
                   "invalid_api_key");
  if (allowed.empty()) throw ApiError(404, "there is no " + head.path.substr(0, 200));
  if (allowed == head.method || (allowed == "GET" && head.method == "HEAD")) return;
  ApiError error(405, fmt::format("{} takes {}, not {}", head.path, allowed, head.method));
  error.allowed = allowed == "GET" ? "GET, HEAD" : allowed;
  throw error;
}

}  // namespace octet::server
