// Where the tests find reference models and data that are not part of the repository.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace octet::test {

inline std::filesystem::path from_environment(const char* variable, const std::string& otherwise) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? std::filesystem::path(value)
                                            : std::filesystem::path(otherwise);
}

/// A path under the reference material (OCTET_SHARED, or shared/ beside the checkout).
inline std::filesystem::path shared_path(const std::string& relative) {
  return from_environment("OCTET_SHARED", std::string(OCTET_SOURCE_DIR) + "/../shared") / relative;
}

/// SmolLM2-135M-Instruct as `make model` leaves it (or OCTET_SMOLLM2).
inline std::filesystem::path smollm2_path() {
  return from_environment("OCTET_SMOLLM2", std::string(OCTET_SOURCE_DIR) +
                                               "/.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf");
}

}  // namespace octet::test

/// Skips the running test, saying so, when reference material is absent.
#define OCTET_REQUIRE_PATH(path)                                       \
  do {                                                                 \
    if (!std::filesystem::exists(path)) {                              \
      GTEST_SKIP() << (path).string() << " is not here; test skipped"; \
    }                                                                  \
  } while (false)
