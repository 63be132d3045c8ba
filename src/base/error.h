// Raising octet::Error with a formatted message, and checking invariants.
#pragma once

#include <fmt/core.h>

#include <utility>

#include "octet/error.h"

namespace octet {

/// Throws Error with the formatted message: what, where, what to do.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Prints the broken invariant with its place and aborts.
[[noreturn]] void invariant_broken(const char* condition, const char* file, int line);

}  // namespace octet

/// An invariant of octet itself: when it is false there is a bug, so the program aborts.
#define OCTET_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::octet::invariant_broken(#condition, __FILE__, __LINE__))
