// GGUF files that octet writes are read back as they were meant.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "checkpoint/test_files.h"

namespace octet::checkpoint {
namespace {

using test::as_bytes;
using test::GgufBuilder;
using test::Scratch;

constexpr uint32_t kF32 = 0;

std::string source(uint64_t alignment) {
  GgufBuilder file;
  file.alignment = alignment;
  file.string("general.architecture", "llama")
      .strings("tokens", {"a", "", "long token"})
      .value("general.alignment", GgufType::u32, static_cast<uint32_t>(alignment))
      .tensor("w", {32, 2}, kF32, std::string(256, 'w'));
  return file.build();
}

std::vector<NamedTensor> tensors() {
  static constexpr std::string_view kBlocks = "012345678901234567";
  return {{"blocks", {tensor::DType::q4_0, {1, 32}, as_bytes(kBlocks)}},
          {"made", {tensor::DType::f16, {3, 1}, {}}, [](std::span<std::byte> out) {
             ASSERT_EQ(out.size(), 6);
             std::fill(out.begin(), out.end(), std::byte{'m'});
           }}};
}

TEST(GgufWriter, WhatItWritesHasTheMetadataAndTheNewTensors) {
  for (const uint64_t alignment : {8, 32, 256}) {
    const Scratch scratch;
    const std::string original = source(alignment);
    write_gguf(scratch / "new.gguf", parse_gguf(as_bytes(original), "file"), tensors());
    const std::string written = read_file(scratch / "new.gguf");
    const Gguf gguf = parse_gguf(as_bytes(written), "new.gguf");
    EXPECT_EQ(gguf.metadata.to_json(), parse_gguf(as_bytes(original), "file").metadata.to_json());
    ASSERT_EQ(gguf.tensors.size(), 2);
    const tensor::View& blocks = gguf.tensors.at("blocks");
    EXPECT_EQ(blocks.dtype, tensor::DType::q4_0);
    EXPECT_EQ(blocks.shape, (tensor::Shape{1, 32}));
    EXPECT_EQ(static_cast<char>(blocks.bytes[17]), '7');
    const tensor::View& made = gguf.tensors.at("made");
    EXPECT_EQ(made.dtype, tensor::DType::f16);
    EXPECT_EQ(made.shape, (tensor::Shape{3, 1}));
    EXPECT_EQ(static_cast<char>(made.bytes[5]), 'm');
  }
}

TEST(GgufWriter, LeavesNothingOfAFileThatIsNotFinished) {
  const Scratch scratch;
  const std::string original = source(32);
  std::vector<NamedTensor> failing = tensors();
  failing.back().make = [](std::span<std::byte>) { fail("interrupted"); };
  EXPECT_THROW(write_gguf(scratch / "new.gguf", parse_gguf(as_bytes(original), "file"), failing),
               Error);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
  EXPECT_THROW(write_gguf(scratch / "absent" / "new.gguf", parse_gguf(as_bytes(original), "file"),
                          tensors()),
               Error);
}

}  // namespace
}  // namespace octet::checkpoint
