// Aborting on a broken invariant.
#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace octet {

void invariant_broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "octet: internal error: %s is false at %s:%d; please report this\n",
               condition, file, line);
  std::abort();
}

}  // namespace octet
