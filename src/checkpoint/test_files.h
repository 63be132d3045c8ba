// What the checkpoint tests build their files with: a GGUF file byte by byte, a scratch directory.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/gguf.h"

namespace octet::checkpoint::test {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// The object representation of a number or of a vector's elements.
template <typename T>
std::string raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
template <typename T>
std::string raw(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// A directory that is removed with the test.
class Scratch {
 public:
  Scratch() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            fmt::format("octet-{}-{}-{}", ::getpid(), test->test_suite_name(), test->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    write_file(path_ / name, content);
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// The message of the Error that `action` throws; a test failure when it throws none.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

/// Puts a GGUF file together as its specification lays it out, sound or not.
class GgufBuilder {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;

  static std::string text(std::string_view content) {
    return raw(uint64_t{content.size()}) + std::string(content);
  }
  template <typename T>
  GgufBuilder& value(std::string_view key, GgufType type, const T& number) {
    return pair(key, raw(static_cast<uint32_t>(type)) + raw(number));
  }
  GgufBuilder& string(std::string_view key, std::string_view content) {
    return pair(key, raw(static_cast<uint32_t>(GgufType::string)) + text(content));
  }
  template <typename T>
  GgufBuilder& array(std::string_view key, GgufType element, const std::vector<T>& values) {
    return array_of(key, element, values.size(), raw(values));
  }
  GgufBuilder& strings(std::string_view key, const std::vector<std::string>& values) {
    std::string content;
    for (const std::string& each : values) content += text(each);
    return array_of(key, GgufType::string, values.size(), content);
  }
  GgufBuilder& array_of(std::string_view key, GgufType element, uint64_t count,
                        const std::string& content) {
    return pair(key, raw(static_cast<uint32_t>(GgufType::array)) +
                         raw(static_cast<uint32_t>(element)) + raw(count) + content);
  }
  /// `extents` in the file's order, columns first; placed behind the tensors so far.
  GgufBuilder& tensor(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                      const std::string& content) {
    const uint64_t offset = data_.size();
    tensor_at(name, extents, type, offset);
    data_ += content;
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  /// A description alone.
  GgufBuilder& tensor_at(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                         uint64_t offset) {
    ++tensors_;
    descriptions_ += text(name) + raw(static_cast<uint32_t>(extents.size())) + raw(extents) +
                     raw(type) + raw(offset);
    return *this;
  }
  std::string build() const {
    std::string file =
        "GGUF" + raw(version) + raw(tensors_) + raw(pairs_) + metadata_ + descriptions_;
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data_;
  }

 private:
  GgufBuilder& pair(std::string_view key, const std::string& typed_value) {
    ++pairs_;
    metadata_ += text(key) + typed_value;
    return *this;
  }

  uint64_t tensors_ = 0;
  uint64_t pairs_ = 0;
  std::string metadata_;
  std::string descriptions_;
  std::string data_;
};

}  // namespace octet::checkpoint::test
