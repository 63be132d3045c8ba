// Reading files: a whole text, or a mapping whose pages can be given back.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace octet {

/// A file mapped for reading. Throws Error when it cannot be opened or mapped; an empty file maps
/// to an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// Gives the pages that lie wholly inside `part` back to the system; reading them again faults
  /// them in from the file. `part` must lie inside bytes().
  void release(std::span<const std::byte> part) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// The whole file as bytes. Throws Error when it cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, size_t limit = size_t{1} << 30);

/// Writes `content` beside `path` and renames it over, so that a reader never sees half of it.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace octet
