// octet perplexity: scores a text, documents or token ids with one method or several.
#include "evaluate/perplexity.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/perplexity_report.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/text_windows.h"
#include "evaluate/text.h"
#include "tokenizer/tokenizer.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using linear::Precision;

constexpr const char* kExamples = R"(Examples:
  octet perplexity -m model.gguf -f wikitext2-test.raw.txt -c 512 --chunks 12
  octet perplexity -m model/ -f text.jsonl --method all --reference fp32 --json
  octet perplexity -m model/ -f stories.json --per-document --add-bos --limit 100
  octet perplexity -m model/ --method fp32 --ids 1,2,3 --logits-at 0,2 --json
  octet perplexity -m model/ -f text.txt --method fp32 --save-logprobs fp32.logprobs
  octet perplexity -m model/ -f text.txt --reference fp32.logprobs)";

struct PerplexityCommand {
  CommonOptions common;
  std::optional<std::string> file;
  std::optional<std::string> ids;
  std::string text_field = "text";
  std::optional<int64_t> chunks;
  std::optional<int64_t> limit;
  bool per_document = false;
  bool add_bos = false;
  std::optional<std::string> reference;
  std::optional<std::string> save_logprobs;
  std::optional<std::string> logits_at;
};

bool same(const Precision& a, const Precision& b) {
  return a.method == b.method && a.activation_bits == b.activation_bits;
}

Scored windows_of_documents(const PerplexityCommand& command, const tokenizer::Tokenizer& tokenizer,
                            const std::vector<std::string>& documents, int64_t length) {
  Scored scored;
  std::optional<int32_t> begin;
  if (command.add_bos) {
    begin = tokenizer.bos();
    if (!begin) fail("--add-bos: this model's tokenizer has no start token");
  }
  size_t count = documents.size();
  if (command.limit) count = std::min(count, static_cast<size_t>(*command.limit));
  for (size_t i = 0; i < count; ++i) {
    const std::vector<int32_t> tokens =
        tokenizer.encode(documents[i], {.add_special = false, .parse_special = false});
    scored.text_tokens += static_cast<int64_t>(tokens.size());
    scored.windows.push_back(evaluate::document_window(tokens, begin, length));
  }
  evaluate::drop_short(scored.windows);
  if (scored.windows.empty()) fail("{}: no document has two tokens to score", *command.file);
  return scored;
}

Scored windows_of_ids(const PerplexityCommand& command, const model::Architecture& architecture,
                      const evaluate::Window& ids) {
  const auto count = static_cast<int64_t>(ids.size());
  CommonOptions bounded = command.common;
  if (!bounded.context) bounded.context = count;
  if (count > context_size(bounded, architecture, count))
    fail("--ids has {} tokens, the context {}; raise -c", count, *bounded.context);
  return {.windows = {ids}, .text_tokens = count};
}

/// The methods one after the other, the reference beside each.
class PerplexityRun {
 public:
  explicit PerplexityRun(const PerplexityCommand& command)
      : command_(command),
        precisions_(precisions_of(command.common)),
        cpu_(open_cpu(command.common)) {
    check_usage();
    if (command.ids) read_ids();
    if (command.file) documents_ = evaluate::read_documents(*command.file, command.text_field);
  }

  int run() {
    open_reference();
    Json results = Json::array();
    for (const Precision& precision : precisions_) {
      ++method_;
      const Row row = run_method(precision);
      if (command_.common.json) {
        results.push_back(json_row(row, command_.ids ? &logits_at_ : nullptr));
      } else {
        write_out((&precision == &precisions_.front() ? table_head() : "") + table_row(row));
      }
    }
    if (command_.common.json) print_json(std::move(results));
    return 0;
  }

 private:
  void check_usage() const {
    if (command_.file.has_value() == command_.ids.has_value())
      throw UsageError("give a text with -f or token ids with --ids");
    if (command_.logits_at && !command_.ids) throw UsageError("--logits-at: is for --ids");
    if (command_.per_document ? command_.chunks.has_value()
                              : command_.add_bos || command_.limit.has_value())
      throw UsageError("--limit and --add-bos are for --per-document, --chunks for one text");
    if (command_.save_logprobs && precisions_.size() != 1)
      throw UsageError("--save-logprobs saves one method; give one with --method");
    if (command_.common.context && *command_.common.context < 2)
      throw UsageError("--ctx-size: scoring needs at least two tokens");
  }

