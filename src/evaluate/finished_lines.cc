// Reading and appending to a file of finished work.
#include "evaluate/finished_lines.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace octet::evaluate {

using Json = nlohmann::ordered_json;

uint64_t fingerprint(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3u;
  }
  return hash;
}

std::string hexadecimal(uint64_t fingerprint) {
  return fmt::format("{:016x}", fingerprint);
}

std::optional<uint64_t> fingerprint_in(const Json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_string()) return {};
  const auto& text = found->get_ref<const std::string&>();
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {};
  return value;
}

FinishedLines::FinishedLines(std::filesystem::path path, Writer writer,
                             const std::function<bool(const Json&)>& read)
    : path_(std::move(path)),
      writer_(std::move(writer)),
      prefix_(fmt::format(R"({{"{}":1,)", writer_.marker)) {
  if (std::filesystem::exists(path_)) {
    const std::string content = read_file(path_);
    size_t begin = 0;
    int64_t number = 0;
    for (size_t end = 0; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1) {
      ++number;
      const std::string_view line = std::string_view(content).substr(begin, end - begin);
      const Json object = Json::parse(line.begin(), line.end(), nullptr, false);
      if (!line.starts_with(prefix_) || !object.is_object() || !read(object)) refuse(number);
    }
    const std::string_view rest = std::string_view(content).substr(begin);
    if (!rest.empty()) {
      if (!rest.starts_with(prefix_) && !prefix_.starts_with(rest)) refuse(number + 1);
      std::error_code error;
      std::filesystem::resize_file(path_, begin, error);
      if (error) fail("{}: cannot write: {}", path_.string(), error.message());
    }
  }
  stream_.open(path_, std::ios::binary | std::ios::app);
  if (!stream_) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

void FinishedLines::refuse(int64_t line) const {
  fail("{}: line {} was not written by {}; give --resume a file of its own", path_.string(), line,
       writer_.command);
}

void FinishedLines::add(const Json& members) {
  Json line = {{writer_.marker, 1}};
  line.update(members);
  // One write a line, so that only the last one can be cut off.
  stream_ << line.dump() + "\n" << std::flush;
  if (!stream_) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace octet::evaluate
