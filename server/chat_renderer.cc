// Compiled once; rendering may happen on any thread.
#include "server/chat_renderer.h"

#include <chrono>
#include <memory>

namespace quire::server {

Result<LoadedChat> load_chat(const std::string& folder) {
  QUIRE_ASSIGN(text::ChatTemplates templates, text::load_chat_templates(folder));
  LoadedChat loaded;
  // The template for tools tells more about them.
  std::string& source = loaded.source;
  for (const char* name : {"tool_use", "default"}) {
    const auto found = templates.by_name.find(name);
    if (found != templates.by_name.end()) source += found->second.source();
  }
  loaded.format = text::detect_answer_format(source);
  const auto shared = std::make_shared<const text::ChatTemplates>(std::move(templates));
  loaded.render_own = [shared](const text::ChatRequest& request) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return text::render_chat(*shared, request,
                             std::chrono::duration_cast<std::chrono::seconds>(now).count());
  };
  if (!shared->by_name.empty()) loaded.render = loaded.render_own;
  return loaded;
}

}  // namespace quire::server
