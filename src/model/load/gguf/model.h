// A GGUF file seen as the Hugging Face checkpoint it was made from: config and tensors.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "checkpoint/gguf.h"
#include "model/architecture.h"
#include "model/load/gguf/architecture.h"

namespace octet::model {

class GgufModel {
 public:
  /// `gguf` must outlive this; `file` names it in errors. Throws Error for an architecture that
  /// octet does not read from GGUF files.
  GgufModel(const checkpoint::Gguf& gguf, std::string file);

  /// The config.json that metadata and tensors stand for (gguf_config).
  nlohmann::json config() const;

  /// The tensor, or the part of one, that Hugging Face calls `name`, with matrices as [outputs,
  /// inputs]; nothing when the file has none.
  std::optional<tensor::View> find(const std::string& name) const;
  /// As find(), but throws Error, naming the file's own tensor, when there is none or it has
  /// another shape or holds no floating-point numbers.
  tensor::View at(const std::string& name, const tensor::Shape& shape) const;

  /// What the file calls the tensor that holds `name`, be it there or not.
  std::string stored_name(const std::string& name) const;

  /// True for the q and k whose rows lie in pairs: see paired_row.
  bool rows_are_paired(const std::string& name) const;

  /// Throws Error naming a tensor that the description does not use: it would belong to an option
  /// that neither the metadata nor octet knows, and ignoring it would give wrong results.
  void require_all_used(const Architecture& architecture) const;

 private:
  struct Stored;
  Stored locate(const std::string& name) const;

  const checkpoint::Gguf& gguf_;
  std::string file_;
  const GgufArchitecture* architecture_;
};

/// The row that holds row `row` of Hugging Face's where rows are paired: per head they are kept as
/// (2i, 2i+1) where Hugging Face has (i, i + head_dim/2).
int64_t paired_row(int64_t row, int64_t head_dim);

}  // namespace octet::model
