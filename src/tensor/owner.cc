// Where the memory of arrays comes from.
#include "tensor/owner.h"

#include <sys/mman.h>
#include <unistd.h>

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

namespace {

constexpr uintptr_t kHugePage = uintptr_t{1} << 21;
/// From this size on memory comes in huge pages: fewer faults while it is filled, fewer misses of
/// the address cache while it is read.
constexpr size_t kHugeFrom = 2 * kHugePage;

char* map_zeroed(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("out of memory: cannot reserve {} bytes", bytes);
  return static_cast<char*>(memory);
}

}  // namespace

void* allocate_zeroed(size_t bytes) {
  if (bytes < kHugeFrom) return map_zeroed(bytes);
  // Only aligned addresses can be huge pages. What is left behind the last one stays in small
  // pages, so that no memory is wasted.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const size_t size = (bytes + page - 1) / page * page;
  char* mapped = map_zeroed(size + kHugePage);
  char* end = mapped + size + kHugePage;
  const uintptr_t before = -reinterpret_cast<uintptr_t>(mapped) % kHugePage;
  char* memory = mapped + before;
  if (before > 0) ::munmap(mapped, before);
  if (memory + size < end) ::munmap(memory + size, static_cast<size_t>(end - (memory + size)));
  ::madvise(memory, size / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
}

void free_allocated(void* memory, size_t bytes) {
  ::munmap(memory, bytes);
}

#endif

}  // namespace octet::tensor
