// The thread's current account, and what exceeding it says.
#include "models/text/jinja/budget.h"

namespace quire::text::jinja {
namespace {

thread_local Budget* current_budget = nullptr;

// 2 M steps then allow 256 MB of built and 2 GB of scanned text.
constexpr std::size_t kBuiltBytesPerStep = 128;
constexpr std::size_t kScannedBytesPerStep = 1024;

}  // namespace

Budget::Budget(const TemplateLimits& limits)
    : limits_(limits), fuel_(limits.fuel), outer_(current_budget) {
  current_budget = this;
}

Budget::~Budget() { current_budget = outer_; }

Budget* Budget::current() { return current_budget; }

void Budget::raise_out_of_fuel() const {
  raise("the template needs more than {} evaluation steps", limits_.fuel);
}

void spend(std::int64_t steps) {
  if (current_budget != nullptr) current_budget->spend(steps);
}

void check_built_bytes(std::size_t bytes) {
  if (current_budget == nullptr) return;
  const std::size_t limit = current_budget->limits().output_bytes;
  if (bytes > limit) raise("a text of {} bytes exceeds the limit of {}", bytes, limit);
}

void spend_built_bytes(std::size_t bytes) {
  check_built_bytes(bytes);
  spend(static_cast<std::int64_t>(bytes / kBuiltBytesPerStep));
}

void spend_scanned_bytes(std::size_t bytes) {
  spend(static_cast<std::int64_t>(bytes / kScannedBytesPerStep));
}

void check_repeated_bytes(std::size_t bytes) {
  const std::size_t limit = current_budget != nullptr
                                ? current_budget->limits().repeated_string_bytes
                                : TemplateLimits{}.repeated_string_bytes;
  if (bytes > limit) raise("a repeated text of {} bytes exceeds the limit of {}", bytes, limit);
}

}  // namespace quire::text::jinja
