// The checkpoint's chat templates as the endpoints use them.
#pragma once

#include <string>

#include "server/backend.h"

namespace quire::server {

struct LoadedChat {
  ChatRenderer render;        // empty when the folder has no template
  ChatRenderer render_own;    // for requests that bring a template: compiles it each time
  std::string source;         // of its templates
  text::AnswerFormat format;  // what the templates show of the model's way to answer
};

Result<LoadedChat> load_chat(const std::string& folder);

}  // namespace quire::server
