// What tells a model's files from others, for results that are kept between runs.
#include "cli/model_identity.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "checkpoint/hub_cache.h"

namespace octet::cli {

std::string model_identity(const std::string& model) {
  namespace fs = std::filesystem;
  const fs::path path = fs::canonical(checkpoint::find_model(model));
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path());
    std::ranges::sort(files);
  } else {
    files.push_back(path);
  }
  std::string identity;
  for (const fs::path& file : files)
    identity += fmt::format("{} {} {}\n", file.string(), fs::file_size(file),
                            fs::last_write_time(file).time_since_epoch().count());
  return identity;
}

}  // namespace octet::cli
