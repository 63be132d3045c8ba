// Where the members of a zip archive lie in its bytes; torch.save's files are such archives.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace octet::checkpoint {

/// Members by name.
struct ZipMember {
  std::span<const std::byte> bytes;  ///< as stored
  bool stored = true;                ///< false: compressed, so the bytes are not the content
};
using ZipMembers = std::map<std::string, ZipMember, std::less<>>;

/// Reads the central directory (zip64 included) of a whole file in memory; nothing is copied, which
/// is why this is not libzip: it tells nobody where a member's bytes are. Every length and offset
/// is checked; an encrypted member or a name that appears twice is an error. `source` names the
/// file in errors. Throws Error.
ZipMembers parse_zip(std::span<const std::byte> file, std::string_view source);

}  // namespace octet::checkpoint
