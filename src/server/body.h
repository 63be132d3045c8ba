// The body of a request: how long it is, by RFC 9112 to the letter, and its bytes.
#pragma once

#include <httplib.h>

#include <cstddef>
#include <string>

#include "server/connection.h"

namespace octet::server {

/// Reads what follows a request's head. Throws ApiError 400 for a body that ends early or whose
/// length two readers could understand differently, 411 without a length, 413 when it is larger
/// than `limit` and 415 when it is compressed; nothing may be read after that.
std::string read_body(const httplib::Request& request, Connection& connection, size_t limit);

}  // namespace octet::server
