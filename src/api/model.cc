// The public API over the rooms below: names become types, one session lives for each call.
#include "octet/model.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "chat/model_chat.h"
#include "device/cpu.h"
#include "device/thread_team.h"
#include "evaluate/perplexity.h"
#include "linear/precision.h"
#include "model/load/load.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace octet {
namespace {

linear::Precision precision_of(const ModelOptions& options) {
  linear::Precision precision;
  const auto method = linear::parse_method(options.method);
  if (!method) fail("ModelOptions::method: '{}' is no method", options.method);
  const auto outliers = linear::parse_outlier_mode(options.outliers);
  if (!outliers) fail("ModelOptions::outliers: '{}' is not kept, batch or token", options.outliers);
  if (!(options.threshold >= 0)) fail("ModelOptions::threshold: must be at least 0");
  if (options.activation_bits != 8 && options.activation_bits != 16)
    fail("ModelOptions::activation_bits: {} is neither 8 nor 16", options.activation_bits);
  precision.method = *method;
  precision.outliers = *outliers;
  precision.threshold = options.threshold;
  precision.activation_bits = *method == linear::Method::llm_int8 ? options.activation_bits : 8;
  return precision;
}

device::Isa isa_of(const ModelOptions& options) {
  if (options.isa.empty()) return device::cpu_features().best();
  const auto isa = device::parse_isa(options.isa);
  if (!isa)
    fail("ModelOptions::isa: '{}' is no instruction set octet has kernels for", options.isa);
  return *isa;
}

int threads_of(const ModelOptions& options) {
  if (options.threads < 0) fail("ModelOptions::threads: {} is negative", options.threads);
  return options.threads == 0 ? device::available_threads() : options.threads;
}

runtime::GenerateOptions runtime_options(const GenerateOptions& options, int activation_bits) {
  if (options.max_tokens < 1) fail("GenerateOptions::max_tokens: must be at least 1");
  if (!(options.temperature >= 0)) fail("GenerateOptions::temperature: must be at least 0");
  if (options.top_k < 0) fail("GenerateOptions::top_k: must be at least 0");
  if (!(options.top_p >= 0 && options.top_p <= 1) || !(options.min_p >= 0 && options.min_p <= 1))
    fail("GenerateOptions: top_p and min_p must lie between 0 and 1");
  if (!(options.repeat_penalty > 0)) fail("GenerateOptions::repeat_penalty: must be above 0");
  return {.max_tokens = options.max_tokens,
          .sampling = {.temperature = options.temperature,
                       .top_k = options.top_k,
                       .top_p = options.top_p,
                       .min_p = options.min_p,
                       .repeat_penalty = options.repeat_penalty,
                       .seed = options.seed},
          .ignore_eos = options.ignore_eos,
          .activation_bits = activation_bits};
}

}  // namespace

struct Model::Implementation {
  Implementation(std::filesystem::path source, const ModelOptions& options)
      : path(std::move(source)),
        cpu(threads_of(options), isa_of(options)),
        loaded(model::load(cpu, path,
                           {.precision = precision_of(options),
                            .skip_modules = options.skip_modules,
                            .progress = options.progress})) {}

  const tokenizer::Tokenizer& tokenizer() const {
    if (loaded.tokenizer == nullptr)
      fail("{}: no tokenizer ({}); work with token ids", path.string(), loaded.tokenizer_problem);
    return *loaded.tokenizer;
  }
  const chat::ModelChat& chat() const {
    if (loaded.chat == nullptr) fail("{}; give the whole prompt as text", loaded.chat_problem);
    return *loaded.chat;
  }
  int activation_bits() const { return loaded.model.precision().activation_bits; }
  void check(std::span<const int32_t> tokens) const {
    const int64_t vocabulary = loaded.model.architecture().vocabulary_size;
    for (int32_t token : tokens) {
      if (token < 0 || token >= vocabulary)
        fail("token id {} lies outside the model's vocabulary of {}", token, vocabulary);
    }
  }

  Generation generate(std::span<const int32_t> prompt, runtime::GenerateOptions asked,
                      const std::function<bool(const Token&)>& on_token);

  std::filesystem::path path;
  device::Cpu cpu;
  model::Loaded loaded;
};

