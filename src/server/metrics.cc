// Prometheus' text format, version 0.0.4.
#include "server/metrics.h"

#include <fmt/core.h>

#include <iterator>

namespace octet::server {
namespace {

class Text {
 public:
  void head(const char* name, const char* type, const char* help) {
    add("# HELP octet_{} {}\n# TYPE octet_{} {}\n", name, help, name, type);
  }
  template <typename Number>
  void gauge(const char* name, Number value, const char* help) {
    head(name, "gauge", help);
    add("octet_{} {}\n", name, value);
  }
  template <typename Number>
  void counter(const char* name, Number value, const char* help) {
    head(name, "counter", help);
    add("octet_{} {}\n", name, value);
  }
  void histogram(const char* name, const runtime::Histogram& values, const char* help) {
    head(name, "histogram", help);
    int64_t below = 0;
    for (size_t i = 0; i < values.bounds().size(); ++i) {
      below += values.counts()[i];
      add("octet_{}_bucket{{le=\"{}\"}} {}\n", name, values.bounds()[i], below);
    }
    add("octet_{}_bucket{{le=\"+Inf\"}} {}\n", name, values.count());
    add("octet_{}_sum {}\noctet_{}_count {}\n", name, values.sum(), name, values.count());
  }
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_tokens(Text& text, const runtime::Statistics& statistics) {
  text.counter("prompt_tokens_total", statistics.prompt_tokens, "Tokens of prompts, computed.");
  text.counter("shared_prompt_tokens_total", statistics.shared_prompt_tokens,
               "Tokens of prompts, found in the prefix cache.");
  text.counter("generated_tokens_total", statistics.generated_tokens, "Tokens generated.");
  const double tokens = static_cast<double>(statistics.prompt_tokens + statistics.generated_tokens);
  text.gauge("tokens_per_second", statistics.step_s > 0 ? tokens / statistics.step_s : 0.0,
             "Tokens of prompts and answers for each second of steps, since the start.");
}

}  // namespace

std::string metrics_text(const runtime::Statistics& statistics, const HttpCounts& http,
                         int64_t weights_bytes) {
  Text text;
  text.head("requests_total", "counter", "Requests that have ended, by how.");
  for (int reason = 0; reason < runtime::kReasons; ++reason)
    text.add("octet_requests_total{{reason=\"{}\"}} {}\n",
             runtime::name(static_cast<runtime::Reason>(reason)),
             statistics.finished[static_cast<size_t>(reason)]);
  text.counter("requests_refused_total", statistics.refused, "Requests that were not accepted.");
  text.gauge("requests_running", statistics.running, "Requests that are computed now.");
  text.gauge("requests_queued", statistics.queued, "Requests that wait for a place.");
  add_tokens(text, statistics);
  text.counter("steps_total", statistics.steps, "Calls of the forward pass.");
  text.gauge("kv_pages", statistics.pages, "Pages of the KV cache.");
  text.gauge("kv_pages_used", statistics.pages_used, "Pages held by running requests.");
  text.gauge("kv_pages_remembered", statistics.pages_remembered,
             "Pages of finished requests, kept for prompts that begin alike.");
  text.gauge("kv_cache_bytes", statistics.kv_cache_bytes, "Bytes of the KV cache.");
  text.gauge("weights_bytes", weights_bytes, "Bytes of the packed weights.");
  text.histogram("batch_size", statistics.batch_size, "Sequences in a step.");
  text.histogram("step_seconds", statistics.step_seconds, "Duration of a step.");
  text.histogram("queue_seconds", statistics.queue_seconds, "From submission to the first step.");
  text.histogram("first_token_seconds", statistics.first_token_seconds,
                 "From submission to the first token.");
  text.histogram("token_gap_seconds", statistics.token_gap_seconds,
                 "Between two tokens of a request.");
  text.histogram("longest_gap_seconds", statistics.longest_gap_seconds,
                 "The longest gap between tokens of each request.");
  text.head("http_responses_total", "counter", "HTTP responses by status.");
  for (const auto& [status, count] : http.responses)
    text.add("octet_http_responses_total{{status=\"{}\"}} {}\n", status, count);
  text.gauge("http_connections", http.open_connections, "Connections that are open.");
  return text.take();
}

}  // namespace octet::server
