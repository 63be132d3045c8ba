// From a checkpoint on disk to a Model.
#include "model/load/load.h"

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "model/families/families.h"
#include "model/load/bitsandbytes.h"
#include "model/load/checkpoint_reader.h"
#include "model/load/packer.h"
#include "model/load/quantized.h"
#include "model/load/random_weights.h"

namespace octet::model {

namespace {

std::unique_ptr<tokenizer::Tokenizer> gguf_tokenizer(const checkpoint::Gguf& gguf,
                                                     const std::string& file) {
  return tokenizer::make_gguf_tokenizer(tokenizer::read_gguf_vocabulary(gguf.metadata, file));
}

std::unique_ptr<tokenizer::Tokenizer> read_tokenizer(const checkpoint::Checkpoint& checkpoint) {
  if (const checkpoint::Gguf* gguf = checkpoint.gguf()) {
    return gguf_tokenizer(*gguf, checkpoint.path().string());
  }
  if (const auto vocabulary = checkpoint.sibling(kVocabularyFile)) {
    const MappedFile file(*vocabulary);
    const checkpoint::Gguf gguf = checkpoint::parse_gguf(file.bytes(), vocabulary->string());
    return gguf_tokenizer(gguf, vocabulary->string());
  }
  return tokenizer::load_tokenizer(checkpoint.path());
}

Loaded pack_model(device::Cpu& cpu, const WeightReader& reader, Architecture architecture,
                  const LoadOptions& options) {
  Packer packer(cpu, reader, architecture, options);
  Weights weights = packer.pack();
  const int64_t bytes_16bit = 2 * architecture.parameters();
  return {Model(std::move(architecture), options.precision, std::move(weights)), nullptr, "",
          bytes_16bit, packer.kept()};
}

Loaded load_model(device::Cpu& cpu, const checkpoint::Checkpoint& checkpoint,
                  const LoadOptions& options) {
  if (is_quantized(checkpoint)) return load_quantized(cpu, checkpoint, options);
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
  return loaded;
}

Loaded load_random(device::Cpu& cpu, const std::filesystem::path& config,
                   const LoadOptions& options) {
  const RandomWeights weights(config);
  Loaded loaded = pack_model(cpu, weights, describe_architecture(weights.config()), options);
  loaded.tokenizer_problem = "random weights have none";
  return loaded;
}

Description describe(const std::filesystem::path& path) {
  const auto checkpoint = checkpoint::Checkpoint::open(path);
  Description description;
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
