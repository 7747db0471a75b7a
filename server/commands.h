// The small subcommands: filters for looking at tokens and prompts.
#pragma once

#include <span>
#include <string>

namespace quire::server {

// `quire tokenize --model DIR`: JSON lines from standard input to standard output.
int run_tokenize(std::span<const std::string> arguments);

// `quire apply-template --template FILE`: a context as JSON from standard input, the prompt's text
// to standard output.
int run_apply_template(std::span<const std::string> arguments);

}  // namespace quire::server
