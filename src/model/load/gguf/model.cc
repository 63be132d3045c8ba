// A GGUF file seen as the Hugging Face checkpoint it was made from: its tensors.
#include "model/load/gguf/model.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "model/families/families.h"
#include "model/load/gguf/config.h"
#include "model/load/tensor_names.h"

namespace octet::model {

using nlohmann::json;

namespace {

/// The first dot-separated part of `rest`, which it loses.
std::string_view next_part(std::string_view& rest) {
  const size_t dot = rest.find('.');
  const std::string_view part = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
  return part;
}

/// Whether `module` is `pattern` with a number for each '#'; those go to `numbers`.
bool matches(std::string_view pattern, std::string_view module, std::vector<int64_t>& numbers) {
  numbers.clear();
  while (!pattern.empty() && !module.empty()) {
    const std::string_view expected = next_part(pattern);
    const std::string_view part = next_part(module);
    if (expected != "#") {
      if (part != expected) return false;
      continue;
    }
    int64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || end != part.data() + part.size()) return false;
    numbers.push_back(number);
  }
  return pattern.empty() && module.empty();
}

std::string filled(std::string_view pattern, const std::vector<int64_t>& numbers) {
  std::string text;
  size_t next = 0;
  for (const char c : pattern)
    text += c == '#' ? std::to_string(numbers[next++]) : std::string(1, c);
  return text;
}

/// One of `parts` equal parts of the first dimension; that dimension goes when `drop`.
std::optional<tensor::View> slice(const tensor::View& whole, int64_t parts, int64_t index,
                                  bool drop) {
  if (whole.shape.empty() || parts < 1 || index < 0 || index >= parts) return std::nullopt;
  if (whole.shape[0] % parts != 0) return std::nullopt;
  tensor::View part{whole.dtype, whole.shape, {}};
  part.shape[0] /= parts;
  if (drop) part.shape.erase(part.shape.begin());
  // A vector in blocks might be cut inside one.
  const auto bytes = checkpoint::tensor_bytes(part.dtype, part.shape);
  if (!bytes || *bytes * parts != static_cast<int64_t>(whole.bytes.size())) return std::nullopt;
  part.bytes =
      whole.bytes.subspan(static_cast<size_t>(*bytes * index), static_cast<size_t>(*bytes));
  return part;
}

std::string known_architectures() {
  std::string known;
  for (const GgufArchitecture& each : gguf_architectures()) {
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  return known;
}

[[noreturn]] void refuse(std::string_view name, const std::string& file) {
  const bool is_family = std::ranges::any_of(
      families(), [&](const Family& family) { return family.model_type == name; });
  fail("{}: GGUF architecture {} is not known to octet{} (known: {})", file,
       checkpoint::printable(name),
       is_family ? "; it reads this family's Hugging Face directories" : "", known_architectures());
}

/// Tensors that a model does without, or that the config was made from.
bool is_optional(std::string_view name, const Architecture& architecture) {
  return name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
         name == "rope_factors_short.weight" || name.ends_with(".attn_rot_embd.weight") ||
         // T5 1.0's first files have a copy of the embedding and biases that are not used.
         name.ends_with(".cross_attn_rel_b.weight") ||
         (name == "output.weight" && architecture.tied_embeddings);
}

}  // namespace

/// Where a tensor lies in the file.
struct GgufModel::Stored {
  std::string name;                    ///< in the file; Hugging Face's when the table has no line
  const tensor::View* view = nullptr;  ///< null when the file has none
  GgufPart part = GgufPart::whole;
  int64_t number = 0;  ///< the name's last

  std::optional<tensor::View> cut() const {
    if (view == nullptr) return std::nullopt;
    switch (part) {
      case GgufPart::whole:
        break;
      case GgufPart::member:
        return view->shape.empty() ? std::nullopt : slice(*view, view->shape[0], number, true);
      case GgufPart::query:
        return slice(*view, 3, 0, false);
      case GgufPart::key:
        return slice(*view, 3, 1, false);
      case GgufPart::value:
        return slice(*view, 3, 2, false);
    }
    return *view;
  }
};

GgufModel::GgufModel(const checkpoint::Gguf& gguf, std::string file)
    : gguf_(gguf), file_(std::move(file)) {
  const auto name = gguf.metadata.string("general.architecture");
  if (!name) fail("{}: has no general.architecture; is it a model?", file_);
  architecture_ = find_gguf_architecture(*name);
  if (architecture_ == nullptr) refuse(*name, file_);
}

json GgufModel::config() const {
  return gguf_config(gguf_, *architecture_, file_);
}

GgufModel::Stored GgufModel::locate(const std::string& name) const {
  Stored stored{.name = name};
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return stored;
  const std::string_view module = std::string_view(name).substr(0, dot);
  const std::string_view suffix = std::string_view(name).substr(dot);
  if (suffix != ".weight" && suffix != ".bias") return stored;
  std::vector<int64_t> numbers;
  bool named = false;
  for (const auto& names : architecture_->names) {
    for (const GgufName& line : names) {
      if (!matches(line.huggingface, module, numbers)) continue;
      std::string candidate = filled(line.gguf, numbers) + std::string(suffix);
      const auto found = gguf_.tensors.find(candidate);
      const bool there = found != gguf_.tensors.end();
      if (there || !named) {
        stored = {std::move(candidate), there ? &found->second : nullptr, line.part,
                  numbers.empty() ? 0 : numbers.back()};
        named = true;
      }
      if (there) return stored;
    }
  }
  return stored;
}

std::optional<tensor::View> GgufModel::find(const std::string& name) const {
  return locate(name).cut();
}

std::string GgufModel::stored_name(const std::string& name) const {
  return locate(name).name;
}

tensor::View GgufModel::at(const std::string& name, const tensor::Shape& shape) const {
  const Stored stored = locate(name);
  const std::string where = fmt::format("{}: tensor {}", file_, checkpoint::printable(stored.name));
  if (stored.view == nullptr) {
    fail("{}: no tensor {}", file_, checkpoint::printable(stored.name));
  }
  const auto part = stored.cut();
  if (!part) {
    fail("{} of shape {} holds no {}; it does not fit the configuration", where,
         checkpoint::printable(stored.view->shape), checkpoint::printable(name));
  }
  if (part->shape != shape) {
    fail("{} has shape {} instead of {}; it does not fit the configuration", where,
         checkpoint::printable(part->shape), checkpoint::printable(shape));
  }
  if (!tensor::is_floating(part->dtype)) {
    fail("{} is of type {}, which holds no floating-point numbers", where,
         tensor::name(part->dtype));
  }
  return *part;
}

bool GgufModel::rows_are_paired(const std::string& name) const {
  return architecture_->paired_rows && (name.find("self_attn.q_proj.") != std::string::npos ||
                                        name.find("self_attn.k_proj.") != std::string::npos);
}

void GgufModel::require_all_used(const Architecture& architecture) const {
  std::set<std::string> used;
  for (const std::string& name : tensor_names(architecture)) used.insert(locate(name).name);
  for (const auto& [name, view] : gguf_.tensors) {
    if (used.contains(name) || is_optional(name, architecture)) continue;
    fail("{}: tensor {} belongs to no {} model that octet knows; it is not supported", file_,
         checkpoint::printable(name), architecture.family);
  }
}

int64_t paired_row(int64_t row, int64_t head_dim) {
  const int64_t within = row % head_dim;
  const int64_t half = head_dim / 2;
  return row - within + 2 * (within % half) + within / half;
}

}  // namespace octet::model
