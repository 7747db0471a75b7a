// Fuzzes config.json through every family: an accepted config has needs of sane sizes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/log.h"
#include "models/load/load.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  quire::set_log(quire::LogLevel::kOff, quire::LogFormat::kText);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const bool allow_unknown : {false, true}) {
    const auto parsed = quire::models::parse_model_config(text, allow_unknown);
    if (!parsed) {
      CHECK(!parsed.error().message.empty());
      continue;
    }
    CHECK(!parsed->spec.layers.empty() && parsed->spec.hidden > 0 && parsed->spec.vocab > 0);
    for (const auto& need : quire::models::slot_needs(parsed->spec, 0)) {
      CHECK(need.rows > 0 && need.cols >= 0 && need.count > 0, "{}", slot_name(need.slot));
    }
  }
  return 0;
}
