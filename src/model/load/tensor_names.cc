// The names of all tensors that a description asks a checkpoint for.
#include "model/load/tensor_names.h"

#include "model/model.h"

namespace octet::model {

namespace {

class NameList {
 public:
  void add(const std::string& name) {
    if (!name.empty()) names_.push_back(name);
  }
  void add(const LinearNames& linear) {
    for (const MatrixName& part : linear.parts) {
      add(part.weight);
      add(part.bias);
    }
  }
  void add(const NormNames& norm) {
    add(norm.weight);
    add(norm.bias);
  }
  void add(const LayerNames& layer) {
    for (const LinearId id : linears_of(layer)) add(linear_of(layer, id));
    for (const NormMember& member : kNormMembers) add(layer.*member.names);
    for (const auto* norms : {&layer.query_norm, &layer.key_norm}) {
      for (const std::string& each : *norms) {
        add(each + ".weight");
        if (layer.query_key_norm_bias) add(each + ".bias");
      }
    }
  }

  std::vector<std::string> take() { return std::move(names_); }

 private:
  std::vector<std::string> names_;
};

}  // namespace

std::vector<std::string> tensor_names(const Architecture& a) {
  NameList list;
  list.add(a.token_embedding());
  list.add(a.lm_head());
  for (const std::string* each :
       {&a.names.position_embedding, &a.names.position_bias, &a.names.encoder_position_bias}) {
    list.add(*each);
  }
  list.add(a.names.embedding_projection);
  list.add(a.names.output_projection);
  for (const NormNames* each :
       {&a.names.embedding_norm, &a.names.final_norm, &a.names.encoder_norm}) {
    list.add(*each);
  }
  for (const Stack stack : kStacks) {
    for (const LayerNames& layer : a.names_of(stack)) list.add(layer);
  }
  return list.take();
}

}  // namespace octet::model
