// `quire tokenize` and `quire apply-template`: filters for looking at tokens and prompts.
#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/command.h"
#include "cli/model_source.h"
#include "models/text/apply_template.h"
#include "models/text/tokenize_lines.h"
#include "models/text/tokenizer.h"

namespace quire::cli {
namespace {

std::string read_all(std::istream& in) {
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

int wrong_usage(std::string_view command, std::string_view message) {
  write_error(fmt::format("quire {}: {}\nTry: quire {} --help\n", command, message, command));
  return kExitUsage;
}

}  // namespace

int tokenize_command(Invocation& invocation) {
  const auto folder = find_model(invocation.options);
  if (!folder) return report("tokenize", folder.error());
  const auto tokenizer = text::load_tokenizer(*folder);
  if (!tokenizer) return report("tokenize", tokenizer.error());
  text::tokenize_lines(**tokenizer, std::cin, std::cout);
  return kExitOk;
}

int apply_template_command(Invocation& invocation) {
  const Options& options = invocation.options;
  if (options.template_file.empty()) return wrong_usage("apply-template", "--template is missing");
  std::ifstream file(options.template_file, std::ios::binary);
  if (!file) {
    return report("apply-template",
                  {ErrorCode::kIo, fmt::format("cannot read {}", options.template_file)});
  }
  std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  if (!options.now.empty()) {
    const auto time = text::parse_time(options.now);
    if (!time) return wrong_usage("apply-template", time.error().message);
    now = *time;
  }
  const auto prompt = text::apply_template(read_all(file), read_all(std::cin), now);
  if (!prompt) return report("apply-template", prompt.error());
  std::cout << *prompt;
  return std::cout.flush() ? kExitOk : kExitFailure;
}

}  // namespace quire::cli
