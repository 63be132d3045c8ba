// Files are read whole or mapped, and what cannot be read is named in one clear line.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test, removed afterwards.
class FileTest : public ::testing::Test {
 protected:
  fs::path path(const char* name) const { return folder_ / name; }

  /// The message of the Error that `call` throws.
  template <typename Call>
  static std::string message_of(Call call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "no octet::Error was thrown";
    return {};
  }

  static void expect_names(const std::string& message, const fs::path& file, const char* reason) {
    EXPECT_NE(message.find(file.string()), std::string::npos) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }

  test::TemporaryDirectory directory_;
  const fs::path folder_ = directory_.path();
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(FileTest, WhatIsWrittenIsReadBackAndMappedWithEveryByteValue) {
  std::string content;
  for (int i = 0; i < 100'000; ++i) content.push_back(static_cast<char>(i * 7));
  write_file(path("a"), content);
  EXPECT_EQ(read_file(path("a")), content);
  EXPECT_EQ(text_of(MappedFile(path("a")).bytes()), content);
  EXPECT_FALSE(fs::exists(path("a.part")));
}

TEST_F(FileTest, AnEmptyFileIsAnEmptySpan) {
  write_file(path("empty"), "");
  EXPECT_EQ(read_file(path("empty")), "");
  const MappedFile mapped(path("empty"));
  EXPECT_TRUE(mapped.bytes().empty());
  mapped.release(mapped.bytes());
}

TEST_F(FileTest, ReleasedPagesAreReadAgainFromTheFile) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::string content(page * 5 + 17, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 251);
  write_file(path("a"), content);
  const MappedFile mapped(path("a"));
  ASSERT_EQ(text_of(mapped.bytes()), content);
  mapped.release(mapped.bytes());
  EXPECT_EQ(text_of(mapped.bytes()), content);
  mapped.release(mapped.bytes().subspan(page - 3, 7));  // holds no whole page
  mapped.release(mapped.bytes().subspan(1, page * 3));
  EXPECT_EQ(text_of(mapped.bytes()), content);
}

TEST_F(FileTest, ReleasingBytesOfAnotherFileAborts) {
  write_file(path("a"), "abc");
  write_file(path("b"), "abc");
  const MappedFile a(path("a"));
  const MappedFile b(path("b"));
  EXPECT_DEATH(a.release(b.bytes()), "internal error");
}

TEST_F(FileTest, AMissingFileIsNamed) {
  expect_names(message_of([&] { read_file(path("none")); }), path("none"), "No such file");
  expect_names(message_of([&] { MappedFile{path("none")}; }), path("none"), "No such file");
}

TEST_F(FileTest, AFolderIsNotAFile) {
  expect_names(message_of([&] { read_file(folder_); }), folder_, "not a regular file");
  expect_names(message_of([&] { MappedFile{folder_}; }), folder_, "not a regular file");
}

TEST_F(FileTest, APipeWithoutAWriterIsRefusedWithoutWaiting) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  expect_names(message_of([&] { read_file(path("pipe")); }), path("pipe"), "not a regular file");
  expect_names(message_of([&] { MappedFile{path("pipe")}; }), path("pipe"), "not a regular file");
}

TEST_F(FileTest, AFileAboveTheLimitIsRefusedAndAtTheLimitRead) {
  write_file(path("a"), "12345");
  EXPECT_EQ(read_file(path("a"), 5), "12345");
  expect_names(message_of([&] { read_file(path("a"), 4); }), path("a"), "5 bytes");
}

TEST_F(FileTest, WritingIntoAMissingFolderIsAnError) {
  expect_names(message_of([&] { write_file(path("none") / "a", "x"); }), path("none") / "a",
               "No such file");
}

TEST_F(FileTest, AFailedReplacementLeavesNothingBeside) {
  fs::create_directories(path("a") / "inside");  // a folder that is not empty cannot be replaced
  expect_names(message_of([&] { write_file(path("a"), "x"); }), path("a"), "cannot replace");
  EXPECT_FALSE(fs::exists(path("a.part")));
}

TEST_F(FileTest, AReaderNeverSeesHalfOfARewrittenFile) {
  const std::string ones(300'000, '1');
  const std::string twos(200'000, '2');
  write_file(path("a"), ones);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      write_file(path("a"), twos);
      write_file(path("a"), ones);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const MappedFile mapped(path("a"));
    const std::string text = text_of(mapped.bytes());
    EXPECT_TRUE(text == ones || text == twos) << text.size() << " bytes";
  }
  stop = true;
  writer.join();
}

TEST(ErrorTest, FailThrowsTheFormattedMessage) {
  try {
    fail("{}: {} layers, expected {}", "config.json", 3, 4);
    FAIL() << "fail returned";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "config.json: 3 layers, expected 4");
  }
}

TEST(ErrorTest, ABrokenInvariantAbortsWithItsPlace) {
  OCTET_CHECK(1 + 1 == 2);
  EXPECT_DEATH(OCTET_CHECK(1 + 1 == 3), "1 \\+ 1 == 3 is false at .*file_test.cc:");
}

}  // namespace
}  // namespace octet
