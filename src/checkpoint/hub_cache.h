// Models that Hugging Face's tools have downloaded before, found by name. Nothing is fetched.
#pragma once

#include <filesystem>

namespace octet::checkpoint {

/// Where the downloads are: $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or
/// ~/.cache/huggingface/hub, the first whose variable is set.
std::filesystem::path hub_cache();

/// `model` itself when there is such a file or directory; else, for a name like "org/name", the
/// directory of its main revision in hub_cache(). Throws Error that says where was looked and how
/// to get the model.
std::filesystem::path find_model(const std::filesystem::path& model);

}  // namespace octet::checkpoint
