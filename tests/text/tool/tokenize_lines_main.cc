// The JSON-lines tokenizer as a program, for tools/tokenizer_diff.py and the benchmark.
#include <fstream>
#include <iostream>

#include "models/text/tokenize_lines.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenize_lines FOLDER < requests > answers\n";
    return 2;
  }
  std::ios::sync_with_stdio(false);
  const auto tokenizer = quire::text::load_tokenizer(argv[1]);
  if (!tokenizer) {
    std::cerr << tokenizer.error().message << '\n';
    return 1;
  }
  quire::text::tokenize_lines(**tokenizer, std::cin, std::cout);
  return 0;
}
