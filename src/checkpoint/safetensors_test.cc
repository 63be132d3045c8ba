// safetensors: what is written is read back, and no damaged file gets past the reader.
#include "checkpoint/safetensors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>

#include "checkpoint/test_files.h"
#include "support/shared_data.h"

namespace octet::checkpoint {
namespace {

using test::as_bytes;
using test::error_of;
using test::raw;
using test::Scratch;

/// A file of this header and data.
std::string file_of(const std::string& header, const std::string& data = "") {
  return raw(uint64_t{header.size()}) + header + data;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

/// A file whose header holds these entries.
std::string file_with(const std::vector<std::string>& entries, const std::string& data = "") {
  return file_of(fmt::format("{{{}}}", fmt::join(entries, ",")), data);
}

Safetensors parse(const std::string& file) {
  return parse_safetensors(as_bytes(file), "file");
}

std::string parse_error(const std::string& file) {
  return error_of([&file] { parse(file); });
}

const std::string kSmall =
    file_with({R"("__metadata__":{"format":"pt"})", entry("a", "F32", "[2,1]", "[0,8]"),
               entry("b", "I8", "[3]", "[8,11]")},
              "01234567abc");

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const Safetensors content = parse(kSmall);
  ASSERT_EQ(content.tensors.size(), 2u);
  const tensor::View& a = content.tensors.at("a");
  EXPECT_EQ(a.dtype, tensor::DType::f32);
  EXPECT_EQ(a.shape, (tensor::Shape{2, 1}));
  EXPECT_EQ(std::memcmp(a.bytes.data(), "01234567", 8), 0);
  EXPECT_EQ(content.tensors.at("b").bytes.size(), 3u);
  EXPECT_EQ(content.metadata.at("format"), "pt");
}

TEST(Safetensors, ReadsEveryElementType) {
  const std::vector<std::pair<std::string, int>> types = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"I64", 8}, {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U8", 1},      {"BOOL", 1}};
  for (const auto& [type, bytes] : types) {
    const std::string file = file_with({entry("t", type, "[3]", fmt::format("[0,{}]", 3 * bytes))},
                                       std::string(3 * bytes, 'x'));
    const tensor::View view = parse(file).tensors.at("t");
    EXPECT_EQ(tensor::info(view.dtype).block_bytes, bytes) << type;
    EXPECT_EQ(view.elements(), 3) << type;
  }
}

TEST(Safetensors, ReadsScalarsAndEmptyTensors) {
  const std::string file =
      file_with({entry("s", "F32", "[]", "[0,4]"), entry("e", "F32", "[0,5]", "[4,4]")}, "0123");
  const Safetensors content = parse(file);
  EXPECT_EQ(content.tensors.at("s").elements(), 1);
  EXPECT_EQ(content.tensors.at("e").elements(), 0);
}

TEST(Safetensors, EveryTruncationIsAnError) {
  for (size_t length = 0; length < kSmall.size(); ++length) {
    EXPECT_NE(parse_error(kSmall.substr(0, length)), "") << length;
  }
}

TEST(Safetensors, EveryFlippedHeaderBitIsAnErrorOrLoadsWithinTheFile) {
  const size_t header_end = kSmall.size() - 11;
  int loaded = 0;
  for (size_t byte = 0; byte < header_end; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string file = kSmall;
      file[byte] = static_cast<char>(file[byte] ^ (1 << bit));
      try {
        const Safetensors content = parse(file);
        ++loaded;  // a flipped letter of a name is not detectable
        for (const auto& [name, view] : content.tensors) {
          EXPECT_EQ(static_cast<size_t>(view.elements() * tensor::info(view.dtype).block_bytes),
                    view.bytes.size());
          if (view.bytes.empty()) continue;
          EXPECT_GE(view.bytes.data(), as_bytes(file).data());
          EXPECT_LE(&view.bytes.back(), &as_bytes(file).back());
        }
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(loaded, 0);
  EXPECT_LT(loaded, static_cast<int>(header_end) * 8);
}

TEST(Safetensors, LengthFieldsBeyondTheFileAreErrors) {
  const std::vector<uint64_t> lengths = {uint64_t{2} << 30, uint64_t{1} << 63, UINT64_MAX,
                                         UINT64_MAX - 7, kSmall.size() - 7};
  for (const uint64_t length : lengths) {
    std::string file = kSmall;
    std::memcpy(file.data(), &length, sizeof length);
    EXPECT_NE(parse_error(file).find("a header of " + std::to_string(length)), std::string::npos);
  }
}

TEST(Safetensors, HeadersLongerThanTheFormatAllowsAreErrors) {
  const std::string message = parse_error(file_of("{}" + std::string(100'000'000, ' ')));
  EXPECT_NE(message.find("more than the 100000000"), std::string::npos) << message;
}

TEST(Safetensors, FilesThatAreSomethingElseAreNamedAsSuch) {
  EXPECT_NE(parse_error("").find("empty"), std::string::npos);
  EXPECT_NE(parse_error("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
                .find("Git LFS"),
            std::string::npos);
  EXPECT_NE(parse_error(file_of("[]")).find("not a JSON object"), std::string::npos);
  EXPECT_NE(parse_error(file_of("{\"a\"")).find("not valid JSON"), std::string::npos);
  EXPECT_NE(parse_error(file_of("{\"a\":1e999}")).find("out of range"), std::string::npos);
}

TEST(Safetensors, DeepNestingIsAnError) {
  const size_t levels = 1'000'000;
  const std::string deep = "{\"a\":" + std::string(levels, '[') + std::string(levels, ']') + "}";
  EXPECT_NE(parse_error(file_of(deep)).find("64 levels"), std::string::npos);
}

struct BadEntry {
  const char* dtype;
  const char* shape;
  const char* offsets;
  const char* expected;
};

TEST(Safetensors, UnsoundDescriptionsAreErrorsThatNameTheTensor) {
  const std::vector<BadEntry> cases = {
      {"F32", "[-2]", "[0,8]", "an extent"},
      {"F32", "[2.0]", "[0,8]", "an extent"},
      {"F32", "[\"2\"]", "[0,8]", "an extent"},
      {"F32", "[9223372036854775808]", "[0,8]", "an extent"},
      {"F32", "[18446744073709551616]", "[0,8]", "an extent"},
      {"F32", "2", "[0,8]", "no shape"},
      {"F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]", "too many dimensions"},
      {"F32", "[4294967296,4294967296,4]", "[0,8]", "too large"},
      {"F32", "[4611686018427387904]", "[0,0]", "too large"},
      {"F32", "[3]", "[0,8]", "do not match"},
      {"F16", "[2]", "[0,8]", "do not match"},
      {"F32", "[2]", "[0,9]", "beyond the end"},
      {"F32", "[2]", "[0,18446744073709551615]", "beyond the end"},
      {"F32", "[2]", "[8,0]", "ends before"},
      {"F32", "[2]", "[-8,0]", "data_offsets"},
      {"F32", "[2]", "[0]", "data_offsets"},
      {"F32", "[2]", "[0,8,9]", "data_offsets"},
      {"F32", "[1]", "[4,8]", "belong to no tensor"},
      {"Q9", "[2]", "[0,8]", "'Q9' are not supported"},
      {"\\u001b[31m\\n", "[2]", "[0,8]", "\\x1b[31m\\x0a"},
  };
  for (const BadEntry& bad : cases) {
    const std::string file =
        file_with({entry("layer.w", bad.dtype, bad.shape, bad.offsets)}, "01234567");
    const std::string message = parse_error(file);
    EXPECT_NE(message.find("'layer.w'"), std::string::npos) << message;
    EXPECT_NE(message.find(bad.expected), std::string::npos) << message << bad.shape;
  }
}

TEST(Safetensors, IncompleteDescriptionsAreErrors) {
  for (const std::string header :
       {"{\"a\":1}", "{\"a\":null}", "{\"a\":{}}", "{\"a\":{\"dtype\":\"F32\"}}",
        "{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "{\"__metadata__\":[]}",
        "{\"__metadata__\":{\"a\":1}}"}) {
    EXPECT_NE(parse_error(file_of(header)), "") << header;
  }
}

TEST(Safetensors, OverlapsAndBytesWithoutTensorAreErrors) {
  const std::string overlap =
      file_with({entry("a", "F32", "[2]", "[0,8]"), entry("b", "F32", "[1]", "[4,8]")}, "01234567");
  EXPECT_NE(parse_error(overlap).find("overlaps"), std::string::npos);
  const std::string one = file_with({entry("a", "F32", "[1]", "[0,4]")}, "01234567");
  EXPECT_NE(parse_error(one).find("4 bytes after the last"), std::string::npos);
}

TEST(Safetensors, NamesThatAppearTwiceAreErrors) {
  const std::string twice = entry("a", "F32", "[1]", "[0,4]");
  EXPECT_NE(parse_error(file_with({twice, twice}, "0123")).find("twice"), std::string::npos);
}

TEST(SafetensorsWriter, WhatIsWrittenIsReadBackAligned) {
  const Scratch scratch;
  std::vector<std::string> contents;
  std::vector<NamedTensor> tensors;
  for (const size_t bytes : {64u, 0u, 1u, 63u, 65u, 128u, 1000u, 4096u}) {
    std::string content(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>(i * 7 + bytes);
    contents.push_back(content);
  }
  for (const std::string& content : contents) {
    tensors.push_back(
        {"tensor." + std::to_string(content.size()),
         {tensor::DType::i8, {1, static_cast<int64_t>(content.size())}, as_bytes(content)}});
  }
  const std::vector<float> floats = {1.0f, -2.5f, 0.0f};
  tensors.push_back(
      {"ascale", {tensor::DType::f32, {3}, std::as_bytes(std::span<const float>(floats))}});
  write_safetensors(scratch / "model.safetensors", tensors, {{"made by", "octet \"test\""}});
  EXPECT_FALSE(std::filesystem::exists(scratch / "model.safetensors.part"));

  const MappedFile mapped(scratch / "model.safetensors");
  const Safetensors content = parse_safetensors(mapped.bytes(), "model.safetensors");
  EXPECT_EQ(content.metadata.at("made by"), "octet \"test\"");
  ASSERT_EQ(content.tensors.size(), tensors.size());  // padding is hidden
  for (const auto& [name, view, make] : tensors) {
    const tensor::View& found = content.tensors.at(name);
    EXPECT_EQ(found.dtype, view.dtype);
    EXPECT_EQ(found.shape, view.shape);
    ASSERT_EQ(found.bytes.size(), view.bytes.size());
    if (view.bytes.empty()) continue;
    EXPECT_EQ(std::memcmp(found.bytes.data(), view.bytes.data(), view.bytes.size()), 0) << name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.bytes.data()) % kTensorAlignment, 0u) << name;
  }
}

TEST(SafetensorsWriter, AFileWithoutTensorsIsReadBack) {
  const Scratch scratch;
  write_safetensors(scratch / "empty.safetensors", {});
  EXPECT_TRUE(parse(read_file(scratch / "empty.safetensors")).tensors.empty());
}

TEST(SafetensorsWriter, PlacesThatCannotBeWrittenAreErrors) {
  const Scratch scratch;
  const std::string message =
      error_of([&] { write_safetensors(scratch / "absent" / "model.safetensors", {}); });
  EXPECT_NE(message.find("absent"), std::string::npos);
  EXPECT_NE(message.find("No such file"), std::string::npos) << message;
}

TEST(SafetensorsWriter, NamesThatAreNotUtf8AreErrors) {
  const Scratch scratch;
  const std::vector<NamedTensor> tensors = {{"\xff", {tensor::DType::i8, {0}, {}}}};
  EXPECT_NE(error_of([&] { write_safetensors(scratch / "x", tensors); }).find("UTF-8"),
            std::string::npos);
}

TEST(Safetensors, ReadsTheBitsandbytesVectors) {
  const auto path = octet::test::shared_path("models/bitsandbytes-linear8bit-vectors.safetensors");
  OCTET_REQUIRE_PATH(path);
  const MappedFile mapped(path);
  const Safetensors content = parse_safetensors(mapped.bytes(), path.string());
  EXPECT_FALSE(content.metadata.empty());
  EXPECT_FALSE(content.tensors.empty());
}

}  // namespace
}  // namespace octet::checkpoint
