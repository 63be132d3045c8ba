// Models are found by name in a Hugging Face cache, and only there.
#include "checkpoint/hub_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>

#include "checkpoint/checkpoint.h"
#include "checkpoint/test_pickles.h"

namespace octet::checkpoint {
namespace {

using test::error_of;

/// Sets the variables that say where the cache is, and puts them back.
class HubCache : public testing::Test {
 protected:
  HubCache() {
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
    set("HF_HOME", scratch_.path());
  }
  ~HubCache() override {
    for (const auto& [name, value] : before_) {
      ::unsetenv(name.c_str());
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
    }
  }
  static void set(const char* name, const std::filesystem::path& value) {
    ::setenv(name, value.c_str(), 1);
  }
  /// A model as the hub's tools leave it: links of a snapshot to blobs.
  void download(const std::string& folder, const std::string& revision = "0123abc") const {
    const auto root = scratch_.path() / "hub" / folder;
    for (const char* part : {"refs", "blobs"}) std::filesystem::create_directories(root / part);
    const auto snapshot = root / "snapshots" / revision;
    std::filesystem::create_directories(snapshot);
    write_file(root / "refs" / "main", revision);
    write_file(root / "blobs" / "1", "{}");
    write_file(root / "blobs" / "2", test::torch_archive(test::state_dict({{"w", {.elements = 1}}}),
                                                         {{"0", std::string(4, '\0')}}));
    std::filesystem::create_symlink("../../blobs/1", snapshot / "config.json");
    std::filesystem::create_symlink("../../blobs/2", snapshot / "pytorch_model.bin");
  }
  static std::string error(const std::string& model) {
    return error_of([&] { find_model(model); });
  }
  static bool mentions(const std::string& message, const std::string& text) {
    return message.find(text) != std::string::npos;
  }

  test::Scratch scratch_;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(HubCache, TheFirstVariableThatIsSetSaysWhere) {
  set("HOME", "/home/me");
  EXPECT_EQ(hub_cache(), scratch_.path() / "hub");
  ::unsetenv("HF_HOME");
  EXPECT_EQ(hub_cache(), "/home/me/.cache/huggingface/hub");
  set("XDG_CACHE_HOME", "/var/cache/me");
  EXPECT_EQ(hub_cache(), "/var/cache/me/huggingface/hub");
  set("HF_HUB_CACHE", "/hub");
  set("HF_HOME", "/other");
  EXPECT_EQ(hub_cache(), "/hub");
}

TEST_F(HubCache, ModelsAreFoundByNameAndOpen) {
  download("models--facebook--opt-125m");
  download("models--gpt2", "fedcba9");
  const auto snapshot = scratch_.path() / "hub/models--facebook--opt-125m/snapshots/0123abc";
  EXPECT_EQ(find_model("facebook/opt-125m"), snapshot);
  EXPECT_EQ(find_model("gpt2").filename(), "fedcba9");
  const auto checkpoint = Checkpoint::open("facebook/opt-125m");
  EXPECT_EQ(checkpoint->names(), std::vector<std::string>{"w"});
  EXPECT_EQ(checkpoint->path(), snapshot);
}

TEST_F(HubCache, PathsComeFirst) {
  EXPECT_EQ(find_model(scratch_.path()), scratch_.path());
  EXPECT_TRUE(mentions(error("/no/such/model"), "/no/such/model: no such file or directory"));
}

TEST_F(HubCache, WhatIsNotThereIsSaidWithTheWayToGetIt) {
  const std::string message = error("facebook/opt-125m");
  EXPECT_TRUE(mentions(message, (scratch_.path() / "hub").string())) << message;
  EXPECT_TRUE(mentions(message, "'hf download facebook/opt-125m'")) << message;
  download("models--a--b");
  const auto root = scratch_.path() / "hub/models--a--b";
  std::filesystem::remove_all(root / "snapshots");
  EXPECT_TRUE(mentions(error("a/b"), "0123abc: missing"));
  std::filesystem::remove(root / "refs/main");
  EXPECT_TRUE(mentions(error("a/b"), "no main revision"));
}

TEST_F(HubCache, NamesThatLeadElsewhereAreNotFollowed) {
  download("models--a--b");
  for (const std::string name : {"../hub", "a/..", "a/b/c", "a//b", "~/a", "a b", ".", ".."}) {
    if (std::filesystem::exists(name)) continue;
    EXPECT_TRUE(mentions(error(name), "no such file or directory")) << name;
    EXPECT_FALSE(mentions(error(name), "cache")) << name;
  }
  write_file(scratch_.path() / "hub/models--a--b/refs/main", "../../../elsewhere");
  EXPECT_TRUE(mentions(error("a/b"), "is no revision"));
}

}  // namespace
}  // namespace octet::checkpoint
