// The flags that say how tokens are drawn.
#include "cli/sampling_options.h"

#include "cli/options.h"

namespace octet::cli {

void add_sampling_options(CLI::App& app, runtime::Sampling& sampling, bool& ignore_eos) {
  const auto option = [&app](const char* names, auto& value, const char* text, double low,
                             double high) {
    app.add_option(names, value, text)
        ->group("Sampling")
        ->capture_default_str()
        ->check(number_in(low, high));
  };
  option("--temp,--temperature", sampling.temperature, "Temperature; 0 is greedy", 0, 1e6);
  option("--top-k", sampling.top_k, "Only the K most probable tokens; 0: all", 0, 1 << 30);
  option("--top-p", sampling.top_p, "The most probable tokens up to this mass; 1: all", 0, 1);
  option("--min-p", sampling.min_p, "Tokens at least this probable relative to the best", 0, 1);
  option("--repeat-penalty", sampling.repeat_penalty,
         "Above 1, tokens that occurred become less likely", 1e-3, 1e3);
  app.add_flag("--ignore-eos", ignore_eos, "Never choose the end token")->group("Sampling");
}

}  // namespace octet::cli