Model::Model(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Model Model::load(const std::filesystem::path& path, const ModelOptions& options) {
  return Model(std::make_unique<Implementation>(path, options));
}

Generation Model::generate(std::string_view prompt, const GenerateOptions& options,
                           const std::function<bool(const Token&)>& on_token) {
  return generate(encode(prompt), options, on_token);
}

Generation Model::generate(std::span<const int32_t> prompt, const GenerateOptions& options,
                           const std::function<bool(const Token&)>& on_token) {
  return implementation_->generate(
      prompt, runtime_options(options, implementation_->activation_bits()), on_token);
}

Generation Model::chat(std::span<const Message> messages, const GenerateOptions& options,
                       const ChatOptions& chat, const std::function<bool(const Token&)>& on_token) {
  runtime::GenerateOptions asked = runtime_options(options, implementation_->activation_bits());
  const std::vector<int32_t> prompt = encode(render_chat(messages, chat), false);
  asked.end_tokens =
      implementation_->chat().end_of_turn(chat::local_time(), implementation_->tokenizer());
  return implementation_->generate(prompt, std::move(asked), on_token);
}

Generation Model::Implementation::generate(std::span<const int32_t> prompt,
                                           runtime::GenerateOptions asked,
                                           const std::function<bool(const Token&)>& on_token) {
  check(prompt);
  const int64_t trained = loaded.model.architecture().max_positions;
  const auto length = static_cast<int64_t>(prompt.size());
  const bool encoder_decoder = loaded.model.architecture().encoder_decoder();
  if (trained > 0 && !encoder_decoder) {
    if (length >= trained)
      fail("the prompt has {} tokens, the model {} positions; shorten it", length, trained);
    asked.max_tokens = std::min(asked.max_tokens, trained - length);
  }
  runtime::Session session(loaded.model, cpu, length + asked.max_tokens);
  std::optional<tokenizer::StreamDecoder> decoder;
  if (loaded.tokenizer != nullptr) {
    decoder.emplace(*loaded.tokenizer);
    // The text goes on where the prompt's ends: its first space is not the start of a text.
    if (!encoder_decoder) {
      for (const int32_t token : prompt) decoder->push(token);
    }
  }
  Generation generation;
  const runtime::Generated generated =
      runtime::generate(session, loaded.model, prompt, asked, [&](int32_t id, float logprob) {
        generation.tokens.push_back({id, logprob, decoder ? decoder->push(id) : std::string()});
        return !on_token || on_token(generation.tokens.back());
      });
  generation.ended = generated.ended;
  if (decoder && !generation.tokens.empty()) generation.tokens.back().text += decoder->finish();
  for (const Token& token : generation.tokens) generation.text += token.text;
  return generation;
}

std::vector<double> Model::score(std::span<const int32_t> tokens) {
  if (tokens.size() < 2) fail("scoring needs at least two tokens");
  const evaluate::Window window(tokens.begin(), tokens.end());
  evaluate::ModelSource source(implementation_->loaded.model, implementation_->cpu,
                               static_cast<int64_t>(window.size()),
                               implementation_->activation_bits());
  return evaluate::perplexity(implementation_->cpu.team(), source, {&window, 1},
                              {.keep_logprobs = true})
      .logprobs;
}

bool Model::has_tokenizer() const {
  return implementation_->loaded.tokenizer != nullptr;
}

std::vector<int32_t> Model::encode(std::string_view text, bool add_special) const {
  return implementation_->tokenizer().encode(text,
                                             {.add_special = add_special, .parse_special = true});
}

std::string Model::decode(std::span<const int32_t> tokens) const {
  return implementation_->tokenizer().decode(tokens);
}

bool Model::has_chat_template() const {
  return implementation_->loaded.chat != nullptr;
}

std::string Model::render_chat(std::span<const Message> messages,
                               const ChatOptions& options) const {
  std::vector<chat::Message> plain;
  for (const Message& message : messages) plain.push_back({message.role, message.content});
  return render_chat(chat::messages_json(plain), options);
}

std::string Model::render_chat(std::string_view messages_json, const ChatOptions& options) const {
  return implementation_->chat().render({.messages = std::string(messages_json),
                                         .tools = options.tools,
                                         .variables = options.variables,
                                         .add_generation_prompt = options.add_generation_prompt,
                                         .template_name = options.template_name},
                                        chat::local_time());
}

void Model::save(const std::filesystem::path& directory) const {
  model::save_quantized(implementation_->loaded, implementation_->path, directory);
}

int64_t Model::vocabulary_size() const {
  return implementation_->loaded.model.architecture().vocabulary_size;
}
int64_t Model::max_positions() const {
  return implementation_->loaded.model.architecture().max_positions;
}
int64_t Model::parameters() const {
  return implementation_->loaded.model.architecture().parameters();
}
int64_t Model::weights_bytes() const {
  return implementation_->loaded.model.weights().bytes();
}

}  // namespace octet
