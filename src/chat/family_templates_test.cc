// Templates in the style of each family against what Jinja makes of them (tests/chat).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "chat/chat_template.h"
#include "octet/error.h"

namespace octet::chat {
namespace {

using Json = nlohmann::ordered_json;

std::tm fixture_time() {
  std::tm now = {};  // 2026-07-24 13:05:00, a Friday
  now.tm_year = 126;
  now.tm_mon = 6;
  now.tm_mday = 24;
  now.tm_hour = 13;
  now.tm_min = 5;
  now.tm_wday = 5;
  now.tm_yday = 204;
  return now;
}

TEST(FamilyTemplates, AreRenderedAsJinjaRendersThem) {
  const Json fixture =
      Json::parse(read_file(std::filesystem::path(OCTET_SOURCE_DIR) / "tests/chat/templates.json"));
  ASSERT_EQ(fixture["templates"].size(), 15u);
  size_t texts = 0;
  for (const auto& [name, text] : fixture["templates"].items()) {
    const Template parsed(text.get<std::string>(), name);
    for (const auto& [conversation, variables] : fixture["variables"].items()) {
      SCOPED_TRACE(name + " of " + conversation);
      const Json& expected = fixture["expected"][name][conversation];
      if (expected.contains("raises")) {
        EXPECT_THROW(parsed.render(variables, fixture_time()), Error);
        continue;
      }
      ++texts;
      std::string rendered;
      EXPECT_NO_THROW(rendered = parsed.render(variables, fixture_time()));
      EXPECT_EQ(rendered, expected["text"].get<std::string>());
    }
  }
  EXPECT_GE(texts, 100u);
}

TEST(FamilyTemplates, WhatATemplateRefusesIsSaidInItsWords) {
  const Template refusing("{% if true %}\n{{ raise_exception('system comes first') }}{% endif %}",
                          "model/: chat template");
  try {
    refusing.render(Json::object(), fixture_time());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "model/: chat template: line 2: the template refuses these messages: system comes "
                 "first");
  }
}

}  // namespace
}  // namespace octet::chat
