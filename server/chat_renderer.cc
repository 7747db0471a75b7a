// Compiled once; rendering may happen on any thread.
#include "server/chat_renderer.h"

#include <chrono>
#include <memory>

namespace quire::server {

Result<ChatRenderer> load_chat_renderer(const std::string& folder) {
  QUIRE_ASSIGN(text::ChatTemplates templates, text::load_chat_templates(folder));
  if (templates.by_name.empty()) return ChatRenderer();
  const auto shared = std::make_shared<const text::ChatTemplates>(std::move(templates));
  return ChatRenderer([shared](const text::ChatRequest& request) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return text::render_chat(*shared, request,
                             std::chrono::duration_cast<std::chrono::seconds>(now).count());
  });
}

}  // namespace quire::server
