// Checking early what would fail late.
#include "cli/page_file.h"

#include <filesystem>

#include "base/error.h"
#include "report/gnuplot.h"

namespace octet::cli {

void check_page_file(const std::optional<std::string>& path, const char* flag) {
  if (!path) return;
  const std::filesystem::path directory = std::filesystem::absolute(*path).parent_path();
  if (!std::filesystem::is_directory(directory))
    fail("{} {}: there is no directory {}", flag, *path, directory.string());
  if (std::filesystem::is_directory(*path)) fail("{} {}: is a directory", flag, *path);
  report::run_gnuplot("");
}

}  // namespace octet::cli
