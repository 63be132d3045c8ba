// A file of log-probabilities: what one model said about every window, to compare others with.
//
// Little-endian: the 8 bytes "octetlp1", u32 vocabulary size, u32 0, u64 windows; then for each
// window u32 tokens n, i32 ids[n], f32 log-probabilities [n − 1][vocabulary] (natural logarithms,
// row i after token i). Nothing follows the last window.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include "base/file.h"
#include "evaluate/logit_source.h"

namespace octet::evaluate {

/// Writes such a file, row by row, beside its place; finish() moves it there. Throws Error naming
/// the file when it cannot be written.
class LogprobWriter {
 public:
  LogprobWriter(std::filesystem::path path, int64_t vocabulary_size, int64_t windows);
  ~LogprobWriter();
  LogprobWriter(const LogprobWriter&) = delete;
  LogprobWriter& operator=(const LogprobWriter&) = delete;

  void begin(std::span<const int32_t> tokens);
  /// The next row's logits; their logarithm of the softmax is written.
  void row(std::span<const float> logits);
  void finish();

 private:
  void write(const void* data, size_t bytes);

  std::filesystem::path path_;
  std::filesystem::path partial_;
  std::ofstream out_;
  std::vector<float> row_;
};

/// Reads such a file through a mapping. Windows have to be asked for in the file's order.
class SavedLogprobs final : public LogitSource {
 public:
  /// Checks magic, sizes and offsets of the whole file before anything is used.
  explicit SavedLogprobs(const std::filesystem::path& path);

  int64_t vocabulary_size() const override { return vocabulary_size_; }
  int64_t windows() const { return static_cast<int64_t>(windows_.size()); }
  bool whole_windows() const override { return false; }
  /// Throws Error when the next window of the file has other tokens.
  void begin(std::span<const int32_t> tokens) override;
  tensor::MatrixView<const float> next(int64_t rows) override;

  /// Back to the first window.
  void rewind() { current_ = -1; }

 private:
  struct Saved {
    std::span<const int32_t> tokens;
    const float* rows = nullptr;
  };
  MappedFile file_;
  int64_t vocabulary_size_ = 0;
  std::vector<Saved> windows_;
  int64_t current_ = -1;
  int64_t position_ = 0;
};

}  // namespace octet::evaluate
