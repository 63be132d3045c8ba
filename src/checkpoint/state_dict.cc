// What a pickled state dict says about its tensors, before their bytes are looked for.
#include "checkpoint/state_dict.h"

#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "checkpoint/layout.h"

namespace octet::checkpoint {
namespace {

using Kind = PickleValue::Kind;
using tensor::DType;

constexpr size_t kMostDimensions = 8;

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorageTypes = {{
    {"DoubleStorage", DType::f64},
    {"FloatStorage", DType::f32},
    {"HalfStorage", DType::f16},
    {"BFloat16Storage", DType::bf16},
    {"LongStorage", DType::i64},
    {"IntStorage", DType::i32},
    {"ShortStorage", DType::i16},
    {"CharStorage", DType::i8},
    {"ByteStorage", DType::u8},
    {"BoolStorage", DType::boolean},
}};

/// Named where the storage has no type of its own (_rebuild_tensor_v3).
constexpr std::array<std::pair<std::string_view, DType>, 12> kDTypes = {{
    {"float64", DType::f64},
    {"float32", DType::f32},
    {"float16", DType::f16},
    {"bfloat16", DType::bf16},
    {"float8_e4m3fn", DType::f8_e4m3},
    {"float8_e5m2", DType::f8_e5m2},
    {"int64", DType::i64},
    {"int32", DType::i32},
    {"int16", DType::i16},
    {"int8", DType::i8},
    {"uint8", DType::u8},
    {"bool", DType::boolean},
}};

template <size_t size>
std::optional<DType> find(const std::array<std::pair<std::string_view, DType>, size>& table,
                          std::string_view name) {
  for (const auto& [text, dtype] : table) {
    if (text == name) return dtype;
  }
  return std::nullopt;
}

class StateDictReader {
 public:
  StateDictReader(const Pickle& pickle, std::string_view source)
      : pickle_(pickle), source_(source) {}

  std::map<std::string, StridedTensor> read() {
    const PickleValue& root = pickle_[pickle_.root];
    if (root.kind != Kind::dict) {
      fail("{}: holds no state dict; octet reads models saved with save_pretrained", source_);
    }
    std::map<std::string, StridedTensor> tensors;
    for (size_t i = 0; i < root.items.size(); i += 2) {
      const PickleValue& key = pickle_[root.items[i]];
      const PickleValue& value = pickle_[root.items[i + 1]];
      if (key.kind != Kind::text || value.kind != Kind::call) continue;
      name_ = key.text;
      tensors.insert_or_assign(std::string(key.text), tensor(value));
    }
    if (tensors.empty()) {
      fail("{}: its dict holds no tensors by name; octet reads models saved with save_pretrained",
           source_);
    }
    return tensors;
  }

  std::vector<StorageName> storages() {
    name_ = "in a nested value";
    std::vector<StorageName> result;
    for (const PickleValue& value : pickle_.values) {
      if (value.kind == Kind::persistent) result.push_back(storage(value));
    }
    return result;
  }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    fail("{}: tensor {}: {}; the file is damaged", source_, printable(name_), what);
  }

  const std::vector<uint32_t>& arguments(const PickleValue& call) const {
    return pickle_[call.items[1]].items;
  }

  /// Argument `index`, of this kind.
  const PickleValue& argument(const std::vector<uint32_t>& items, size_t index, Kind kind) const {
    if (index >= items.size() || pickle_[items[index]].kind != kind) {
      damaged("its description is not one that PyTorch writes");
    }
    return pickle_[items[index]];
  }

  StridedTensor tensor(const PickleValue& outermost) const {
    const PickleValue* call = &outermost;
    // A call's arguments were complete before it, so this ends.
    while (pickle_[call->items[0]].name == "_rebuild_parameter") {
      call = &argument(arguments(*call), 0, Kind::call);
    }
    const std::string_view function = pickle_[call->items[0]].name;
    const std::vector<uint32_t>& items = arguments(*call);
    const bool with_dtype = function == "_rebuild_tensor_v3";
    if (!with_dtype && function != "_rebuild_tensor_v2" && function != "_rebuild_tensor") {
      damaged("is made by something that makes no tensor");
    }
    refuse_lazy_negation(items, with_dtype ? 7 : 6);
    const PickleValue& reference = argument(items, 0, Kind::persistent);
    const PickleValue& type = storage_type(reference);
    StridedTensor result;
    result.dtype = with_dtype ? named_dtype(argument(items, 6, Kind::global)) : dtype_of(type);
    result.storage = storage(reference);
    result.offset = natural(argument(items, 1, Kind::integer));
    result.shape = extents(argument(items, 2, Kind::tuple));
    result.strides = extents(argument(items, 3, Kind::tuple));
    if (result.shape.size() != result.strides.size()) damaged("shape and strides do not match");
    return result;
  }

