// The tasks of the evaluation: their names, and their documents as requests for log-likelihoods.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet::evaluate {

enum class Task : uint8_t { lambada, hellaswag, piqa, winogrande, arc_easy, boolq };

std::span<const Task> all_tasks();
/// As on the command line: "arc-easy".
std::string_view name(Task task);
std::optional<Task> parse_task(std::string_view text);
/// True when a document has one continuation, which is right when greedy decoding gives it.
bool is_greedy(Task task);
/// What a file of the task holds, for messages: "JSON lines with 'query', 'choices' and 'gold'".
std::string_view format_of(Task task);

/// The log-likelihood of `continuation` after `context` is asked for. The continuation begins with
/// the space that separates the two.
struct Request {
  std::string context;
  std::string continuation;
};

/// A question: one request for each of its answers.
struct Document {
  std::vector<Request> requests;
  size_t gold = 0;  ///< which answer is right
};

/// The documents of a file, in order, under the prompts of EleutherAI's harness. `labels` is the
/// file of PIQA's answers, one a line; without it, it is looked for beside the data (piqa_labels).
/// Throws Error naming the file and the line that is wrong.
std::vector<Document> read_task(Task task, const std::filesystem::path& data,
                                const std::optional<std::filesystem::path>& labels = {});

/// Where the answers of a PIQA file are expected: "valid-labels.lst" beside "valid.jsonl".
std::filesystem::path piqa_labels(const std::filesystem::path& data);

}  // namespace octet::evaluate
