// Writing the parts of a page as HTML, with one inline style for phones, paper and dark rooms.
#include "report/page.h"

#include <fmt/core.h>

#include "base/error.h"

namespace octet::report {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--text:#1f2328;--back:#fff;--line:#d0d7de;--soft:#f6f8fa;--good:#1a7f37;--warn:#9a6700}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--line:#30363d;--soft:#161b22;--good:#3fb950;--warn:#d29922}}
body{margin:0 auto;max-width:68rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back)}
h1,p,li{overflow-wrap:anywhere}h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2rem;border-bottom:1px solid var(--line)}h3{font-size:1.05rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{background:var(--soft)}th:first-child,td:first-child{text-align:left}
figure{margin:1rem 0;overflow-x:auto}svg{width:100%;min-width:34rem;height:auto}figcaption{font-size:.9rem;opacity:.85}
pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:.6rem;background:var(--soft);border-radius:4px;font-size:.85rem}
.note{padding:.5rem .8rem;border-left:4px solid var(--line);background:var(--soft)}
.good{border-color:var(--good)}.warning{border-color:var(--warn)}
)";

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

Page::Page(std::string title) : title_(std::move(title)) {}

void Page::heading(std::string_view text, int level) {
  OCTET_CHECK(level == 2 || level == 3);
  body_ += fmt::format("<h{0}>{1}</h{0}>\n", level, html_escaped(text));
}

void Page::paragraph(std::string_view text) {
  body_ += fmt::format("<p>{}</p>\n", html_escaped(text));
}

void Page::note(std::string_view text, Tone tone) {
  const char* kind = tone == Tone::good ? " good" : tone == Tone::warning ? " warning" : "";
  body_ += fmt::format("<p class=\"note{}\">{}</p>\n", kind, html_escaped(text));
}

void Page::list(const std::vector<std::string>& items) {
  if (items.empty()) return;
  body_ += "<ul>\n";
  for (const std::string& item : items) body_ += fmt::format("<li>{}</li>\n", html_escaped(item));
  body_ += "</ul>\n";
}

void Page::preformatted(std::string_view text) {
  body_ += fmt::format("<pre>{}</pre>\n", html_escaped(text));
}

void Page::table(const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return;
  body_ += "<div class=\"scroll\"><table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    const char* cell = r == 0 ? "th" : "td";
    body_ += "<tr>";
    for (size_t i = 0; i < rows.front().size(); ++i) {
      body_ +=
          fmt::format("<{0}>{1}</{0}>", cell, i < rows[r].size() ? html_escaped(rows[r][i]) : "");
    }
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
}

void Page::figure(std::string_view svg, std::string_view caption) {
  // Names inside an element are the page's: every figure gets its own.
  std::string own(svg);
  const std::string prefix = fmt::format("f{}-", ++figures_);
  for (const std::string_view mark : {"id='gp", "href='#gp"}) {
    for (size_t at = own.find(mark); at != std::string::npos;
         at = own.find(mark, at + mark.size() + prefix.size())) {
      own.insert(at + mark.size() - 2, prefix);
    }
  }
  body_ +=
      fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", own, html_escaped(caption));
}

std::string Page::html() const {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style></head>\n<body>\n<h1>{0}</h1>\n{2}</body></html>\n",
      html_escaped(title_), kStyle, body_);
}

}  // namespace octet::report
