// The one exception octet throws for a user's mistake or a bad file.
#pragma once

#include <stdexcept>
#include <string>

namespace octet {

/// A mistake the caller can mend: the message says what is wrong, where (file, tensor, flag) and
/// what to do, in one line. Broken invariants of octet itself abort instead.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace octet
