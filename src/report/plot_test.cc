// Plots as SVG: what is drawn, texts as they are, and what happens without gnuplot.
#include "report/plot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "octet/error.h"
#include "report/gnuplot.h"

namespace octet::report {
namespace {

constexpr const char* kHostile = "it's <b>\"α & β\"</b> `echo x` $HOME \\n _1^2\nü";

size_t count_of(const std::string& text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

bool has(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

Plot two_series() {
  return {.title = "Phase transition",
          .x = {.name = "gain", .logarithmic = true},
          .y = {.name = "perplexity"},
          .series = {{.name = "absmax", .x = {1, 10, 100}, .y = {35, 40, 90}},
                     {.name = "llm-int8",
                      .x = {1, 10, 100},
                      .y = {34, 34, 35},
                      .style = Series::Style::points}}};
}

TEST(Plot, HasItsTextsAPathForALineAndAMarkForEveryPoint) {
  const std::string drawing = svg(two_series());
  EXPECT_TRUE(drawing.starts_with("<svg"));
  for (const char* text : {"Phase transition", "gain", "perplexity", "absmax", "llm-int8"})
    EXPECT_EQ(count_of(drawing, ">" + std::string(text) + "</text>"), 1u) << text;
  // Three points of each series and the legend's sample of each.
  EXPECT_EQ(count_of(drawing, "<use xlink:href='#gpPt6' transform"), 8u);
  EXPECT_TRUE(has(drawing, "currentColor"));
  for (const char* foreign : {"Gnuplot", "GNUPLOT", "rgb(1,2,3)", "rgb(  1,", "<?xml", "<filter"})
    EXPECT_FALSE(has(drawing, foreign)) << foreign;
}

TEST(Plot, ShowsTextsAsTheyAre) {
  Plot plot = two_series();
  plot.title = plot.x.name = plot.series[0].name = kHostile;
  plot.series[0].labels = {kHostile, "second", ""};
  const std::string drawing = svg(plot);
  EXPECT_EQ(count_of(drawing, ">it's &lt;b>\"α &amp; β\"&lt;/b> `echo x` $HOME \\n _1^2 ü</text>"),
            4u)
      << drawing;
  EXPECT_TRUE(has(drawing, ">second</text>"));
}

TEST(Plot, LeavesOutWhatAnAxisCannotShow) {
  Plot plot = two_series();
  plot.series = {{.x = {1, 0, -1, 10, 100}, .y = {1, 2, 3, NAN, 5}}};
  EXPECT_EQ(count_of(svg(plot), "<use xlink:href='#gpPt6' transform"), 2u);
  plot.series = {};
  EXPECT_TRUE(has(svg(plot), "Phase transition"));
  plot.series = {{.x = {1}, .y = {INFINITY}}};
  EXPECT_TRUE(has(svg(plot), "Phase transition"));
}

TEST(Plot, NumbersALogarithmicAxisReadably) {
  Plot plot = two_series();
  plot.series = {{.x = {1.3e8, 9e8}, .y = {1, 2}}};
  std::string drawing = svg(plot);
  for (const char* tick : {">200M</text>", ">500M</text>"}) EXPECT_TRUE(has(drawing, tick)) << tick;
  plot.series = {{.x = {0.01, 1e4}, .y = {1, 2}}};
  drawing = svg(plot);
  for (const char* tick : {">0.01</text>", ">1</text>", ">10000</text>"})
    EXPECT_TRUE(has(drawing, tick)) << tick;
  EXPECT_FALSE(has(drawing, ">200</text>"));
}

TEST(Plot, PutsLabelsWhereThereIsRoomAndCountsWholeNumbersInOnes) {
  Plot plot;
  plot.series = {{.x = {1, 4}, .y = {0.5, 2.5}, .labels = {"first", "last"}}};
  const std::string drawing = svg(plot);
  const auto anchor = [&](const char* label) {
    const size_t at = drawing.find(">" + std::string(label) + "</text>");
    const size_t begin = drawing.rfind("text-anchor=\"", at) + 13;
    return drawing.substr(begin, drawing.find('"', begin) - begin);
  };
  EXPECT_EQ(anchor("first"), "start");
  EXPECT_EQ(anchor("last"), "end");
  for (const char* tick : {"1", "2", "3", "4"})
    EXPECT_TRUE(has(drawing, "> " + std::string(tick) + "</text>")) << drawing;
  EXPECT_FALSE(has(drawing, "> 3.5</text>"));
}

TEST(BarChart, HasABarForEachValueAndItsLabels) {
  BarChart chart;
  chart.title = "Share";
  chart.y.name = "%";
  chart.labels = {"q/k/v", "down <α>", "o"};
  chart.bars = {{"natural", {1, 2, 0.5}}, {"planted", {3, 4, 5}}};
  const std::string drawing = svg(chart);
  for (const char* text : {"q/k/v", "down &lt;α>", "o", "natural", "planted", "Share", "%"})
    EXPECT_TRUE(has(drawing, ">" + std::string(text) + "</text>")) << text;
  EXPECT_GE(count_of(drawing, "<polygon") + count_of(drawing, "<path"), 6u);
}

TEST(SvgFile, KeepsTheDrawingAndTellsItsColoursByItself) {
  const std::string file = svg_file(svg(two_series()));
  EXPECT_TRUE(file.starts_with("<svg"));
  EXPECT_TRUE(has(file, "prefers-color-scheme:dark"));
  EXPECT_TRUE(has(file, "xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_TRUE(has(file, ">absmax</text>"));
}

std::string error_of(std::string_view commands) {
  try {
    run_gnuplot(commands);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Gnuplot, SaysWhatIsWrong) {
  EXPECT_TRUE(has(error_of("set nonsense everywhere\n"), "gnuplot failed"));
}

TEST(Gnuplot, ThatIsNotInstalledIsAnErrorThatNamesThePackage) {
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/nonexistent", 1);
  const std::string message = error_of("");
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(has(message, "apt-get install gnuplot-nox")) << message;
}

TEST(Gnuplot, ReadsMoreThanAPipeHolds) {
  std::string commands = "set print '-'\ndo for [i=1:20000] { print 'line of text' }\n";
  EXPECT_EQ(run_gnuplot(commands).size(), 20000u * 13);
}

}  // namespace
}  // namespace octet::report
