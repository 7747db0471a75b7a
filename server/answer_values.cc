// The only place of the answers that looks at the calendar.
#include "server/answer_values.h"

#include <chrono>
#include <cmath>

namespace quire::server {

std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

double shown(float value) { return std::round(static_cast<double>(value) * 1e6) / 1e6; }

Json token_ids_json(std::span<const engine::OutputToken> tokens) {
  Json out = Json::array();
  for (const engine::OutputToken& token : tokens) out.push_back(token.id);
  return out;
}

}  // namespace quire::server
