// Opening models of both formats from disk, and what is said when a file is missing or wrong.
#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "checkpoint/decode.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_files.h"
#include "checkpoint/test_pickles.h"
#include "support/shared_data.h"

namespace octet::checkpoint {
namespace {

using test::as_bytes;
using test::error_of;
using test::GgufBuilder;
using test::SavedTensors;
using test::Scratch;
using test::state_dict;
using test::torch_archive;

std::string open_error(const std::filesystem::path& path) {
  return error_of([&path] { Checkpoint::open(path); });
}

bool mentions(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

const std::string kEight = "12345678";

void write_weights(const std::filesystem::path& path, const std::vector<std::string>& names,
                   const std::map<std::string, std::string>& metadata = {}) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names) {
    tensors.push_back({name, {tensor::DType::f16, {2, 2}, as_bytes(kEight)}});
  }
  write_safetensors(path, tensors, metadata);
}

/// Two shards and their index.
void write_shards(const Scratch& scratch) {
  scratch.write("config.json", "{\"model_type\": \"llama\"}");
  write_weights(scratch / "model-00001-of-00002.safetensors", {"b", "a"});
  write_weights(scratch / "model-00002-of-00002.safetensors", {"c"});
  scratch.write("model.safetensors.index.json",
                R"({"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors",
                "b": "model-00001-of-00002.safetensors",
                "c": "model-00002-of-00002.safetensors"}})");
}

TEST(Checkpoint, OpensADirectoryWithOneFile) {
  const Scratch scratch;
  scratch.write("config.json", "{\"model_type\": \"gpt2\", \"n_layer\": 3}");
  scratch.write("tokenizer.json", "{}");
  write_weights(scratch / "model.safetensors", {"b", "a"}, {{"format", "pt"}});
  const auto checkpoint = Checkpoint::open(scratch.path());
  EXPECT_EQ(checkpoint->format(), Format::safetensors);
  EXPECT_EQ(checkpoint->path(), scratch.path());
  EXPECT_EQ(checkpoint->config()["n_layer"], 3);
  EXPECT_EQ(checkpoint->metadata().at("format"), "pt");
  EXPECT_EQ(checkpoint->gguf(), nullptr);
  EXPECT_EQ(checkpoint->names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checkpoint->bytes(), 16);
  EXPECT_EQ(checkpoint->sibling("tokenizer.json"), scratch / "tokenizer.json");
  EXPECT_FALSE(checkpoint->sibling("tokenizer.model"));
}

TEST(Checkpoint, FindsTensorsOrNamesWhatIsMissing) {
  const Scratch scratch;
  scratch.write("config.json", "{}");
  write_weights(scratch / "model.safetensors", {"a"});
  const auto checkpoint = Checkpoint::open(scratch.path());
  EXPECT_EQ(checkpoint->find("x"), nullptr);
  ASSERT_NE(checkpoint->find("a"), nullptr);
  EXPECT_EQ(checkpoint->find("a"), &checkpoint->at("a"));
  EXPECT_EQ(&checkpoint->at("a", {2, 2}), &checkpoint->at("a"));
  const std::string absent = error_of([&] { (void)checkpoint->at("x.y"); });
  EXPECT_TRUE(mentions(absent, "'x.y'") && mentions(absent, scratch.path().string())) << absent;
  const std::string shape = error_of([&] { (void)checkpoint->at("a", {4}); });
  EXPECT_TRUE(mentions(shape, "'a' has shape [2, 2] instead of [4]")) << shape;
  EXPECT_TRUE(mentions(shape, "model.safetensors")) << shape;
}

TEST(Checkpoint, IntegersAreNoWeights) {
  const Scratch scratch;
  scratch.write("config.json", "{}");
  const std::vector<NamedTensor> tensors = {{"i", {tensor::DType::i8, {8}, as_bytes(kEight)}}};
  write_safetensors(scratch / "model.safetensors", tensors);
  const auto checkpoint = Checkpoint::open(scratch.path());
  EXPECT_NO_THROW((void)checkpoint->at("i"));
  EXPECT_TRUE(mentions(error_of([&] { (void)checkpoint->at("i", {8}); }), "type i8"));
}

TEST(Checkpoint, ReleasedTensorsCanBeReadAgainAndOwnersOutliveTheCheckpoint) {
  const Scratch scratch;
  scratch.write("config.json", "{}");
  const std::string large(1 << 20, 'z');
  const std::vector<NamedTensor> tensors = {
      {"large", {tensor::DType::u8, {1 << 20}, as_bytes(large)}},
      {"none", {tensor::DType::u8, {0}, {}}}};
  write_safetensors(scratch / "model.safetensors", tensors);
  auto checkpoint = Checkpoint::open(scratch.path());
  const tensor::View view = checkpoint->at("large");
  checkpoint->release(view);
  checkpoint->release(checkpoint->at("none"));
  EXPECT_EQ(std::memcmp(view.bytes.data(), large.data(), large.size()), 0);
  const auto owner = checkpoint->owner(view);
  checkpoint.reset();
  EXPECT_EQ(std::memcmp(view.bytes.data(), large.data(), large.size()), 0);
}

