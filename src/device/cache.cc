// Cache and memory sizes, as Linux tells them.
#include "device/cache.h"

#include <fstream>
#include <string>

namespace octet::device {

int64_t last_level_cache_bytes() {
  // Not sysconf, which multiplies by what it takes for the number of caches.
  for (const char* index : {"3", "2"}) {
    std::ifstream file(std::string("/sys/devices/system/cpu/cpu0/cache/index") + index + "/size");
    int64_t kibibytes = 0;
    if (file >> kibibytes && kibibytes > 0) return kibibytes * 1024;  // "32768K"
  }
  return 0;
}

int64_t available_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoll(line.substr(13)) * 1024;
  }
  return 0;
}

}  // namespace octet::device
