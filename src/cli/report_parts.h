// Tables and figures that commands show both as text and as a page.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "linear/layer_kind.h"
#include "report/page.h"

namespace octet::cli {

/// A table with a heading, as text and as HTML show it.
struct ReportTable {
  std::string heading;
  std::string explanation;
  std::vector<std::vector<std::string>> rows;
};

/// A plot with its caption.
struct ReportFigure {
  std::string name;  ///< of a file, without its ending
  std::string caption;
  std::string svg;
};

void add_tables(report::Page& page, std::span<const ReportTable> tables);
void add_figures(report::Page& page, std::span<const ReportFigure> figures);
std::string tables_text(std::span<const ReportTable> tables);

/// "12.3%" of a share.
std::string percent(double share, int digits = 1);

/// What readers call a kind of layer: "q/k/v", "gate/up".
std::string_view title(linear::LayerKind kind);

}  // namespace octet::cli
