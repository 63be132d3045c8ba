// GGUF: what a file holds is read, and no damaged file gets past the reader.
#include "checkpoint/gguf.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "checkpoint/test_files.h"

namespace octet::checkpoint {
namespace {

using test::as_bytes;
using test::error_of;
using test::GgufBuilder;
using test::raw;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ4_0 = 2;
constexpr uint32_t kQ8_0 = 8;

Gguf parse(const std::string& file) {
  return parse_gguf(as_bytes(file), "file");
}

std::string parse_error(const std::string& file) {
  return error_of([&file] { parse(file); });
}

GgufBuilder small() {
  GgufBuilder file;
  file.string("general.architecture", "llama")
      .value("u8", GgufType::u8, uint8_t{200})
      .value("i8", GgufType::i8, int8_t{-100})
      .value("u16", GgufType::u16, uint16_t{60000})
      .value("i16", GgufType::i16, int16_t{-30000})
      .value("u32", GgufType::u32, uint32_t{4000000000})
      .value("i32", GgufType::i32, int32_t{-2000000000})
      .value("u64", GgufType::u64, uint64_t{1} << 40)
      .value("u64.huge", GgufType::u64, UINT64_MAX)
      .value("i64", GgufType::i64, -(int64_t{1} << 40))
      .value("f32", GgufType::f32, 0.5f)
      .value("f64", GgufType::f64, 1e-300)
      .value("yes", GgufType::boolean, uint8_t{1})
      .strings("tokens", {"a", "", "long token", "\xff"})
      .array("scores", GgufType::f32, std::vector<float>{1.5f, -2.0f})
      .array("types", GgufType::i32, std::vector<int32_t>{1, -1, 3})
      .array("none", GgufType::u64, std::vector<uint64_t>{})
      .tensor("w", {32, 2}, kQ4_0, std::string(36, 'q'))
      .tensor("v", {3}, kF32, std::string(12, 'f'));
  return file;
}

TEST(Gguf, ReadsScalarsOfEveryType) {
  const std::string file = small().build();
  const GgufMetadata metadata = parse(file).metadata;
  EXPECT_EQ(metadata.string("general.architecture"), "llama");
  EXPECT_EQ(metadata.integer("u8"), 200);
  EXPECT_EQ(metadata.integer("i8"), -100);
  EXPECT_EQ(metadata.integer("u16"), 60000);
  EXPECT_EQ(metadata.integer("i16"), -30000);
  EXPECT_EQ(metadata.integer("u32"), 4000000000);
  EXPECT_EQ(metadata.integer("i32"), -2000000000);
  EXPECT_EQ(metadata.integer("u64"), int64_t{1} << 40);
  EXPECT_EQ(metadata.integer("i64"), -(int64_t{1} << 40));
  EXPECT_EQ(metadata.number("f32"), 0.5);
  EXPECT_EQ(metadata.number("f64"), 1e-300);
  EXPECT_EQ(metadata.number("i8"), -100.0);
  EXPECT_EQ(metadata.boolean("yes"), true);
  EXPECT_TRUE(metadata.contains("yes"));
  EXPECT_FALSE(metadata.contains("no"));
}

TEST(Gguf, ReadsArrays) {
  const std::string file = small().build();
  const GgufMetadata metadata = parse(file).metadata;
  EXPECT_EQ(metadata.strings("tokens"),
            (std::vector<std::string_view>{"a", "", "long token", "\xff"}));
  EXPECT_EQ(metadata.numbers("scores"), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(metadata.numbers("types"), (std::vector<float>{1.0f, -1.0f, 3.0f}));
  EXPECT_EQ(metadata.integers("types"), (std::vector<int64_t>{1, -1, 3}));
  EXPECT_EQ(metadata.integers("none"), std::vector<int64_t>{});
}

TEST(Gguf, AbsentKeysGiveNothing) {
  const std::string file = small().build();
  const GgufMetadata metadata = parse(file).metadata;
  EXPECT_FALSE(metadata.integer("no"));
  EXPECT_FALSE(metadata.number("no"));
  EXPECT_FALSE(metadata.boolean("no"));
  EXPECT_FALSE(metadata.string("no"));
  EXPECT_FALSE(metadata.integers("no"));
  EXPECT_FALSE(metadata.numbers("no"));
  EXPECT_FALSE(metadata.strings("no"));
}

TEST(Gguf, KeysOfAnotherTypeAreErrorsThatNameTheKey) {
  const std::string file = small().build();
  const GgufMetadata metadata = parse(file).metadata;
  const auto expect_error = [](std::string_view key, auto action) {
    const std::string message = error_of(action);
    EXPECT_NE(message.find("'" + std::string(key) + "'"), std::string::npos) << message;
  };
  expect_error("f32", [&] { (void)metadata.integer("f32"); });
  expect_error("yes", [&] { (void)metadata.integer("yes"); });
  expect_error("u64.huge", [&] { (void)metadata.integer("u64.huge"); });
  expect_error("tokens", [&] { (void)metadata.integer("tokens"); });
  expect_error("tokens", [&] { (void)metadata.number("tokens"); });
  expect_error("u8", [&] { (void)metadata.boolean("u8"); });
  expect_error("u8", [&] { (void)metadata.string("u8"); });
  expect_error("u8", [&] { (void)metadata.strings("u8"); });
  expect_error("types", [&] { (void)metadata.strings("types"); });
  expect_error("tokens", [&] { (void)metadata.integers("tokens"); });
  expect_error("tokens", [&] { (void)metadata.numbers("tokens"); });
  expect_error("scores", [&] { (void)metadata.integers("scores"); });
}

TEST(Gguf, JsonHoldsScalarsAndSmallArraysOnly) {
  GgufBuilder builder = small();
  builder.array("large", GgufType::u8, std::vector<uint8_t>(513, 1));
  const std::string file = builder.build();
  const nlohmann::json json = parse(file).metadata.to_json();
  EXPECT_EQ(json["general.architecture"], "llama");
  EXPECT_EQ(json["u64.huge"], UINT64_MAX);
  EXPECT_EQ(json["i32"], -2000000000);
  EXPECT_EQ(json["f32"], 0.5);
  EXPECT_EQ(json["yes"], true);
  EXPECT_EQ(json["types"], (nlohmann::json{1, -1, 3}));
  EXPECT_EQ(json["tokens"].size(), 4u);
  EXPECT_EQ(json["none"], nlohmann::json::array());
  EXPECT_FALSE(json.contains("large"));
}

TEST(Gguf, ShapesAreRowMajor) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBuilder builder = small();
    builder.version = version;
    const std::string file = builder.build();
    const Gguf content = parse(file);
    EXPECT_EQ(content.version, version);
    const tensor::View& w = content.tensors.at("w");
    EXPECT_EQ(w.dtype, tensor::DType::q4_0);
    EXPECT_EQ(w.shape, (tensor::Shape{2, 32}));
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(w.bytes.data()), w.bytes.size()),
              std::string(36, 'q'));
    const tensor::View& v = content.tensors.at("v");
    EXPECT_EQ(v.shape, tensor::Shape{3});
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size()),
              std::string(12, 'f'));
  }
}

