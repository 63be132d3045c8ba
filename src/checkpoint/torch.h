// PyTorch's own files (pytorch_model.bin): the tensors of a state dict, read without Python.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/layout.h"
#include "tensor/owner.h"

namespace octet::checkpoint {

/// The tensors of a state dict. Contiguous ones are views of the bytes parsed, at any alignment;
/// the others (transposed, sliced) are views of `copies`, in row-major order.
struct TorchFile {
  TensorMap tensors;
  std::vector<std::shared_ptr<const tensor::Array<std::byte>>> copies;
};

/// Reads a whole file in memory that torch.save wrote: a zip archive (since PyTorch 1.6) or the
/// sequence of pickles of older versions. Nothing in it is run (see read_pickle); every storage,
/// offset, shape and stride is checked before it is used. Entries of the state dict that are not
/// tensors are left out. Element types without a DType (complex, quantised), big-endian and
/// compressed files and TorchScript are errors, as is a tensor that repeats elements so that it is
/// larger than its storage. All copies together are at most as large as the file. `source` names
/// the file in errors. Throws Error.
TorchFile parse_torch(std::span<const std::byte> file, std::string_view source);

}  // namespace octet::checkpoint
