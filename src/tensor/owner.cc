// Where the memory of arrays comes from.
#include "tensor/owner.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OCTET_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define OCTET_ADDRESS_SANITIZER 1
#endif

namespace octet::tensor {

#if defined(OCTET_ADDRESS_SANITIZER)

// Heap memory, so that the sanitizer sees an access past the end; mapped pages have no guard.
void* allocate_zeroed(size_t bytes) {
  if (bytes >= size_t{1} << 38) fail("out of memory: cannot reserve {} bytes", bytes);
  void* memory = nullptr;
  if (::posix_memalign(&memory, 64, bytes) != 0) {
    fail("out of memory: cannot reserve {} bytes", bytes);
  }
  std::memset(memory, 0, bytes);
  return memory;
}

void free_allocated(void* memory, size_t) {
  std::free(memory);
}

#else

void* allocate_zeroed(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("out of memory: cannot reserve {} bytes", bytes);
  if (bytes >= (size_t{1} << 22)) ::madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

void free_allocated(void* memory, size_t bytes) {
  ::munmap(memory, bytes);
}

#endif

}  // namespace octet::tensor
