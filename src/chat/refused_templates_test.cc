// Templates that are wrong, use what is not supported, or would run too long: one-line errors.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "chat/chat_template.h"
#include "octet/error.h"

namespace octet::chat {
namespace {

std::string error_of(const std::string& text, const Limits& limits = {}) {
  try {
    Template(text, "model/").render({{"x", 1}}, {}, limits);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

void expect_error(const std::string& text, const std::string& expected) {
  EXPECT_NE(error_of(text).find(expected), std::string::npos) << text << "\n" << error_of(text);
}

TEST(RefusedTemplates, NameTheConstructAndTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n{% include 'x' %}", "model/: line 2: the tag 'include'"},
      {"{% block a %}{% endblock %}", "the tag 'block'"},
      {"{% for x in [1] recursive %}{% endfor %}", "recursive loops"},
      {"a\n\n{{ x | urlize }}", "line 3: the filter 'urlize'"},
      {"{{ [x] | map('urlize') | list }}", "the filter 'urlize'"},
      {"{{ x is whatever }}", "the test 'whatever'"},
      {"{{ 'a'.encode() }}", "str.encode()"},
      {"{{ [1].append(2) }}", "list.append()"},
      {"{{ {}.update(a=1) }}", "dict.update()"},
      {"{{ lipsum() }}", "'lipsum' is undefined"},
      {"{{ '%x' % 3 }}", "'%x'"},
      {"{{ x[1, 2] }}", "an index of several parts"},
  };
  for (const auto& [text, expected] : cases) expect_error(text, expected);
}

TEST(RefusedTemplates, SyntaxErrorsSayWhereTheyAre) {
  const std::pair<const char*, const char*> cases[] = {
      {"{% if x %}", "the tag before line 1 has no 'endif'"},
      {"{% endif %}", "the tag 'endif' is not supported here"},
      {"\n{{ x", "line 2: this tag has no }}"},
      {"{{ }}", "expected an expression before '}}'"},
      {"{{ x + }}", "expected an expression before '}}'"},
      {"{{ (x }}", "unexpected '}'"},
      {"{{ 'a }}", "this text has no closing '"},
      {"{# a", "this comment has no end"},
      {"{% raw %}", "no {% endraw %}"},
      {"{{ x $ }}", "unexpected character '$'"},
      {"{% break %}", "'break' stands outside a loop"},
      {"{% set true = 1 %}", "a constant cannot be assigned to"},
      {"{{ f(a=1, a=2) }}", "the argument 'a' comes twice"},
      {"{{ '\\ud800' }}", "is no character"},
      {"{{ 99999999999999999999 }}", "too large"},
      {"\xff", "is not UTF-8"},
  };
  for (const auto& [text, expected] : cases) expect_error(text, expected);
}

TEST(RefusedTemplates, WrongOperationsSayWhatTheyMet) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ 'a' + 1 }}", "'+' has no meaning for a str and a int"},
      {"{{ 1 // 0 }}", "division by zero"},
      {"{{ y.z }}", "'y' is undefined"},
      {"{{ y + 'a' }}", "'y' is undefined"},
      {"{{ x() }}", "a int cannot be called"},
      {"{{ 'a' < 1 }}", "no order"},
      {"{{ {[]: 1} }}", "cannot be the key"},
      {"{{ 'a'.strip('b', 'c') }}", "'strip' takes at most 1 arguments"},
      {"{{ 'a' | trim(what='b') }}", "'trim' has no argument 'what'"},
      {"{{ 9223372036854775807 + 1 }}", "too large a number"},
      {"{{ (0 - 9223372036854775807 - 1) // -1 }}", "too large a number"},
      {"{% for a, b in [[1, 2, 3]] %}{% endfor %}", "3 values for 2 names"},
      {"{% set x.y = 1 %}", "only a namespace's attributes"},
      {"{{ range(1000000) }}", "at most 100000"},
      {"{{ [range(9)] }}", "printing a range"},
  };
  for (const auto& [text, expected] : cases) expect_error(text, expected);
}

TEST(RefusedTemplates, NothingRunsForEver) {
  const std::string nested_loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
      "{% endfor %}{% endfor %}{% endfor %}";
  expect_error(nested_loops, "more than");
  expect_error("{% for a in range(9000) %}{% for b in range(900) %}{% endfor %}{% endfor %}",
               "steps");
  expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested too deeply");
  expect_error("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}",
               "levels deep");
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  expect_error(sum + " }}", "nested too deeply");
  std::string tags;
  for (int i = 0; i < 5000; ++i) tags += "{% if x %}";
  expect_error(tags, "levels deep");
}

TEST(RefusedTemplates, NothingFillsTheMemory) {
  expect_error("{{ 'abcd' * 999999999 }}", "bytes of text");
  expect_error("{{ [1] * 9999999999999 }}", "bytes of text");
  expect_error(
      "{% set ns = namespace(t='ab') %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% "
      "endfor %}",
      "bytes of text");
  expect_error("{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "a text of more than");
  expect_error("{{ 'x'.center(99999999999) }}", "bytes of text");
  expect_error("{{ 'x' | indent('y' * 99999) | indent(99999999999) }}", "bytes of text");
  expect_error(
      "{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = [ns.l] %}{% endfor %}",
      "levels deep");
  EXPECT_NE(error_of("{{ 'a' * 100 }}", {.prompt_bytes = 99}), "");
  EXPECT_EQ(error_of("{{ 'a' * 100 }}", {.prompt_bytes = 100}), "");
}

TEST(RefusedTemplates, ANamespaceMayHoldItself) {
  EXPECT_EQ(
      error_of(
          "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns.self.self.self is defined }}"),
      "");
}

}  // namespace
}  // namespace octet::chat
