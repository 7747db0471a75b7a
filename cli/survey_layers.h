// The layers of a spec in words.
#pragma once

#include <string>
#include <vector>

#include "models/spec.h"

namespace quire::cli {

// One line for each kind of layer, with the numbers of its layers: "0-4, 6: attention ...".
std::vector<std::string> describe_layers(const models::DecoderSpec& spec);

}  // namespace quire::cli
