// The files of server/page as they lie in the program; cmake/embed.cmake makes the definition.
#pragma once

#include <span>
#include <string_view>

namespace quire::server {

struct PageAsset {
  std::string_view name;     // "app.js"
  std::string_view hash;     // of the content
  std::string_view plain;    // the file
  std::string_view gzipped;  // the same
};

std::span<const PageAsset> page_assets();

}  // namespace quire::server
