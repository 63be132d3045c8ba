// Regular expressions of tokenisers (Oniguruma's or Rust's dialect) over PCRE2.
#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

constexpr size_t kMaximumPatternBytes = 1 << 16;
constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr uint32_t kMatchLimit = 5'000'000;

// PCRE2's \s has U+180E, which Unicode took out of its white space, and its \w lacks marks: both
// are rewritten as the properties that the original engines mean.
std::string to_pcre2(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (c != '\\' || i + 1 == pattern.size()) {
      out.push_back(c);
      continue;
    }
    const char escaped = pattern[++i];
    constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
    if (escaped == 's') {
      out += "\\p{White_Space}";
    } else if (escaped == 'S') {
      out += "\\P{White_Space}";
    } else if (escaped == 'w') {
      out += in_class ? std::string(kWord) : fmt::format("[{}]", kWord);
    } else if (escaped == 'W' && !in_class) {
      out += fmt::format("[^{}]", kWord);
    } else {
      out.push_back('\\');
      out.push_back(escaped);
    }
  }
  return out;
}

std::string error_text(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Freer<pcre2_code_free>> compiled;
  std::string pattern;

  int match(std::string_view text, size_t start, pcre2_match_data* data,
            pcre2_match_context* context) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int result =
        pcre2_match(compiled.get(), subject, text.size(), start, PCRE2_NO_UTF_CHECK, data, context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its state on the heap
      result = pcre2_match(compiled.get(), subject, text.size(), start,
                           PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context);
    }
    return result;
  }
};

Regex::Regex(std::string_view pattern) : code_(std::make_unique<Code>()) {
  code_->pattern = pattern;
  if (pattern.size() > kMaximumPatternBytes) {
    fail("a pattern of {} bytes is longer than the {} supported", pattern.size(),
         kMaximumPatternBytes);
  }
  if (well_formed_prefix(pattern) != pattern.size()) fail("a pattern is not valid UTF-8");
  const std::string translated = to_pcre2(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->compiled.reset(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (code_->compiled == nullptr) {
    fail("the pattern \"{}\" cannot be used: {}", pattern, error_text(error));
  }
  // Without JIT (not built in, or no executable memory) matching is slower, not different.
  pcre2_jit_compile(code_->compiled.get(), PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::for_each_match(std::string_view text,
                           device::FunctionRef<void(size_t, size_t)> found) const {
  const MatchData data(pcre2_match_data_create(1, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  if (data == nullptr || context == nullptr) fail("out of memory while matching a pattern");
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  size_t start = 0;
  while (start <= text.size()) {
    const int result = code_->match(text, start, data.get(), context.get());
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0) {
      fail("the tokeniser's pattern \"{}\" gave up on a text of {} bytes: {}", code_->pattern,
           text.size(), error_text(result));
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    const size_t begin = bounds[0];
    const size_t end = bounds[1];
    if (begin > end || begin < start) {  // \K in a lookaround may turn bounds around
      fail("the tokeniser's pattern \"{}\" moves its own start, which is not supported",
           code_->pattern);
    }
    found(begin, end);
    if (end > begin) {
      start = end;
    } else if (end < text.size()) {
      start = end + utf8_unit(text.substr(end)).length;
    } else {
      return;
    }
  }
}

std::string Regex::literal(std::string_view text) {
  constexpr std::string_view kMeta = "\\^$.|?*+()[]{}#-&~ ";
  std::string out;
  for (const char c : text) {
    if (kMeta.find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace octet::tokenizer
