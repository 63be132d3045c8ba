// Which arithmetic each linear layer of a model is packed for.
#include "model/load/layer_precision.h"

#include <algorithm>
#include <string_view>

namespace octet::model {

bool is_skipped(const std::string& name, std::span<const std::string> skip_modules) {
  size_t begin = 0;
  while (begin < name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part(name.data() + begin, end - begin);
    if (std::find(skip_modules.begin(), skip_modules.end(), part) != skip_modules.end())
      return true;
    begin = end + 1;
  }
  return std::any_of(skip_modules.begin(), skip_modules.end(), [&](const std::string& module) {
    return module.find('.') != std::string::npos && name.find(module) != std::string::npos;
  });
}

bool is_skipped(const LinearNames& names, std::span<const std::string> skip_modules) {
  return names.storage != Storage::as_asked ||
         std::any_of(names.parts.begin(), names.parts.end(),
                     [&](const MatrixName& part) { return is_skipped(part.weight, skip_modules); });
}

bool quantises_head(linear::Method method, std::span<const std::string> skip_modules) {
  return linear::is_int8(method) && !is_skipped("lm_head.weight", skip_modules);
}

linear::Precision precision_for(const linear::Precision& asked, LinearId id) {
  const auto kind = kind_of(id.slot);
  return kind ? linear::precision_of_kind(asked, *kind) : asked;
}

linear::Precision layer_precision(const LinearNames& names, const linear::Precision& asked,
                                  bool keep_16bit, ops::SixteenBit stored) {
  linear::Precision precision = asked;
  if (linear::is_int8(asked.method) && keep_16bit) {
    precision.method =
        stored == ops::SixteenBit::bf16 ? linear::Method::bf16 : linear::Method::fp16;
  } else if (asked.method == linear::Method::bf16) {
    precision.sixteen_bit_planes = 1;  // the model's method: bf16 throughout
  }
  if (names.storage == Storage::thirty_two_bit) precision.method = linear::Method::fp32;
  return precision;
}

}  // namespace octet::model
