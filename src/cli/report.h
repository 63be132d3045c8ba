// What commands say about themselves when done: memory, times and JSON, written so that failures
// to write are noticed.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "linear/precision.h"

namespace octet::cli {

/// Largest resident memory of this process so far (VmHWM), bytes; 0 when the system does not say.
int64_t peak_rss_bytes();

/// "143.2 MB" (10⁶ bytes), "1.05 GB", "980 bytes".
std::string size_text(int64_t bytes);

/// `count` per second; 0 when no time was measured.
double rate(int64_t count, double seconds);

/// Writes to standard output, all of it, at once. Throws Error when it cannot be written.
void write_out(std::string_view text);

/// "threshold" and, where kinds of layers have their own, "thresholds" as --threshold takes them.
void add_threshold_json(nlohmann::ordered_json& object, const linear::Precision& precision);

/// One JSON object on a line of standard output; bytes that are no UTF-8 become U+FFFD.
void write_json(const nlohmann::ordered_json& object);

}  // namespace octet::cli
