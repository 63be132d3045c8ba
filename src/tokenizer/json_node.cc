// Reading JSON files that others wrote: every access checks the type and names the place.
#include "tokenizer/json_node.h"

namespace octet::tokenizer {

JsonNode JsonNode::child(const nlohmann::json& value, std::string_view name) const {
  JsonNode node(value, fmt::format("{}{}{}", place_, is_root_ ? ": " : ".", name));
  node.is_root_ = false;
  return node;
}

JsonNode JsonNode::operator[](const char* key) const {
  if (!value_->is_object()) fail("must be an object");
  const auto member = value_->find(key);
  if (member == value_->end()) fail("has no \"{}\"", key);
  return child(*member, key);
}

std::optional<JsonNode> JsonNode::find(const char* key) const {
  if (!value_->is_object()) fail("must be an object");
  const auto member = value_->find(key);
  if (member == value_->end() || member->is_null()) return std::nullopt;
  return child(*member, key);
}

const std::string& JsonNode::string() const {
  if (!value_->is_string()) fail("must be a string");
  return value_->get_ref<const std::string&>();
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) fail("must be true or false");
  return value_->get<bool>();
}

double JsonNode::number() const {
  if (!value_->is_number()) fail("must be a number");
  return value_->get<double>();
}

int64_t JsonNode::integer(int64_t low, int64_t high) const {
  const bool fits =
      value_->is_number_integer() &&
      !(value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  if (!fits || value_->get<int64_t>() < low || value_->get<int64_t>() > high) {
    fail("must be a whole number in {} … {}", low, high);
  }
  return value_->get<int64_t>();
}

std::vector<JsonNode> JsonNode::elements() const {
  if (!value_->is_array()) fail("must be an array");
  std::vector<JsonNode> nodes;
  nodes.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) {
    nodes.push_back(child((*value_)[i], std::to_string(i)));
  }
  return nodes;
}

}  // namespace octet::tokenizer
