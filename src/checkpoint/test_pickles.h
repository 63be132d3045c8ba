// What the tests of PyTorch's files build them with: pickles, zip archives, the old sequence.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/test_files.h"

namespace octet::checkpoint::test {

/// Pickle instructions one by one, sound or not.
class PickleBuilder {
 public:
  explicit PickleBuilder(int protocol = 2) {
    code_ = "\x80";
    code_ += static_cast<char>(protocol);
  }
  PickleBuilder& code(std::string_view bytes) {
    code_ += bytes;
    return *this;
  }
  PickleBuilder& text(std::string_view content) {
    return code("X").code(raw(static_cast<uint32_t>(content.size()))).code(content);
  }
  /// An integer of any size, in LONG1's eight bytes.
  PickleBuilder& integer(int64_t number) { return code("\x8a\x08").code(raw(number)); }
  PickleBuilder& global(std::string_view module, std::string_view name) {
    return code("c").code(module).code("\n").code(name).code("\n");
  }
  PickleBuilder& integers(const std::vector<int64_t>& numbers) {
    code("(");
    for (const int64_t number : numbers) integer(number);
    return code("t");
  }
  std::string build() const { return code_ + "."; }

 private:
  std::string code_;
};

/// A tensor as torch.save describes it.
struct SavedTensor {
  std::string type = "FloatStorage";
  std::string key = "0";
  int64_t elements = 0;  ///< of the storage
  int64_t offset = 0;
  std::vector<int64_t> shape = {};
  std::vector<int64_t> strides = {};
};

inline void save_tensor(PickleBuilder& pickle, const SavedTensor& tensor) {
  pickle.global("torch._utils", "_rebuild_tensor_v2").code("((").text("storage");
  pickle.global("torch", tensor.type).text(tensor.key).text("cpu").integer(tensor.elements);
  pickle.code("tQ").integer(tensor.offset).integers(tensor.shape).integers(tensor.strides);
  pickle.code("\x89").global("collections", "OrderedDict").code(")RtR");
}

using SavedTensors = std::vector<std::pair<std::string, SavedTensor>>;

/// An OrderedDict of tensors with the _metadata that state dicts carry.
inline std::string state_dict(const SavedTensors& tensors) {
  PickleBuilder pickle;
  pickle.global("collections", "OrderedDict").code(")R(");
  for (const auto& [name, tensor] : tensors) save_tensor(pickle.text(name), tensor);
  pickle.code("u}").text("_metadata").global("collections", "OrderedDict").code(")Rsb");
  return pickle.build();
}

/// A zip archive of stored members.
class ZipBuilder {
 public:
  bool zip64 = false;  ///< sizes and offsets in zip64 fields
  uint16_t method = 0;
  uint16_t flags = 0;

  ZipBuilder& add(const std::string& name, std::string_view content) {
    const uint64_t offset = body_.size();
    const auto bytes = static_cast<uint32_t>(content.size());
    const std::string shared = raw(flags) + raw(method) + raw(uint32_t{0}) + raw(uint32_t{0});
    // The header in front of a member has an extra field that its directory entry does not have:
    // torch.save aligns members with it.
    const std::string padding = raw(uint16_t{0x4246}) + raw(uint16_t{3}) + "ZZZ";
    body_ += raw(uint32_t{0x04034b50}) + raw(uint16_t{45}) + shared + raw(bytes) + raw(bytes) +
             lengths(name, padding) + name + padding;
    body_ += content;
    const uint32_t elsewhere = 0xffffffff;
    std::string extra;
    if (zip64) {
      extra = raw(uint16_t{1}) + raw(uint16_t{24}) + raw(uint64_t{bytes}) + raw(uint64_t{bytes}) +
              raw(offset);
    }
    directory_ += raw(uint32_t{0x02014b50}) + raw(uint16_t{45}) + raw(uint16_t{45}) + shared +
                  raw(zip64 ? elsewhere : bytes) + raw(zip64 ? elsewhere : bytes) +
                  lengths(name, extra) + raw(uint16_t{0}) + raw(uint16_t{0}) + raw(uint16_t{0}) +
                  raw(uint32_t{0}) + raw(zip64 ? elsewhere : static_cast<uint32_t>(offset)) + name +
                  extra;
    ++entries_;
    return *this;
  }
  std::string build(const std::string& comment = "") const {
    const uint64_t offset = body_.size();
    const uint64_t bytes = directory_.size();
    std::string file = body_ + directory_;
    if (zip64) {
      const uint64_t end = file.size();
      file += raw(uint32_t{0x06064b50}) + raw(uint64_t{44}) + raw(uint16_t{45}) +
              raw(uint16_t{45}) + raw(uint32_t{0}) + raw(uint32_t{0}) + raw(uint64_t{entries_}) +
              raw(uint64_t{entries_}) + raw(bytes) + raw(offset);
      file += raw(uint32_t{0x07064b50}) + raw(uint32_t{0}) + raw(end) + raw(uint32_t{1});
    }
    return file + raw(uint32_t{0x06054b50}) + raw(uint16_t{0}) + raw(uint16_t{0}) + raw(entries_) +
           raw(entries_) + raw(static_cast<uint32_t>(bytes)) +
           raw(zip64 ? 0xffffffffu : static_cast<uint32_t>(offset)) +
           raw(static_cast<uint16_t>(comment.size())) + comment;
  }

 private:
  static std::string lengths(const std::string& name, const std::string& extra) {
    return raw(static_cast<uint16_t>(name.size())) + raw(static_cast<uint16_t>(extra.size()));
  }
  std::string body_;
  std::string directory_;
  uint16_t entries_ = 0;
};

struct SavedStorage {
  std::string key;
  std::string content;
  int64_t element_bytes = 4;
};
using SavedStorages = std::vector<SavedStorage>;

/// What torch.save writes since PyTorch 1.6.
inline std::string torch_archive(const std::string& pickle, const SavedStorages& storages) {
  ZipBuilder zip;
  zip.add("model/data.pkl", pickle).add("model/byteorder", "little");
  for (const auto& [key, content, element_bytes] : storages) zip.add("model/data/" + key, content);
  return zip.add("model/version", "3\n").build();
}

/// What it wrote before.
inline std::string legacy_file(const std::string& pickle, const SavedStorages& storages,
                               bool little_endian = true) {
  PickleBuilder facts;
  facts.code("}(").text("protocol_version").integer(1001).text("little_endian");
  facts.code(little_endian ? "\x88" : "\x89").code("u");
  PickleBuilder keys;
  keys.code("](");
  for (const auto& [key, content, element_bytes] : storages) keys.text(key);
  std::string file =
      PickleBuilder().code("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19").build();
  file += PickleBuilder().integer(1001).build() + facts.build() + pickle + keys.code("e").build();
  for (const auto& [key, content, element_bytes] : storages) {
    file += raw(static_cast<int64_t>(content.size()) / element_bytes) + content;
  }
  return file;
}

}  // namespace octet::checkpoint::test
