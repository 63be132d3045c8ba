// PyTorch's own files (pytorch_model.bin): the tensors of a state dict, read without Python.
#include "checkpoint/torch.h"

#include <cstring>
#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "checkpoint/pickle.h"
#include "checkpoint/state_dict.h"
#include "checkpoint/zip.h"

namespace octet::checkpoint {
namespace {

using Kind = PickleValue::Kind;

/// 0x1950a86a20f9469cfc6c, the first pickle of the old format, little-endian.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

using Storages = std::map<std::string_view, std::span<const std::byte>>;

/// Puts the tensors of a state dict onto their storages' bytes.
class TensorBuilder {
 public:
  TensorBuilder(size_t file_bytes, std::string_view source)
      : copy_budget_(file_bytes), source_(source) {}

  void add(const std::string& name, const StridedTensor& described,
           std::span<const std::byte> storage) {
    name_ = &name;
    if (storage.size() != described.storage.bytes) {
      damaged("its storage does not have the size it should have");
    }
    storage = storage.subspan(described.storage.offset, described.storage.extent);
    const auto size = static_cast<uint64_t>(tensor::info(described.dtype).block_bytes);
    const std::optional<int64_t> bytes = tensor_bytes(described.dtype, described.shape);
    if (!bytes) damaged("its shape is too large");
    tensor::View view{described.dtype, described.shape, {}};
    if (*bytes > 0) {
      const uint64_t span = elements_spanned(described);
      const auto offset = static_cast<uint64_t>(described.offset);
      const uint64_t elements = storage.size() / size;
      if (offset > elements || span > elements - offset) damaged("lies outside of its storage");
      const std::span<const std::byte> part = storage.subspan(offset * size, span * size);
      view.bytes = is_contiguous(described) ? part : copy(described, part, *bytes);
    }
    file_.tensors.emplace(name, std::move(view));
  }

  TorchFile take() { return std::move(file_); }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    fail("{}: tensor {}: {}; the file is damaged or incomplete", source_, printable(*name_), what);
  }

  /// Elements from the first to the last of a tensor that has some.
  uint64_t elements_spanned(const StridedTensor& tensor) const {
    int64_t last = 0;
    for (size_t d = 0; d < tensor.shape.size(); ++d) {
      int64_t step = 0;
      if (__builtin_mul_overflow(tensor.shape[d] - 1, tensor.strides[d], &step) ||
          __builtin_add_overflow(last, step, &last)) {
        damaged("lies outside of its storage");
      }
    }
    return static_cast<uint64_t>(last) + 1;
  }

  static bool is_contiguous(const StridedTensor& tensor) {
    int64_t expected = 1;
    for (size_t d = tensor.shape.size(); d-- > 0;) {
      if (tensor.shape[d] == 1) continue;
      if (tensor.strides[d] != expected) return false;
      expected *= tensor.shape[d];
    }
    return true;
  }

  std::span<const std::byte> copy(const StridedTensor& tensor, std::span<const std::byte> from,
                                  int64_t bytes) {
    if (static_cast<uint64_t>(bytes) > from.size()) {
      fail("{}: tensor {} repeats elements of its storage; save it with .contiguous()", source_,
           printable(*name_));
    }
    if (static_cast<uint64_t>(bytes) > copy_budget_) {
      fail("{}: too many tensors are strided views of one another; save them with .contiguous()",
           source_);
    }
    copy_budget_ -= static_cast<uint64_t>(bytes);
    tensor::Array<std::byte> elements(bytes);
    gather(tensor, from.data(), elements.data());
    file_.copies.push_back(std::make_shared<const tensor::Array<std::byte>>(std::move(elements)));
    return *file_.copies.back();
  }

  /// Row-major order: the last index runs fastest.
  static void gather(const StridedTensor& tensor, const std::byte* from, std::byte* to) {
    const int64_t size = tensor::info(tensor.dtype).block_bytes;
    const size_t last = tensor.shape.size() - 1;
    const int64_t step = tensor.strides[last] * size;
    tensor::Shape index(tensor.shape.size(), 0);
    for (;;) {
      int64_t offset = 0;
      for (size_t d = 0; d < last; ++d) offset += index[d] * tensor.strides[d];
      const std::byte* row = from + offset * size;
      for (int64_t i = 0; i < tensor.shape[last]; ++i, to += size) {
        std::memcpy(to, row + i * step, static_cast<size_t>(size));
      }
      size_t d = last;
      while (d > 0 && ++index[d - 1] == tensor.shape[d - 1]) index[--d] = 0;
      if (d == 0) return;
    }
  }

