// Small models of each family's variants (tests/families/variants.json), whose weights follow from
// their names: see tests/families/make_variants.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace octet::test {

/// The whole document: "cases" by name, and what they share.
const nlohmann::json& family_variants();

/// The token ids that go with a name.
std::vector<int32_t> variant_tokens(const std::string& name);

/// Writes a case's config.json and model.safetensors.
void write_family_variant(const std::string& name, const std::filesystem::path& directory);

/// Expects transformers' logits of a case, in float32, at the positions it has them of.
void expect_transformers_logits(const std::string& name,
                                const std::vector<std::vector<float>>& computed);

}  // namespace octet::test
