// The JSON of /v1/models and of what is asked about tokens.
#include "server/model_answers.h"

#include "server/answer.h"

namespace octet::server {
namespace {

using Json = nlohmann::ordered_json;

Json description(Engine& engine) {
  const model::Loaded& loaded = engine.loaded();
  const linear::Precision& precision = loaded.model.precision();
  return {{"id", engine.name()},
          {"object", "model"},
          {"created", engine.created()},
          {"owned_by", "octet"},
          {"max_model_len", engine.scheduler().context()},
          {"meta",
           {{"method", linear::name(precision.method)},
            {"activation_bits", precision.activation_bits},
            {"vocabulary", loaded.model.architecture().vocabulary_size},
            {"weights_bytes", loaded.model.weights().bytes()},
            {"weights_bytes_16bit", loaded.weights_bytes_16bit},
            {"kv_cache_bytes", engine.scheduler().statistics().kv_cache_bytes},
            {"chat_template", loaded.chat != nullptr}}}};
}

}  // namespace

std::string model_json(Engine& engine) {
  return json_text(description(engine));
}

std::string models_json(Engine& engine) {
  return json_text({{"object", "list"}, {"data", Json::array({description(engine)})}});
}

std::string tokenizer_json(const Engine& engine) {
  const tokenizer::Tokenizer& tokenizer = engine.tokenizer();
  const auto spelt = [&tokenizer](std::optional<int32_t> id) {
    return id ? Json(spelling(tokenizer, *id)) : Json(nullptr);
  };
  return json_text({{"tokenizer_class", "octet"},
                    {"bos_token", spelt(tokenizer.bos())},
                    {"eos_token", spelt(tokenizer.eos())}});
}

std::string tokens_json(Engine& engine, const TokenizeRequest& request) {
  const tokenizer::Tokenizer& tokenizer = engine.tokenizer();
  const std::vector<int32_t> ids =
      tokenizer.encode(request.text, {.add_special = request.add_special, .parse_special = true});
  Json tokens = Json::array();
  for (const int32_t id : ids) {
    if (request.with_pieces) {
      tokens.push_back({{"id", id}, {"piece", spelling(tokenizer, id)}});
    } else {
      tokens.push_back(id);
    }
  }
  return json_text(
      {{"tokens", tokens}, {"count", ids.size()}, {"max_model_len", engine.scheduler().context()}});
}

std::string text_json(Engine& engine, const std::vector<int32_t>& ids) {
  engine.check_tokens(ids, "tokens");
  const std::string text = engine.tokenizer().decode(ids, /*skip_special=*/false);
  // llama-server's name and vLLM's.
  return json_text({{"content", text}, {"prompt", text}});
}

}  // namespace octet::server
