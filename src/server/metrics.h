// What /metrics shows: the scheduler's statistics and the connections in Prometheus' text format.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "runtime/scheduler.h"

namespace octet::server {

struct HttpCounts {
  std::map<int, int64_t> responses;  ///< by status
  int64_t open_connections = 0;
};

std::string metrics_text(const runtime::Statistics& statistics, const HttpCounts& http,
                         int64_t weights_bytes);

}  // namespace octet::server
