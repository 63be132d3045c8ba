// Where the members of a zip archive lie in its bytes; torch.save's files are such archives.
#include "checkpoint/zip.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "checkpoint/layout.h"

namespace octet::checkpoint {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryEntry = 0x02014b50;
constexpr uint32_t kDirectoryEnd = 0x06054b50;
constexpr uint32_t kDirectoryEnd64 = 0x06064b50;
constexpr uint32_t kLocator64 = 0x07064b50;

constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kDirectoryEntryBytes = 46;
constexpr size_t kDirectoryEndBytes = 22;
constexpr size_t kDirectoryEnd64Bytes = 56;
constexpr size_t kLocator64Bytes = 20;
constexpr size_t kLongestComment = 0xffff;

/// In a 32-bit field: the value is in the zip64 part.
constexpr uint32_t kElsewhere = 0xffffffff;
constexpr uint16_t kZip64Extra = 1;
constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kMethodStored = 0;

class ZipReader {
 public:
  ZipReader(std::span<const std::byte> file, std::string_view source)
      : file_(file), source_(source) {}

  ZipMembers read() {
    const Directory directory = find_directory();
    ZipMembers members;
    uint64_t at = directory.offset;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      Entry entry = read_entry(at);
      if (!members.emplace(std::string(entry.name), member(entry)).second) {
        damaged("two members of one name");
      }
      at = entry.next;
    }
    return members;
  }

 private:
  struct Directory {
    uint64_t offset;
    uint64_t entries;
  };
  struct Entry {
    std::string_view name;
    uint16_t flags;
    uint16_t method;
    uint64_t bytes;   ///< as stored
    uint64_t offset;  ///< of the local header
    uint64_t next;    ///< where the next entry of the directory begins
  };

  [[noreturn]] void damaged(std::string_view what) const {
    fail("{}: damaged zip archive: {}; download it again", source_, what);
  }

  std::span<const std::byte> part(uint64_t offset, uint64_t bytes) const {
    if (offset > file_.size() || bytes > file_.size() - offset) {
      damaged("an offset or length beyond the end of the file");
    }
    return file_.subspan(offset, bytes);
  }

  template <typename T>
  T number(uint64_t offset) const {
    T value;
    std::memcpy(&value, part(offset, sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view text(uint64_t offset, uint64_t bytes) const {
    return {reinterpret_cast<const char*>(part(offset, bytes).data()), bytes};
  }

  /// The record at the end of the archive; only a comment may follow it.
  uint64_t find_end() const {
    if (file_.size() >= kDirectoryEndBytes) {
      const uint64_t last = file_.size() - kDirectoryEndBytes;
      for (uint64_t back = 0; back <= std::min<uint64_t>(last, kLongestComment); ++back) {
        const uint64_t at = last - back;
        if (number<uint32_t>(at) == kDirectoryEnd && number<uint16_t>(at + 20) == back) return at;
      }
    }
    fail("{}: a zip archive without its directory; the download is not complete", source_);
  }

  Directory find_directory() const {
    const uint64_t end = find_end();
    Directory directory{number<uint32_t>(end + 16), number<uint16_t>(end + 10)};
    uint64_t bytes = number<uint32_t>(end + 12);
    if (end >= kLocator64Bytes && number<uint32_t>(end - kLocator64Bytes) == kLocator64) {
      const auto end64 = number<uint64_t>(end - kLocator64Bytes + 8);
      part(end64, kDirectoryEnd64Bytes);
      if (number<uint32_t>(end64) != kDirectoryEnd64) damaged("no zip64 directory");
      directory = {number<uint64_t>(end64 + 48), number<uint64_t>(end64 + 32)};
      bytes = number<uint64_t>(end64 + 40);
    }
    part(directory.offset, bytes);
    if (directory.entries > bytes / kDirectoryEntryBytes) damaged("more members than directory");
    return directory;
  }

  Entry read_entry(uint64_t at) const {
    part(at, kDirectoryEntryBytes);
    if (number<uint32_t>(at) != kDirectoryEntry) damaged("no entry where its directory has one");
    const auto name_bytes = number<uint16_t>(at + 28);
    const auto extra_bytes = number<uint16_t>(at + 30);
    const uint64_t extra = at + kDirectoryEntryBytes + name_bytes;
    Entry entry{.name = text(at + kDirectoryEntryBytes, name_bytes),
                .flags = number<uint16_t>(at + 8),
                .method = number<uint16_t>(at + 10),
                .bytes = number<uint32_t>(at + 20),
                .offset = number<uint32_t>(at + 42),
                .next = extra + extra_bytes + number<uint16_t>(at + 32)};
    read_zip64(at, extra, extra + extra_bytes, entry);
    return entry;
  }

  /// The zip64 extra field holds, in this order, those of the uncompressed size, the stored size
  /// and the offset that did not fit.
  void read_zip64(uint64_t at, uint64_t extra, uint64_t end, Entry& entry) const {
    while (end - extra >= 4) {
      const auto kind = number<uint16_t>(extra);
      const auto bytes = number<uint16_t>(extra + 2);
      extra += 4;
      if (bytes > end - extra) damaged("an extra field that is too long");
      if (kind == kZip64Extra) {
        uint64_t value = extra;
        const auto next = [&]() {
          if (extra + bytes - value < sizeof(uint64_t)) damaged("a zip64 field that is too short");
          value += sizeof(uint64_t);
          return number<uint64_t>(value - sizeof(uint64_t));
        };
        if (number<uint32_t>(at + 24) == kElsewhere) next();
        if (entry.bytes == kElsewhere) entry.bytes = next();
        if (entry.offset == kElsewhere) entry.offset = next();
        return;
      }
      extra += bytes;
    }
  }

  ZipMember member(const Entry& entry) const {
    if ((entry.flags & kEncrypted) != 0) {
      fail("{}: member {} is encrypted; octet reads plain archives", source_,
           printable(entry.name));
    }
    part(entry.offset, kLocalHeaderBytes);
    if (number<uint32_t>(entry.offset) != kLocalHeader) damaged("a member without its header");
    const uint64_t begin = entry.offset + kLocalHeaderBytes + number<uint16_t>(entry.offset + 26) +
                           number<uint16_t>(entry.offset + 28);
    return {part(begin, entry.bytes), entry.method == kMethodStored};
  }

  std::span<const std::byte> file_;
  std::string_view source_;
};

}  // namespace

ZipMembers parse_zip(std::span<const std::byte> file, std::string_view source) {
  return ZipReader(file, source).read();
}

}  // namespace octet::checkpoint