TEST(Gguf, HonoursTheAlignmentOfTheFile) {
  GgufBuilder builder;
  builder.alignment = 256;
  builder.value("general.alignment", GgufType::u32, uint32_t{256})
      .tensor("a", {1}, kF32, "aaaa")
      .tensor("b", {1}, kF32, "bbbb");
  const std::string file = builder.build();
  EXPECT_EQ(std::memcmp(parse(file).tensors.at("b").bytes.data(), "bbbb", 4), 0);
}

TEST(Gguf, ReadsEveryTensorTypeByItsNumber) {
  using tensor::DType;
  const std::vector<std::pair<uint32_t, DType>> types = {
      {0, DType::f32},     {1, DType::f16},   {2, DType::q4_0},  {3, DType::q4_1},
      {6, DType::q5_0},    {7, DType::q5_1},  {8, DType::q8_0},  {10, DType::q2_k},
      {11, DType::q3_k},   {12, DType::q4_k}, {13, DType::q5_k}, {14, DType::q6_k},
      {20, DType::iq4_nl}, {24, DType::i8},   {25, DType::i16},  {26, DType::i32},
      {27, DType::i64},    {28, DType::f64},  {30, DType::bf16}};
  for (const auto& [number, dtype] : types) {
    const auto bytes = static_cast<size_t>(256 / tensor::info(dtype).block_elements *
                                           tensor::info(dtype).block_bytes);
    GgufBuilder builder;
    builder.tensor("t", {256}, number, std::string(bytes, 'x'));
    const std::string file = builder.build();
    const tensor::View view = parse(file).tensors.at("t");
    EXPECT_EQ(view.dtype, dtype);
    EXPECT_EQ(view.bytes.size(), bytes);
  }
}

TEST(Gguf, OtherTensorTypesAreErrorsWithNumberAndName) {
  for (const uint32_t number : {4u, 5u, 9u, 15u, 16u, 29u, 34u, 39u, 4000000000u}) {
    GgufBuilder builder;
    builder.tensor("layer.w", {256}, number, std::string(1024, 'x'));
    const std::string message = parse_error(builder.build());
    EXPECT_NE(message.find("'layer.w'"), std::string::npos) << message;
    EXPECT_NE(message.find("type " + std::to_string(number)), std::string::npos) << message;
  }
}

TEST(Gguf, EveryTruncationThatCutsATensorIsAnError) {
  const std::string file = small().build();
  const size_t end = file.size() - (32 - 12);  // behind the last tensor is only padding
  for (size_t length = 0; length < end; ++length) {
    EXPECT_NE(parse_error(file.substr(0, length)), "") << length;
  }
  EXPECT_EQ(parse(file.substr(0, end)).tensors.size(), 2u);
}

