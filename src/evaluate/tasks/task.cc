// The tasks: a reader for each format, and the harness's prompts.
#include "evaluate/tasks/task.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "evaluate/tasks/task_file.h"

namespace octet::evaluate {
namespace {

using Json = nlohmann::json;
using Documents = std::vector<Document>;

constexpr size_t kHellaswagEndings = 4;
constexpr size_t kPiqaSolutions = 2;
constexpr std::string_view kAnswer = "\nAnswer:";

/// One context and several answers to it.
Document multiple_choice(const std::string& context, const std::vector<std::string>& answers,
                         size_t gold) {
  Document document;
  document.gold = gold;
  for (const std::string& answer : answers)
    document.requests.push_back({.context = context, .continuation = " " + answer});
  return document;
}

Documents read_lambada(const TaskFile& file) {
  Documents documents;
  for (const Line& line : file.lines()) {
    const Json object = file.object(line);
    documents.push_back(multiple_choice(file.text(object, line, "context"),
                                        {file.text(object, line, "continuation")}, 0));
  }
  return documents;
}

Documents read_hellaswag(const TaskFile& file) {
  constexpr size_t kLines = 2 + kHellaswagEndings;
  const std::vector<Line> lines = file.lines(/*keep_blank=*/true);
  Documents documents;
  for (size_t first = 0; first < lines.size(); first += kLines) {
    // The label first: where it is none, the file has another format or has lost a line.
    if (first + 1 >= lines.size()) file.wrong(lines[first], "is not followed by a label");
    const size_t gold = file.choice(lines[first + 1], kHellaswagEndings);
    if (first + kLines > lines.size()) file.wrong(lines.back(), "ends a task too early");
    std::vector<std::string> endings;
    for (size_t i = 0; i < kLines; ++i) {
      const Line& line = lines[first + i];
      if (line.text.empty()) file.wrong(line, "is empty");
      if (i >= 2) endings.emplace_back(line.text);
    }
    documents.push_back(multiple_choice(std::string(lines[first].text), endings, gold));
  }
  return documents;
}

Documents read_piqa(const TaskFile& file, const std::filesystem::path& labels_path) {
  if (!std::filesystem::exists(labels_path))
    fail("{}: not found; name the file of PIQA's labels with --labels", labels_path.string());
  const TaskFile labels(labels_path, "one label (0 or 1) a line");
  const std::vector<Line> label_lines = labels.lines();
  const std::vector<Line> lines = file.lines();
  if (label_lines.size() != lines.size())
    fail("{}: {} labels for the {} documents of {}", labels_path.string(), label_lines.size(),
         lines.size(), file.path().string());
  Documents documents;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const Json object = file.object(line);
    documents.push_back(
        multiple_choice("Question: " + file.text(object, line, "goal") + std::string(kAnswer),
                        {file.text(object, line, "sol1"), file.text(object, line, "sol2")},
                        labels.choice(label_lines[i], kPiqaSolutions)));
  }
  return documents;
}

/// Partial evaluation: the options stand in the context, what follows them is scored.
Documents read_winogrande(const TaskFile& file) {
  Documents documents;
  for (const Line& line : file.lines()) {
    const Json object = file.object(line);
    const std::vector<std::string> contexts = file.texts(object, line, "context_options");
    const std::string continuation = " " + file.text(object, line, "continuation");
    Document document;
    document.gold = file.choice(object, line, "gold", contexts.size());
    for (const std::string& context : contexts)
      document.requests.push_back({.context = context, .continuation = continuation});
    documents.push_back(std::move(document));
  }
  return documents;
}

/// ARC-easy and BoolQ.
Documents read_queries(const TaskFile& file) {
  Documents documents;
  for (const Line& line : file.lines()) {
    const Json object = file.object(line);
    std::string query = file.text(object, line, "query");
    const std::vector<std::string> choices = file.texts(object, line, "choices");
    if (!query.ends_with(kAnswer)) query += kAnswer;
    documents.push_back(
        multiple_choice(query, choices, file.choice(object, line, "gold", choices.size())));
  }
  return documents;
}

struct Entry {
  std::string_view name;
  std::string_view format;
};

constexpr std::array<Task, 6> kTasks = {Task::lambada,    Task::hellaswag, Task::piqa,
                                        Task::winogrande, Task::arc_easy,  Task::boolq};

Entry entry_of(Task task) {
  constexpr std::string_view kQueries = "JSON lines with 'query', 'choices' and 'gold'";
  switch (task) {
    case Task::lambada:
      return {"lambada", "JSON lines with 'context' and 'continuation'"};
    case Task::hellaswag:
      return {"hellaswag", "six lines a task: context, label (0 to 3), four endings"};
    case Task::piqa:
      return {"piqa", "JSON lines with 'goal', 'sol1' and 'sol2'"};
    case Task::winogrande:
      return {"winogrande", "JSON lines with 'context_options', 'continuation' and 'gold'"};
    case Task::arc_easy:
      return {"arc-easy", kQueries};
    case Task::boolq:
      return {"boolq", kQueries};
  }
  OCTET_CHECK(false);
}

}  // namespace

std::span<const Task> all_tasks() {
  return kTasks;
}

std::string_view name(Task task) {
  return entry_of(task).name;
}

std::string_view format_of(Task task) {
  return entry_of(task).format;
}

std::optional<Task> parse_task(std::string_view text) {
  const auto found = std::ranges::find(kTasks, text, [](Task task) { return name(task); });
  if (found == kTasks.end()) return {};
  return *found;
}

bool is_greedy(Task task) {
  return task == Task::lambada;
}

std::filesystem::path piqa_labels(const std::filesystem::path& data) {
  return data.parent_path() / (data.stem().string() + "-labels.lst");
}

std::vector<Document> read_task(Task task, const std::filesystem::path& data,
                                const std::optional<std::filesystem::path>& labels) {
  const TaskFile file(data, format_of(task));
  switch (task) {
    case Task::lambada:
      return read_lambada(file);
    case Task::hellaswag:
      return read_hellaswag(file);
    case Task::piqa:
      return read_piqa(file, labels.value_or(piqa_labels(data)));
    case Task::winogrande:
      return read_winogrande(file);
    case Task::arc_easy:
    case Task::boolq:
      return read_queries(file);
  }
  OCTET_CHECK(false);
}

}  // namespace octet::evaluate
