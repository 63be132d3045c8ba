// From a checkpoint on disk to a Model.
#include "model/load/load.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/json_text.h"
#include "model/families/families.h"
#include "model/load/bitsandbytes.h"
#include "model/load/checkpoint_reader.h"
#include "model/load/packer.h"
#include "model/load/planted_reader.h"
#include "model/load/quantized.h"
#include "model/load/random_weights.h"

namespace octet::model {

namespace {

std::unique_ptr<tokenizer::Tokenizer> gguf_tokenizer(const checkpoint::Gguf& gguf,
                                                     const std::string& file) {
  return tokenizer::make_gguf_tokenizer(tokenizer::read_gguf_vocabulary(gguf.metadata, file));
}

/// The GGUF metadata of a converted model's directory, whose tokeniser came from such a file.
template <typename Function>
auto with_vocabulary(const std::filesystem::path& path, Function function) {
  const MappedFile file(path);
  const std::string name = path.string();
  return function(checkpoint::parse_gguf(file.bytes(), name), name);
}

std::unique_ptr<tokenizer::Tokenizer> read_tokenizer(const checkpoint::Checkpoint& checkpoint) {
  if (const checkpoint::Gguf* gguf = checkpoint.gguf()) {
    return gguf_tokenizer(*gguf, checkpoint.path().string());
  }
  if (const auto vocabulary = checkpoint.sibling(kVocabularyFile)) {
    return with_vocabulary(*vocabulary, gguf_tokenizer);
  }
  return tokenizer::load_tokenizer(checkpoint.path());
}

chat::ModelChat read_chat(const checkpoint::Checkpoint& checkpoint,
                          const tokenizer::Tokenizer* tokenizer) {
  if (const auto vocabulary = checkpoint.sibling(kVocabularyFile)) {
    return with_vocabulary(*vocabulary, [&](const checkpoint::Gguf& gguf, const std::string& file) {
      return chat::gguf_chat(gguf, file, tokenizer);
    });
  }
  return chat::read_model_chat(checkpoint, tokenizer);
}

/// The end tokens of generation_config.json, which go before those of config.json.
std::vector<int32_t> generation_end_tokens(const checkpoint::Checkpoint& checkpoint) {
  const auto path = checkpoint.sibling("generation_config.json");
  if (!path || checkpoint.gguf() != nullptr) return {};
  constexpr size_t kLargestBytes = size_t{1} << 20;
  const nlohmann::json json =
      checkpoint::parse_json(read_file(*path, kLargestBytes), path->string());
  if (!json.is_object()) fail("{}: is no JSON object", path->string());
  return Config(json, path->string(), [](const std::string&) { return false; }).end_tokens();
}

Loaded pack_model(device::Cpu& cpu, const WeightReader& reader, Architecture architecture,
                  const LoadOptions& options) {
  std::optional<PlantedReader> planted;
  if (options.plant.gain != 1) planted.emplace(reader, architecture, options.plant);
  Packer packer(cpu, planted ? *planted : reader, architecture, options);
  Weights weights = packer.pack();
  const int64_t bytes_16bit = 2 * architecture.parameters();
  return {Model(std::move(architecture), options.precision, std::move(weights)), nullptr, "",
          bytes_16bit, packer.kept()};
}

Loaded load_model(device::Cpu& cpu, const checkpoint::Checkpoint& checkpoint,
                  const LoadOptions& options) {
  if (is_quantized(checkpoint)) {
    if (options.plant.gain != 1) refuse_quantised(checkpoint.path().string());
    return load_quantized(cpu, checkpoint, options);
  }
  const CheckpointReader reader(checkpoint);
  return pack_model(
      cpu, reader, reader.describe(),
      is_bitsandbytes(checkpoint) ? fit_to_bitsandbytes(checkpoint, options) : options);
}

}  // namespace

Loaded load(device::Cpu& cpu, const std::filesystem::path& path, const LoadOptions& options) {
  const auto checkpoint = checkpoint::Checkpoint::open(path);
  Loaded loaded = load_model(cpu, *checkpoint, options);
  try {
    loaded.tokenizer = read_tokenizer(*checkpoint);
  } catch (const Error& error) {
    loaded.tokenizer_problem = error.what();
  }
  try {
    loaded.chat = std::make_unique<chat::ModelChat>(read_chat(*checkpoint, loaded.tokenizer.get()));
  } catch (const Error& error) {
    loaded.chat_problem = error.what();
  }
  std::vector<int32_t> ends = generation_end_tokens(*checkpoint);
  if (!ends.empty()) loaded.model.set_end_tokens(std::move(ends));
  return loaded;
}

Loaded load_random(device::Cpu& cpu, const std::filesystem::path& config,
                   const LoadOptions& options) {
  const RandomWeights weights(config);
  Loaded loaded = pack_model(cpu, weights, describe_architecture(weights.config()), options);
  loaded.tokenizer_problem = "random weights have none";
  loaded.chat_problem = loaded.tokenizer_problem;
  return loaded;
}

Description describe(const std::filesystem::path& path) {
  Description description;
  if (const auto config = checkpoint::find_lone_config(checkpoint::find_model(path))) {
    description.format = "config";
    description.architecture = describe_architecture(RandomWeights(*config).config());
    return description;
  }
  const auto checkpoint = checkpoint::Checkpoint::open(path);
  if (is_quantized(*checkpoint)) {
    description.format = "octet";
    description.architecture = describe_quantized(*checkpoint);
  } else {
    description.format =
        is_bitsandbytes(*checkpoint) ? "bitsandbytes" : checkpoint::name(checkpoint->format());
    description.architecture = CheckpointReader(*checkpoint).describe();
  }
  for (const std::string& name : checkpoint->names()) {
    const tensor::View& view = checkpoint->at(name);
    description.tensors.push_back({name, std::string(tensor::name(view.dtype)), view.shape,
                                   static_cast<int64_t>(view.bytes.size())});
  }
  return description;
}

}  // namespace octet::model
