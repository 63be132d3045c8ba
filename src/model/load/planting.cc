// Which tensors planted outliers change, and how: from the description, for any family.
#include "model/load/planting.h"

#include <cmath>
#include <set>

#include "base/error.h"

namespace octet::model {

namespace {

/// A norm and the layers that read it.
struct Reading {
  const NormNames* norm;
  std::vector<const LinearNames*> readers;
};

/// The norms in front of a layer's blocks. A norm that two parallel blocks share has the readers of
/// both; those of what the blocks add are not among them.
std::vector<Reading> readings_of(const LayerNames& layer, Residual residual) {
  std::vector<const LinearNames*> feed_forward = {&layer.up, &layer.router};
  for (const FeedForwardNames& expert : layer.experts) feed_forward.push_back(&expert.up);
  Reading attention{&layer.attention_norm, {&layer.qkv}};
  std::vector<Reading> readings;
  if (residual == Residual::parallel_shared) {
    attention.readers.insert(attention.readers.end(), feed_forward.begin(), feed_forward.end());
  } else {
    readings.push_back({&layer.feed_forward_norm, std::move(feed_forward)});
  }
  readings.push_back(std::move(attention));
  if (!layer.cross_query.parts.empty()) {
    readings.push_back({&layer.cross_norm, {&layer.cross_query}});
  }
  return readings;
}

class Planner {
 public:
  Planner(const Architecture& architecture, const std::string& file)
      : architecture_(architecture), file_(file) {}

  std::map<std::string, Planting> plan() {
    if (architecture_.norm_place == NormPlace::post) {
      refuse("its norms come after the blocks, where the residual stream goes through them");
    }
    if (architecture_.residual_after_norm) {
      refuse("what its norms make is added to the residual stream, too");
    }
    for (const Stack stack : kStacks) {
      for (const LayerNames& layer : architecture_.names_of(stack)) {
        for (const Reading& reading : readings_of(layer, architecture_.residual)) add(reading);
      }
    }
    return std::move(plan_);
  }

 private:
  [[noreturn]] void refuse(std::string_view reason) const {
    fail("{}: outliers cannot be planted into this {} model: {}", file_, architecture_.family,
         reason);
  }

  void add(const Reading& reading) {
    if (reading.norm->weight.empty()) {
      refuse("it has no norms in front of its blocks, only behind them");
    }
    add(reading.norm->weight, {Planting::Kind::gain, architecture_.norm_weight_offset});
    if (!reading.norm->bias.empty()) add(reading.norm->bias, {Planting::Kind::bias});
    for (const LinearNames* linear : reading.readers) {
      for (const MatrixName& part : linear->parts) {
        add(part.weight,
            {part.transposed ? Planting::Kind::rows : Planting::Kind::columns, 0, part.outputs});
      }
    }
  }

  void add(const std::string& name, const Planting& planting) {
    const auto [entry, fresh] = plan_.emplace(name, planting);
    OCTET_CHECK(fresh || entry->second == planting);
  }

  const Architecture& architecture_;
  const std::string& file_;
  std::map<std::string, Planting> plan_;
};

}  // namespace

float planted_value(float value, const Planting& planting, float gain, const std::string& where) {
  float result = value / gain;
  bool exact = result * gain == value;
  if (planting.kind == Planting::Kind::gain || planting.kind == Planting::Kind::bias) {
    const float whole = (value + planting.offset) * gain;
    result = whole - planting.offset;
    exact = result + planting.offset == whole;
  }
  if (!exact || !std::isfinite(result)) {
    fail("{}: planting a gain of {} into {} is not exact in float32; choose a smaller gain", where,
         gain, value);
  }
  return result;
}

void check_dimensions(std::span<const int32_t> dimensions, const Architecture& architecture,
                      const std::string& file) {
  std::set<int32_t> seen;
  for (const int32_t dimension : dimensions) {
    if (dimension < 0 || dimension >= architecture.hidden_size) {
      fail("{}: there is no dimension {}: the hidden state has {}, counted from 0", file, dimension,
           architecture.hidden_size);
    }
    if (!seen.insert(dimension).second) fail("dimension {} is named twice", dimension);
  }
}

void refuse_quantised(const std::string& file) {
  fail("{}: its weights are quantised already; give the original checkpoint", file);
}

std::map<std::string, Planting> planting_of(const Architecture& architecture,
                                            const std::string& file) {
  return Planner(architecture, file).plan();
}

}  // namespace octet::model
