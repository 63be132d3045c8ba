// The public API: load a checkpoint as LLM.int8() (or another precision), generate, score, save.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octet/error.h"

namespace octet {

/// How a model is loaded. Names are those of the command line.
struct ModelOptions {
  /// fp32, fp16, bf16, absmax, zeropoint, absmax-rowwise, absmax-vectorwise, zeropoint-vectorwise,
  /// absmax-rowwise-decomp, llm-int8 or llm-int8-zeropoint.
  std::string method = "llm-int8";
  float threshold = 6;            ///< α ≥ 0; 0 turns decomposition off
  std::string outliers = "kept";  ///< kept, batch or token
  int activation_bits = 16;       ///< llm-int8 only: 16 or 8
  /// Modules that stay 16-bit; {"none"}: not even lm_head does.
  std::vector<std::string> skip_modules = {"lm_head"};
  int threads = 0;  ///< 0: every CPU this process may use
  std::string isa =
      {};  ///< scalar, avx2, avxvnni, avx512, avx512bf16 or amx; empty: the best one here
  /// Called with the share loaded, 0 to 1. Throwing from it stops loading.
  std::function<void(double share)> progress = {};
};

/// How text is continued.
struct GenerateOptions {
  int64_t max_tokens = 128;
  float temperature = 0.8f;  ///< 0 is greedy
  int top_k = 40;            ///< 0: off
  float top_p = 0.95f;       ///< 1: off
  float min_p = 0.05f;       ///< 0: off
  float repeat_penalty = 1;  ///< 1: off
  uint64_t seed = 0;
  bool ignore_eos = false;
};

/// One message of a conversation.
struct Message {
  std::string role;  ///< system, user, assistant, tool … as the model's chat template knows it
  std::string content;
};

/// How a conversation is put into words besides its messages.
struct ChatOptions {
  std::string tools = {};  ///< JSON array of the functions the model may call; empty: none
  /// JSON object of further variables of the template (enable_thinking …); empty: none.
  std::string variables = {};
  /// The text ends with what an answer of the model begins with.
  bool add_generation_prompt = true;
  /// Of a model with several templates; empty: tool_use when there are tools, else default.
  std::string template_name = {};
};

/// A generated token.
struct Token {
  int32_t id = 0;
  float logprob = 0;  ///< natural logarithm of its probability, before temperature and cuts
  std::string text;   ///< what became readable with it: whole UTF-8 characters, possibly none
};

struct Generation {
  std::vector<Token> tokens;
  std::string text;    ///< the tokens' texts, joined
  bool ended = false;  ///< the model chose its end token (which is not among the tokens)
};

/// A loaded model. One call at a time; different models may work in different threads. Everything
/// throws octet::Error for what the caller can mend.
class Model {
 public:
  /// `path`: a Hugging Face directory, a .gguf file, or a directory written by save().
  static Model load(const std::filesystem::path& path, const ModelOptions& options = {});

  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  /// Continues `prompt`. `on_token` sees each token as it is chosen; returning false stops.
  Generation generate(std::string_view prompt, const GenerateOptions& options = {},
                      const std::function<bool(const Token&)>& on_token = {});
  /// The same from token ids; the only way for a checkpoint without a tokenizer.
  Generation generate(std::span<const int32_t> prompt, const GenerateOptions& options = {},
                      const std::function<bool(const Token&)>& on_token = {});

  /// Answers the last of the messages; an answer also ends at the token that ends a turn.
  Generation chat(std::span<const Message> messages, const GenerateOptions& options = {},
                  const ChatOptions& chat = {},
                  const std::function<bool(const Token&)>& on_token = {});

  /// log p(tokens[i + 1] | tokens[0 … i]) for i in [0, tokens.size() − 1), natural logarithms.
  std::vector<double> score(std::span<const int32_t> tokens);

  bool has_tokenizer() const;
  /// With what the model's tokenizer adds around a text (a start token), if `add_special`.
  std::vector<int32_t> encode(std::string_view text, bool add_special = true) const;
  std::string decode(std::span<const int32_t> tokens) const;

  bool has_chat_template() const;
  /// The text of a conversation by the model's chat template, as transformers makes it. It holds
  /// its special tokens: encode(text, false) gives the prompt. Dates in it are today's.
  std::string render_chat(std::span<const Message> messages, const ChatOptions& options = {}) const;
  /// The same for messages as a JSON array of objects, which may hold tool calls and more.
  std::string render_chat(std::string_view messages_json, const ChatOptions& options = {}) const;

  /// Writes the converted model to a new or empty directory, from which load() is faster.
  void save(const std::filesystem::path& directory) const;

  int64_t vocabulary_size() const;
  int64_t max_positions() const;  ///< what the model was trained for
  int64_t parameters() const;
  int64_t weights_bytes() const;  ///< of the packed weights in memory

 private:
  struct Implementation;
  explicit Model(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace octet
