// Looking for stop strings in a text that comes in pieces.
#include "server/stop_strings.h"

#include <algorithm>

namespace octet::server {

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  stopped_ = first != std::string::npos;
  const size_t certain = stopped_ ? first : held_from();
  std::string out = held_.substr(0, certain);
  held_.erase(0, certain);
  if (stopped_) held_.clear();
  return out;
}

/// Where the longest end of the text begins that a stop string begins with.
size_t StopStrings::held_from() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) longest = std::max(longest, stop.size() - 1);
  for (size_t from = held_.size() - std::min(longest, held_.size()); from < held_.size(); ++from) {
    const std::string_view end = std::string_view(held_).substr(from);
    for (const std::string& stop : stops_) {
      if (stop.size() > end.size() && stop.starts_with(end)) return from;
    }
  }
  return held_.size();
}

std::string StopStrings::finish() {
  std::string out;
  out.swap(held_);
  return out;
}

}  // namespace octet::server
