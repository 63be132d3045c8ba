// octet's own checkpoint format: packed layers in a safetensors file, mapped and used in place.
//
// config.json is the model's Hugging Face config with an "octet" object (format version, method,
// threshold and those of kinds of layers, outlier mode). model.safetensors holds, for each linear
// layer L of "token_embedding", "lm_head" (when it is not the embedding), "embedding_projection",
// "output_projection" and "layers.I.{qkv,attention_output,up,down}", the members of
// linear::LinearParts as L.codes, L.column_scales, L.column_zeros, L.kept_columns, L.kept_panels,
// L.panels16, L.panels32, L.bias (those that are used); norms as float32 vectors; the position
// table as "position_embedding". The tokeniser's files lie beside; of a GGUF source, its metadata
// as vocabulary.gguf.
#pragma once

#include <filesystem>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "model/load/load.h"

namespace octet::model {

inline constexpr std::string_view kVocabularyFile = "vocabulary.gguf";

/// True for a directory that save_quantized wrote.
bool is_quantized(const checkpoint::Checkpoint& checkpoint);

/// The model of such a directory; the tokeniser is the caller's business. Every size, and what the
/// kernels rely on in the values, is checked. The weights refer to the mapped file.
Loaded load_quantized(device::Cpu& cpu, const checkpoint::Checkpoint& checkpoint,
                      const LoadOptions& options);

/// The description of such a directory's model.
Architecture describe_quantized(const checkpoint::Checkpoint& checkpoint);

}  // namespace octet::model
