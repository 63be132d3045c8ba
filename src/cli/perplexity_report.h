// How octet perplexity prints a method's figures: a markdown table, or JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "evaluate/perplexity.h"
#include "linear/precision.h"

namespace octet::cli {

/// A method's figures, ready to print.
struct Row {
  linear::Precision precision;
  evaluate::Perplexity result;
  double tokens_per_s = 0;
  int64_t weights_bytes = 0;
  double kept_share = 0;
};

std::string table_head();
std::string table_row(const Row& row);

/// `logits_at`: for token ids, the positions whose logits were kept; the object then carries them
/// and every token's log-probability (null for the first). Null for texts.
nlohmann::ordered_json json_row(const Row& row, const std::vector<int64_t>* logits_at);

}  // namespace octet::cli
