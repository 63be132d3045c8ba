// octet eval: zero-shot tasks, scored with one method or several.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/eval_report.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/model_identity.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "evaluate/tasks/finished.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using evaluate::DocumentSequences;
using evaluate::Task;
using linear::Precision;

constexpr const char* kExamples = R"(Examples:
  octet eval -m model.gguf --task lambada --data lambada.jsonl --limit 500
  octet eval -m model/ --task hellaswag --data hellaswag-val.txt --method fp32,llm-int8 --json
  octet eval -m model/ --task piqa --data valid.jsonl --labels valid-labels.lst
  octet eval -m model/ --task winogrande --data winogrande.jsonl --task boolq --data boolq.jsonl \
    --method all --resume finished.jsonl

Data:
  lambada              JSON lines: context, continuation (the last word)
  hellaswag            plain text, six lines a task: context, label, four endings
  piqa                 JSON lines: goal, sol1, sol2; labels in a second file, one a line
  winogrande           JSON lines: context_options, continuation, gold
  arc-easy, boolq      JSON lines: query, choices, gold

Prompts and scoring are those of EleutherAI's harness. With several tasks, a last line has the mean
of their accuracies.)";

struct EvalCommand {
  CommonOptions common;
  std::vector<std::string> tasks;
  std::vector<std::string> data;
  std::optional<std::string> labels;
  std::optional<int64_t> limit;
  std::optional<std::string> resume;
  bool add_bos = false;
};

struct TaskData {
  Task task;
  std::string file;
  std::vector<evaluate::Document> documents;
  std::vector<DocumentSequences> sequences = {};  ///< known with the first model's tokenizer
};

/// The methods one after the other, each over all tasks.
class EvalRun {
 public:
  explicit EvalRun(const EvalCommand& command)
      : command_(command),
        precisions_(precisions_of(command.common)),
        cpu_(open_cpu(command.common)) {
    check_usage();
    for (size_t i = 0; i < command.tasks.size(); ++i) {
      const Task task = evaluate::parse_task(command.tasks[i]).value();
      TaskData data = {.task = task,
                       .file = command.data[i],
                       .documents = evaluate::read_task(task, command.data[i], command.labels)};
      if (command.limit && static_cast<size_t>(*command.limit) < data.documents.size())
        data.documents.resize(static_cast<size_t>(*command.limit));
      tasks_.push_back(std::move(data));
    }
    if (command.resume) finished_.emplace(*command.resume);
  }

  int run() {
    Json results = Json::array();
    Json means = Json::array();
    for (const Precision& precision : precisions_) {
      LoadedModel model = load_model(cpu_, command_.common, precision);
      prepare(model.loaded);
      std::vector<EvalRow> rows;
      for (const TaskData& data : tasks_) {
        rows.push_back(run_task(model.loaded, data));
        if (command_.common.json) {
          results.push_back(eval_json(rows.back()));
        } else {
          write_out((head_written_ ? "" : eval_table_head()) + eval_table_row(rows.back()));
          head_written_ = true;
        }
      }
      if (rows.size() < 2) continue;
      if (command_.common.json) {
        means.push_back(eval_mean_json(rows));
      } else {
        write_out(eval_mean_row(rows));
      }
    }
    if (command_.common.json) print_json(std::move(results), std::move(means));
    return 0;
  }

 private:
  void check_usage() const {
    if (command_.tasks.size() != command_.data.size())
      throw UsageError(fmt::format("{} --task for {} --data; give each task its file",
                                   command_.tasks.size(), command_.data.size()));
    const bool piqa = std::ranges::find(command_.tasks, name(Task::piqa)) != command_.tasks.end();
    if (command_.labels && !piqa) throw UsageError("--labels: is for --task piqa");
  }

  /// Encodes all documents with the first model's tokenizer; the others are the same model.
  void prepare(const model::Loaded& loaded) {
    if (context_ > 0) return;
    const evaluate::Encoding encoding = {
        .tokenizer = need_tokenizer(loaded, command_.common, "tasks are texts and need one"),
        .add_bos = command_.add_bos};
    int64_t longest = 1;
    for (TaskData& data : tasks_) {
      data.sequences = evaluate::encode_documents(encoding, data.documents, data.file);
      longest = std::max(longest, evaluate::longest_read(data.sequences));
    }
    context_ = context_size(command_.common, loaded.model.architecture(), longest);
    for (TaskData& data : tasks_) evaluate::cut_to_context(data.sequences, context_, data.file);
  }

  evaluate::RunIdentity identity_of(const Precision& precision, Task task) const {
    const CommonOptions& common = command_.common;
    const std::string settings =
        fmt::format("{}{} {} {} {} {} {} {}", model_identity(common.model), OCTET_VERSION,
                    linear::name(precision.method), linear::thresholds_text(precision),
                    linear::name(precision.outliers), precision.activation_bits,
                    common.skip_modules, common.context.value_or(0));
    return {.settings = evaluate::fingerprint(settings),
            .method = std::string(linear::name(precision.method)),
            .task = std::string(name(task))};
  }

