// What a long run has finished, in a file of JSON lines that outlives it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace octet::evaluate {

/// FNV-1a, 64 bits: the same on every machine, unlike std::hash.
uint64_t fingerprint(std::string_view bytes);
/// How a fingerprint stands in a line: 16 hexadecimal digits.
std::string hexadecimal(uint64_t fingerprint);
/// The fingerprint under this member; nothing when there is none.
std::optional<uint64_t> fingerprint_in(const nlohmann::ordered_json& object, const char* member);

/// A file of JSON objects, one a line, each written as soon as what it tells is done. A line that
/// was cut off by a crash is taken out when the file is opened.
class FinishedLines {
 public:
  /// Who writes the file. Its lines begin with the marker, which tells them from other files'.
  struct Writer {
    std::string marker;   ///< "octet_eval"
    std::string command;  ///< "octet eval"
  };

  /// Opens or creates the file and calls `read` with every line's object; it returns false for what
  /// it has not written. Throws Error when the file cannot be written, or naming such a line.
  FinishedLines(std::filesystem::path path, Writer writer,
                const std::function<bool(const nlohmann::ordered_json&)>& read);

  /// Appends a line. Throws Error when the file cannot be written.
  void add(const nlohmann::ordered_json& members);

 private:
  [[noreturn]] void refuse(int64_t line) const;

  std::filesystem::path path_;
  Writer writer_;
  std::string prefix_;
  std::ofstream stream_;
};

}  // namespace octet::evaluate
