// Writing and reading files of log-probabilities.
#include "evaluate/saved_logprobs.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "evaluate/divergence.h"

namespace octet::evaluate {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "octetlp1";

struct Header {
  char magic[8] = {};
  uint32_t vocabulary_size = 0;
  uint32_t reserved = 0;
  uint64_t windows = 0;
};
static_assert(sizeof(Header) == 24);

}  // namespace

LogprobWriter::LogprobWriter(std::filesystem::path path, int64_t vocabulary_size, int64_t windows)
    : path_(std::move(path)), partial_(path_), row_(vocabulary_size) {
  partial_ += ".partial";
  out_.open(partial_, std::ios::binary | std::ios::trunc);
  if (!out_) fail("{}: cannot be written; check the directory", partial_.string());
  Header header;
  std::copy(kMagic.begin(), kMagic.end(), header.magic);
  header.vocabulary_size = static_cast<uint32_t>(vocabulary_size);
  header.windows = static_cast<uint64_t>(windows);
  write(&header, sizeof header);
}

LogprobWriter::~LogprobWriter() {
  if (!out_.is_open()) return;  // finished
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

void LogprobWriter::write(const void* data, size_t bytes) {
  out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  if (!out_) fail("{}: cannot be written; is the disk full?", partial_.string());
}

void LogprobWriter::begin(std::span<const int32_t> tokens) {
  const auto count = static_cast<uint32_t>(tokens.size());
  write(&count, sizeof count);
  write(tokens.data(), tokens.size_bytes());
}

void LogprobWriter::row(std::span<const float> logits) {
  OCTET_CHECK(logits.size() == row_.size());
  const double log_sum = log_sum_exp(logits);
  for (size_t i = 0; i < row_.size(); ++i)
    row_[i] = static_cast<float>(static_cast<double>(logits[i]) - log_sum);
  write(row_.data(), row_.size() * sizeof(float));
}

void LogprobWriter::finish() {
  out_.close();
  if (!out_) fail("{}: cannot be written; is the disk full?", partial_.string());
  std::error_code error;
  std::filesystem::rename(partial_, path_, error);
  if (error) fail("{}: cannot be renamed: {}", partial_.string(), error.message());
}

SavedLogprobs::SavedLogprobs(const std::filesystem::path& path) : file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  const std::string file = path.string();
  Header header;
  if (bytes.size() < sizeof header)
    fail("{}: not a file of saved log-probabilities (too short)", file);
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != kMagic)
    fail("{}: neither a method nor a file of saved log-probabilities (--save-logprobs)", file);
  if (header.vocabulary_size == 0 || header.vocabulary_size > (1u << 24))
    fail("{}: a vocabulary of {} is not plausible; the file is damaged", file,
         header.vocabulary_size);
  vocabulary_size_ = header.vocabulary_size;

  size_t at = sizeof header;
  const auto need = [&](uint64_t count, uint64_t each) {
    if (count > (bytes.size() - at) / each)
      fail("{}: the file ends inside window {}; write it again", file, windows_.size() + 1);
  };
  const uint64_t row_bytes = uint64_t{header.vocabulary_size} * sizeof(float);
  for (uint64_t window = 0; window < header.windows; ++window) {
    uint32_t count = 0;
    need(1, sizeof count);
    std::memcpy(&count, bytes.data() + at, sizeof count);
    at += sizeof count;
    if (count < 2)
      fail("{}: window {} has {} tokens; the file is damaged", file, window + 1, count);
    Saved saved;
    need(count, sizeof(int32_t));
    saved.tokens = {reinterpret_cast<const int32_t*>(bytes.data() + at), count};
    at += count * sizeof(int32_t);
    need(count - 1, row_bytes);
    saved.rows = reinterpret_cast<const float*>(bytes.data() + at);
    at += (count - 1) * row_bytes;
    windows_.push_back(saved);
  }
  if (at != bytes.size())
    fail("{}: {} bytes follow the last window; the file is damaged", file, bytes.size() - at);
}

void SavedLogprobs::begin(std::span<const int32_t> tokens) {
  if (current_ >= 0) {  // the pages just read are not needed again in this pass
    const Saved& done = windows_[current_];
    file_.release(std::as_bytes(
        std::span(done.rows, (done.tokens.size() - 1) * static_cast<size_t>(vocabulary_size_))));
  }
  ++current_;
  position_ = 0;
  if (current_ >= windows())
    fail("{}: holds {} windows, this run has more; use the same -c and --chunks",
         file_.path().string(), windows());
  if (!std::ranges::equal(windows_[current_].tokens, tokens))
    fail("{}: window {} has other tokens; it was made from another text, tokeniser or -c",
         file_.path().string(), current_ + 1);
}

tensor::MatrixView<const float> SavedLogprobs::next(int64_t rows) {
  const Saved& saved = windows_[current_];
  const int64_t left = static_cast<int64_t>(saved.tokens.size()) - 1 - position_;
  const int64_t given = std::min(rows, left);
  const float* first = saved.rows + position_ * vocabulary_size_;
  position_ += given;
  return {first, given, vocabulary_size_};
}

}  // namespace octet::evaluate
