// octet report: everything measured of a model on one page, with a verdict: is int8 safe here?
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_evidence.h"
#include "cli/own_text.h"
#include "cli/page_file.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/text_scorer.h"
#include "evaluate/speed.h"

namespace octet::cli {
namespace {

using linear::Method;
using linear::Precision;

constexpr const char* kExamples =
    R"(Measures a model and says whether int8 is safe for it: which method, threshold and activation
width, what that costs, and when not to use it; the rules stand on the page. It has Table 1 of the
paper for this model, its outlier features, greedy continuations beside the 16-bit model's, memory
and speed, with --sweep the phase transition. Without -f, the model draws a text of its own first; a
text of yours says more. After Ctrl-C, --resume has the finished scores.

Examples:
  octet report -m model.gguf -f text.txt --html report.html
  octet report -m model/ -f text.txt --chunks 4 --method fp32,absmax,llm-int8 --json
  octet report -m model/ -f text.txt --sweep --html report.html --resume scores.jsonl)";

constexpr int64_t kDefaultChunks = 12;
constexpr int64_t kOwnChunks = 4;  ///< of a text that the model has to write first
/// α to try beside the one in use; octet threshold tries more.
const std::vector<float> kThresholds = {0, 16};
constexpr int64_t kPromptTokens = 256;
constexpr int64_t kDecodeTokens = 32;
constexpr int64_t kContinuationTokens = 256;

struct ReportCommand {
  CommonOptions common;
  TextOptions text;
  std::optional<std::string> html;
  std::optional<std::string> resume;
  bool sweep = false;
};

Precision with_bits(const CommonOptions& common, Method method, int bits) {
  Precision precision = precision_of(common, method);
  if (method == Method::llm_int8) precision.activation_bits = bits;
  return precision;
}

class Measurement {
 public:
  explicit Measurement(const ReportCommand& command)
      : command_(command),
        common_(command.common),
        precisions_(precisions_of(command.common)),
        cpu_(open_cpu(command.common)),
        text_(text_of(command)),
        scorer_(cpu_, common_, text_, documents(),
                {.reference = Method::fp32, .resume = command.resume, .command = "octet report"}) {
    // The rows are judged beside the reference's own.
    if (precisions_.front().method != Method::fp32)
      precisions_.insert(precisions_.begin(), precision_of(common_, Method::fp32));
  }

  ModelEvidence run() {
    ModelEvidence evidence = {
        .model = common_.model,
        .text = text_.file,
        .command = command_line(),
        .machine = fmt::format("{} threads ({})", cpu_.team().size(), device::name(cpu_.isa())),
        .reference = "fp32",
        .window = scorer_.window_tokens()};
    size_t number = 0;
    for (const Precision& precision : precisions_)
      evidence.rows.push_back(
          scorer_.score(precision, {}, fmt::format("{} of {}: ", ++number, precisions_.size())));
    if (command_.sweep) evidence.sweep = sweep();
    evidence.outliers = outliers();
    evidence.thresholds = thresholds();
    const std::vector<Precision> compared = compared_methods(evidence);
    evidence.continuations = continuations(compared);
    for (const Precision& precision : compared) evidence.speeds.push_back(speed(precision));
    evidence.bytes_16bit = evidence.speeds.front().weights_bytes;
    return evidence;
  }

 private:
  static TextOptions text_of(const ReportCommand& command) {
    TextOptions text = command.text;
    if (!text.chunks) text.chunks = text.file.empty() ? kOwnChunks : kDefaultChunks;
    if (text.file.empty()) text.file = "the model's own writing";
    return text;
  }

  std::vector<std::string> documents() {
    if (!command_.text.file.empty()) return read_text(text_, common_);
    const model::Architecture architecture = model::describe(common_.model).architecture;
    const int64_t window = context_size(common_, architecture, kDefaultWindow);
    if (window < 2) throw UsageError("--ctx-size: scoring needs at least two tokens");
    // Read again, a text can have fewer tokens than were written.
    return own_text(cpu_, common_, window, window * *text_.chunks * 5 / 4);
  }

  std::string command_line() const {
    std::string line = "octet report -m " + common_.model;
    if (!command_.text.file.empty()) line += " -f " + command_.text.file;
    line += fmt::format(" -c {} --chunks {}", scorer_.window_tokens(), *text_.chunks);
    if (common_.asked.method) line += " --method " + common_.method;
    if (common_.asked.threshold)
      line += " --threshold " + linear::thresholds_text(precision_of(common_, Method::llm_int8));
    if (common_.asked.outliers) line += " --outliers " + common_.outliers;
    if (command_.sweep) line += " --sweep";
    return fmt::format("{}\noctet {}", line, OCTET_VERSION);
  }

  Sweep sweep() {
    Sweep sweep = {
        .model = common_.model,
        .file = text_.file,
        .reference = "fp32",
        .dimensions = spread_dimensions(kSweepDimensions, scorer_.architecture().hidden_size),
        .gains = {1, 2, 4, 8, 16, 32, 64},
        .rows = {}};
    run_sweep(scorer_, sweep_methods(common_), sweep);
    return sweep;
  }

