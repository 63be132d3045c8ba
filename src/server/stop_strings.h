// Stop strings: found across the borders of tokens, and never sent in part.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::server {

/// Passes text on as it comes, but for an end that a stop string could begin with.
class StopStrings {
 public:
  /// Stop strings and pushed texts are whole UTF-8 characters; so is what comes out.
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// What is certain now; when a stop string has come up, what stands before the first, and
  /// stopped() is true from then on.
  std::string push(std::string_view text);
  /// What was held back, when no more text comes.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  size_t held_from() const;

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace octet::server
