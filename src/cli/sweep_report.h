// How octet sweep shows its grid of gains and methods: tables, curves, JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/sweep_cells.h"
#include "report/page.h"
#include "report/plot.h"

namespace octet::cli {

/// A method has broken down where its perplexity is that share above the reference's own.
inline constexpr double kBreakdown = 0.10;
/// The perplexity of the model that nothing was planted into, in the reference's method, or in the
/// method nearest to it that was swept.
double reference_perplexity(const Sweep& sweep);
/// The smallest gain from which on the row stays broken down; 0: it does not at the largest.
int64_t breakdown_gain(const Sweep& sweep, const SweepRow& row);

/// Markdown: perplexity, divergence, and from which gain on each method breaks down.
std::string sweep_text(const Sweep& sweep);
nlohmann::ordered_json sweep_json(const Sweep& sweep);

report::Plot perplexity_plot(const Sweep& sweep);
report::Plot divergence_plot(const Sweep& sweep);
/// Both curves with their tables and what they mean, as a section of a page.
void add_sweep_section(report::Page& page, const Sweep& sweep);

}  // namespace octet::cli