  EvalRow run_task(model::Loaded& loaded, const TaskData& data) {
    const Precision& precision = loaded.model.precision();  // a quantised directory has its own
    EvalRow row = {.precision = precision, .task = data.task, .data = data.file};
    row.answers.resize(data.documents.size());
    evaluate::RunIdentity identity;
    if (finished_) identity = identity_of(precision, data.task);
    std::vector<size_t> wanted;
    for (size_t i = 0; i < data.sequences.size(); ++i) {
      const DocumentSequences& document = data.sequences[i];
      const evaluate::Answers* known =
          finished_
              ? finished_->find(identity, evaluate::fingerprint(document), document.answers.size())
              : nullptr;
      if (known == nullptr) {
        wanted.push_back(i);
      } else {
        row.answers[i] = *known;
      }
    }
    score(loaded, data, wanted, identity, row.answers);
    row.score = evaluate::score_task(data.task, data.documents, row.answers);
    return row;
  }

  void score(model::Loaded& loaded, const TaskData& data, const std::vector<size_t>& wanted,
             const evaluate::RunIdentity& identity, std::vector<evaluate::Answers>& answers) {
    const Precision& precision = loaded.model.precision();
    Progress progress(fmt::format("{}, {} ({} documents)", linear::name(precision.method),
                                  name(data.task), wanted.size()));
    evaluate::LoglikelihoodOptions options;
    options.source = data.file;
    options.activation_bits = precision.activation_bits;
    options.context = context_;
    options.finished = [&](size_t document, const evaluate::Answers& found) {
      answers[document] = found;
      if (finished_)
        finished_->add(identity, evaluate::fingerprint(data.sequences[document]), found);
    };
    options.progress = [&progress](double share) {
      throw_if_interrupted();
      progress.update(share);
    };
    evaluate::loglikelihoods(loaded.model, cpu_, data.sequences, wanted, options);
  }

  void print_json(Json results, Json means) {
    Json object;
    object["model"] = command_.common.model;
    // The figures of a lone result stand at the top too, where a script finds them without a loop.
    if (results.size() == 1) {
      for (const char* member : {"task", "method", "n", "accuracy", "accuracy_norm", "stderr"})
        object[member] = results[0][member];
    }
    object["isa"] = device::name(cpu_.isa());
    object["threads"] = cpu_.team().size();
    object["results"] = std::move(results);
    if (!means.empty()) object["means"] = std::move(means);
    write_json(object);
  }

  const EvalCommand& command_;
  std::vector<Precision> precisions_;
  device::Cpu cpu_;
  std::vector<TaskData> tasks_;
  std::optional<evaluate::FinishedDocuments> finished_;
  int64_t context_ = 0;
  bool head_written_ = false;
};

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (Task task : evaluate::all_tasks()) names.emplace_back(name(task));
  return names;
}

/// An option that may be given several times, with one value each time.
CLI::Option* add_repeated(CLI::App& app, const char* name, std::vector<std::string>& values,
                          const char* text) {
  return app.add_option(name, values, text)
      ->group("What to score")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  auto command = std::make_shared<EvalCommand>();
  CLI::App* sub =
      app.add_subcommand("eval", "Score zero-shot tasks: LAMBADA, HellaSwag and others");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.method_list = true,
                      .context = "Tokens a document is cut to (default: the model's)",
                      .seed = false});
  add_repeated(*sub, "--task", command->tasks, "The task of the next --data; may be repeated")
      ->required()
      ->type_name("TASK")
      ->check(CLI::IsMember(task_names()));
  add_repeated(*sub, "--data", command->data, "Its documents; may be repeated")
      ->required()
      ->type_name("FILE");
  const auto option = [sub](const char* name, auto& value, const char* text, const char* type) {
    return sub->add_option(name, value, text)->group("What to score")->type_name(type);
  };
  option("--labels", command->labels,
         "PIQA's labels (default: NAME-labels.lst beside the data's NAME.jsonl)", "FILE");
  option("--limit", command->limit, "The first N documents of each task", "N")
      ->check(number_in(1, 1e15));
  sub->add_flag("--add-bos", command->add_bos, "Put the start token in front of every context")
      ->group("What to score");
  option("--resume", command->resume,
         "Keep finished documents here, and take those of earlier runs from it", "FILE");
  sub->callback([command, &action] {
    action = [command] {
      try {
        return EvalRun(*command).run();
      } catch (const Interrupted&) {
        if (command->resume)
          fmt::print(stderr, "octet: finished documents are in {}; the same command goes on\n",
                     *command->resume);
        throw;
      }
    };
  });
}

}  // namespace octet::cli
