// PyTorch's files: every layout of a tensor is read, everything else is an error that runs nothing.
#include "checkpoint/torch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/decode.h"
#include "checkpoint/test_pickles.h"
#include "support/shared_data.h"

namespace octet::checkpoint {
namespace {

using namespace test;
using tensor::DType;

bool mentions(const std::string& message, std::string_view text) {
  return message.find(text) != std::string::npos;
}

/// A parsed file that keeps its bytes, which the views look into.
struct Parsed : TorchFile {
  std::shared_ptr<const std::string> bytes;
};

Parsed parse(const std::string& file) {
  const auto bytes = std::make_shared<const std::string>(file);
  return {parse_torch(as_bytes(*bytes), "model.bin"), bytes};
}

std::string error(const std::string& file) {
  return error_of([&] { parse(file); });
}

/// 0, 1, 2 …
std::string counting(int64_t elements) {
  std::vector<float> values(static_cast<size_t>(elements));
  std::iota(values.begin(), values.end(), 0.0f);
  return raw(values);
}

std::vector<float> values(const tensor::View& view) {
  std::vector<float> result(static_cast<size_t>(view.elements()));
  decode_rows(view, 0, row_count(view), result.data());
  return result;
}

/// A file of either format with one storage "0" of `elements` counting floats.
enum class Layout { archive, legacy };
class Torch : public testing::TestWithParam<Layout> {
 protected:
  static std::string file(const std::string& pickle, const SavedStorages& storages) {
    return GetParam() == Layout::archive ? torch_archive(pickle, storages)
                                         : legacy_file(pickle, storages);
  }
  static std::string file(const SavedTensors& tensors, int64_t elements) {
    return file(state_dict(tensors), {{"0", counting(elements)}});
  }
};

INSTANTIATE_TEST_SUITE_P(Layouts, Torch, testing::Values(Layout::archive, Layout::legacy),
                         [](const auto& tested) {
                           return tested.param == Layout::archive ? "Archive" : "Legacy";
                         });

TEST_P(Torch, ContiguousTensorsAreViewsOfTheFile) {
  const std::string bytes =
      file({{"whole", {.elements = 6, .shape = {2, 3}, .strides = {3, 1}}},
            {"part", {.elements = 6, .offset = 4, .shape = {2}, .strides = {1}}},
            {"one", {.elements = 6, .offset = 5}},
            {"none", {.elements = 6, .shape = {0, 3}, .strides = {3, 1}}}},
           6);
  const Parsed content = parse(bytes);
  EXPECT_TRUE(content.copies.empty());
  EXPECT_EQ(values(content.tensors.at("whole")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values(content.tensors.at("part")), (std::vector<float>{4, 5}));
  EXPECT_EQ(values(content.tensors.at("one")), std::vector<float>{5});
  EXPECT_EQ(content.tensors.at("one").shape, tensor::Shape{});
  EXPECT_TRUE(content.tensors.at("none").bytes.empty());
  for (const auto& [name, view] : content.tensors) {
    if (view.bytes.empty()) continue;
    const std::span<const std::byte> whole = as_bytes(*content.bytes);
    EXPECT_GE(view.bytes.data(), whole.data()) << name;
    EXPECT_LE(view.bytes.data() + view.bytes.size(), whole.data() + whole.size()) << name;
  }
}

TEST_P(Torch, StridedTensorsAreCopiedInRowMajorOrder) {
  const std::string bytes =
      file({{"transposed", {.elements = 24, .shape = {3, 2}, .strides = {1, 3}}},
            {"columns", {.elements = 24, .offset = 1, .shape = {2, 2}, .strides = {4, 2}}},
            {"permuted", {.elements = 24, .shape = {4, 2, 3}, .strides = {1, 12, 4}}},
            // The stride of a single row means nothing, so this one is contiguous.
            {"row", {.elements = 24, .offset = 3, .shape = {1, 2}, .strides = {0, 1}}}},
           24);
  const Parsed content = parse(bytes);
  EXPECT_EQ(content.copies.size(), 3u);
  EXPECT_EQ(values(content.tensors.at("transposed")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values(content.tensors.at("columns")), (std::vector<float>{1, 3, 5, 7}));
  EXPECT_EQ(values(content.tensors.at("row")), (std::vector<float>{3, 4}));
  std::vector<float> permuted;
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 2; ++j) {
      for (int k = 0; k < 3; ++k) permuted.push_back(static_cast<float>(i + 12 * j + 4 * k));
    }
  }
  EXPECT_EQ(values(content.tensors.at("permuted")), permuted);
}

TEST_P(Torch, EveryElementTypeIsKnownByItsStorage) {
  const std::vector<std::pair<std::string, DType>> types = {
      {"DoubleStorage", DType::f64},    {"FloatStorage", DType::f32}, {"HalfStorage", DType::f16},
      {"BFloat16Storage", DType::bf16}, {"LongStorage", DType::i64},  {"IntStorage", DType::i32},
      {"ShortStorage", DType::i16},     {"CharStorage", DType::i8},   {"ByteStorage", DType::u8},
      {"BoolStorage", DType::boolean}};
  for (const auto& [type, dtype] : types) {
    const std::string storage(static_cast<size_t>(2 * tensor::info(dtype).block_bytes), '\1');
    const std::string pickle =
        state_dict({{"t", {.type = type, .elements = 2, .shape = {2}, .strides = {1}}}});
    const Parsed content = parse(file(pickle, {{"0", storage, tensor::info(dtype).block_bytes}}));
    EXPECT_EQ(content.tensors.at("t").dtype, dtype) << type;
    EXPECT_EQ(content.tensors.at("t").bytes.size(), storage.size()) << type;
  }
  for (const char* type : {"ComplexFloatStorage", "QInt8Storage"}) {
    const std::string pickle =
        state_dict({{"t", {.type = type, .elements = 2, .shape = {2}, .strides = {1}}}});
    const std::string message = error(file(pickle, {{"0", std::string(16, '\0')}}));
    EXPECT_TRUE(mentions(message, type) && mentions(message, "'t'")) << message;
  }
}

TEST_P(Torch, TensorsOutsideOfTheirStorageAreErrorsThatNameThem) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  const std::vector<SavedTensor> unsound = {
      {.elements = 6, .shape = {7}, .strides = {1}},
      {.elements = 6, .offset = 1, .shape = {2, 3}, .strides = {3, 1}},
      {.elements = 6, .offset = 6, .shape = {1}, .strides = {1}},
      {.elements = 6, .shape = {3, 2}, .strides = {1, 4}},
      {.elements = 6, .offset = kHuge, .shape = {2}, .strides = {1}},
      {.elements = 6, .shape = {kHuge, 8}, .strides = {8, 1}},
      {.elements = 6, .shape = {3, 3}, .strides = {kHuge, kHuge}},
      {.elements = 6, .offset = -1, .shape = {2}, .strides = {1}},
      {.elements = 6, .shape = {-2}, .strides = {1}},
      {.elements = 6, .offset = 3, .shape = {2}, .strides = {-1}},
      {.elements = 6, .shape = {2}, .strides = {1, 1}},
      {.elements = 6, .shape = {1, 1, 1, 1, 1, 1, 1, 1, 1}, .strides = {1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {.elements = 5, .shape = {2}, .strides = {1}},
      {.elements = kHuge, .shape = {2}, .strides = {1}},
      {.elements = -1, .shape = {2}, .strides = {1}},
      {.key = "1", .elements = 6, .shape = {2}, .strides = {1}}};
  for (size_t i = 0; i < unsound.size(); ++i) {
    const std::string message = error(file({{"bad", unsound[i]}}, 6));
    if (GetParam() == Layout::archive && unsound[i].key == "0") {
      EXPECT_TRUE(mentions(message, "'bad'")) << i << ": " << message;
    }
  }
}

TEST_P(Torch, RepeatedElementsCannotFillTheMemory) {
  const SavedTensor expanded{.elements = 2, .shape = {1 << 20, 2}, .strides = {0, 1}};
  EXPECT_TRUE(mentions(error(file({{"t", expanded}}, 2)), "repeats elements"));
  SavedTensors many;
  for (int i = 0; i < 400; ++i) {
    many.push_back(
        {"t" + std::to_string(i), {.elements = 40000, .shape = {200, 200}, .strides = {1, 200}}});
  }
  EXPECT_TRUE(mentions(error(file(many, 40000)), "strided views of one another"));
}

TEST_P(Torch, EveryTruncationIsAnError) {
  const std::string whole = file({{"t", {.elements = 4, .shape = {2, 2}, .strides = {2, 1}}}}, 4);
  for (size_t size = 0; size < whole.size(); ++size) error(whole.substr(0, size));
}

TEST_P(Torch, EveryFlippedBitIsAnErrorOrLoadsWithinTheFile) {
  const std::string whole =
      file({{"t", {.elements = 4, .shape = {2, 2}, .strides = {2, 1}}},
            {"u", {.elements = 4, .offset = 1, .shape = {3}, .strides = {1}}}},
           4);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    try {
      const Parsed content = parse(changed);
      // Reads every byte, so that the address sanitizer sees what lies outside.
      for (const auto& [name, view] : content.tensors) {
        if (tensor::is_floating(view.dtype)) values(view);
      }
    } catch (const Error&) {
    }
  }
}

TEST_P(Torch, RandomPicklesAreErrorsOrLoadWithinTheFile) {
  const std::string seed = state_dict({{"t", {.elements = 4, .shape = {2, 2}, .strides = {2, 1}}},
                                       {"u", {.elements = 4, .shape = {2, 2}, .strides = {1, 2}}}});
  constexpr std::string_view kInstructions =
      ".(]}t)RQcXJKMNqhjrsuaeblTUG\x80\x85\x86\x87\x88\x89\x8a\x8c\x8d\x93\x94\x95oi0\x81\x82";
  std::mt19937 random(175);
  const auto below = [&](size_t limit) { return random() % limit; };
  int sound = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    std::string pickle = seed;
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
      const size_t at = below(pickle.size());
      switch (below(4)) {
        case 0:
          pickle[at] = static_cast<char>(random());
          break;
        case 1:
          pickle[at] = kInstructions[below(kInstructions.size())];
          break;
        case 2:
          pickle.erase(at, 1 + below(8));
          break;
        default:
          pickle.insert(at, pickle.substr(below(pickle.size()), below(40)));
      }
      if (pickle.empty()) pickle = seed;
    }
    try {
      const Parsed content = parse(file(pickle, {{"0", counting(4)}}));
      for (const auto& [name, view] : content.tensors) {
        if (tensor::is_floating(view.dtype)) values(view);
      }
      ++sound;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(sound, 0);  // some changes are harmless: a name, an offset
}

TEST(TorchArchive, Zip64SizesAndCommentsAreRead) {
  const std::string pickle = state_dict({{"t", {.elements = 3, .shape = {3}, .strides = {1}}}});
  ZipBuilder zip;
  zip.zip64 = true;
  zip.add("a/data.pkl", pickle).add("a/data/0", counting(3));
  EXPECT_EQ(values(parse(zip.build("a comment")).tensors.at("t")), (std::vector<float>{0, 1, 2}));
}

TEST(TorchArchive, WhatIsNoStateDictIsNamedAsSuch) {
  const std::string pickle = state_dict({{"t", {.elements = 1}}});
  ZipBuilder compressed;
  compressed.method = 8;
  EXPECT_TRUE(mentions(error(compressed.add("a/data.pkl", pickle).build()), "compressed"));
  ZipBuilder encrypted;
  encrypted.flags = 1;
  EXPECT_TRUE(mentions(error(encrypted.add("a/data.pkl", pickle).build()), "encrypted"));
  EXPECT_TRUE(mentions(error(ZipBuilder().add("a/b", "").build()), "no data.pkl"));
  EXPECT_TRUE(mentions(error(ZipBuilder().add("a", "").add("a", "").build()), "one name"));
  EXPECT_TRUE(
      mentions(error(ZipBuilder().add("a/data.pkl", pickle).add("a/constants.pkl", "").build()),
               "TorchScript"));
  EXPECT_TRUE(
      mentions(error(ZipBuilder().add("a/data.pkl", pickle).add("a/byteorder", "big").build()),
               "byte order 'big'"));
  EXPECT_TRUE(mentions(error(legacy_file(pickle, {}, /*little_endian=*/false)), "big-endian"));
  EXPECT_TRUE(mentions(error(PickleBuilder().integer(7).build()), "not one that torch.save"));
  EXPECT_TRUE(mentions(error(std::string(257, '\0') + "ustar"), "PyTorch 0.1"));
  EXPECT_TRUE(mentions(error("version https://git-lfs.github.com/spec/v1"), "git lfs pull"));
  EXPECT_TRUE(mentions(error("nonsense"), "not a file that torch.save wrote"));
}

TEST(TorchArchive, ParametersAndDTypesOfTheirOwnAreRead) {
  PickleBuilder pickle;
  pickle.code("}(").text("parameter").global("torch._utils", "_rebuild_parameter").code("(");
  save_tensor(pickle, {.elements = 4, .shape = {4}, .strides = {1}});
  pickle.code("\x88").global("collections", "OrderedDict").code(")RtR");
  pickle.text("eight").global("torch._utils", "_rebuild_tensor_v3").code("((").text("storage");
  pickle.global("torch.storage", "UntypedStorage").text("1").text("cpu").integer(2).code("tQ");
  pickle.integer(0).integers({2}).integers({1}).code("\x89").global("collections", "OrderedDict");
  pickle.code(")R").global("torch", "float8_e4m3fn").code("tR");
  pickle.text("step").integer(7).code("u");  // no tensor: left out
  const Parsed content =
      parse(torch_archive(pickle.build(), {{"0", counting(4)}, {"1", "\x38\xb8"}}));
  EXPECT_EQ(content.tensors.size(), 2u);
  EXPECT_EQ(values(content.tensors.at("parameter")), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(content.tensors.at("eight").dtype, DType::f8_e4m3);
  EXPECT_EQ(values(content.tensors.at("eight")), (std::vector<float>{1, -1}));
}

TEST(TorchLegacy, OldFilesMayCutAStorageIntoParts) {
  PickleBuilder pickle;
  pickle.code("}").text("t").global("torch._utils", "_rebuild_tensor").code("((").text("storage");
  pickle.global("torch", "FloatStorage").text("0").text("cpu").integer(8);
  pickle.code("(").text("part").integer(2).integer(4).code("ttQ");
  pickle.integer(1).integers({3}).integers({1}).code("tRs");
  EXPECT_EQ(values(parse(legacy_file(pickle.build(), {{"0", counting(8)}})).tensors.at("t")),
            (std::vector<float>{3, 4, 5}));
}

/// The same model in both formats holds the same bytes.
void expect_equal(const std::string& pickled, const std::string& plain) {
  const auto directory = octet::test::shared_path("models/" + pickled);
  OCTET_REQUIRE_PATH(directory);
  const auto ours = Checkpoint::open(directory);
  const auto theirs = Checkpoint::open(octet::test::shared_path("models/" + plain));
  EXPECT_EQ(ours->format(), Format::torch);
  for (const std::string& name : theirs->names()) {
    const tensor::View& expected = theirs->at(name);
    const tensor::View& view = ours->at(name);
    EXPECT_EQ(view.dtype, expected.dtype) << name;
    EXPECT_EQ(view.shape, expected.shape) << name;
    EXPECT_TRUE(std::ranges::equal(view.bytes, expected.bytes)) << name;
    ours->release(view);
    EXPECT_TRUE(std::ranges::equal(view.bytes, expected.bytes)) << name;
    EXPECT_NE(ours->owner(view), nullptr);
  }
}

TEST(TorchReference, TinyOptEqualsItsSafetensors) {
  expect_equal("tiny-opt-bin", "tiny-opt");
}
TEST(TorchReference, ShardedTinyBloomEqualsItsSafetensors) {
  expect_equal("tiny-bloom-bin-sharded", "tiny-bloom");
}

}  // namespace
}  // namespace octet::checkpoint
