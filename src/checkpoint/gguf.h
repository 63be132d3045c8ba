// The GGUF format, versions 2 and 3: reading metadata and tensors with everything checked, and
// writing other tensors behind the same metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/layout.h"
#include "checkpoint/tensor_file.h"

namespace octet::checkpoint {

/// Types of metadata values, numbered as in the file.
enum class GgufType : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
};

/// The key/value pairs of a GGUF file. Values stay in the file's bytes; the accessors give nothing
/// when the key is absent and throw Error, naming file and key, when it has another type. Integers
/// of any width answer to integer(), and they and floats to number().
class GgufMetadata {
 public:
  bool contains(std::string_view key) const { return values_.contains(key); }

  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  /// Text lives as long as the bytes the file was parsed from (the Checkpoint).
  std::optional<std::string_view> string(std::string_view key) const;

  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<float>> numbers(std::string_view key) const;
  std::optional<std::vector<std::string_view>> strings(std::string_view key) const;

  /// All pairs as one flat object, without arrays of more than 512 elements (vocabularies).
  nlohmann::json to_json() const;

 private:
  friend class GgufReader;
  struct Value {
    GgufType type;
    GgufType element;                  // of an array
    uint64_t count;                    // of an array
    std::span<const std::byte> bytes;  // the scalar, the text or the array's content
  };

  const Value* find(std::string_view key) const;
  const Value* find_array(std::string_view key) const;
  [[noreturn]] void wrong_type(std::string_view key, std::string_view wanted) const;
  static std::vector<std::string_view> split_strings(const Value& array);
  static nlohmann::json to_json(const Value& value);

  std::string source_;
  std::map<std::string, Value, std::less<>> values_;
};

/// What a GGUF file holds. Shapes are row-major, the reverse of the file's own order: a matrix is
/// [rows, columns] with the columns contiguous. Views look into the bytes parsed.
struct Gguf {
  uint32_t version = 0;
  GgufMetadata metadata;
  TensorMap tensors;
  std::span<const std::byte> head;  ///< the file up to the end of its metadata

  /// The head of a file with the same metadata and that many tensors.
  std::string head_for(uint64_t tensor_count) const;
  /// The bytes of a GGUF file with the same metadata and no tensors (a vocabulary).
  std::string metadata_file() const { return head_for(0); }
};

/// Reads a whole file in memory; `source` names it in errors. Throws Error.
Gguf parse_gguf(std::span<const std::byte> file, std::string_view source);

/// Writes a file with the metadata of `metadata` and these tensors, of types that GGUF has, beside
/// `path` and renames it. Throws Error when it cannot be written; then nothing is left of it.
void write_gguf(const std::filesystem::path& path, const Gguf& metadata,
                std::span<const NamedTensor> tensors);

}  // namespace octet::checkpoint
