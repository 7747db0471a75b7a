// POSIX sockets, so that nothing of the server's own HTTP code judges its output.
#include "tests/server/test_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/check.h"

namespace quire::server {

Result<std::string> fake_chat(const text::ChatRequest& chat) {
  std::string out;
  for (const Json& message : chat.messages) {
    const Json* role = find_member(message, "role");
    const Json* content = find_member(message, "content");
    if (role == nullptr || content == nullptr || !content->is_string()) {
      return fail_at("messages", ErrorCode::kInvalid, "messages need a role and a content");
    }
    out += fmt::format("{}:{};", role->get<std::string>(), content->get<std::string>());
  }
  if (!chat.tools.is_null()) out += "tools;";
  for (const auto& [name, value] : chat.kwargs.items()) out += name + "=" + dump_json(value) + ";";
  if (chat.add_generation_prompt) out += "a:";
  return out;
}

Backend fake_backend(engine::Engine& engine) {
  Backend backend;
  backend.engine = &engine;
  backend.render_chat = fake_chat;
  backend.model_names = {"fake", "org/alias"};
  return backend;
}

TestOptions test_options() {
  TestOptions options;
  options.http.port = 0;
  options.http.timeouts.tick = from_seconds(0.02);
  return options;
}

TestServer::TestServer(const TestOptions& options)
    : service_(options.settings),
      http_(options.http, service_),
      engine_(std::make_unique<FakeEngine>(options.engine)) {
  service_.bind_http(http_);
  const Status listening = http_.listen();
  CHECK(listening.has_value(), "{}", listening.error().message);
  service_.attach(fake_backend(*engine_));
}

TestServer::~TestServer() {
  service_.begin_drain();
  http_.stop();
  engine_.reset();
}

std::string Answer::field(std::string_view name) const {
  const std::string wanted = fmt::format("\r\n{}: ", name);
  const auto it = std::search(head.begin(), head.end(), wanted.begin(), wanted.end(),
                              [](char a, char b) { return std::tolower(a) == std::tolower(b); });
  if (it == head.end()) return {};
  const auto begin = static_cast<std::size_t>(it - head.begin()) + wanted.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

Json Answer::json() const { return parse_json(body).value_or(Json()); }

std::vector<std::string> Answer::events() const {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < body.size();) {
    const std::size_t end = std::min(body.find("\n\n", begin), body.size());
    const std::string event = body.substr(begin, end - begin);
    if (event.starts_with("data: ")) out.push_back(event.substr(6));
    begin = end + 2;
  }
  return out;
}

Client::Client(int port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  CHECK(socket_ >= 0, "socket: {}", errno);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "connect: {}", errno);
}

Client::~Client() { close(); }

void Client::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void Client::half_close() { ::shutdown(socket_, SHUT_WR); }

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the server may have refused and closed already
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void Client::request(std::string_view method, std::string_view path, std::string_view fields) {
  send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", method, path, fields));
}

void Client::post(std::string_view path, const Json& body, std::string_view fields) {
  const std::string text = dump_json(body);
  send(
      fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  "Content-Length: {}\r\n{}\r\n{}",
                  path, text.size(), fields, text));
}

bool Client::read_some(double seconds) {
  pollfd entry{socket_, POLLIN, 0};
  if (::poll(&entry, 1, static_cast<int>(seconds * 1e3)) <= 0) return false;
  char bytes[65536];
  const ssize_t count = ::recv(socket_, bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool Client::closed_by_peer(double seconds) {
  const Time end = SteadyClock().now() + from_seconds(seconds);
  while (SteadyClock().now() < end) {
    pollfd entry{socket_, POLLIN, 0};
    if (::poll(&entry, 1, 10) <= 0) continue;
    char bytes[4096];
    const ssize_t count = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (count <= 0) return true;
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
  return false;
}

Answer Client::read(bool has_body) {
  Answer answer;
  std::size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_some()) return answer;
  }
  answer.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  answer.status = std::stoi(answer.head.substr(9, 3));
  answer.complete = true;
  if (!has_body || answer.status == 100 || answer.status == 204) return answer;
  if (answer.field("Transfer-Encoding") == "chunked") {
    while (true) {
      while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!read_some()) return answer.complete = false, answer;
      }
      const std::size_t size = std::stoul(buffer_.substr(0, end), nullptr, 16);
      while (buffer_.size() < end + 2 + size + 2) {
        if (!read_some()) return answer.complete = false, answer;
      }
      answer.body += buffer_.substr(end + 2, size);
      buffer_.erase(0, end + 2 + size + 2);
      if (size == 0) return answer;
    }
  }
  const std::string length = answer.field("Content-Length");
  if (length.empty()) {
    while (read_some()) {
    }
    answer.body = std::exchange(buffer_, {});
    return answer;
  }
  while (buffer_.size() < std::stoul(length)) {
    if (!read_some()) return answer.complete = false, answer;
  }
  answer.body = buffer_.substr(0, std::stoul(length));
  buffer_.erase(0, std::stoul(length));
  return answer;
}

Answer post(int port, std::string_view path, const Json& body) {
  Client client(port);
  client.post(path, body);
  return client.read();
}

Answer get(int port, std::string_view path) {
  Client client(port);
  client.get(path);
  return client.read();
}

bool eventually(const std::function<bool()>& condition, double seconds) {
  const Time end = SteadyClock().now() + from_seconds(seconds);
  while (!condition()) {
    if (SteadyClock().now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace quire::server
