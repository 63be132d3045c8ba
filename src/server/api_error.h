// What a client is told when a request cannot be served: an HTTP status and OpenAI's error object.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

namespace octet::server {

class ApiError : public std::runtime_error {
 public:
  ApiError(int http_status, const std::string& message) : ApiError(http_status, message, {}) {}
  /// `param` is the field of the request that is meant, `code` OpenAI's word for the mistake.
  ApiError(int http_status, const std::string& message, std::string of_param,
           std::string with_code = {})
      : std::runtime_error(message),
        status(http_status),
        param(std::move(of_param)),
        code(std::move(with_code)) {}

  int status;
  std::string param;                      ///< empty: null in the answer
  std::string code;                       ///< empty: null in the answer
  std::optional<int> retry_after_s = {};  ///< the header Retry-After
  std::string allowed = {};               ///< of 405, the header Allow
};

/// {"error": {"message", "type", "param", "code"}}, the type by the status.
std::string error_json(const ApiError& error);

/// 400, about one field of the request.
[[noreturn]] inline void refuse(const std::string& param, const std::string& message) {
  throw ApiError(400, message, param);
}

}  // namespace octet::server
