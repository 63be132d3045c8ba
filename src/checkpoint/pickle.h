// Reading pickles without running them: the values of a state dict as a tree, nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace octet::checkpoint {

/// A value of a pickle. Others it consists of are named by their index in Pickle::values.
struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,     ///< integer
    integer,     ///< integer
    real,        ///< a float, whose value nothing here needs
    big,         ///< an integer of more than 64 bits: text, little-endian
    text,        ///< text
    tuple,       ///< items
    list,        ///< items
    dict,        ///< items: key, value, key, value …
    global,      ///< text: module; name
    call,        ///< items: global, tuple of arguments. Noted, never made
    persistent,  ///< items: the id that refers to something outside the pickle
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  std::string_view text = {};
  std::string_view name = {};
  std::vector<uint32_t> items = {};
};

struct Pickle {
  std::vector<PickleValue> values;
  uint32_t root = 0;
  size_t bytes = 0;  ///< of the pickle, which may be followed by something else

  const PickleValue& operator[](uint32_t index) const { return values[index]; }
};

/// Whether a pickle may name this global.
using PickleGlobalAllowed = bool (*)(std::string_view module, std::string_view name);

/// Reads the pickle (protocols 2 to 5) that `bytes` begins with. A pickle is a program; this reader
/// knows only the instructions that put together plain values, and notes a call as a value instead
/// of making it. Any other instruction, and any global that `allowed` does not know, is an Error
/// that names it. OrderedDict() is a dict; what BUILD would set on one is dropped. Texts point into
/// `bytes`. Memory and time are bounded by the pickle's size, and so is the pickle (64 MiB, 2²¹
/// values); nothing here is recursive, so nesting costs nothing.
Pickle read_pickle(std::span<const std::byte> bytes, std::string_view source,
                   PickleGlobalAllowed allowed);

}  // namespace octet::checkpoint
