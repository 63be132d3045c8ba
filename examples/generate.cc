// Continues a prompt with octet's public API: examples/generate MODEL PROMPT.
#include <cstdio>
#include <exception>

#include "octet/model.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL PROMPT\n", argv[0]);
    return 2;
  }
  try {
    octet::Model model = octet::Model::load(argv[1]);
    std::printf("%s", argv[2]);
    const auto generation =
        model.generate(argv[2], {.max_tokens = 64}, [](const octet::Token& token) {
          std::printf("%s", token.text.c_str());
          std::fflush(stdout);
          return true;
        });
    std::printf("\n[%zu tokens, %.1f MB of weights]\n", generation.tokens.size(),
                static_cast<double>(model.weights_bytes()) / 1e6);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
