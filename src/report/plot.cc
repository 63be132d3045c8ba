// Plots as commands for gnuplot, and its SVG made fit to stand in a page.
#include "report/plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "report/gnuplot.h"

namespace octet::report {
namespace {

/// Told apart by people who see few colours, on white and on black (Okabe and Ito).
constexpr std::array kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"};
/// Stands for the colour of the page's text until gnuplot is done.
constexpr const char* kTextColour = "rgb '#010203'";

const char* colour(size_t series) {
  return kColours[series % kColours.size()];
}

/// Tells series of the same colour apart.
size_t dash(size_t series) {
  return 1 + series / kColours.size();
}

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "NaN";
}

bool drawable(double value, const Axis& axis) {
  return std::isfinite(value) && (!axis.logarithmic || value > 0);
}

/// What is drawn along an axis.
struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool whole = true;  ///< only whole numbers
  bool any() const { return low <= high; }
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
    whole &= value == std::floor(value);
  }
};

std::string tick_text(double value) {
  constexpr std::array<std::pair<double, char>, 3> kUnits = {{{1e9, 'B'}, {1e6, 'M'}, {1e3, 'K'}}};
  if (value < 1e5) return fmt::format("{:g}", value);
  for (const auto& [unit, letter] : kUnits) {
    if (value >= unit) return fmt::format("{:g}{}", value / unit, letter);
  }
  return "";
}

/// Numbers at 1, 2 and 5 times the powers of ten; where these are many, at the powers alone.
std::string logarithmic_ticks(const char* letter, const Extent& extent) {
  constexpr double kFewDecades = 2.5;
  const bool few = std::log10(extent.high / extent.low) < kFewDecades;
  std::string ticks;
  for (double power = std::pow(10, std::floor(std::log10(extent.low))); power <= extent.high;
       power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && !few) continue;
      ticks += fmt::format("{}{} {}", ticks.empty() ? "" : ", ",
                           gnuplot_string(tick_text(factor * power)), factor * power);
    }
  }
  return fmt::format("set logscale {0}\nset {0}tics ({1}) textcolor {2}\n", letter, ticks,
                     kTextColour);
}

/// From where to where an axis goes; what it shows of `data` lies inside.
Extent drawn(const Axis& axis, const Extent& data) {
  if (axis.low < axis.high) return {axis.low, axis.high, data.whole};
  return data.any() ? data : Extent{1, 10};
}

std::string axis_commands(const char* letter, const Axis& axis, const Extent& data) {
  const Extent extent = drawn(axis, data);
  std::string text =
      fmt::format("set {}label {} textcolor {}\n", letter, gnuplot_string(axis.name), kTextColour);
  if (axis.low < axis.high || !data.any()) {
    text += fmt::format("set {}range [{}:{}]\n", letter, extent.low, extent.high);
  }
  if (axis.logarithmic && axis.base == 10) return text + logarithmic_ticks(letter, extent);
  if (axis.logarithmic)
    return text + fmt::format("set logscale {0} {1}\nset format {0} '%g'\n", letter, axis.base);
  constexpr double kFewWholeNumbers = 10;
  if (data.any() && data.whole && extent.high - extent.low <= kFewWholeNumbers) {
    text += fmt::format("set {}tics 1\n", letter);
  }
  return text;
}

std::string opening(const std::string& title, bool legend) {
  return fmt::format(
      "set encoding utf8\n"
      "set terminal svg size 720,420 dynamic noenhanced font 'sans-serif,14'\n"
      "set border 3 linecolor {0}\n"
      "set tics nomirror textcolor {0}\n"
      "set grid linecolor rgb '#808080' linewidth 0.5 dashtype 3\n"
      "set title {1} textcolor {0}\n"
      "set key {2}\n",
      kTextColour, gnuplot_string(title),
      // gnuplot takes letters for wider than they are and would put every name on a line of its
      // own.
      legend ? fmt::format("outside top center horizontal samplen 2 width -5 textcolor {}",
                           kTextColour)
             : "off");
}

std::string title_of(const std::string& name) {
  return name.empty() ? "notitle" : "title " + gnuplot_string(name);
}

/// A block of data that a plot command reads by the name $d0, $d1, …
std::string points_block(size_t index, const Plot& plot, const Series& series, Extent& x,
                         Extent& y) {
  std::string text = fmt::format("$d{} << END\n", index);
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!drawable(series.x[i], plot.x) || !drawable(series.y[i], plot.y)) {
      text += "NaN NaN\n";
      continue;
    }
    x.add(series.x[i]);
    y.add(series.y[i]);
    text += fmt::format("{} {}\n", series.x[i], series.y[i]);
  }
  return text + "END\n";
}