  void read_ids() {
    ids_ = split_numbers<int32_t>(*command_.ids, "--ids");
    if (ids_.size() < 2) throw UsageError("--ids: scoring needs at least two tokens");
    if (!command_.logits_at) return;
    logits_at_ = split_numbers<int64_t>(*command_.logits_at, "--logits-at");
    std::ranges::sort(logits_at_);
    if (logits_at_.back() >= static_cast<int64_t>(ids_.size()))
      throw UsageError(fmt::format("--logits-at: {} lies outside the {} tokens of --ids",
                                   logits_at_.back(), ids_.size()));
  }

  LoadedModel load(const Precision& precision) {
    return load_model(
        cpu_, command_.common, precision,
        {.workloads =
             [&](const model::Architecture& architecture) -> std::vector<runtime::Workload> {
          const int64_t longest =
              command_.ids ? std::ssize(ids_)
                           : planned_context(command_.common, architecture, kDefaultWindow);
          return {evaluate::scoring_workload(precision, longest)};
        }});
  }

  void open_reference() {
    if (!command_.reference) return;
    const std::string& reference = *command_.reference;
    if (const auto method = linear::parse_method(reference)) {
      reference_precision_ = precision_of(command_.common, *method);
      reference_model_.emplace(load(*reference_precision_));
      prepare(reference_model_->loaded);
      reference_source_ = source_of(reference_model_->loaded, *reference_precision_);
    } else if (std::filesystem::exists(reference)) {
      saved_ = std::make_unique<evaluate::SavedLogprobs>(reference);
    } else {
      fail("--reference {}: neither a method nor a file", reference);
    }
  }

  /// Cuts the windows with the first model that is loaded.
  void prepare(const model::Loaded& loaded) {
    if (!scored_.windows.empty()) return;
    const model::Architecture& architecture = loaded.model.architecture();
    if (command_.ids) {
      scored_ = windows_of_ids(command_, architecture, ids_);
      return;
    }
    const int64_t length = context_size(command_.common, architecture, kDefaultWindow);
    const tokenizer::Tokenizer& tokenizer =
        need_tokenizer(loaded, command_.common, "score token ids with --ids");
    scored_ = command_.per_document
                  ? windows_of_documents(command_, tokenizer, documents_, length)
                  : windows_of_text(tokenizer, documents_, length, command_.chunks, *command_.file,
                                    "--per-document");
  }

  std::unique_ptr<evaluate::ModelSource> source_of(model::Loaded& loaded,
                                                   const Precision& precision) {
    return std::make_unique<evaluate::ModelSource>(
        loaded.model, cpu_, evaluate::longest_window(scored_.windows), precision.activation_bits);
  }

  Row run_method(const Precision& precision) {
    if (reference_precision_ && same(precision, *reference_precision_)) {
      auto source = source_of(reference_model_->loaded, precision);
      return score(reference_model_->loaded, *source, source.get());
    }
    LoadedModel model = load(precision);
    prepare(model.loaded);
    auto source = source_of(model.loaded, precision);
    evaluate::LogitSource* reference = reference_source_.get();
    if (saved_ != nullptr) {
      saved_->rewind();
      reference = saved_.get();
    }
    return score(model.loaded, *source, reference);
  }

