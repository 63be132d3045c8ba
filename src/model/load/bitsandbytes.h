// bitsandbytes' int8 checkpoints, as Hugging Face transformers writes them.
//
// Each int8 layer X has X.weight, int8 [outputs, inputs] (GPT-2's, too, which are stored the other
// way round elsewhere), X.SCB, float32 [outputs], the largest magnitude of each row of the weights
// in f16, and X.weight_format, 0: row-major. config.json says so under "quantization_config".
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/load/load.h"

namespace octet::model {

/// True for such a checkpoint. Throws Error when it is quantised in another way (4 bits, GPTQ …),
/// which must not be taken for plain weights.
bool is_bitsandbytes(const checkpoint::Checkpoint& checkpoint);

/// What is asked for, made to fit such a checkpoint: its threshold and, there being no 16-bit
/// weights to keep columns of, `token` instead of `kept`. Throws Error for what cannot be had.
LoadOptions fit_to_bitsandbytes(const checkpoint::Checkpoint& checkpoint, LoadOptions options);

/// The scales that belong to the codes `weight`, a tensor's name ending in ".weight". Throws Error
/// when the codes do not have this shape, or their layout is one of bitsandbytes' old GPU layouts.
tensor::Shared<float> bitsandbytes_scales(const checkpoint::Checkpoint& checkpoint,
                                          const std::string& weight, const tensor::Shape& shape);

/// "model.layers.0.fc1.weight", ".SCB" → "model.layers.0.fc1.SCB".
std::string bitsandbytes_name(const std::string& weight, const std::string& ending);

}  // namespace octet::model
