// A task's data file: its lines, and JSON members that are there and of the right type.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace octet::evaluate {

/// A line of a data file and where it stands, for messages.
struct Line {
  std::string_view text;
  int64_t number = 0;  ///< from 1
};

/// Reads a data file; every failure names the file, the line and the format that was expected.
class TaskFile {
 public:
  /// Throws Error when the file cannot be read, is empty or compressed.
  TaskFile(std::filesystem::path path, std::string_view format);
  TaskFile(const TaskFile&) = delete;
  TaskFile& operator=(const TaskFile&) = delete;

  /// Its lines without their ends ("\n" or "\r\n"); `blank` lines are left out unless kept.
  std::vector<Line> lines(bool keep_blank = false) const;

  /// The line as a JSON object.
  nlohmann::json object(const Line& line) const;
  /// The member of an object that is a string with something in it.
  std::string text(const nlohmann::json& object, const Line& line, const char* member) const;
  /// The member of an object that is a list of at least two such strings.
  std::vector<std::string> texts(const nlohmann::json& object, const Line& line,
                                 const char* member) const;
  /// The member of an object that says which of `choices` is right, from 0.
  size_t choice(const nlohmann::json& object, const Line& line, const char* member,
                size_t choices) const;
  /// A line that is nothing but the number of one of `choices`, from 0.
  size_t choice(const Line& line, size_t choices) const;

  [[noreturn]] void wrong(const Line& line, const std::string& what) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  const nlohmann::json& member_of(const nlohmann::json& object, const Line& line,
                                  const char* member) const;

  std::filesystem::path path_;
  std::string_view format_;
  std::string content_;
};

}  // namespace octet::evaluate
