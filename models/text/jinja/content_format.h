// Whether a template takes a message's content as a list of parts.
#pragma once

#include <string_view>

#include "models/text/jinja/ast.h"

namespace quire::text::jinja {

// vLLM's rule: some loop runs over the `content` of a loop variable over `messages` (or over a
// variable that was assigned from messages), or over a variable that is itself called `content`;
// filters, tests and slices around either do not matter.
bool iterates_over_content(const Template& source);

// Whether `is NAME` occurs anywhere.
bool uses_test(const Template& source, std::string_view name);

}  // namespace quire::text::jinja
