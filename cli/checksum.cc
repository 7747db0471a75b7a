// OpenSSL does the arithmetic; files are read in blocks.
#include "cli/checksum.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <vector>

#include "models/load/file.h"

namespace quire::cli {
namespace {

constexpr std::uint64_t kBlockBytes = 1 << 20;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
};

Result<std::string> digest_of(const models::File& file, const EVP_MD* kind,
                              std::string_view before) {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(::EVP_MD_CTX_new());
  bool good = context != nullptr && ::EVP_DigestInit_ex(context.get(), kind, nullptr) == 1 &&
              ::EVP_DigestUpdate(context.get(), before.data(), before.size()) == 1;
  std::vector<std::byte> block(kBlockBytes);
  for (std::uint64_t at = 0; good && at < file.bytes(); at += kBlockBytes) {
    const std::span<std::byte> part(block.data(), std::min(kBlockBytes, file.bytes() - at));
    QUIRE_TRY(file.read(at, part));
    good = ::EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!good || ::EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) {
    return fail(ErrorCode::kInternal, "OpenSSL cannot compute a checksum");
  }
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  QUIRE_ASSIGN(const models::File file, models::File::open(path));
  return digest_of(file, ::EVP_sha256(), "");
}

Result<std::string> git_sha1_of_file(const std::filesystem::path& path) {
  QUIRE_ASSIGN(const models::File file, models::File::open(path));
  std::string head = fmt::format("blob {}", file.bytes());
  head.push_back('\0');
  return digest_of(file, ::EVP_sha1(), head);
}

}  // namespace quire::cli
