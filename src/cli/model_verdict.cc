// Putting a verdict into words.
#include <fmt/core.h>

#include <algorithm>

#include "cli/model_evidence.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/sweep_report.h"

namespace octet::cli {
namespace {

using evaluate::MethodEvidence;
using evaluate::Safety;

bool same(const linear::Precision& a, const linear::Precision& b) {
  return a.method == b.method && activation_bits_of(a) == activation_bits_of(b);
}

std::string label_of(const linear::Precision& precision) {
  if (precision.method != linear::Method::llm_int8)
    return std::string(linear::name(precision.method));
  return fmt::format("llm-int8 with {}-bit activations", precision.activation_bits);
}

/// Texts that parse in the reference, and how many of those are broken in `made`.
evaluate::ParsedTexts parsed_texts(const Continuations& reference, const Continuations& made) {
  evaluate::ParsedTexts texts;
  for (size_t i = 0; i < made.checks.size(); ++i) {
    if (reference.checks[i] != evaluate::Check::parses) continue;
    ++texts.in_reference;
    texts.broken += made.checks[i] == evaluate::Check::broken ? 1 : 0;
  }
  return texts;
}

const Continuations* continuations_of(const ModelEvidence& evidence,
                                      const linear::Precision& precision) {
  const auto& methods = evidence.continuations.methods;
  for (size_t i = 1; i < methods.size(); ++i)
    if (same(methods[i].precision, precision)) return &methods[i];
  return nullptr;
}

const Row* row_of(const ModelEvidence& evidence, linear::Method method) {
  for (const Row& row : evidence.rows)
    if (row.precision.method == method) return &row;
  return nullptr;
}

std::string figures(const MethodEvidence& judged, const Row& row) {
  return fmt::format("perplexity {:.3f} ({:+.2f}%), KL {:.5f}, the same likeliest token at {:.1f}%",
                     row.result.value(), (judged.perplexity_ratio - 1) * 100, judged.kl.value,
                     judged.top1_agreement * 100);
}

/// What costs and gains the recommended method has.
class Wording {
 public:
  explicit Wording(const ModelEvidence& evidence)
      : evidence_(evidence), judged_(judged_rows(evidence)), best_(evaluate::recommend(judged_)) {}

  Verdict verdict() {
    if (!best_) {
      verdict_.headline = "No int8 method was measured, so there is no verdict.";
      return verdict_;
    }
    headline();
    grounds();
    cautions();
    return verdict_;
  }

 private:
  const Row& best_row() const { return evidence_.rows[best_->method]; }

  void headline() {
    const std::string method = label_of(best_row().precision);
    switch (best_->safety) {
      case Safety::safe:
        verdict_.tone = report::Page::Tone::good;
        verdict_.headline = fmt::format("int8 is safe for this model on this text: {}.", method);
        break;
      case Safety::with_care:
        verdict_.tone = report::Page::Tone::warning;
        verdict_.headline = fmt::format(
            "int8 costs this model something: use {} with care, and check your own task.", method);
        break;
      case Safety::not_safe:
        verdict_.tone = report::Page::Tone::warning;
        verdict_.headline =
            "int8 is not safe for this model: no int8 method stays within the limits. Use bf16.";
        break;
    }
  }

  void grounds() {
    const MethodEvidence& judged = judged_[best_->method];
    verdict_.grounds.push_back(
        fmt::format("Method: {}, closest of the {} int8 methods measured: {} of {} tokens.",
                    label_of(best_row().precision), int8_methods(), figures(judged, best_row()),
                    best_row().result.tokens));
    if (best_->eight_bits_suffice) verdict_.grounds.push_back(activation_width());
    if (linear::has_decomposition(best_row().precision.method))
      verdict_.grounds.push_back(threshold());
    verdict_.grounds.push_back(fmt::format("Memory: {} of weights, {} in 16 bits: {:.0f}%.",
                                           size_text(best_row().weights_bytes),
                                           size_text(evidence_.bytes_16bit),
                                           100.0 * static_cast<double>(best_row().weights_bytes) /
                                               static_cast<double>(evidence_.bytes_16bit)));
  }

  int64_t int8_methods() const {
    return std::ranges::count_if(
        judged_, [](const auto& each) { return linear::is_int8(each.precision.method); });
  }

  std::string threshold() const {
    const linear::Precision& precision = best_row().precision;
    std::string text = fmt::format(
        "Threshold: α = {}, outliers {}; {:.2f}% of the columns that linear layers read are kept "
        "in "
        "16 bits.",
        linear::thresholds_text(precision), linear::name(precision.outliers),
        best_row().kept_share * 100);
    if (!evidence_.thresholds) return text;
    const evaluate::ThresholdStudy& study = *evidence_.thresholds;
    const std::string better = linear::thresholds_text(study.recommendation());
    if (better == linear::thresholds_text(study.base))
      return text + " No kind of layer needs another.";
    return fmt::format(
        "{} By kinds of layers, --threshold {} has {:.2f}% outlier columns instead of {:.2f}% and "
        "KL "
        "{:.5f} instead of {:.5f}.",
        text, better, study.chosen.outlier_columns * 100, study.at_base().outlier_columns * 100,
        study.chosen.kl(), study.at_base().kl());
  }

