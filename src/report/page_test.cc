// A page's markup: escaping, its parts, nothing fetched from anywhere.
#include "report/page.h"

#include <gtest/gtest.h>

namespace octet::report {
namespace {

constexpr const char* kHostile = "<script>alert('α & \"β\"')</script>";
constexpr const char* kShown =
    "&lt;script&gt;alert(&#39;α &amp; &quot;β&quot;&#39;)&lt;/script&gt;";

bool has(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

TEST(Page, EscapesEveryText) {
  EXPECT_EQ(html_escaped(kHostile), kShown);
  Page page(kHostile);
  page.heading(kHostile);
  page.heading(kHostile, 3);
  page.paragraph(kHostile);
  page.note(kHostile, Page::Tone::warning);
  page.preformatted(kHostile);
  page.table({{kHostile, "b"}, {kHostile}});
  page.figure("<svg></svg>", kHostile);
  const std::string html = page.html();
  EXPECT_FALSE(has(html, "<script"));
  for (const std::string& around :
       {std::string("title"), std::string("h1"), std::string("h2"), std::string("h3"),
        std::string("p"), std::string("pre"), std::string("th"), std::string("td"),
        std::string("figcaption")})
    EXPECT_TRUE(has(html, kShown + ("</" + around + ">"))) << around;
}

TEST(Page, FillsShortRowsAndFetchesNothing) {
  Page page("x");
  page.table({{"a", "b", "c"}, {"1"}});
  page.table({});
  const std::string html = page.html();
  EXPECT_TRUE(has(html, "<td>1</td><td></td><td></td>"));
  for (const char* fetching : {"src=", "@import", "url(", "<link", "http"})
    EXPECT_FALSE(has(html, fetching)) << fetching;
  EXPECT_TRUE(has(html, "<meta charset=\"utf-8\">"));
  EXPECT_TRUE(has(html, "width=device-width"));
}

TEST(Page, GivesTheNamesInsideOfEachFigureToItAlone) {
  Page page("x");
  const char* drawing = "<svg><path id='gpPt6'/><use xlink:href='#gpPt6'/></svg>";
  page.figure(drawing, "first");
  page.figure(drawing, "second");
  const std::string html = page.html();
  for (const char* name :
       {"id='f1-gpPt6'", "href='#f1-gpPt6'", "id='f2-gpPt6'", "href='#f2-gpPt6'"})
    EXPECT_TRUE(has(html, name)) << html;
}

}  // namespace
}  // namespace octet::report
