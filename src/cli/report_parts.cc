// Tables and figures as text and as parts of a page.
#include "cli/report_parts.h"

#include <fmt/core.h>

#include "evaluate/markdown_table.h"

namespace octet::cli {

void add_tables(report::Page& page, std::span<const ReportTable> tables) {
  for (const ReportTable& table : tables) {
    page.heading(table.heading);
    if (!table.explanation.empty()) page.paragraph(table.explanation);
    page.table(table.rows);
  }
}

void add_figures(report::Page& page, std::span<const ReportFigure> figures) {
  for (const ReportFigure& figure : figures) page.figure(figure.svg, figure.caption);
}

std::string tables_text(std::span<const ReportTable> tables) {
  std::string text;
  for (const ReportTable& table : tables) {
    text += (text.empty() ? "" : "\n") + table.heading + "\n";
    if (!table.explanation.empty()) text += table.explanation + "\n";
    if (!table.rows.empty()) text += "\n" + evaluate::markdown_table(table.rows);
  }
  return text;
}

std::string percent(double share, int digits) {
  return fmt::format("{:.{}f}%", share * 100, digits);
}

std::string_view title(linear::LayerKind kind) {
  constexpr std::array<std::string_view, linear::kLayerKinds.size()> kTitles = {"q/k/v", "o",
                                                                                "gate/up", "down"};
  return kTitles[static_cast<size_t>(kind)];
}

}  // namespace octet::cli
