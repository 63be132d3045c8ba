// Models that Hugging Face's tools have downloaded before, found by name. Nothing is fetched.
#include "checkpoint/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/layout.h"

namespace octet::checkpoint {
namespace {

constexpr size_t kLargestReference = 4096;

/// The variable's value, or nothing when it is unset or empty.
std::filesystem::path from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

/// What may be a part of a repository's name or a revision: nothing that leads elsewhere.
bool is_plain_name(std::string_view part) {
  constexpr std::string_view kMarks = "-_.";
  return !part.empty() && part.front() != '.' && std::all_of(part.begin(), part.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

/// "org/name" or, as the oldest models are called, "name".
bool is_repository(std::string_view name) {
  const size_t slash = name.find('/');
  return slash == std::string_view::npos
             ? is_plain_name(name)
             : is_plain_name(name.substr(0, slash)) && is_plain_name(name.substr(slash + 1));
}

/// "org/name" → "models--org--name".
std::string folder_name(const std::string& repository) {
  std::string name = "models--" + repository;
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

/// The commit in refs/main.
std::string main_revision(const std::filesystem::path& folder, const std::string& repository) {
  const std::filesystem::path reference = folder / "refs" / "main";
  if (!std::filesystem::exists(reference)) {
    fail("{}: no main revision in {}; download it with 'hf download {}'", repository,
         folder.string(), repository);
  }
  std::string revision = read_file(reference, kLargestReference);
  while (!revision.empty() && (revision.back() == '\n' || revision.back() == ' ')) {
    revision.pop_back();
  }
  if (!is_plain_name(revision)) {
    fail("{}: {} is no revision", reference.string(), printable(revision));
  }
  return revision;
}

}  // namespace

std::filesystem::path hub_cache() {
  if (auto cache = from_environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const auto home = from_environment("HF_HOME"); !home.empty()) return home / "hub";
  auto cache = from_environment("XDG_CACHE_HOME");
  if (cache.empty()) cache = from_environment("HOME") / ".cache";
  return cache / "huggingface" / "hub";
}

std::filesystem::path find_model(const std::filesystem::path& model) {
  std::error_code error;
  if (std::filesystem::exists(model, error)) return model;
  const std::string name = model.string();
  if (!is_repository(name)) fail("{}: no such file or directory", name);
  const std::filesystem::path folder = hub_cache() / folder_name(name);
  if (!std::filesystem::is_directory(folder, error)) {
    fail(
        "{}: no such file or directory, nor in the Hugging Face cache {}; octet downloads "
        "nothing, so fetch it with 'hf download {}' or give a path",
        name, hub_cache().string(), name);
  }
  std::filesystem::path snapshot = folder / "snapshots" / main_revision(folder, name);
  if (!std::filesystem::is_directory(snapshot, error)) {
    fail(
        "{}: missing, although it is the main revision of {}; download it again with 'hf download "
        "{}'",
        snapshot.string(), name, name);
  }
  return snapshot;
}

}  // namespace octet::checkpoint
