// How compared continuations are shown: a table, JSON, a section of a page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/continuations_run.h"
#include "report/page.h"

namespace octet::cli {

/// A line for each method and kind, the reference's first.
std::string continuations_text(const ContinuationsRun& run);
/// `methods`: figures of every prompt and sums over kinds, the reference first.
nlohmann::ordered_json continuations_json(const ContinuationsRun& run);
/// The table and, of each method, the prompt that went apart first, both texts from there on.
void add_continuations_section(report::Page& page, const ContinuationsRun& run);

}  // namespace octet::cli
