// A loaded model and its forward pass over a batch of ragged rows.
#include "model/model.h"

#include "model/forward.h"

namespace octet::model {

int64_t Weights::bytes() const {
  const auto norm_bytes = [](const Norm& norm) {
    return static_cast<int64_t>(norm.weight.bytes() + norm.bias.bytes());
  };
  int64_t sum = token_embedding->bytes() + static_cast<int64_t>(position_embedding.bytes());
  if (lm_head != token_embedding) sum += lm_head->bytes();
  if (embedding_projection) sum += embedding_projection->bytes();
  if (output_projection) sum += output_projection->bytes();
  for (const Layer& layer : layers) {
    for (const NormMember& member : kNormMembers) sum += norm_bytes(layer.*member.norm);
    sum += norm_bytes(layer.query_norm) + norm_bytes(layer.key_norm);
    for (const linear::Linear* linear :
         {&layer.qkv, &layer.attention_output, &layer.router, &layer.up, &layer.down}) {
      sum += linear->bytes();
    }
    for (const FeedForward& expert : layer.experts) sum += expert.up.bytes() + expert.down.bytes();
  }
  return sum + norm_bytes(embedding_norm) + norm_bytes(final_norm);
}

Model::Model(Architecture architecture, linear::Precision precision, Weights weights)
    : architecture_(std::move(architecture)),
      precision_(precision),
      weights_(std::move(weights)),
      scratch_(std::make_unique<Scratch>()) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

ops::CacheType Model::cache_type() const {
  return precision_.method == linear::Method::fp32 ? ops::CacheType::f32 : ops::CacheType::f16;
}

void Model::forward(device::Cpu& cpu, const Step& step, KvCache& cache,
                    tensor::MatrixView<float> logits, const InputObserver& observer) {
  const device::FlushDenormals flush;
  ForwardPass pass(cpu, architecture_, weights_, step, cache, *scratch_);
  pass.embed();
  for (int64_t layer = 0; layer < architecture_.layers; ++layer) {
    pass.layer(layer, layer, observer);
  }
  pass.logits(logits);
}

}  // namespace octet::model
