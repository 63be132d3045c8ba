// Reports: process memory, readable sizes, and output that checks for errors.
#include "cli/report.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace octet::cli {

int64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    if (key == "VmHWM:") {
      int64_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024;
    }
    std::getline(status, key);
  }
  return 0;
}

std::string size_text(int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes < 1'000'000) return fmt::format("{} bytes", bytes);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", number / 1e6);
  return fmt::format("{:.2f} GB", number / 1e9);
}

double rate(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void write_out(std::string_view text) {
  const size_t written = std::fwrite(text.data(), 1, text.size(), stdout);
  if (written != text.size() || std::fflush(stdout) != 0)
    fail("standard output cannot be written: {}", std::strerror(errno));
}

void add_threshold_json(nlohmann::ordered_json& object, const linear::Precision& precision) {
  object["threshold"] = precision.threshold;
  if (precision.kind_thresholds != linear::KindThresholds{})
    object["thresholds"] = linear::thresholds_text(precision);
}

void write_json(const nlohmann::ordered_json& object) {
  write_out(object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace octet::cli