  TorchFile file_;
  uint64_t copy_budget_;
  std::string_view source_;
  const std::string* name_ = nullptr;
};

TorchFile build(const std::map<std::string, StridedTensor>& tensors, size_t file_bytes,
                std::string_view source,
                const std::function<std::span<const std::byte>(const StorageName&)>& storage) {
  TensorBuilder builder(file_bytes, source);
  for (const auto& [name, tensor] : tensors) builder.add(name, tensor, storage(tensor.storage));
  return builder.take();
}

/// A member of the archive whose bytes are its content.
std::span<const std::byte> content(const ZipMembers& members, const std::string& name,
                                   std::string_view source) {
  const auto found = members.find(name);
  if (found == members.end()) {
    fail("{}: has no member {}; the file is damaged", source, printable(name));
  }
  if (!found->second.stored) {
    fail("{}: member {} is compressed; torch.save stores it as it is", source, printable(name));
  }
  return found->second.bytes;
}

/// The folder in which everything lies, named after the file that was written first.
std::string archive_folder(const ZipMembers& members, std::string_view source) {
  constexpr std::string_view kPickle = "/data.pkl";
  for (const auto& [name, member] : members) {
    if (!name.ends_with(kPickle)) continue;
    const std::string folder = name.substr(0, name.size() - kPickle.size());
    if (members.contains(folder + "/constants.pkl")) {
      fail("{}: a TorchScript program, not a state dict; get the model as safetensors", source);
    }
    return folder + "/";
  }
  fail("{}: a zip archive, but not one that torch.save wrote (no data.pkl)", source);
}

TorchFile parse_archive(std::span<const std::byte> file, std::string_view source) {
  const ZipMembers members = parse_zip(file, source);
  const std::string folder = archive_folder(members, source);
  if (members.contains(folder + "byteorder")) {
    const auto order = content(members, folder + "byteorder", source);
    const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
    if (text != "little") fail("{}: byte order {} is not little", source, printable(text));
  }
  const Pickle pickle =
      read_pickle(content(members, folder + "data.pkl", source), source, is_torch_global);
  return build(read_state_dict(pickle, source), file.size(), source,
               [&](const StorageName& storage) {
                 return content(members, folder + "data/" + std::string(storage.key), source);
               });
}

/// The old format: pickles of a magic number, a version, facts about the machine, the state dict
/// and the list of its storages; then these, each behind its number of elements.
class LegacyReader {
 public:
  LegacyReader(std::span<const std::byte> file, std::string_view source)
      : file_(file), source_(source) {}

  TorchFile read() {
    const Pickle magic = next();
    if (magic[magic.root].kind != Kind::big || magic[magic.root].text != kMagic) {
      fail("{}: a pickle, but not one that torch.save wrote", source_);
    }
    next();  // the version of the format has never changed
    check_machine(next());
    const Pickle pickle = next();
    const auto tensors = read_state_dict(pickle, source_);
    const std::vector<StorageName> names = read_storage_names(pickle, source_);
    const Storages storages = read_storages(next(), names);
    return build(tensors, file_.size(), source_, [&](const StorageName& storage) {
      const auto found = storages.find(storage.key);
      if (found == storages.end()) damaged("a storage is missing");
      return found->second;
    });
  }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    fail("{}: {}; the file is damaged or incomplete", source_, what);
  }

  Pickle next() {
    Pickle pickle = read_pickle(file_.subspan(at_), source_, is_torch_global);
    at_ += pickle.bytes;
    return pickle;
  }

  void check_machine(const Pickle& pickle) const {
    const PickleValue& facts = pickle[pickle.root];
    for (size_t i = 0; facts.kind == Kind::dict && i < facts.items.size(); i += 2) {
      const PickleValue& value = pickle[facts.items[i + 1]];
      if (pickle[facts.items[i]].text == "little_endian" && value.kind == Kind::boolean &&
          value.integer == 0) {
        fail("{}: written on a big-endian machine; octet reads little-endian files", source_);
      }
    }
  }

  Storages read_storages(const Pickle& list, const std::vector<StorageName>& names) {
    std::map<std::string_view, const StorageName*> by_key;
    for (const StorageName& name : names) by_key.emplace(name.key, &name);
    if (list[list.root].kind != Kind::list) damaged("it has no list of storages");
    Storages storages;
    for (const uint32_t index : list[list.root].items) {
      const PickleValue& key = list[index];
      const auto named = by_key.find(key.text);
      if (key.kind != Kind::text || named == by_key.end()) {
        damaged("a storage that nothing refers to");
      }
      read_storage(*named->second, storages);
    }
    return storages;
  }

  void read_storage(const StorageName& name, Storages& storages) {
    constexpr size_t kCountBytes = sizeof(uint64_t);
    uint64_t elements = 0;
    if (file_.size() - at_ < kCountBytes) damaged("it ends before its last storage");
    std::memcpy(&elements, file_.data() + at_, kCountBytes);
    at_ += kCountBytes;
    if (elements != name.bytes / name.element_bytes) damaged("a storage of another size");
    if (file_.size() - at_ < name.bytes) damaged("it ends before its last storage");
    storages.emplace(name.key, file_.subspan(at_, name.bytes));
    at_ += name.bytes;
  }

  std::span<const std::byte> file_;
  std::string_view source_;
  size_t at_ = 0;
};

bool begins_with(std::span<const std::byte> file, std::string_view magic, size_t at = 0) {
  return file.size() >= at + magic.size() &&
         std::memcmp(file.data() + at, magic.data(), magic.size()) == 0;
}

}  // namespace

TorchFile parse_torch(std::span<const std::byte> file, std::string_view source) {
  refuse_placeholder(file, source);
  if (begins_with(file, "PK")) return parse_archive(file, source);
  if (begins_with(file, "\x80")) return LegacyReader(file, source).read();
  constexpr size_t kTarMagic = 257;
  if (begins_with(file, "ustar", kTarMagic)) {
    fail("{}: a file of PyTorch 0.1; load and save it with a newer one", source);
  }
  fail("{}: not a file that torch.save wrote", source);
}

}  // namespace octet::checkpoint