  /// The last argument of newer files: bits of a tensor that is to be conjugated or negated.
  void refuse_lazy_negation(const std::vector<uint32_t>& items, size_t index) const {
    if (index < items.size() && !pickle_[items[index]].items.empty()) {
      damaged("it was saved without its sign");
    }
  }

  const PickleValue& storage_type(const PickleValue& reference) const {
    const PickleValue& id = pickle_[reference.items[0]];
    if (id.kind != Kind::tuple) damaged("its storage has no name");
    return argument(id.items, 1, Kind::global);
  }

  DType dtype_of(const PickleValue& type) const {
    if (type.name == "UntypedStorage") return DType::u8;
    const auto dtype = find(kStorageTypes, type.name);
    if (!dtype) unsupported(type.name);
    return *dtype;
  }

  DType named_dtype(const PickleValue& global) const {
    const auto dtype = find(kDTypes, global.name);
    if (!dtype) unsupported(global.name);
    return *dtype;
  }

  [[noreturn]] void unsupported(std::string_view type) const {
    fail("{}: tensor {}: elements of type {} are not supported", source_, printable(name_),
         printable(type));
  }

  int64_t natural(const PickleValue& number) const {
    if (number.integer < 0) damaged("a size or offset is negative");
    return number.integer;
  }

  tensor::Shape extents(const PickleValue& tuple) const {
    if (tuple.items.size() > kMostDimensions) damaged("too many dimensions");
    tensor::Shape result;
    for (size_t i = 0; i < tuple.items.size(); ++i) {
      result.push_back(natural(argument(tuple.items, i, Kind::integer)));
    }
    return result;
  }

  uint64_t bytes(const PickleValue& count, uint64_t element) const {
    uint64_t product = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(natural(count)), element, &product)) {
      damaged("its storage is too large");
    }
    return product;
  }

  /// ("storage", type, key, device, elements) and, in old files, None or (key, offset, elements) of
  /// a part of that storage.
  StorageName storage(const PickleValue& reference) const {
    const auto element =
        static_cast<uint64_t>(tensor::info(dtype_of(storage_type(reference))).block_bytes);
    const PickleValue& id = pickle_[reference.items[0]];
    if (argument(id.items, 0, Kind::text).text != "storage") damaged("its storage has no name");
    StorageName result;
    result.key = argument(id.items, 2, Kind::text).text;
    result.element_bytes = element;
    result.bytes = bytes(argument(id.items, 4, Kind::integer), element);
    result.extent = result.bytes;
    if (id.items.size() < 6 || pickle_[id.items[5]].kind == Kind::none) return result;
    const PickleValue& part = argument(id.items, 5, Kind::tuple);
    result.offset = bytes(argument(part.items, 1, Kind::integer), element);
    result.extent = bytes(argument(part.items, 2, Kind::integer), element);
    if (result.offset > result.bytes || result.extent > result.bytes - result.offset) {
      damaged("lies outside of its storage");
    }
    return result;
  }

  const Pickle& pickle_;
  std::string_view source_;
  std::string_view name_;  // of the tensor being read
};

}  // namespace

bool is_torch_global(std::string_view module, std::string_view name) {
  if (module == "collections") return name == "OrderedDict";
  if (module == "torch._utils") {
    return name == "_rebuild_tensor" || name == "_rebuild_tensor_v2" ||
           name == "_rebuild_tensor_v3" || name == "_rebuild_parameter";
  }
  // Types are only looked up by name. Those without a DType are reported with their tensor's name.
  if (module == "torch.storage") return name == "UntypedStorage";
  return module == "torch" && (name.ends_with("Storage") || find(kDTypes, name).has_value() ||
                               name.starts_with("float8_") || name.starts_with("complex"));
}

std::vector<StorageName> read_storage_names(const Pickle& pickle, std::string_view source) {
  return StateDictReader(pickle, source).storages();
}

std::map<std::string, StridedTensor> read_state_dict(const Pickle& pickle,
                                                     std::string_view source) {
  return StateDictReader(pickle, source).read();
}

}  // namespace octet::checkpoint
