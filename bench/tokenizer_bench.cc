// Speed of one thread tokenizing text files; bench/tokenizer_bench.py runs it beside the reference.
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "models/text/tokenizer.h"

namespace {

// Documents of about this size, cut at line ends.
constexpr std::size_t kDocumentBytes = 4096;
constexpr double kSecondsEach = 1.5;

std::vector<std::string> read_documents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> documents;
  std::string document;
  for (std::string line; std::getline(file, line);) {
    document += line + "\n";
    if (document.size() < kDocumentBytes) continue;
    documents.push_back(std::exchange(document, {}));
  }
  if (!document.empty()) documents.push_back(document);
  return documents;
}

struct Pass {
  std::size_t bytes = 0;
  std::size_t ids = 0;
  std::uint64_t checksum = 0;  // the same in the Python script
};

Pass encode_all(const quire::text::Tokenizer& tokenizer,
                const std::vector<std::string>& documents) {
  Pass pass;
  for (const std::string& document : documents) {
    const auto ids = tokenizer.encode(document, {.add_special_tokens = false});
    if (!ids) continue;
    pass.bytes += document.size();
    pass.ids += ids->size();
    for (const std::int32_t id : *ids) {
      pass.checksum = (pass.checksum * 31 + static_cast<std::uint64_t>(id)) % 1'000'000'007;
    }
  }
  return pass;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: tokenizer_bench FOLDER FILE...\n";
    return 2;
  }
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  const auto load_begin = Clock::now();
  const auto tokenizer = quire::text::load_tokenizer(argv[1]);
  if (!tokenizer) {
    std::cerr << tokenizer.error().message << '\n';
    return 1;
  }
  std::cout << fmt::format("{{\"load_s\": {:.4f}}}\n", seconds(Clock::now() - load_begin));
  for (int i = 2; i < argc; ++i) {
    const auto documents = read_documents(argv[i]);
    const Pass once = encode_all(**tokenizer, documents);
    std::size_t bytes = 0;
    const auto begin = Clock::now();
    while (seconds(Clock::now() - begin) < kSecondsEach) {
      bytes += encode_all(**tokenizer, documents).bytes;
    }
    const double mb_s = static_cast<double>(bytes) / seconds(Clock::now() - begin) / 1e6;
    std::cout << fmt::format(
        "{{\"file\": \"{}\", \"mb_s\": {:.3f}, \"ids\": {}, \"checksum\": {}}}\n", argv[i], mb_s,
        once.ids, once.checksum);
  }
  return 0;
}
