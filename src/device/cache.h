// How much memory the processor's last cache holds, and how much the machine has free.
#pragma once

#include <cstdint>

namespace octet::device {

/// Bytes of the level 3 cache that this machine's first CPU uses (level 2 where there is none); 0
/// when Linux does not say. Virtual machines may see a cache that they share with others.
int64_t last_level_cache_bytes();

/// Memory that a program may allocate without swapping: Linux's MemAvailable, bytes; 0: unknown.
int64_t available_memory_bytes();

}  // namespace octet::device