  Row score(const model::Loaded& loaded, evaluate::ModelSource& source,
            evaluate::LogitSource* reference) {
    const Precision& precision = loaded.model.precision();  // a quantised directory has its own
    const std::string place =
        precisions_.size() > 1 ? fmt::format("{} of {}: ", method_, precisions_.size()) : "";
    Progress progress(fmt::format("{}{} ({} windows)", place, linear::name(precision.method),
                                  scored_.windows.size()));
    std::optional<evaluate::LogprobWriter> writer;
    if (command_.save_logprobs)
      writer.emplace(*command_.save_logprobs, source.vocabulary_size(),
                     static_cast<int64_t>(scored_.windows.size()));
    evaluate::PerplexityOptions options;
    options.reference = reference;
    options.save = writer ? &*writer : nullptr;
    options.keep_logprobs = command_.ids.has_value();
    options.logits_at = logits_at_;
    options.progress = [&progress](double share) {
      throw_if_interrupted();
      progress.update(share);
    };
    Row row = {.precision = precision,
               .result = evaluate::perplexity(cpu_.team(), source, scored_.windows, options),
               .tokens_per_s = rate(source.tokens(), source.seconds()),
               .weights_bytes = loaded.model.weights().bytes(),
               .kept_share = kept_share(loaded)};
    if (writer) writer->finish();
    return row;
  }

  void print_json(Json results) {
    Json object;
    object["model"] = command_.common.model;
    if (command_.file) object["file"] = *command_.file;
    object["text_tokens"] = scored_.text_tokens;
    object["tokens"] = evaluate::predicted_tokens(scored_.windows);
    object["windows"] = scored_.windows.size();
    object["ctx_size"] = evaluate::longest_window(scored_.windows);
    if (command_.reference) object["reference"] = *command_.reference;
    object["isa"] = device::name(cpu_.isa());
    object["threads"] = cpu_.team().size();
    object["results"] = std::move(results);
    write_json(object);
  }

  const PerplexityCommand& command_;
  std::vector<Precision> precisions_;
  size_t method_ = 0;  ///< the number of the one that runs, from 1
  device::Cpu cpu_;
  evaluate::Window ids_;
  std::vector<int64_t> logits_at_;
  std::vector<std::string> documents_;
  Scored scored_;
  std::optional<Precision> reference_precision_;
  std::optional<LoadedModel> reference_model_;
  std::unique_ptr<evaluate::ModelSource> reference_source_;
  std::unique_ptr<evaluate::SavedLogprobs> saved_;
};

void add_text_options(CLI::App& app, PerplexityCommand& command) {
  const auto option = [&app](const char* names, auto& value, const char* text, const char* type) {
    return app.add_option(names, value, text)
        ->group("What to score (-f or --ids)")
        ->type_name(type);
  };
  const auto flag = [&app](const char* name, bool& value, const char* text) {
    app.add_flag(name, value, text)->group("What to score (-f or --ids)");
  };
  option("-f,--file", command.file, "Plain text, JSON lines or a JSON array", "FILE");
  option("--text-field", command.text_field, "Member of JSON objects that holds the text", "NAME")
      ->capture_default_str();
  option("--chunks", command.chunks, "The first N windows only", "N")->check(number_in(1, 1e15));
  flag("--per-document", command.per_document, "Each text by itself, cut at -c");
  flag("--add-bos", command.add_bos, "Put the start token in front of each document");
  option("--limit", command.limit, "The first N documents only", "N")->check(number_in(1, 1e15));
  option("--ids", command.ids, "Token ids, with commas, as one sequence", "IDS");
  option("--logits-at", command.logits_at, "Positions of --ids whose logits --json carries",
         "POSITIONS");
}

}  // namespace

void add_perplexity(CLI::App& app, Action& action) {
  auto command = std::make_shared<PerplexityCommand>();
  CLI::App* sub =
      app.add_subcommand("perplexity", "Score a text, and compare methods with a reference");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.method_list = true,
                      .context = "Tokens of a window (default: 512, or the model's if fewer)",
                      .seed = false});
  add_text_options(*sub, *command);
  sub->add_option("--reference", command->reference,
                  "A method to run beside each, or a file of --save-logprobs")
      ->type_name("METHOD|FILE");
  sub->add_option("--save-logprobs", command->save_logprobs,
                  "Save the log-probabilities (4 bytes × vocabulary a token)")
      ->type_name("FILE");
  sub->callback(
      [command, &action] { action = [command] { return PerplexityRun(*command).run(); }; });
}

}  // namespace octet::cli
