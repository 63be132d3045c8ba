// A self-contained HTML page: text, tables and plots in one file that asks nobody for anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::report {

/// `text` (UTF-8) as HTML shows it literally, in elements and in attributes.
std::string html_escaped(std::string_view text);

/// Collects the parts of a page in their order. All texts are escaped here; only `figure` takes
/// markup, the <svg> elements of plot.h.
class Page {
 public:
  explicit Page(std::string title);

  /// `level` 2 or 3; the title is level 1.
  void heading(std::string_view text, int level = 2);
  void paragraph(std::string_view text);
  /// A paragraph that stands out: what a reader should take away or be warned of.
  enum class Tone { plain, good, warning };
  void note(std::string_view text, Tone tone = Tone::plain);
  void list(const std::vector<std::string>& items);
  /// Text in the typewriter's lines: commands, continuations.
  void preformatted(std::string_view text);
  /// The first row is the head; rows may be shorter than it. The first column is aligned left, the
  /// others right, as in markdown_table.
  void table(const std::vector<std::vector<std::string>>& rows);
  void figure(std::string_view svg, std::string_view caption);

  /// The whole document.
  std::string html() const;

 private:
  std::string title_;
  std::string body_;
  int figures_ = 0;
};

}  // namespace octet::report
