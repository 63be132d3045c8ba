// What a pickled state dict says about its tensors, before their bytes are looked for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/pickle.h"
#include "tensor/view.h"

namespace octet::checkpoint {

/// A storage as tensors refer to it.
struct StorageName {
  std::string_view key;
  uint64_t element_bytes = 1;
  uint64_t bytes = 0;   ///< of the whole storage `key`
  uint64_t offset = 0;  ///< of the part meant here, in bytes (old files cut storages into views)
  uint64_t extent = 0;  ///< bytes of that part
};

/// A tensor as described: extents, strides and offset in elements, none checked against the storage
/// but all non-negative and of equal number.
struct StridedTensor {
  tensor::DType dtype = tensor::DType::f32;
  StorageName storage;
  int64_t offset = 0;
  tensor::Shape shape;
  tensor::Shape strides;
};

/// Globals that a state dict may name.
bool is_torch_global(std::string_view module, std::string_view name);

/// Every storage that the pickle refers to, those of nested values included. Throws Error.
std::vector<StorageName> read_storage_names(const Pickle& pickle, std::string_view source);

/// The tensors of the dict that the pickle holds, by name. Throws Error.
std::map<std::string, StridedTensor> read_state_dict(const Pickle& pickle, std::string_view source);

}  // namespace octet::checkpoint
