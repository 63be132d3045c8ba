// Amounts of memory as people write and read them: "24GiB", "80G", "141GB".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace octet::cli {

/// "24GiB" and "24G" are 24 · 2³⁰ bytes, "24GB" 24 · 10⁹; likewise K, M and T; "1000B" 1000. The
/// number may have a fraction; without a unit it counts bytes and is at least 2²⁰. Throws
/// UsageError naming `flag` for anything else, and for less than one byte or more than 2⁵⁰.
int64_t parse_memory(std::string_view text, std::string_view flag);

/// "22.87 GiB", "-1.20 GiB"; below 1 GiB "143.2 MiB", below 1 MiB "0.5 KiB".
std::string memory_text(int64_t bytes);

}  // namespace octet::cli
