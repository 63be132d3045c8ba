// The language of chat templates, construct by construct; what is expected is what Jinja 3.1 makes
// of each with transformers' settings.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "chat/chat_template.h"
#include "octet/error.h"

namespace octet::chat {
namespace {

std::string render(const std::string& text) {
  static const auto variables = nlohmann::ordered_json::parse(R"({
    "t": " Hi, Ünï! ", "l": [3, 1, 2], "d": {"b": 1, "a": [true, null], "items": "mine"},
    "n": null, "ms": [{"r": "u", "c": "x"}, {"r": "a", "c": "y"}, {"r": "u", "c": ""}]})");
  std::tm now = {};
  now.tm_year = 126;
  now.tm_mday = 5;
  try {
    return Template(text, "t").render(variables, now);
  } catch (const Error& error) {
    return std::string("error: ") + error.what();
  }
}

struct Case {
  const char* text;
  const char* expected;
};

void expect_all(std::initializer_list<Case> cases) {
  for (const Case& each : cases) EXPECT_EQ(render(each.text), each.expected) << each.text;
}

TEST(TemplateLanguage, WhiteSpaceAroundTagsGoesAsInTransformers) {
  expect_all({
      {"a\n  {% if true %}\n b\n  {% endif %}\n c\n", "a\n b\n c"},
      {"a \n {%- if true -%} \n b {%+ endif +%}\n c\n\n", "ab \n c\n"},
      {"x {# gone #}\ny {#- all -#} z", "x yz"},
      {"  {# at the start #}\n {{ 1 }}\n {{- 2 -}} \n 3", " 123"},
      {"  {%+ if true %}a{% endif %}", "  a"},
      {"{% raw %}{{ x }} {% y %}{% endraw %}\n|{%- raw -%} {{ z }} {%- endraw -%} \n!",
       "{{ x }} {% y %}|{{ z }}!"},
      {"a\r\nb\rc\r\n", "a\nb\nc"},
      {"{{ {'a': {'b': 1}}['a']['b'] }}}", "1}"},
  });
}

TEST(TemplateLanguage, OperatorsBindAsInJinja) {
  expect_all({
      {"{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 3 ** 2 }}",
       "5.0 3 -4 2 64"},
      {"{{ -2 ** 2 }} {{ -1 | abs }} {{ not 1 == 2 }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }}",
       "4 1 True True False"},
      {"{{ 1 ~ 2 + 3 }} {{ 'a' ~ 1.0 ~ none ~ [1, 'b'] }}",
       "error: t: line 1: '+' has no meaning for a str and a int"},
      {"{{ 1 or undefined_one.x }} {{ 0 and boom.x }} {{ '' or n or 'z' }}", "1 0 z"},
      {"{{ 'yes' if l else 'no' }}{{ 'gone' if not l }}|{{ 'a' if n else 'b' if n else 'c' }}",
       "yes|c"},
      {"{{ 2 in l }} {{ 5 not in l }} {{ 'Hi' in t }} {{ 'b' in d }} {{ 1 in nothing }}",
       "True True True True False"},
      {"{{ 1e3 }} {{ 0x1F }} {{ 1_000 }} {{ 1.5e-7 }} {{ 10 ** 16 * 1.0 }} {{ 0.1 + 0.2 }}",
       "1000.0 31 1000 1.5e-07 1e+16 0.30000000000000004"},
      {"{{ 'a' 'b' * 2 }} {{ [1] + [2] }} {{ (1,) + (2, 3) }} {{ () }} {{ 1, 2 }}",
       "abab [1, 2] (1, 2, 3) () (1, 2)"},
      {"{{ '%s is %d%%' % ('x', 5) }}", "x is 5%"},
  });
}

TEST(TemplateLanguage, ValuesArePrintedAsPythonPrintsThem) {
  expect_all({
      {"{{ none }} {{ true }} {{ 1.0 }} {{ undefined_one }}|{{ d }}",
       "None True 1.0 |{'b': 1, 'a': [True, None], 'items': 'mine'}"},
      {R"({{ ["it's", 'a"b', 'c\'"d', "\n\t\\", 'ü\x01龍'] }})",
       R"x(["it's", 'a"b', 'c\'"d', '\n\t\\', 'ü\x01龍'])x"},
      {R"({{ '\x41\u00fc\U0001f600\101\q' }})", "Aü😀A\\q"},
  });
}

TEST(TemplateLanguage, IndexesAndSlicesCountCharacters) {
  expect_all({
      {"{{ t[1] }}{{ t[-3] }}{{ t[5:8] }} {{ l[::-1] }} {{ l[-2:] }} {{ l[:1] }} {{ t[::-2] }}",
       "HïÜnï [2, 1, 3] [1, 2] [3]  ïÜ,H"},
      {"{{ l[7] is defined }} {{ d['zz'] is defined }} {{ d.b }} {{ d['a'][0] }} {{ l.0 }}",
       "False False 1 True 3"},
      {"{{ d['items'] }} {{ d.items() | list | length }} {{ d.get('zz', 4) }} {{ d.get('b') }}",
       "mine 3 4 1"},
      {"{{ none.x is defined }} {{ t.x is defined }}", "False False"},
      {"{{ undefined_one.x }}", "error: t: line 1: 'undefined_one' is undefined"},
  });
}

TEST(TemplateLanguage, LoopsKnowWhereTheyAre) {
  expect_all({
      {"{% for x in l %}{{ loop.index }}/{{ loop.length }}{{ loop.revindex0 }}{{ ',' if not "
       "loop.last }}{% endfor %}",
       "1/32,2/31,3/30"},
      {"{% for m in ms %}{{ loop.previtem.c if loop.previtem else '^' }}{{ loop.nextitem is "
       "defined }}{% endfor %}",
       "^TruexTrueyFalse"},
      {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "b=1;a=[True, None];items=mine;"},
      {"{% for m in ms if m.r == 'u' %}{{ loop.index }}{{ m.c }}{{ loop.last }} {% else %}none{% "
       "endfor %}",
       "1xFalse 2True "},
      {"{% for x in [] %}a{% else %}b{% endfor %}{% for x in [1] %}{% continue %}{% else %}c{% "
       "endfor %}",
       "bc"},
      {"{% for x in range(10) %}{% if x == 3 %}{% break %}{% endif %}{% if x is odd %}{% continue "
       "%}{% endif %}{{ x }}{% endfor %}",
       "02"},
      {"{% set x = 1 %}{% for i in l %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", "2221"},
      {"{% set ns = namespace(x=1) %}{% for i in l if not ns.stop %}{% set ns.stop = i == 1 %}{% "
       "set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
       "5"},
      {"{% for i in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 2) }}{% endfor %}",
       "aTruebTrueaFalse"},
      {"{% for (a, b), c in [((1, 2), 3)] %}{{ a + b + c }}{% endfor %}", "6"},
  });
}

TEST(TemplateLanguage, MacrosTakeDefaultsNamesAndBodies) {
  expect_all({
      {"{% macro m(a, b='x', c) %}{% endmacro %}",
       "error: t: line 1: the parameter 'c' without a default follows one with a default"},
      {"{% macro m(a, b='x') %}{{ a }}{{ b }}{{ t }}{% endmacro %}{{ m(1) }}|{{ m(b=2, a=3) }}|{{ "
       "m(4, 5) | trim }}",
       "1x Hi, Ünï! |32 Hi, Ünï! |45 Hi, Ünï!"},
      {"{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}", "(1,){'x': 2}"},
      {"{% macro tree(n) %}{{ n }}{% if n %}({{ tree(n - 1) }}){% endif %}{% endmacro %}{{ tree(3) "
       "}}",
       "3(2(1(0)))"},
      {"{% macro box() %}[{{ caller('y') }}]{% endmacro %}{% call(x) box() %}in {{ x }}{% endcall "
       "%}",
       "[in y]"},
      {"{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*l) }}{{ m(1, **{'b': 2, "
       "'c': 3}) }}",
       "312123"},
      {"{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
       "error: t: line 1: the macro 'm' takes at most 1 arguments, 2 are given"},
  });
}

TEST(TemplateLanguage, BlocksSetAndFilter) {
  expect_all({
      {"{% set x %} a {{ 1 }} {% endset %}[{{ x }}]{% set y | trim | upper %} q {% endset %}{{ y "
       "}}",
       "[ a 1 ]Q"},
      {"{% filter upper %}a{{ 'b' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith "
       "%}{{ a is defined }}",
       "AB3False"},
      {"{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"},
      {"{% set ns = namespace({'a': 1}, b=2) %}{% set ns.c = ns.a + ns.b %}{{ ns.c }}{{ ns.d is "
       "defined }}",
       "3False"},
      {"{% if n %}1{% elif l %}2{% else %}3{% endif %}", "2"},
  });
}

TEST(TemplateLanguage, FiltersGiveWhatJinjasGive) {
  expect_all({
      {"{{ t | trim | length }} {{ 'aXb' | lower }} {{ 'hELLO wORLD' | capitalize }} {{ \"it's a-b "
       "(c\" | title }} {{ 'ß' | upper }}",
       "8 axb Hello world It's A-B (C SS"},
      {"{{ l | sort }} {{ l | sort(reverse=true) }} {{ ['b', 'A', 'a'] | sort }} {{ ms | "
       "sort(attribute='r') | map(attribute='c') | list }}",
       "[1, 2, 3] [3, 2, 1] ['A', 'a', 'b'] ['y', 'x', '']"},
      {"{{ l | join(', ') }} {{ ms | map(attribute='c') | select | join('+') }} {{ l | "
       "map('string') | list }} {{ ['a'] | map('upper') | first }}",
       "3, 1, 2 x+y ['3', '1', '2'] A"},
      {"{{ ms | selectattr('r', 'equalto', 'u') | list | length }} {{ ms | rejectattr('c') | list "
       "}} {{ l | reject('gt', 1) | list }} {{ n | select | list }}",
       "2 [{'r': 'u', 'c': ''}] [1] []"},
      {"{{ x | default('q') }} {{ '' | default('q') }}{{ '' | d('q', true) }} {{ n | default(2, "
       "boolean=true) }}",
       "q q 2"},
      {"{{ d | dictsort | first }} {{ d | items | list | last }} {{ l | first }}{{ l | last }} {{ "
       "[] | first is defined }}",
       "('a', [True, None]) ('items', 'mine') 32 False"},
      {"{{ '5' | int + 1 }} {{ '5.9' | int }} {{ 'x' | int(7) }} {{ '1.5' | float }} {{ 2.5 | "
       "round }} {{ 2.567 | round(2) }} {{ 3 | string + '!' }}",
       "6 5 7 1.5 2.0 2.57 3!"},
      {"{{ [1, 1, 2] | unique | list }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ l | sum "
       "}}{{ l | max }}{{ l | min }} {{ range(5) | batch(2) | list }}",
       "[1, 2] [2, 1, 3] cba 631 [[0, 1], [2, 3], [4]]"},
      {"{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a-b' | replace('-', '+') "
       "}}|{{ '<a>' | e }}",
       "a\n    b\n\n    c|  a\n  b|a+b|&lt;a&gt;"},
      {"{{ '<b>' | safe + '<i>' }} {{ ('<b>' | safe) ~ '<i>' }} {{ '<i>' + '<b>' | safe | trim }}",
       "<b>&lt;i&gt; <b><i> &lt;i&gt;<b>"},
  });
}

TEST(TemplateLanguage, JsonIsWrittenAsTransformersDoes) {
  expect_all({
      {"{{ d | tojson }}", R"({"b": 1, "a": [true, null], "items": "mine"})"},
      {"{{ {'ü<\"\\n': [1.0, (2,), {}], 3: []} | tojson }}",
       R"({"ü<\"\n": [1.0, [2], {}], "3": []})"},
      {"{{ d | tojson(indent=2) }}",
       "{\n  \"b\": 1,\n  \"a\": [\n    true,\n    null\n  ],\n  \"items\": \"mine\"\n}"},
      {"{{ {'b': 'é😀', 'a': 1} | tojson(ensure_ascii=true, sort_keys=true, separators=(',', ':')) "
       "}}",
       R"({"a":1,"b":"\u00e9\ud83d\ude00"})"},
      {"{{ x | tojson }}", "error: t: line 1: 'x' is undefined; it has no JSON"},
  });
}

TEST(TemplateLanguage, TextsHavePythonsMethods) {
  expect_all({
      {"[{{ t.strip() }}] [{{ t.lstrip() }}] {{ 'xxaxx'.strip('x') }} {{ 'a,b,,c'.split(',') }} {{ "
       "' a  b '.split() }} {{ 'a b c'.split(' ', 1) }}",
       "[Hi, Ünï!] [Hi, Ünï! ] a ['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b c']"},
      {"{{ 'a.b.c'.rsplit('.', 1) }} {{ 'a=b=c'.partition('=') }} {{ 'ab'.startswith('a') }}{{ "
       "'ab'.endswith(('x', 'b')) }} {{ 'a\nb\r\n'.splitlines() }}",
       "['a.b', 'c'] ('a', '=', 'b=c') TrueTrue ['a', 'b']"},
      {"{{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-') }} {{ 'they\\'re'.title() }} {{ "
       "'üa'.find('a') }} {{ 'banana'.count('an') }}",
       "bba -a-b- They'Re 1 2"},
      {"{{ '-'.join(['a', 'b']) }} {{ '7'.zfill(3) }} {{ 'x'.center(4, '*') }} {{ '12'.isdigit() "
       "}}{{ 'aB'.islower() }} {{ '{} {1} {k}'.format(1, k=2) }}",
       "error: t: line 1: the format has no value for '{1}'"},
      {"{{ 'pre-x'.removeprefix('pre-') }} {{ 'A'.lower() }}{{ 'a'.upper() }} {{ 'x'.isalpha() }} "
       "{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }}",
       "x aA True 2 1"},
  });
}

TEST(TemplateLanguage, TestsSayWhatAValueIs) {
  expect_all({
      {"{{ x is defined }}{{ n is none }}{{ t is string }}{{ d is mapping }}{{ l is iterable }}{{ "
       "t is sequence }}{{ 1 is number }}",
       "FalseTrueTrueTrueTrueTrueTrue"},
      {"{{ true is integer }}{{ 1 is integer }}{{ 1.0 is float }}{{ true is boolean }}{{ false is "
       "false }}{{ 1 is true }}{{ x is undefined }}",
       "FalseTrueTrueTrueTrueFalseTrue"},
      {"{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 1 is eq 1 }}{{ 2 is gt(1) }}{{ 'a' is in ['a'] "
       "}}{{ n is not none }}{{ d.get is callable }}",
       "TrueTrueTrueTrueTrueFalseTrue"},
      {"{{ x is not defined and n is none or false }}", "True"},
  });
}

TEST(TemplateLanguage, GeneratorsAreGoneOverOnce) {
  expect_all({
      {"{% set g = l | map('string') %}{{ g | join }}|{{ g | join }}|{{ 'true' if g }}",
       "312||true"},
      {"{{ l | map('string') | length }}", "error: t: line 1: a generator has no length"},
  });
}

TEST(TemplateLanguage, TimeIsTheOneGiven) {
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y') }}"), "05 Jan 2026");
}

}  // namespace
}  // namespace octet::chat