TEST(Checkpoint, OpensShards) {
  const Scratch scratch;
  write_shards(scratch);
  const auto checkpoint = Checkpoint::open(scratch.path());
  EXPECT_EQ(checkpoint->names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(mentions(checkpoint->where("c"), "model-00002-of-00002.safetensors: tensor 'c'"));
}

TEST(Checkpoint, OpensFilesOfAnyNameWithoutAnIndex) {
  const Scratch scratch;
  scratch.write("config.json", "{}");
  write_weights(scratch / "one.safetensors", {"a"});
  write_weights(scratch / "two.safetensors", {"b"});
  EXPECT_EQ(Checkpoint::open(scratch.path())->names(), (std::vector<std::string>{"a", "b"}));
  write_weights(scratch / "two.safetensors", {"a"});
  EXPECT_TRUE(mentions(open_error(scratch.path()), "two.safetensors: tensor 'a' is in another"));
}

TEST(Checkpoint, AMissingShardIsNamed) {
  const Scratch scratch;
  write_shards(scratch);
  std::filesystem::remove(scratch / "model-00002-of-00002.safetensors");
  EXPECT_TRUE(mentions(open_error(scratch.path()), "model-00002-of-00002.safetensors: missing"));
}

TEST(Checkpoint, AShardWithoutItsTensorIsNamed) {
  const Scratch scratch;
  write_shards(scratch);
  write_weights(scratch / "model-00002-of-00002.safetensors", {"d"});
  const std::string message = open_error(scratch.path());
  EXPECT_TRUE(mentions(message, "model-00002-of-00002.safetensors: no tensor 'c'")) << message;
}

TEST(Checkpoint, ShardsOutsideTheDirectoryAreRefused) {
  for (const std::string shard : {"../x.safetensors", "/etc/passwd", "..", ".", "",
                                  "sub/x.safetensors", "a\\\\b", "x\\u0000"}) {
    const Scratch scratch;
    scratch.write("config.json", "{}");
    scratch.write("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"" + shard + "\"}}");
    const std::string message = open_error(scratch.path());
    EXPECT_TRUE(mentions(message, "not the name of a file")) << message;
  }
}

TEST(Checkpoint, UnsoundIndexesAreErrors) {
  for (const std::string index : {"", "[]", "{}", "{\"weight_map\": []}", "{\"weight_map\": {}}",
                                  "{\"weight_map\": {\"a\": 1}}", "{\"weight_map\""}) {
    const Scratch scratch;
    scratch.write("config.json", "{}");
    scratch.write("model.safetensors.index.json", index);
    EXPECT_TRUE(mentions(open_error(scratch.path()), "model.safetensors.index.json")) << index;
  }
}

TEST(Checkpoint, UnsoundConfigurationsAreErrors) {
  const std::string deep = std::string(100'000, '[');
  for (const std::string& config : {std::string(""), std::string("[]"), std::string("{\"a\":"),
                                    std::string("{} {}"), std::string("\xff"), deep}) {
    const Scratch scratch;
    scratch.write("config.json", config);
    write_weights(scratch / "model.safetensors", {"a"});
    EXPECT_TRUE(mentions(open_error(scratch.path()), "config.json")) << config.substr(0, 20);
  }
}

TEST(Checkpoint, DamagedWeightsAreNamedByFile) {
  const Scratch scratch;
  scratch.write("config.json", "{}");
  write_weights(scratch / "model.safetensors", {"a"});
  const std::string whole = read_file(scratch / "model.safetensors");
  for (const size_t length : {size_t{0}, size_t{7}, size_t{20}, whole.size() - 1}) {
    scratch.write("model.safetensors", whole.substr(0, length));
    EXPECT_TRUE(mentions(open_error(scratch.path()), "model.safetensors:")) << length;
  }
}

TEST(Checkpoint, PathsThatHoldNoModelAreErrors) {
  const Scratch scratch;
  EXPECT_TRUE(mentions(open_error(scratch / "absent"), "no such file or directory"));
  EXPECT_TRUE(mentions(open_error(scratch.path()), "no config.json"));
  EXPECT_TRUE(mentions(open_error(scratch.write("notes.txt", "hello")), "not a model"));
  EXPECT_TRUE(mentions(open_error(scratch.write("empty", "")), "not a model"));
  scratch.write("config.json", "{}");
  EXPECT_TRUE(mentions(open_error(scratch.path()), "neither *.safetensors nor"));
  std::filesystem::create_directory(scratch / "model.safetensors");
  EXPECT_TRUE(mentions(open_error(scratch.path()), "not a regular file"));
}

TEST(Checkpoint, OpensPicklesWhereThereAreNoSafetensors) {
  const Scratch scratch;
  scratch.write("config.json", "{}");
  const SavedTensors tensors = {{"w", {.elements = 4, .shape = {2, 2}, .strides = {1, 2}}}};
  const std::string file = torch_archive(state_dict(tensors), {{"0", std::string(16, '\0')}});
  scratch.write("training_args.bin", "not looked at");
  scratch.write("pytorch_model.bin", file);
  const auto whole = Checkpoint::open(scratch.path());
  EXPECT_EQ(whole->format(), Format::torch);
  const tensor::View& view = whole->at("w", {2, 2});
  whole->release(view);  // a copy, being transposed: it stays
  EXPECT_EQ(view.bytes[15], std::byte{0});
  EXPECT_NE(whole->owner(view), nullptr);

  std::filesystem::remove(scratch / "pytorch_model.bin");
  scratch.write("pytorch_model-00001-of-00001.bin", file);
  EXPECT_EQ(Checkpoint::open(scratch.path())->names(), std::vector<std::string>{"w"});
  scratch.write("pytorch_model.bin.index.json",
                R"({"weight_map": {"w": "pytorch_model-00001-of-00001.bin", "v": "lost.bin"}})");
  EXPECT_TRUE(mentions(open_error(scratch.path()), "lost.bin: missing"));
}

TEST(Checkpoint, OpensGgufByPathOrDirectory) {
  const Scratch scratch;
  GgufBuilder builder;
  builder.string("general.architecture", "llama").tensor("w", {2, 1}, 0, kEight);
  // A file is known by its signature, whatever its name.
  for (const std::string name : {"model.gguf", "blob"}) {
    const auto checkpoint = Checkpoint::open(scratch.write(name, builder.build()));
    EXPECT_EQ(checkpoint->format(), Format::gguf);
    EXPECT_EQ(checkpoint->config()["general.architecture"], "llama");
    ASSERT_NE(checkpoint->gguf(), nullptr);
    EXPECT_EQ(checkpoint->gguf()->metadata.string("general.architecture"), "llama");
    EXPECT_EQ(checkpoint->at("w").shape, (tensor::Shape{1, 2}));
    EXPECT_EQ(checkpoint->bytes(), 8);
  }
  EXPECT_EQ(Checkpoint::open(scratch.path())->names(), std::vector<std::string>{"w"});
  scratch.write("tokenizer.json", "{}");
  EXPECT_EQ(Checkpoint::open(scratch.path())->sibling("tokenizer.json"),
            scratch / "tokenizer.json");
  scratch.write("other.gguf", builder.build());
  EXPECT_TRUE(mentions(open_error(scratch.path()), "2 .gguf files"));
  EXPECT_TRUE(mentions(open_error(scratch.write("bad.gguf", "nonsense")), "not a GGUF file"));
}

TEST(Checkpoint, OpensEveryReferenceModel) {
  const auto models = octet::test::shared_path("models");
  OCTET_REQUIRE_PATH(models);
  int opened = 0;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    if (!entry.is_directory()) continue;
    const auto checkpoint = Checkpoint::open(entry.path());
    EXPECT_TRUE(checkpoint->config().contains("model_type")) << entry.path();
    EXPECT_GT(checkpoint->bytes(), 0) << entry.path();
    for (const std::string& name : checkpoint->names()) {
      const tensor::View& view = checkpoint->at(name);
      if (!tensor::is_floating(view.dtype)) continue;
      std::vector<float> values(static_cast<size_t>(view.elements()));
      decode_rows(view, 0, row_count(view), values.data());
      for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << checkpoint->where(name);
    }
    ++opened;
  }
  EXPECT_GT(opened, 0);
}

TEST(Checkpoint, ReadsSmolLM2) {
  const auto path = octet::test::smollm2_path();
  OCTET_REQUIRE_PATH(path);
  const auto checkpoint = Checkpoint::open(path);
  const GgufMetadata& metadata = checkpoint->gguf()->metadata;
  EXPECT_EQ(metadata.string("general.architecture"), "llama");
  EXPECT_EQ(metadata.integer("llama.block_count"), 30);
  EXPECT_EQ(metadata.strings("tokenizer.ggml.tokens")->size(), 49152u);
  EXPECT_FALSE(checkpoint->config().contains("tokenizer.ggml.tokens"));
  EXPECT_EQ(checkpoint->at("token_embd.weight").shape, (tensor::Shape{49152, 576}));
  EXPECT_EQ(checkpoint->at("blk.0.ffn_down.weight").shape, (tensor::Shape{576, 1536}));
  int64_t parameters = 0;
  for (const std::string& name : checkpoint->names()) {
    const tensor::View& view = checkpoint->at(name);
    parameters += view.elements();
    const int64_t columns = column_count(view);
    std::vector<float> row(static_cast<size_t>(columns));
    for (int64_t index = 0; index < row_count(view); ++index) {
      decode_rows(view, index, 1, row.data());
      for (const float value : row) ASSERT_TRUE(std::isfinite(value)) << name;
    }
    checkpoint->release(view);
  }
  EXPECT_EQ(parameters, 134515008);  // 134.5 M: embeddings counted once, output tied to them
}

}  // namespace
}  // namespace octet::checkpoint
