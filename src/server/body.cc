// Bodies with a length, and those in chunks. httplib's own reader takes what follows a broken chunk
// for the next request and guesses at lengths that are no numbers.
#include "server/body.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "server/api_error.h"

namespace octet::server {
namespace {

constexpr size_t kPiece = size_t{64} << 10;
/// A chunk's size with its extensions, or a trailer.
constexpr size_t kLongestLine = 8192;
/// Small chunks take more bytes for their sizes than for what they hold.
constexpr size_t kMostForOneByte = 8;

[[noreturn]] void refuse_framing(const std::string& message) {
  throw ApiError(400, message);
}

/// A number that is all of `text`, in digits alone.
std::optional<uint64_t> number(std::string_view text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class BodyReader {
 public:
  BodyReader(Connection& connection, size_t limit) : connection_(connection), limit_(limit) {}

  std::string with_length(const std::string& digits) {
    const bool is_number = std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    if (digits.empty() || !is_number) refuse_framing("Content-Length is no number");
    // Digits that are no number are too many.
    append(number(digits, 10).value_or(UINT64_MAX));
    return std::move(body_);
  }

  std::string chunked() {
    while (const uint64_t size = chunk_size()) {
      append(size);
      if (!line().empty()) refuse_framing("a chunk of the body is longer than its size");
    }
    while (!line().empty()) {  // trailers
    }
    return std::move(body_);
  }

 private:
  void append(uint64_t size) {
    if (size > limit_ - body_.size())
      throw ApiError(413, fmt::format("the body is larger than {} bytes", limit_));
    // Not all at once: what a client announces need not come.
    for (auto left = static_cast<size_t>(size); left > 0;) {
      const size_t begin = body_.size();
      body_.resize(begin + std::min(left, kPiece));
      const size_t got = read(body_.data() + begin, body_.size() - begin);
      body_.resize(begin + got);
      left -= got;
    }
  }

  uint64_t chunk_size() {
    const std::string text = line();
    const std::string_view all = text;
    std::string_view size = all.substr(0, all.find(';'));
    if (size.size() < all.size()) size = size.substr(0, size.find_last_not_of(" \t") + 1);
    const auto value = number(size, 16);
    if (!value) refuse_framing("the size of a chunk of the body is no hexadecimal number");
    return *value;
  }

  /// Without its end.
  std::string line() {
    std::string text;
    char byte = 0;
    while (!text.ends_with("\r\n")) {
      if (text.size() >= kLongestLine) refuse_framing("a line between chunks is too long");
      read(&byte, 1);
      text += byte;
      if (byte == '\n' && !text.ends_with("\r\n"))
        refuse_framing("a line between chunks does not end with CR LF");
    }
    text.resize(text.size() - 2);
    return text;
  }

  size_t read(char* out, size_t size) {
    const ssize_t got = connection_.read(out, size);
    if (got <= 0) refuse_framing("the body ends early, or came too slowly");
    return static_cast<size_t>(got);
  }

  Connection& connection_;
  size_t limit_;
  std::string body_;
};

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(
      text, lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

std::string read_body(const httplib::Request& request, Connection& connection, size_t limit) {
  const size_t lengths = request.get_header_value_count("Content-Length");
  const size_t encodings = request.get_header_value_count("Transfer-Encoding");
  if (lengths + encodings > 1)
    refuse_framing("Content-Length and Transfer-Encoding: there must be one of them, once");
  if (request.has_header("Content-Encoding") &&
      !equal_ignoring_case(request.get_header_value("Content-Encoding"), "identity"))
    throw ApiError(415, "the body must not be compressed: Content-Encoding is not supported");
  if (request.is_multipart_form_data())
    refuse_framing("the body must be JSON, not a form; send Content-Type: application/json");
  connection.begin_body(kMostForOneByte * limit + kPiece);
  BodyReader reader(connection, limit);
  if (lengths == 1) return reader.with_length(request.get_header_value("Content-Length"));
  if (encodings == 0) throw ApiError(411, "Content-Length is missing");
  if (!equal_ignoring_case(request.get_header_value("Transfer-Encoding"), "chunked"))
    refuse_framing("Transfer-Encoding must be chunked");
  return reader.chunked();
}

}  // namespace octet::server
