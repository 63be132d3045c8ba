// A GGUF file seen as the Hugging Face checkpoint it was made from: config, tensor names, row
// order, vocabulary.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "checkpoint/gguf.h"
#include "tokenizer/tokenizer.h"

namespace octet::model {

/// The config.json that the metadata stand for. Throws Error for an architecture that octet reads
/// from other formats only.
nlohmann::json huggingface_config(const checkpoint::Gguf& gguf, const std::string& file);

/// The GGUF name of the tensor that Hugging Face calls `name`; the name itself when there is none.
std::string gguf_tensor_name(const std::string& name);

/// The row of the GGUF tensor that holds row `row` of Hugging Face's: GGUF keeps the rows of
/// LLaMA's q and k in pairs (2i, 2i+1) per head where Hugging Face has (i, i + head_dim/2).
int64_t gguf_row(int64_t row, int64_t head_dim);
/// True for the tensors whose rows are kept that way.
bool gguf_rows_are_paired(const std::string& huggingface_name);

/// The tokeniser in the file's metadata. Throws Error when there is none or its kind is unknown.
std::unique_ptr<tokenizer::Tokenizer> gguf_tokenizer(const checkpoint::Gguf& gguf,
                                                     const std::string& file);

}  // namespace octet::model
