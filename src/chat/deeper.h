// Counts how deep an evaluation is, so that the machine's stack suffices for every template.
#pragma once

#include "chat/limits.h"

namespace octet::chat {

class Deeper {
 public:
  /// Throws Error when `depth` is at its most.
  Deeper(const Account& account, int& depth) : depth_(depth) {
    if (depth >= kDeepestEvaluation) account.fail("calls and expressions are nested too deeply");
    ++depth_;
  }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

}  // namespace octet::chat
