// OpenSSL reads and writes the descriptor itself; its error queue is emptied before each call.
#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace quire::server {
namespace {

std::string last_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "unknown error";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

// HTTP/1.1 is what is spoken; a client that offers only other protocols is told so.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* out = nullptr;
  const int found =
      SSL_select_next_proto(&out, chosen_bytes, kOurs, sizeof kOurs, offered, offered_bytes);
  *chosen = out;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int as_length(std::size_t bytes) {
  constexpr std::size_t kMost = 1u << 30;
  return static_cast<int>(std::min(bytes, kMost));
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::string& certificate_file,
                                                           const std::string& key_file) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  ERR_clear_error();
  const auto out = std::make_shared<TlsContext>(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = out->context_;
  if (context == nullptr) return fail(ErrorCode::kInternal, "TLS: {}", last_error());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return fail_at("ssl-certfile", ErrorCode::kInvalid, "--ssl-certfile {}: {}", certificate_file,
                   last_error());
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail_at("ssl-keyfile", ErrorCode::kInvalid, "--ssl-keyfile {}: {}", key_file,
                   last_error());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return fail_at("ssl-keyfile", ErrorCode::kInvalid,
                   "--ssl-keyfile {} does not belong to the certificate {}", key_file,
                   certificate_file);
  }
  return std::shared_ptr<const TlsContext>(out);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int descriptor)
    : context_(std::move(context)), ssl_(SSL_new(context_->context_)) {
  CHECK(ssl_ != nullptr, "TLS session: {}", last_error());
  SSL_set_fd(ssl_, descriptor);
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

bool TlsSession::established() const { return SSL_is_init_finished(ssl_) == 1; }

IoResult TlsSession::outcome_of(int returned) {
  if (returned > 0) return {IoOutcome::kMoved, static_cast<std::size_t>(returned)};
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return {IoOutcome::kWaitReadable, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoOutcome::kWaitWritable, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoOutcome::kEnd, 0};
    default:
      return {IoOutcome::kFailed, 0};
  }
}

IoResult TlsSession::read(std::span<char> into) {
  ERR_clear_error();
  return outcome_of(SSL_read(ssl_, into.data(), as_length(into.size())));
}

IoResult TlsSession::write(std::string_view bytes) {
  ERR_clear_error();
  return outcome_of(SSL_write(ssl_, bytes.data(), as_length(bytes.size())));
}

void TlsSession::say_end() {
  ERR_clear_error();
  if (established()) SSL_shutdown(ssl_);
}

}  // namespace quire::server
