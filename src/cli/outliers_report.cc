// Table 4 and the ablation as rows of text and as JSON.
#include "cli/outliers_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

namespace octet::cli {
namespace {

using evaluate::Ablated;
using evaluate::OutlierDimension;
using evaluate::OutlierSurvey;
using evaluate::Quartiles;
using linear::LayerKind;
using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

constexpr size_t kOthersShown = 10;

std::string quartiles_text(const Quartiles& quartiles) {
  return fmt::format("({:.0f}, {:.0f}, {:.0f})", quartiles.lower, quartiles.median,
                     quartiles.upper);
}

/// "0–3, 7" of ascending numbers.
std::string ranges(const std::vector<int64_t>& numbers) {
  std::string text;
  for (size_t first = 0; first < numbers.size();) {
    size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += fmt::format("{}", numbers[first]);
    if (last > first) text += fmt::format("{}{}", last > first + 1 ? "–" : ", ", numbers[last]);
    first = last + 1;
  }
  return text.empty() ? "none" : text;
}

std::string list(const std::vector<int32_t>& numbers) {
  std::string text;
  for (const int32_t number : numbers) {
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  }
  return text;
}

std::string size_of(int64_t parameters) {
  const auto number = static_cast<double>(parameters);
  if (parameters >= 1'000'000'000) return fmt::format("{:.1f}B", number / 1e9);
  if (parameters >= 1'000'000) return fmt::format("{:.0f}M", number / 1e6);
  return fmt::format("{:.0f}K", number / 1e3);
}

ReportTable table_4(std::span<const OutlierReport> reports) {
  const evaluate::OutlierDefinition& definition = reports.front().survey.definition;
  ReportTable table;
  table.heading = "Outlier features (the paper's Table 4)";
  table.explanation = fmt::format(
      "A dimension of the hidden state is an outlier when its magnitude reaches {} in at least {} "
      "of "
      "the layers and at {} of all layers' positions, in the inputs of q/k/v and of the first "
      "feed-forward layer. One-sided: 99% of its outliers have one sign. Shares are means over the "
      "outliers, quartiles those of their values from {} on. Top-1 softmax: attention's largest "
      "probability, with the ablated dimensions and without.",
      definition.threshold, percent(definition.layers, 0), percent(definition.positions, 0),
      definition.threshold);
  table.rows = {{"model", "parameters", "perplexity", "outliers / one-sided", "layers", "positions",
                 "quartiles", "top-1 softmax"}};
  for (const OutlierReport& report : reports) {
    const OutlierSurvey& survey = report.survey;
    const bool any = !survey.outliers.empty();
    std::string top = percent(report.ablation.whole.top_attention);
    if (!report.ablation.without.dimensions.empty()) {
      top += " → " + percent(report.ablation.without.top_attention);
    }
    table.rows.push_back({report.label, size_of(report.parameters),
                          fmt::format("{:.4f}", report.ablation.whole.perplexity.value()),
                          fmt::format("{} / {}", survey.outliers.size(), survey.one_sided()),
                          any ? percent(survey.mean_layers) : "–",
                          any ? percent(survey.mean_positions) : "–",
                          any ? quartiles_text(survey.quartiles) : "–", top});
  }
  return table;
}

std::vector<std::string> dimension_row(const OutlierDimension& dimension, bool outlier) {
  return {std::to_string(dimension.index),
          outlier ? "yes" : "no",
          percent(dimension.layers),
          percent(dimension.positions),
          fmt::format("{:.1f}", dimension.peak),
          quartiles_text(dimension.quartiles),
          dimension.one_sided ? "yes" : "no",
          ranges(dimension.attention_layers),
          ranges(dimension.feed_forward_layers)};
}

ReportTable dimensions_table(const OutlierReport& report) {
  const OutlierSurvey& survey = report.survey;
  ReportTable table;
  table.heading = "Dimensions of " + report.label;
  table.rows = {{"dimension", "outlier", "layers", "positions", "peak", "quartiles", "one-sided",
                 "q/k/v of layers", "gate/up of layers"}};
  for (const OutlierDimension& dimension : survey.outliers) {
    table.rows.push_back(dimension_row(dimension, true));
  }
  const size_t shown = std::min(kOthersShown, survey.others.size());
  for (size_t i = 0; i < shown; ++i) {
    table.rows.push_back(dimension_row(survey.others[i], false));
  }
  table.explanation =
      fmt::format("{} dimensions reach {} somewhere, {} of them as the definition asks{}.",
                  survey.outliers.size() + survey.others.size(), survey.definition.threshold,
                  survey.outliers.size(),
                  shown < survey.others.size()
                      ? fmt::format("; of the others the {} in most layers are shown", shown)
                      : "");
  if (table.rows.size() == 1) table.rows.clear();
  return table;
}

/// Outliers of `report` that are none of `before`.
std::string new_against(const OutlierReport& before, const OutlierReport& report) {
  const std::vector<int32_t> old = before.survey.indices();
  std::vector<int32_t> fresh = report.survey.indices();
  std::erase_if(fresh, [&](int32_t index) { return std::ranges::count(old, index) > 0; });
  return fresh.empty() ? "none" : list(fresh);
}

/// What the dimensions that are outliers of one model are in the others.
ReportTable comparison_table(std::span<const OutlierReport> reports) {
  ReportTable table;
  table.heading = "The same dimensions in each model";
  table.explanation =
      "Largest magnitude in the inputs of q/k/v and of the first feed-forward layer; * an outlier "
      "of "
      "that model.";
  for (const OutlierReport& report : reports.subspan(1)) {
    table.explanation += fmt::format(" Outliers of {} and not of {}: {}.", report.label,
                                     reports.front().label, new_against(reports.front(), report));
  }
  std::set<int32_t> indices;
  table.rows = {{"dimension"}};
  for (const OutlierReport& report : reports) {
    table.rows.front().push_back(report.label);
    for (const int32_t index : report.survey.indices()) indices.insert(index);
  }
  for (const int32_t index : indices) {
    std::vector<std::string> row = {std::to_string(index)};
    for (const OutlierReport& report : reports) {
      const std::vector<int32_t> own = report.survey.indices();
      const bool outlier = std::ranges::find(own, index) != own.end();
      row.push_back(fmt::format("{:.1f}{}", report.survey.peaks[static_cast<size_t>(index)],
                                outlier ? " *" : ""));
    }
    table.rows.push_back(row);
  }
  return table;
}

bool comparable(std::span<const OutlierReport> reports) {
  return reports.size() > 1 && std::ranges::all_of(reports, [&](const OutlierReport& report) {
           return report.survey.peaks.size() == reports.front().survey.peaks.size();
         });
}

ReportTable columns_table(std::span<const OutlierReport> reports) {
  ReportTable table;
  table.heading = "Outlier columns";
  table.explanation = fmt::format(
      "Share of the columns of a layer's input in which some value of a window reaches {}, mean "
      "over "
      "windows and layers; in brackets the layer with most.",
      reports.front().survey.definition.threshold);
  table.rows = {{"model"}};
  for (const LayerKind kind : linear::kLayerKinds) {
    table.rows.front().emplace_back(title(kind));
  }
  for (const OutlierReport& report : reports) {
    std::vector<std::string> row = {report.label};
    for (const LayerKind kind : linear::kLayerKinds) {
      const auto& shares = report.survey.column_share;
      const auto of_kind = [kind](const auto& layer) { return layer[static_cast<size_t>(kind)]; };
      const auto worst = std::ranges::max_element(shares, {}, of_kind);
      row.push_back(fmt::format("{} (layer {}: {})",
                                percent(evaluate::mean_over_layers(shares, kind), 2),
                                worst - shares.begin(), percent(of_kind(*worst), 1)));
    }
    table.rows.push_back(row);
  }
  return table;
}

std::vector<std::string> ablation_row(const OutlierReport& report, const std::string& what,
                                      double top, double perplexity) {
  const Ablated& whole = report.ablation.whole;
  const double change = perplexity / whole.perplexity.value() - 1;
  return {report.label,
          what,
          percent(top, 2),
          fmt::format("{:+.2f}%", (top / whole.top_attention - 1) * 100),
          fmt::format("{:.4f}", perplexity),
          fmt::format("{:+.2f}%", change * 100)};
}

ReportTable ablation_table(std::span<const OutlierReport> reports) {
  ReportTable table;
  table.heading = "Ablation";
  table.explanation =
      "Dimensions set to zero in the inputs of q/k/v and of the first feed-forward layer, beside "
      "as "
      "many random ones. The paper's models lose more than 20% of the top-1 softmax mass and gain "
      "600–1000% of perplexity; with random dimensions .02–.3% and .1%.";
  table.rows = {{"model", "set to zero", "top-1 softmax", "change", "perplexity", "change"}};
  for (const OutlierReport& report : reports) {
    const evaluate::Ablation& ablation = report.ablation;
    const auto count = ablation.without.dimensions.size();
    table.rows.push_back(ablation_row(report, "nothing", ablation.whole.top_attention,
                                      ablation.whole.perplexity.value()));
    if (count == 0) continue;
    table.rows.push_back(ablation_row(report, list(ablation.without.dimensions),
                                      ablation.without.top_attention,
                                      ablation.without.perplexity.value()));
    if (ablation.random.empty()) continue;
    table.rows.push_back(
        ablation_row(report, fmt::format("{} random (mean of {})", count, ablation.random.size()),
                     ablation.random_top_attention(), ablation.random_perplexity()));
  }
  return table;
}

Json dimension_json(const OutlierDimension& dimension) {
  return {{"dimension", dimension.index},
          {"layers", dimension.layers},
          {"positions", dimension.positions},
          {"peak", dimension.peak},
          {"quartiles",
           {dimension.quartiles.lower, dimension.quartiles.median, dimension.quartiles.upper}},
          {"values", dimension.values},
          {"one_sided", dimension.one_sided},
          {"attention_layers", dimension.attention_layers},
          {"feed_forward_layers", dimension.feed_forward_layers}};
}

Json ablated_json(const Ablated& ablated) {
  return {{"dimensions", ablated.dimensions},
          {"top1_softmax", ablated.top_attention},
          {"perplexity", ablated.perplexity.value()},
          {"stderr", ablated.perplexity.standard_error()}};
}

}  // namespace

std::string model_label(const std::string& path) {
  std::filesystem::path name = std::filesystem::path(path).lexically_normal();
  if (!name.has_filename()) name = name.parent_path();
  if (name.extension() == ".gguf") {
    if (name.stem() != "model" || name.parent_path().empty()) return name.stem().string();
    name = name.parent_path();
  }
  return name.filename().string();
}

std::vector<ReportTable> outlier_tables(std::span<const OutlierReport> reports) {
  std::vector<ReportTable> tables = {table_4(reports)};
  for (const OutlierReport& report : reports) tables.push_back(dimensions_table(report));
  if (comparable(reports)) tables.push_back(comparison_table(reports));
  tables.push_back(columns_table(reports));
  tables.push_back(ablation_table(reports));
  return tables;
}

Json outliers_json(const OutlierReport& report) {
  const OutlierSurvey& survey = report.survey;
  Json object = {
      {"model", report.model},
      {"parameters", report.parameters},
      {"layers", survey.layers},
      {"tokens", survey.positions},
      {"perplexity", report.ablation.whole.perplexity.value()},
      {"outlier_dimensions", survey.indices()},
      {"one_sided", survey.one_sided()},
      {"layer_share", survey.mean_layers},
      {"position_share", survey.mean_positions},
      {"quartiles", {survey.quartiles.lower, survey.quartiles.median, survey.quartiles.upper}},
      {"median_magnitude", survey.median_magnitude}};
  object["outliers"] = Json::array();
  for (const OutlierDimension& dimension : survey.outliers) {
    object["outliers"].push_back(dimension_json(dimension));
  }
  object["others"] = Json::array();
  for (const OutlierDimension& dimension : survey.others) {
    object["others"].push_back(dimension_json(dimension));
  }
  for (const LayerKind kind : linear::kLayerKinds) {
    Json& shares = object["column_share"][std::string(linear::name(kind))];
    shares = Json::array();
    for (const auto& layer : survey.column_share)
      shares.push_back(layer[static_cast<size_t>(kind)]);
  }
  Json& ablation = object["ablation"];
  ablation = {{"whole", ablated_json(report.ablation.whole)}};
  if (report.ablation.without.dimensions.empty()) return object;
  ablation["without"] = ablated_json(report.ablation.without);
  ablation["random"] = Json::array();
  for (const Ablated& set : report.ablation.random) ablation["random"].push_back(ablated_json(set));
  return object;
}

}  // namespace octet::cli
