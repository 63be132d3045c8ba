// Reading and writing amounts of memory.
#include "cli/memory_size.h"

#include <fmt/core.h>

#include <cctype>
#include <charconv>
#include <cmath>

#include "cli/command.h"

namespace octet::cli {
namespace {

/// What "GiB", "G", "GB" … multiply by, in any case; 0 for what is no unit.
double unit_bytes(std::string_view unit) {
  std::string lower;
  for (const char c : unit) {
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (lower == "b") return 1;
  constexpr std::string_view kPrefixes = "kmgt";
  const size_t power = lower.empty() ? std::string_view::npos : kPrefixes.find(lower.front());
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = std::string_view(lower).substr(1);
  if (!rest.empty() && rest != "ib" && rest != "b") return 0;
  return std::pow(rest == "b" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
}

}  // namespace

int64_t parse_memory(std::string_view text, std::string_view flag) {
  constexpr double kLargest = 0x1p50;
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string_view unit(rest, static_cast<size_t>(end - rest));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (error != std::errc() || !std::isfinite(number)) {
    throw UsageError(fmt::format("{}: '{}' is no amount of memory like 24GiB", flag, text));
  }
  // A count of bytes needs no unit, but nobody means 24 bytes.
  constexpr double kLeastBytes = 0x1p20;
  if (unit.empty() && number < kLeastBytes) {
    throw UsageError(fmt::format("{}: '{}' has no unit; write {}GiB, {}GB or {}B", flag, text, text,
                                 text, text));
  }
  const double unit_size = unit.empty() ? 1 : unit_bytes(unit);
  const double bytes = number * unit_size;
  if (unit_size == 0) {
    throw UsageError(
        fmt::format("{}: '{}' is no unit of memory; use GiB, GB, MiB, MB, TiB or TB", flag, unit));
  }
  if (!(bytes >= 1 && bytes <= kLargest)) {
    throw UsageError(fmt::format("{}: {} must lie between 1B and 1024TiB", flag, text));
  }
  return std::llround(bytes);
}

std::string memory_text(int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (std::fabs(number) >= 0x1p30) return fmt::format("{:.2f} GiB", number / 0x1p30);
  if (std::fabs(number) >= 0x1p20) return fmt::format("{:.1f} MiB", number / 0x1p20);
  return fmt::format("{:.1f} KiB", number / 0x1p10);
}

}  // namespace octet::cli
