// Bearer keys, compared without telling how much of one was right.
#include "server/authorization.h"

#include <cctype>
#include <cstddef>

namespace octet::server {

bool same_secret(std::string_view given, std::string_view secret) {
  if (secret.empty()) return given.empty();
  volatile unsigned char difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i)
    difference = difference | static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
  return difference == 0;
}

bool authorized(std::string_view header, std::string_view key) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() < kScheme.size()) return false;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(header[i])) != kScheme[i]) return false;
  }
  header.remove_prefix(kScheme.size());
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  return same_secret(header, key);
}

}  // namespace octet::server
