// The whole server on a free port over a FakeEngine, and a client that sees raw bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/load/json.h"
#include "server/http_server.h"
#include "server/service.h"
#include "tests/server/fake_engine.h"

namespace quire::server {

// "role:content;" for each message, "tools;" when there are tools, "a:" as generation prompt.
Result<std::string> fake_chat(const text::ChatRequest& chat);
Backend fake_backend(engine::Engine& engine);

struct TestOptions {
  FakeEngineOptions engine;
  Settings settings;
  HttpServerOptions http;
};
// Deadlines long enough to stay out of the way, ticks short enough to test them.
TestOptions test_options();

class TestServer {
 public:
  explicit TestServer(const TestOptions& options = test_options());
  ~TestServer();

  FakeEngine& engine() { return *engine_; }
  Service& service() { return service_; }
  HttpServer& http() { return http_; }
  int port() const { return http_.port(); }

 private:
  Service service_;
  HttpServer http_;
  std::unique_ptr<FakeEngine> engine_;
};

struct Answer {
  int status = 0;
  std::string head;
  std::string body;  // chunks joined
  bool complete = false;
  // The value of a field, empty when absent.
  std::string field(std::string_view name) const;
  Json json() const;
  // The data of each event, [DONE] included.
  std::vector<std::string> events() const;
};

// A blocking socket with a five-second patience.
class Client {
 public:
  explicit Client(int port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes);
  void post(std::string_view path, const Json& body, std::string_view fields = {});
  void get(std::string_view path) { request("GET", path); }
  void request(std::string_view method, std::string_view path, std::string_view fields = {});
  // Reads one answer; what follows it stays for the next call. 100 is an answer too.
  Answer read(bool has_body = true);
  // Reads until something has come; false at the end of the stream or after the time.
  bool read_some(double seconds = 5);
  bool closed_by_peer(double seconds = 5);
  void half_close();
  void close();
  const std::string& buffered() const { return buffer_; }

 private:
  int socket_ = -1;
  std::string buffer_;
};

// One request on its own connection.
Answer post(int port, std::string_view path, const Json& body);
Answer get(int port, std::string_view path);

// Waits until the condition holds; false after the time.
bool eventually(const std::function<bool()>& condition, double seconds = 5);

}  // namespace quire::server
