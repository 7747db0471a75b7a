// Unguessable ids for requests and answers.
#pragma once

#include <string>

namespace quire::server {

// 32 hexadecimal digits from the system's entropy.
std::string random_id();

}  // namespace quire::server
