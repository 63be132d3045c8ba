// Data series as plots: SVG text, drawn by gnuplot.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octet::report {

/// A value on an axis that is drawn from `low` to `high`; equal ones: as the data need.
struct Axis {
  std::string name = {};
  bool logarithmic = false;  ///< values ≤ 0 are left out
  int base = 10;             ///< of the marks of a logarithmic axis
  double low = 0;
  double high = 0;
};

/// Points (x[i], y[i]), joined in their order or not. Those that are not finite are left out.
struct Series {
  enum class Style : uint8_t { line, points, line_and_points };
  std::string name = {};  ///< in the legend; empty: not there
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<std::string> labels = {};  ///< beside the points; empty, or one for each
  Style style = Style::line_and_points;
};

struct Plot {
  std::string title = {};
  Axis x = {};
  Axis y = {};
  std::vector<Series> series = {};
};

/// Groups of bars, one group a label and in it one bar of each series.
struct BarChart {
  struct Bars {
    std::string name = {};            ///< in the legend; empty: not there
    std::vector<double> values = {};  ///< one a label
  };
  std::string title = {};
  Axis y = {};
  std::vector<std::string> labels = {};
  std::vector<Bars> bars = {};
};

/// An <svg> element to stand in a page: lines and text have the colour of the page's text, the
/// background is the page's. Texts are UTF-8 and shown as they are. Throws Error when gnuplot is
/// not installed or fails.
std::string svg(const Plot& plot);
std::string svg(const BarChart& chart);

/// The same element as a file of its own, readable on light and on dark.
std::string svg_file(std::string_view svg);

}  // namespace octet::report
