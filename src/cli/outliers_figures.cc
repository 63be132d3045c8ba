// The paper's Figures 3 and 4, and a plot of outlier columns over a model's layers.
#include <fmt/core.h>

#include <algorithm>

#include "cli/outliers_report.h"
#include "report/plot.h"

namespace octet::cli {
namespace {

using linear::LayerKind;
using report::Plot;
using report::Series;

/// One value of each model over another, in rising order of it, each point with its model's name.
Series over_models(std::span<const OutlierReport> reports, std::string name,
                   double (*x)(const OutlierReport&), double (*y)(const OutlierReport&)) {
  std::vector<const OutlierReport*> order;
  for (const OutlierReport& report : reports) order.push_back(&report);
  std::ranges::stable_sort(order, {}, [x](const OutlierReport* report) { return x(*report); });
  Series series;
  series.name = std::move(name);
  for (const OutlierReport* report : order) {
    series.x.push_back(x(*report));
    series.y.push_back(y(*report));
    series.labels.push_back(report->label);
  }
  return series;
}

double size(const OutlierReport& report) {
  return static_cast<double>(report.parameters);
}
double perplexity(const OutlierReport& report) {
  return report.ablation.whole.perplexity.value();
}
double layers_percent(const OutlierReport& report) {
  return report.survey.mean_layers * 100;
}
double positions_percent(const OutlierReport& report) {
  return report.survey.mean_positions * 100;
}
double magnitude(const OutlierReport& report) {
  return report.survey.median_magnitude;
}
double count(const OutlierReport& report) {
  return static_cast<double>(report.survey.outliers.size());
}

/// Room beside the outermost points for their names, on a logarithmic axis.
void widen(report::Axis& axis, const std::vector<double>& x) {
  axis.logarithmic = true;
  axis.low = *std::ranges::min_element(x) / 1.5;
  axis.high = *std::ranges::max_element(x) * 1.5;
}

Plot figure_3(std::span<const OutlierReport> reports, const char* x_name,
              double (*x)(const OutlierReport&)) {
  Plot plot;
  plot.title = "Affected by outlier features";
  plot.x.name = x_name;
  plot.y.name = "%";
  plot.y.low = -3;
  plot.y.high = 105;
  plot.series.push_back(over_models(reports, "of layers", x, layers_percent));
  plot.series.push_back(over_models(reports, "of positions", x, positions_percent));
  plot.series.back().labels.clear();
  widen(plot.x, plot.series.front().x);
  return plot;
}

Plot figure_4(std::span<const OutlierReport> reports, const char* y_name,
              double (*y)(const OutlierReport&)) {
  Plot plot;
  plot.title = fmt::format("{} by perplexity", y_name);
  plot.x.name = "perplexity";
  plot.y.name = y_name;
  plot.series.push_back(over_models(reports, "", perplexity, y));
  const double highest = *std::ranges::max_element(plot.series.front().y);
  plot.y.high = std::max(1.0, highest * 1.15);
  plot.y.low = -0.03 * plot.y.high;
  widen(plot.x, plot.series.front().x);
  return plot;
}

Plot columns_over_layers(const OutlierReport& report) {
  Plot plot;
  plot.title = "Outlier columns of " + report.label;
  plot.x.name = "layer";
  plot.y.name = "% of a layer's input columns";
  plot.y.logarithmic = true;
  for (const LayerKind kind : linear::kLayerKinds) {
    Series series;
    series.name = title(kind);
    for (size_t layer = 0; layer < report.survey.column_share.size(); ++layer) {
      series.x.push_back(static_cast<double>(layer));
      series.y.push_back(report.survey.column_share[layer][static_cast<size_t>(kind)] * 100);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

}  // namespace

std::vector<ReportFigure> outlier_figures(std::span<const OutlierReport> reports) {
  std::vector<ReportFigure> figures = {
      {"figure-3a",
       "The paper's Figure 3a: share of the layers and of all layers' positions in which the "
       "outlier "
       "features occur, by the models' size.",
       report::svg(figure_3(reports, "parameters", size))},
      {"figure-3b", "Figure 3b: the same by the models' perplexity on this text.",
       report::svg(figure_3(reports, "perplexity", perplexity))},
      {"figure-4a", "Figure 4a: median magnitude of the outlier features' values from α on.",
       report::svg(figure_4(reports, "Median magnitude of outliers", magnitude))},
      {"figure-4b", "Figure 4b: number of outlier features.",
       report::svg(figure_4(reports, "Number of outlier features", count))}};
  for (const OutlierReport& report : reports) {
    figures.push_back({"columns-" + report.label,
                       fmt::format("{}: columns of each linear layer's input that reach α in a "
                                   "window; layers without any have no point.",
                                   report.label),
                       report::svg(columns_over_layers(report))});
  }
  return figures;
}

}  // namespace octet::cli
