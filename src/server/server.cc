// Routes, and what they answer.
#include "server/server.h"

#include <fmt/core.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "server/answer.h"
#include "server/api_error.h"
#include "server/assets.h"
#include "server/body.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/model_answers.h"
#include "server/routes.h"

namespace octet::server {
namespace {

using httplib::Request;
using httplib::Response;
using runtime::Clock;

constexpr const char* kJsonType = "application/json";
/// How often those who wait for tokens look whether the client is still there.
constexpr std::chrono::milliseconds kLook{100};
/// For the last responses to be written when the server stops.
constexpr std::chrono::milliseconds kLastWords{5'000};

void write_error(Response& response, const ApiError& error) {
  response.status = error.status;
  if (error.retry_after_s) response.set_header("Retry-After", std::to_string(*error.retry_after_s));
  if (error.status == 405) response.set_header("Allow", error.allowed);
  if (error.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  response.set_content(error_json(error), kJsonType);
}

void write_json(Response& response, const std::string& text) {
  response.status = 200;
  response.set_content(text, kJsonType);
}

std::string event(const std::string& json) {
  return "data: " + json + "\n\n";
}

}  // namespace

class Server::Implementation {
 public:
  explicit Implementation(ServerOptions options);
  int start();
  void serve(Engine& engine) { engine_.store(&engine); }
  void stop(std::chrono::milliseconds time);
  void hurry();

 private:
  using Handler = void (Implementation::*)(const Request&, const std::string& body, Response&);

  /// Throws ApiError when the request must not go on.
  void admit(const Request& request);
  void get(const char* path, Handler handler);
  void post(const char* path, Handler handler);
  void answer(const Request& request, const std::string& body, Response& response, Handler handler);
  void complete_error(Response& response);
  void count(const Request& request, const Response& response);
  Engine& engine() const;

  void health(const Request&, const std::string&, Response& response);
  void page(const Request&, const std::string&, Response& response);
  void openapi(const Request&, const std::string&, Response& response);
  void metrics(const Request&, const std::string&, Response& response);
  void models(const Request&, const std::string&, Response& response);
  void model(const Request& request, const std::string&, Response& response);
  void tokenizer_info(const Request&, const std::string&, Response& response);
  void tokenize(const Request&, const std::string& body, Response& response);
  void detokenize(const Request&, const std::string& body, Response& response);
  void completions(const Request&, const std::string& body, Response& response);
  void chat(const Request&, const std::string& body, Response& response);
  void give(std::unique_ptr<Answer> answer, bool stream, Response& response);
  static bool send_next(Answer& answer, const Connection& connection, httplib::DataSink& sink);

  ServerOptions options_;
  HttpServer http_;
  std::thread accepting_;
  std::atomic<Engine*> engine_{nullptr};
  std::mutex mutex_;
  std::map<int, int64_t> responses_;
};

Server::Implementation::Implementation(ServerOptions options)
    : options_(std::move(options)),
      http_({.request_time = options_.client_time,
             .idle_time = options_.client_time,
             .write_time = options_.client_time},
            options_.most_connections) {
  http_.set_pre_routing_handler([this](const Request& request, Response& response) {
    try {
      admit(request);
      return httplib::Server::HandlerResponse::Unhandled;
    } catch (const ApiError& error) {
      // What follows the head is not read.
      http_.connection().close_after_response();
      write_error(response, error);
      return httplib::Server::HandlerResponse::Handled;
    }
  });
  http_.set_error_handler([this](const Request&, Response& response) { complete_error(response); });
  http_.set_logger(
      [this](const Request& request, const Response& response) { count(request, response); });
  http_.set_keep_alive_max_count(1'000'000'000);
  http_.set_keep_alive_timeout(
      std::chrono::duration_cast<std::chrono::seconds>(options_.client_time).count());
  get("/", &Implementation::page);
  get("/health", &Implementation::health);
  get("/openapi\\.json", &Implementation::openapi);
  get("/metrics", &Implementation::metrics);
  get("/v1/models", &Implementation::models);
  get("/tokenizer_info", &Implementation::tokenizer_info);
  get("/v1/models/[^]+", &Implementation::model);
  post("/v1/completions", &Implementation::completions);
  post("/v1/chat/completions", &Implementation::chat);
  post("/tokenize", &Implementation::tokenize);
  post("/detokenize", &Implementation::detokenize);
}

int Server::Implementation::start() {
  const int port = http_.bind(options_.host, options_.port);
  accepting_ = std::thread([this] { http_.accept_connections(); });
  return port;
}

void Server::Implementation::stop(std::chrono::milliseconds time) {
  if (!accepting_.joinable()) return;
  http_.drain();
  accepting_.join();
  if (Engine* engine = engine_.load()) engine->scheduler().shutdown(Clock::now() + time);
  http_.wait_until_closed(kLastWords);
  http_.close_all();
}

void Server::Implementation::hurry() {
  if (Engine* engine = engine_.load()) engine->scheduler().shutdown(Clock::now());
}

void Server::Implementation::admit(const Request& request) {
  check_route({.method = request.method,
               .path = request.path,
               .authorization = request.get_header_value("Authorization")},
              options_.api_key);
  // Nobody reads the body of a GET; it must not be taken for the next request.
  if (request.method != "POST" &&
      (request.has_header("Content-Length") || request.has_header("Transfer-Encoding")))
    http_.connection().close_after_response();
}

void Server::Implementation::get(const char* path, Handler handler) {
  http_.Get(path, [this, handler](const Request& request, Response& response) {
    answer(request, {}, response, handler);
  });
}

void Server::Implementation::post(const char* path, Handler handler) {
  http_.Post(path, [this, handler](const Request& request, Response& response,
                                   const httplib::ContentReader&) {
    try {
      answer(request, read_body(request, http_.connection(), options_.body_bytes), response,
             handler);
    } catch (const ApiError& error) {
      http_.connection().close_after_response();
      write_error(response, error);
    }
  });
}

void Server::Implementation::answer(const Request& request, const std::string& body,
                                    Response& response, Handler handler) {
  try {
    (this->*handler)(request, body, response);
  } catch (const ApiError& error) {
    write_error(response, error);
  } catch (const std::exception& error) {
    write_error(response, ApiError(500, error.what()));
  }
}

/// The body of errors that httplib found, in a request that it could not read.
void Server::Implementation::complete_error(Response& response) {
  if (!response.body.empty()) return;
  http_.connection().close_after_response();
  const char* const message = response.status == 414   ? "the URI is too long"
                              : response.status == 404 ? "there is nothing here"
                                                       : "the request is not well-formed HTTP";
  response.set_content(error_json(ApiError(response.status, message)), kJsonType);
}

void Server::Implementation::count(const Request& request, const Response& response) {
  {
    const std::lock_guard lock(mutex_);
    ++responses_[response.status];
  }
  if (options_.log)
    options_.log(fmt::format("{} {} {} {}", request.remote_addr, request.method, request.path,
                             response.status));
}

Engine& Server::Implementation::engine() const {
  Engine* const engine = engine_.load();
  if (engine != nullptr && !http_.draining()) return *engine;
  ApiError error(
      503, engine == nullptr ? "the model is loading; try again later" : "the server is stopping");
  error.retry_after_s = 1;
  throw error;
}

void Server::Implementation::health(const Request&, const std::string&, Response& response) {
  engine();
  write_json(response, R"({"status":"ok"})");
}

void Server::Implementation::page(const Request&, const std::string&, Response& response) {
  response.status = 200;
  // The page holds its own script and style and speaks to nobody else.
  response.set_header("Content-Security-Policy",
                      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                      "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                      "frame-ancestors 'none'");
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_content(kPage.data(), kPage.size(), "text/html; charset=utf-8");
}

void Server::Implementation::openapi(const Request&, const std::string&, Response& response) {
  response.status = 200;
  response.set_content(kOpenApi.data(), kOpenApi.size(), kJsonType);
}

void Server::Implementation::metrics(const Request&, const std::string&, Response& response) {
  Engine& served = engine();
  HttpCounts http;
  http.open_connections = static_cast<int64_t>(http_.open_connections());
  {
    const std::lock_guard lock(mutex_);
    http.responses = responses_;
  }
  response.status = 200;
  response.set_content(
      metrics_text(served.scheduler().statistics(), http, served.loaded().model.weights().bytes()),
      "text/plain; version=0.0.4; charset=utf-8");
}

void Server::Implementation::models(const Request&, const std::string&, Response& response) {
  write_json(response, models_json(engine()));
}

void Server::Implementation::model(const Request& request, const std::string&, Response& response) {
  engine().check_model(request.path.substr(kModelPath.size()));
  write_json(response, model_json(engine()));
}

void Server::Implementation::tokenizer_info(const Request&, const std::string&,
                                            Response& response) {
  write_json(response, tokenizer_json(engine()));
}

void Server::Implementation::tokenize(const Request&, const std::string& body, Response& response) {
  const TokenizeRequest request = parse_tokenize(body);
  write_json(response, tokens_json(engine(), request));
}

void Server::Implementation::detokenize(const Request&, const std::string& body,
                                        Response& response) {
  const std::vector<int32_t> ids = parse_detokenize(body);
  write_json(response, text_json(engine(), ids));
}

void Server::Implementation::completions(const Request&, const std::string& body,
                                         Response& response) {
  const CompletionRequest request = parse_completion(body);
  give(Answer::of(engine(), request), request.stream, response);
}

void Server::Implementation::chat(const Request&, const std::string& body, Response& response) {
  const ChatRequest request = parse_chat(body);
  give(Answer::of(engine(), request), request.stream, response);
}

void Server::Implementation::give(std::unique_ptr<Answer> answer, bool stream, Response& response) {
  Connection& connection = http_.connection();
  if (!stream) {
    while (!answer->collect(Clock::now() + kLook)) {
      if (connection.peer_left()) throw ApiError(499, "the client has left");
    }
    write_json(response, answer->whole());
    return;
  }
  response.status = 200;
  response.set_header("Cache-Control", "no-cache");
  response.set_header("X-Accel-Buffering", "no");
  // Of exactly this type httplib knows that it must not be held back to be compressed.
  response.set_chunked_content_provider(
      "text/event-stream",
      [shared = std::shared_ptr<Answer>(std::move(answer)), &connection](
          size_t, httplib::DataSink& sink) { return send_next(*shared, connection, sink); });
}

/// Writes what has come of a stream; false ends the connection.
bool Server::Implementation::send_next(Answer& answer, const Connection& connection,
                                       httplib::DataSink& sink) {
  std::string text;
  bool last = false;
  try {
    for (const std::string& chunk : answer.next_chunks(Clock::now() + kLook)) text += event(chunk);
    last = answer.finished();
  } catch (const ApiError& error) {
    text += event(error_json(error));
    last = true;
  } catch (const std::exception& error) {
    text += event(error_json(ApiError(500, error.what())));
    last = true;
  }
  if (last) text += event("[DONE]");
  if (connection.peer_left()) return false;
  if (!text.empty() && !sink.write(text.data(), text.size())) return false;
  if (last) sink.done();
  return true;
}

Server::Server(ServerOptions options)
    : implementation_(std::make_unique<Implementation>(std::move(options))) {}

Server::~Server() {
  stop(std::chrono::milliseconds(0));
}

int Server::start() {
  return implementation_->start();
}

void Server::serve(Engine& engine) {
  implementation_->serve(engine);
}

void Server::stop(std::chrono::milliseconds time) {
  implementation_->stop(time);
}

void Server::hurry() {
  implementation_->hurry();
}

}  // namespace octet::server