/// Labels stand on the side of their points where there is more room.
std::string labels_of(const Plot& plot, const Series& series, const Extent& x) {
  const Extent axis = drawn(plot.x, x);
  const double middle =
      plot.x.logarithmic ? std::sqrt(axis.low * axis.high) : (axis.low + axis.high) / 2;
  std::string text;
  for (size_t i = 0; i < series.labels.size(); ++i) {
    if (!drawable(series.x[i], plot.x) || !drawable(series.y[i], plot.y)) continue;
    text += fmt::format("set label {} at {},{} {} offset 0,0.8 textcolor {}\n",
                        gnuplot_string(series.labels[i]), series.x[i], series.y[i],
                        series.x[i] > middle ? "right" : "left", kTextColour);
  }
  return text;
}

const char* style_of(Series::Style style) {
  switch (style) {
    case Series::Style::line:
      return "lines";
    case Series::Style::points:
      return "points";
    case Series::Style::line_and_points:
      break;
  }
  return "linespoints";
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// Erases every stretch that begins with `begin`, through the next `end`.
void erase_all(std::string& text, std::string_view begin, std::string_view end) {
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    const size_t last = text.find(end, at + begin.size());
    if (last == std::string::npos) return;
    text.erase(at, last + end.size() - at);
  }
}

/// gnuplot's file as an element: its own names and colours of text taken out.
std::string element_of(std::string file) {
  const size_t begin = file.find("<svg");
  if (begin == std::string::npos) fail("gnuplot wrote no SVG; is it a version before 5?");
  file.erase(0, begin);
  for (const char* inherited : {" color=\"black\"", " color=\"white\"", " color=\"gray\""}) {
    replace_all(file, inherited, "");
  }
  replace_all(file, "rgb(  1,   2,   3)", "currentColor");
  replace_all(file, "rgb(1,2,3)", "currentColor");
  replace_all(file, "<title>Gnuplot</title>\n", "");
  erase_all(file, "<desc>", "</desc>");
  erase_all(file, "<filter", "</filter>");
  erase_all(file, " id=\"gnuplot_", "\"");
  erase_all(file, "<title>gnuplot_plot_", "</title>");
  return file;
}

}  // namespace

std::string svg(const Plot& plot) {
  std::string data;
  std::string labels;
  std::string curves;
  Extent x;
  Extent y;
  bool legend = false;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    OCTET_CHECK(series.x.size() == series.y.size());
    OCTET_CHECK(series.labels.empty() || series.labels.size() == series.x.size());
    legend |= !series.name.empty();
    data += points_block(i, plot, series, x, y);
    curves += fmt::format(
        "{}$d{} using 1:2 with {} linecolor rgb '{}' linewidth 2 dashtype {} pointtype 7 "
        "pointsize 0.7 {}",
        curves.empty() ? "plot " : ", ", i, style_of(series.style), colour(i), dash(i),
        title_of(series.name));
  }
  for (const Series& series : plot.series) labels += labels_of(plot, series, x);
  if (!y.any()) curves = "plot NaN notitle";
  return element_of(run_gnuplot(opening(plot.title, legend) + axis_commands("x", plot.x, x) +
                                axis_commands("y", plot.y, y) + data + labels + curves + "\n"));
}

std::string svg(const BarChart& chart) {
  std::string data;
  std::string bars;
  Extent y;
  bool legend = false;
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    OCTET_CHECK(chart.bars[i].values.size() == chart.labels.size());
    legend |= !chart.bars[i].name.empty();
    data += fmt::format("$d{} << END\n", i);
    for (const double value : chart.bars[i].values) {
      if (drawable(value, chart.y)) y.add(value);
      data += number(value) + "\n";
    }
    data += "END\n";
    bars += fmt::format("{}$d{} using 1 linecolor rgb '{}' {}", i == 0 ? "plot " : ", ", i,
                        colour(i), title_of(chart.bars[i].name));
  }
  if (!y.any()) bars = "plot NaN notitle";
  std::string ticks;
  size_t longest = 0;
  for (size_t i = 0; i < chart.labels.size(); ++i) {
    longest = std::max(longest, chart.labels[i].size());
    ticks += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_string(chart.labels[i]), i);
  }
  constexpr size_t kCharactersSideBySide = 80;
  const bool crowded = longest * chart.labels.size() > kCharactersSideBySide;
  std::string commands = opening(chart.title, legend) + axis_commands("y", chart.y, y) +
                         "set style data histograms\n"
                         "set style histogram clustered gap 1\n"
                         "set style fill solid 1 noborder\n";
  if (!chart.y.logarithmic && !(chart.y.low < chart.y.high)) commands += "set yrange [0:*]\n";
  commands += fmt::format("set xrange [-0.6:{}]\n", static_cast<double>(chart.labels.size()) - 0.4);
  commands += fmt::format("set xtics {}({}) textcolor {}\n", crowded ? "rotate by -60 " : "", ticks,
                          kTextColour);
  return element_of(run_gnuplot(commands + data + bars + "\n"));
}

std::string svg_file(std::string_view svg) {
  const size_t inside = svg.find('>') + 1;
  return fmt::format(
      "{}\n<style>svg{{background:#fff;color:#1f2328}}"
      "@media(prefers-color-scheme:dark){{svg{{background:#0d1117;color:#e6edf3}}}}</style>{}",
      svg.substr(0, inside), svg.substr(inside));
}

}  // namespace octet::report
