// `quire serve`: finds the model, then hands over to the server.
#include "cli/command.h"
#include "cli/model_source.h"
#include "server/serve.h"

namespace quire::cli {

int serve_command(Invocation& invocation) {
  server::Settings& settings = invocation.options.settings;
  const std::vector<std::string> errors = server::check_settings(settings);
  for (const std::string& error : errors) write_error(fmt::format("quire serve: {}\n", error));
  if (!errors.empty()) {
    write_error("Try: quire serve --help\n");
    return kExitUsage;
  }
  // The API keeps the name that was given; the folder of a snapshot is called by its commit.
  const std::string name = settings.engine.model;
  const auto folder = find_model(invocation.options);
  if (!folder) return report("serve", folder.error());
  if (*folder != name && settings.served_model_name.empty()) {
    settings.served_model_name = name.substr(0, name.find('@'));
  }
  settings.engine.model = *folder;
  settings.http.body_bytes = static_cast<std::size_t>(settings.max_body_bytes);
  return server::run_serve(settings);
}

}  // namespace quire::cli