  OutlierReport outliers() {
    return measure_outliers(cpu_, scorer_.reference().model, common_.model, scorer_.windows(),
                            {.threshold = common_.threshold > 0 ? common_.threshold : 6.0F});
  }

  std::optional<evaluate::ThresholdStudy> thresholds() {
    const Precision base =
        with_bits(common_, Method::llm_int8, common_.activation_bits.value_or(16));
    if (base.threshold <= 0 || base.kind_thresholds != linear::KindThresholds{}) return {};
    return measure_thresholds(cpu_, common_, scorer_.reference().model, scorer_.windows(), base,
                              kThresholds);
  }

  /// What is looked at beyond Table 1's figures: bf16 first as a yardstick, llm-int8 with both
  /// widths, and what Table 1 recommends.
  std::vector<Precision> compared_methods(const ModelEvidence& evidence) const {
    std::vector<Precision> compared = {with_bits(common_, Method::bf16, 16),
                                       with_bits(common_, Method::llm_int8, 16),
                                       with_bits(common_, Method::llm_int8, 8)};
    const std::vector<evaluate::MethodEvidence> judged = judged_rows(evidence);
    const auto best = evaluate::recommend(judged);
    if (best && judged[best->method].precision.method != Method::llm_int8)
      compared.push_back(judged[best->method].precision);
    return compared;
  }

  ContinuationsRun continuations(const std::vector<Precision>& compared) {
    ContinuationsRun run = {.prompts = evaluate::own_prompts(), .tokens = kContinuationTokens};
    const int64_t positions = scorer_.architecture().max_positions;
    if (positions > 0) run.tokens = std::clamp<int64_t>(positions / 2, 1, run.tokens);
    run_continuations(cpu_, common_, Method::fp16, compared, run);
    return run;
  }

  MeasuredSpeed speed(const Precision& precision) {
    LoadedModel loaded = load_model(cpu_, common_, precision, {.plant = {}, .report_kept = false});
    model::Model& model = loaded.loaded.model;
    const int64_t positions = model.architecture().max_positions;
    evaluate::SpeedOptions options = {
        .prompt_tokens = positions > 0 ? std::min(kPromptTokens, positions) : kPromptTokens,
        .decode_tokens = positions > 0 ? std::min(kDecodeTokens, positions) : kDecodeTokens,
        .activation_bits = precision.activation_bits};
    options.limits.seconds = 1;
    options.limits.between = throw_if_interrupted;
    Progress progress(fmt::format("speed of {}", linear::name(precision.method)));
    progress.update(0);
    return {.precision = precision,
            .weights_bytes = model.weights().bytes(),
            .prompt_tokens = options.prompt_tokens,
            .prompt_tokens_per_s = evaluate::prompt_speed(cpu_, model, options).tokens_per_s,
            .alone_tokens_per_s = evaluate::decode_speed(cpu_, model, 1, options).tokens_per_s,
            .batched_tokens_per_s =
                evaluate::decode_speed(cpu_, model, kReportBatch, options).tokens_per_s};
  }

  const ReportCommand& command_;
  const CommonOptions& common_;
  std::vector<Precision> precisions_;
  device::Cpu cpu_;
  TextOptions text_;
  TextScorer scorer_;
};

int run_report(const ReportCommand& command) {
  check_page_file(command.html, "--html");
  const ModelEvidence evidence = Measurement(command).run();
  if (command.html) write_file(*command.html, evidence_page(evidence));
  if (command.common.json) {
    write_json(evidence_json(evidence));
  } else {
    write_out(evidence_text(evidence));
  }
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto command = std::make_shared<ReportCommand>();
  command->common.method = "all";
  CLI::App* sub = app.add_subcommand("report", "Say on one page whether int8 is safe for a model");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.method_list = true,
                      .context = "Tokens of a window (default: 512, or the model's if fewer)",
                      .seed = false});
  add_text_options(*sub, command->text);
  sub->get_option("--file")->required(false)->description(
      "Plain text, JSON lines or a JSON array (default: what the model writes itself)");
  sub->get_option("--chunks")
      ->description("The first N windows only (default: 12; own writing: 4)");
  const auto option = [sub](const char* name, auto& value, const char* text) {
    sub->add_option(name, value, text)->group("Report")->type_name("FILE");
  };
  option("--html", command->html, "Write the page");
  option("--resume", command->resume,
         "Keep finished scores here, and take those of earlier runs from it");
  sub->add_flag("--sweep", command->sweep, "With the phase transition (see octet sweep)")
      ->group("Report");
  sub->callback([command, &action] {
    action = [command] {
      try {
        return run_report(*command);
      } catch (const Interrupted&) {
        if (command->resume)
          fmt::print(stderr, "octet: finished scores are in {}; the same command goes on\n",
                     *command->resume);
        throw;
      }
    };
  });
}

}  // namespace octet::cli