TEST(Gguf, EveryFlippedHeaderBitIsAnErrorOrLoadsWithinTheFile) {
  const std::string sound = small().build();
  const size_t header_end = sound.size() - 96;
  int loaded = 0;
  for (size_t byte = 0; byte < header_end; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string file = sound;
      file[byte] = static_cast<char>(file[byte] ^ (1 << bit));
      try {
        const Gguf content = parse(file);
        ++loaded;  // flipped letters and values are not detectable
        content.metadata.to_json();
        for (const auto& [name, view] : content.tensors) {
          const tensor::DTypeInfo& type = tensor::info(view.dtype);
          EXPECT_EQ(static_cast<size_t>(view.elements() / type.block_elements * type.block_bytes),
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

TEST(Gguf, FilesThatAreSomethingElseAreNamedAsSuch) {
  EXPECT_NE(parse_error("").find("empty"), std::string::npos);
  EXPECT_NE(parse_error("version https://git-lfs.github.com/spec/v1\n").find("Git LFS"),
            std::string::npos);
  EXPECT_NE(parse_error("GGML" + std::string(100, '\0')).find("not a GGUF"), std::string::npos);
  GgufBuilder builder = small();
  builder.version = 1;
  EXPECT_NE(parse_error(builder.build()).find("version 1 is not"), std::string::npos);
  builder.version = 0x03000000;
  EXPECT_NE(parse_error(builder.build()).find("big-endian"), std::string::npos);
}

TEST(Gguf, CountsBeyondTheFileAreErrors) {
  for (const uint64_t count : {uint64_t{2} << 30, uint64_t{1} << 63, UINT64_MAX}) {
    for (const size_t field : {8u, 16u}) {  // tensors, pairs
      std::string file = small().build();
      std::memcpy(file.data() + field, &count, sizeof count);
      EXPECT_NE(parse_error(file).find("do not fit"), std::string::npos);
    }
    for (const GgufType type : {GgufType::u8, GgufType::f64, GgufType::string}) {
      const std::string file = GgufBuilder().array_of("key", type, count, "").build();
      EXPECT_NE(parse_error(file).find("'key': " + std::to_string(count)), std::string::npos);
    }
  }
  const std::string text = raw(uint64_t{2} << 30) + "short";
  const std::string file = GgufBuilder().array_of("key", GgufType::string, 1, text).build();
  EXPECT_NE(parse_error(file).find("2147483648 bytes does not fit"), std::string::npos);
}

TEST(Gguf, UnsoundMetadataIsAnError) {
  EXPECT_NE(parse_error(GgufBuilder().value("key", GgufType{13}, 1).build()).find("type 13"),
            std::string::npos);
  EXPECT_NE(parse_error(GgufBuilder().array_of("key", GgufType::array, 0, "").build())
                .find("array of arrays"),
            std::string::npos);
  EXPECT_NE(parse_error(GgufBuilder().string("key", "a").string("key", "b").build()).find("twice"),
            std::string::npos);
  for (const uint32_t alignment : {0u, 3u, 33u}) {
    const std::string file =
        GgufBuilder().value("general.alignment", GgufType::u32, alignment).build();
    EXPECT_NE(parse_error(file).find("power of two"), std::string::npos);
  }
  const std::string split = GgufBuilder().value("split.count", GgufType::u16, uint16_t{3}).build();
  EXPECT_NE(parse_error(split).find("3 parts"), std::string::npos);
}

TEST(Gguf, UnsoundTensorsAreErrorsThatNameTheTensor) {
  const auto message_for = [](const std::vector<uint64_t>& extents, uint32_t type,
                              uint64_t offset) {
    GgufBuilder builder;
    builder.tensor("first", {8}, kF32, std::string(32, 'x'))
        .tensor_at("bad", extents, type, offset);
    const std::string message = parse_error(builder.build() + std::string(64, 'y'));
    EXPECT_NE(message.find("'bad'"), std::string::npos) << message;
    return message;
  };
  EXPECT_NE(message_for({31}, kQ8_0, 32).find("whole blocks"), std::string::npos);
  EXPECT_NE(message_for({uint64_t{1} << 40, uint64_t{1} << 40}, kF32, 32).find("too many"),
            std::string::npos);
  EXPECT_NE(message_for({uint64_t{1} << 63}, kF32, 32).find("an extent"), std::string::npos);
  EXPECT_NE(message_for({uint64_t{1} << 62}, kF32, 32).find("too many"), std::string::npos);
  EXPECT_NE(message_for({1, 1, 1, 1, 1}, kF32, 32).find("5 dimensions"), std::string::npos);
  EXPECT_NE(message_for({1}, kF32, 33).find("no multiple"), std::string::npos);
  EXPECT_NE(message_for({1}, kF32, UINT64_MAX - 31).find("beyond"), std::string::npos);
  EXPECT_NE(message_for({1000}, kF32, 32).find("beyond"), std::string::npos);
  EXPECT_NE(message_for({16}, kF32, 0).find("overlaps"), std::string::npos);

  GgufBuilder twice;
  twice.tensor("bad", {1}, kF32, "1234").tensor("bad", {1}, kF32, "1234");
  EXPECT_NE(parse_error(twice.build()).find("twice"), std::string::npos);
}

}  // namespace
}  // namespace octet::checkpoint
