// Reading pickles without running them: the values of a state dict as a tree, nothing else.
#include "checkpoint/pickle.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "checkpoint/layout.h"

namespace octet::checkpoint {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kLongestPickle = size_t{64} << 20;
constexpr size_t kMostValues = size_t{1} << 21;
constexpr uint64_t kNewestProtocol = 5;

/// The instructions that are known, by the names the pickle format gives them.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kBinFloat = 'G',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

class PickleReader {
 public:
  PickleReader(std::span<const std::byte> bytes, std::string_view source,
               PickleGlobalAllowed allowed)
      : bytes_(bytes.first(std::min(bytes.size(), kLongestPickle))),
        source_(source),
        allowed_(allowed) {}

  Pickle read() {
    for (;;) {
      const size_t at = at_;
      const auto opcode = number<uint8_t>();
      if (opcode == kStop) break;
      if (!atom(opcode) && !container(opcode) && !memory(opcode) && !object(opcode)) {
        fail(
            "{}: the pickle's instruction 0x{:02x} at byte {} has no place in a state dict; octet "
            "runs nothing from a pickle, so get the model as safetensors",
            source_, opcode, at);
      }
    }
    pickle_.root = pop();
    pickle_.bytes = at_;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    fail("{}: damaged pickle at byte {}: {}", source_, at_, what);
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      if (bytes_.size() == kLongestPickle) damaged("it is longer than 64 MiB");
      damaged("it ends too early");
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, count);
    at_ += count;
    return text;
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_,
                                bytes_.size() - at_);
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) damaged("it ends too early");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  PickleValue& value(uint32_t index) { return pickle_.values[index]; }

  bool push(PickleValue&& made) {
    if (pickle_.values.size() == kMostValues) damaged("it holds too many values");
    stack_.push_back(static_cast<uint32_t>(pickle_.values.size()));
    pickle_.values.push_back(std::move(made));
    return true;
  }

  /// The stack may not be emptied below the last mark.
  uint32_t pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("a value is missing");
    const uint32_t top = stack_.back();
    stack_.pop_back();
    return top;
  }

  uint32_t top() {
    const uint32_t index = pop();
    stack_.push_back(index);
    return index;
  }

  std::vector<uint32_t> pop_to_mark() {
    if (marks_.empty()) damaged("a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<uint32_t> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  bool push_tuple(size_t count) {
    std::vector<uint32_t> items(count);
    for (size_t i = count; i > 0; --i) items[i - 1] = pop();
    return push({.kind = Kind::tuple, .items = std::move(items)});
  }

  /// The container on top of the stack, to be filled.
  PickleValue& open(Kind kind) {
    PickleValue& container = value(top());
    if (container.kind != kind) damaged("items for something that cannot hold them");
    return container;
  }

  bool fill(Kind kind, const std::vector<uint32_t>& items) {
    if (kind == Kind::dict && items.size() % 2 != 0) damaged("a key without a value");
    std::vector<uint32_t>& into = open(kind).items;
    into.insert(into.end(), items.begin(), items.end());
    return true;
  }

  /// Values without parts.
  bool atom(uint8_t opcode) {
    switch (opcode) {
      case kNone:
        return push({.kind = Kind::none});
      case kNewTrue:
      case kNewFalse:
        return push({.kind = Kind::boolean, .integer = opcode == kNewTrue});
      case kBinInt:
        return push({.kind = Kind::integer, .integer = number<int32_t>()});
      case kBinInt1:
        return push({.kind = Kind::integer, .integer = number<uint8_t>()});
      case kBinInt2:
        return push({.kind = Kind::integer, .integer = number<uint16_t>()});
      case kLong1:
        return push_long(take(number<uint8_t>()));
      case kBinFloat:
        take(sizeof(double));
        return push({.kind = Kind::real});
      case kShortBinUnicode:
      case kShortBinString:
        return push({.kind = Kind::text, .text = take(number<uint8_t>())});
      case kBinUnicode:
      case kBinString:
        return push({.kind = Kind::text, .text = take(number<uint32_t>())});
      case kBinUnicode8:
        return push({.kind = Kind::text, .text = take(number<uint64_t>())});
      default:
        return false;
    }
  }

  /// Two's complement, little-endian, as short as possible.
  bool push_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) return push({.kind = Kind::big, .text = digits});
    const bool negative = !digits.empty() && (digits.back() & 0x80) != 0;
    uint64_t bits = negative ? ~uint64_t{0} : 0;
    if (!digits.empty()) std::memcpy(&bits, digits.data(), digits.size());
    return push({.kind = Kind::integer, .integer = static_cast<int64_t>(bits)});
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        marks_.push_back(stack_.size());
        return true;
      case kEmptyTuple:
        return push({.kind = Kind::tuple});
      case kEmptyList:
        return push({.kind = Kind::list});
      case kEmptyDict:
        return push({.kind = Kind::dict});
      case kTuple:
        return push({.kind = Kind::tuple, .items = pop_to_mark()});
      case kList:
        return push({.kind = Kind::list, .items = pop_to_mark()});
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return push_tuple(opcode - size_t{kTuple1} + 1);
      case kAppend: {
        const uint32_t item = pop();
        return fill(Kind::list, {item});
      }
      case kAppends:
        return fill(Kind::list, pop_to_mark());
      case kSetItem: {
        const uint32_t item = pop();
        const uint32_t key = pop();
        return fill(Kind::dict, {key, item});
      }
      case kSetItems:
        return fill(Kind::dict, pop_to_mark());
      default:
        return false;
    }
  }

  bool memory(uint8_t opcode) {
    switch (opcode) {
      case kProto:
        if (number<uint8_t>() > kNewestProtocol) damaged("a protocol newer than 5");
        return true;
      case kFrame:
        number<uint64_t>();
        return true;
      case kBinPut:
        return remember(number<uint8_t>());
      case kLongBinPut:
        return remember(number<uint32_t>());
      case kMemoize:
        return remember(static_cast<uint32_t>(memo_.size()));
      case kBinGet:
        return recall(number<uint8_t>());
      case kLongBinGet:
        return recall(number<uint32_t>());
      default:
        return false;
    }
  }

  bool remember(uint32_t slot) {
    if (memo_.size() == kMostValues) damaged("it remembers too many values");
    memo_[slot] = top();
    return true;
  }

  bool recall(uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) damaged("it recalls a value that it never remembered");
    stack_.push_back(found->second);
    return true;
  }

  /// What in a real interpreter would import and call.
  bool object(uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string_view module = line();
        return push_global(module, line());
      }
      case kStackGlobal: {
        const PickleValue& name = value(pop());
        const PickleValue& module = value(pop());
        if (name.kind != Kind::text || module.kind != Kind::text) damaged("a global's name");
        return push_global(module.text, name.text);
      }
      case kBinPersId: {
        const uint32_t id = pop();
        return push({.kind = Kind::persistent, .items = {id}});
      }
      case kReduce:
        return reduce();
      case kBuild:  // attributes of an OrderedDict (state dicts carry _metadata): not needed
        pop();
        open(Kind::dict);
        return true;
      default:
        return false;
    }
  }

  bool push_global(std::string_view module, std::string_view name) {
    if (!allowed_(module, name)) {
      fail(
          "{}: the pickle asks for {}, which has no place in a state dict; octet runs nothing from "
          "a pickle, so get the model as safetensors",
          source_, printable(std::string(module) + "." + std::string(name)));
    }
    return push({.kind = Kind::global, .text = module, .name = name});
  }

  bool reduce() {
    const uint32_t arguments = pop();
    const uint32_t function = pop();
    if (value(function).kind != Kind::global || value(arguments).kind != Kind::tuple) {
      damaged("a call of something that is no function");
    }
    if (value(function).name == "OrderedDict") return push(ordered_dict(value(arguments)));
    return push({.kind = Kind::call, .items = {function, arguments}});
  }

  /// OrderedDict() or, from Python 2, OrderedDict([[key, value], …]).
  PickleValue ordered_dict(const PickleValue& arguments) {
    PickleValue dict{.kind = Kind::dict};
    if (arguments.items.empty()) return dict;
    if (arguments.items.size() > 1 || value(arguments.items[0]).kind != Kind::list) {
      damaged("an OrderedDict of something else than pairs");
    }
    const std::vector<uint32_t>& pairs = value(arguments.items[0]).items;
    // The only place where a value's items are copied: a list recalled again and again would grow.
    copied_ += pairs.size();
    if (copied_ > kMostValues) damaged("it holds too many values");
    for (const uint32_t index : pairs) {
      const PickleValue& pair = value(index);
      if ((pair.kind != Kind::list && pair.kind != Kind::tuple) || pair.items.size() != 2) {
        damaged("an OrderedDict of something else than pairs");
      }
      dict.items.insert(dict.items.end(), pair.items.begin(), pair.items.end());
    }
    return dict;
  }

  std::span<const std::byte> bytes_;
  std::string_view source_;
  PickleGlobalAllowed allowed_;
  size_t at_ = 0;
  size_t copied_ = 0;
  Pickle pickle_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint32_t, uint32_t> memo_;
};

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes, std::string_view source,
                   PickleGlobalAllowed allowed) {
  return PickleReader(bytes, source, allowed).read();
}

}  // namespace octet::checkpoint
