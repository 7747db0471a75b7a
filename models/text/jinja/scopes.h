// What Jinja's compiler finds out about names before a template runs.
#pragma once

#include "models/text/jinja/ast.h"
#include "models/text/jinja/token_stream.h"

namespace quire::text::jinja {

// Fills in each scope's hidden names and what each macro uses; refuses break and continue outside a
// loop, assignments to `loop` inside one, and filters and tests that do not exist and stand
// outside every condition. Throws SyntaxError.
void resolve_scopes(Scoped& root, TokenStream& names);

}  // namespace quire::text::jinja
