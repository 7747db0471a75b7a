// TLS over a non-blocking socket by OpenSSL: certificates once, a session for each connection.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

struct ssl_ctx_st;
struct ssl_st;

namespace quire::server {

// What became of reading or writing without waiting.
enum class IoOutcome {
  kMoved,         // `count` bytes, at least one
  kWaitReadable,  // try again when the socket can be read
  kWaitWritable,  // try again when it can be written
  kEnd,           // the peer sends no more
  kFailed,
};

struct IoResult {
  IoOutcome outcome = IoOutcome::kFailed;
  std::size_t count = 0;
};

// A server's certificate and key; TLS 1.2 or newer, HTTP/1.1 by ALPN. Thread-safe after loading.
class TlsContext {
 public:
  // PEM files: the certificate with its chain, and its key. kIo or kInvalid names the file.
  static Result<std::shared_ptr<const TlsContext>> load(const std::string& certificate_file,
                                                        const std::string& key_file);
  // Takes the context over.
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  ssl_ctx_st* context_;
};

// One connection's encryption. The handshake happens inside the first reads; nothing may be
// written before it is over. The descriptor must stay open while the session lives.
class TlsSession {
 public:
  TlsSession(std::shared_ptr<const TlsContext> context, int descriptor);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  bool established() const;
  // A buffer of at least 16 KiB takes a whole record, so that nothing stays behind unseen.
  IoResult read(std::span<char> into);
  IoResult write(std::string_view bytes);
  // Tells the peer that nothing follows.
  void say_end();

 private:
  IoResult outcome_of(int returned);
  std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_;
};

}  // namespace quire::server