  std::string activation_width() const {
    for (size_t i = 0; i < judged_.size(); ++i) {
      const linear::Precision& precision = judged_[i].precision;
      if (precision.method != linear::Method::llm_int8 || precision.activation_bits != 8) continue;
      const std::string measured = figures(judged_[i], evidence_.rows[i]);
      if (precision.activation_bits == best_row().precision.activation_bits)
        return fmt::format("Activations: 8 bits, which did as well as 16 here.");
      return *best_->eight_bits_suffice
                 ? fmt::format(
                       "Activations: 16 bits; 8 would be judged the same ({}) at half the "
                       "multiplications.",
                       measured)
                 : fmt::format("Activations: 16 bits; 8, the paper's, are judged {} ({}).",
                               name(evaluate::judge(judged_[i])), measured);
    }
    return "";
  }

  void caution(std::string text) { verdict_.cautions.push_back(std::move(text)); }

  void cautions() {
    if (best_->safety == Safety::not_safe)
      caution("Not for this model at all, by the limits below.");
    methods_to_avoid();
    structured_output();
    exact_text();
    memory();
    sweep();
    caution(fmt::format(
        "Not as a proof for other texts: all of this was measured on {} tokens of {}. Other "
        "languages and subjects can have other outliers; run the report on your own.",
        evidence_.rows.front().result.tokens, evidence_.text));
  }

  void methods_to_avoid() {
    std::string names;
    for (const MethodEvidence& each : judged_) {
      if (!linear::is_int8(each.precision.method) || evaluate::judge(each) != Safety::not_safe)
        continue;
      names += fmt::format("{}{} (KL {:.3f})", names.empty() ? "" : ", ", label_of(each.precision),
                           each.kl.value);
    }
    if (!names.empty() && best_->safety != Safety::not_safe)
      caution(fmt::format("Not with these methods: {}.", names));
  }

  void structured_output() {
    const Continuations* made = continuations_of(evidence_, best_row().precision);
    if (made == nullptr) return;
    const auto texts = parsed_texts(evidence_.continuations.methods.front(), *made);
    if (texts.broken > 0)
      caution(fmt::format(
          "Not for structured output unchecked: {} of {} texts that parse in 16 bits are broken in "
          "int8.",
          texts.broken, texts.in_reference));
  }

  void exact_text() {
    const Continuations* made = continuations_of(evidence_, best_row().precision);
    if (made == nullptr) return;
    const auto parted = [](const Continuations& each) {
      return std::ranges::count_if(
          each.comparisons, [](const auto& one) { return one.first_divergence.has_value(); });
    };
    if (parted(*made) == 0) return;
    std::string yardstick;
    for (const Continuations& each : evidence_.continuations.methods)
      if (each.precision.method == linear::Method::bf16)
        yardstick = fmt::format(" (bf16 beside fp16: {})", parted(each));
    caution(fmt::format(
        "Not where a text must be that of 16 bits to the letter: {} of {} greedy continuations "
        "part somewhere within {} tokens{}.",
        parted(*made), made->comparisons.size(), evidence_.continuations.tokens, yardstick));
  }

  void memory() {
    const double share =
        static_cast<double>(best_row().weights_bytes) / static_cast<double>(evidence_.bytes_16bit);
    constexpr double kLittleSaved = 0.8;
    if (share > kLittleSaved)
      caution(
          fmt::format("Not to save memory: {:.0f}% of the 16-bit bytes remain, mostly embeddings.",
                      share * 100));
  }

  void sweep() {
    if (!evidence_.sweep) return;
    for (const SweepRow& row : evidence_.sweep->rows) {
      if (!same(row.precision, best_row().precision)) continue;
      const int64_t gain = breakdown_gain(*evidence_.sweep, row);
      if (gain != 0)
        caution(fmt::format("Not with outliers ×{} as large: the method breaks down there.", gain));
    }
  }

  const ModelEvidence& evidence_;
  std::vector<MethodEvidence> judged_;
  std::optional<evaluate::Recommendation> best_;
  Verdict verdict_;
};

}  // namespace

std::vector<MethodEvidence> judged_rows(const ModelEvidence& evidence) {
  const Row* reference =
      row_of(evidence, linear::parse_method(evidence.reference).value_or(linear::Method::fp32));
  std::vector<MethodEvidence> judged;
  for (const Row& row : evidence.rows) {
    MethodEvidence each = {.precision = row.precision,
                           .perplexity_ratio = reference == nullptr
                                                   ? 1
                                                   : row.result.value() / reference->result.value(),
                           .kl = {}};
    if (row.result.divergence) {
      each.kl = row.result.divergence->kl;
      each.top1_agreement = row.result.divergence->top1_agreement;
    }
    if (const Continuations* made = continuations_of(evidence, row.precision))
      each.texts = parsed_texts(evidence.continuations.methods.front(), *made);
    judged.push_back(each);
  }
  return judged;
}

Verdict verdict_of(const ModelEvidence& evidence) {
  return Wording(evidence).verdict();
}

}  // namespace octet::cli
