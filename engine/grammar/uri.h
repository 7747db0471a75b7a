// References between documents: resolving one URI against another (RFC 3986, section 5.2).
#pragma once

#include <string>
#include <string_view>

namespace quire::grammar {

struct ResolvedUri {
  std::string address;  // without the fragment
  std::string fragment;
};

// A base may be relative itself, or empty. Nothing is normalised but the dots of a path.
ResolvedUri resolve_uri(std::string_view base, std::string_view reference);

// %HH as the bytes that it spells.
std::string unescape_percent(std::string_view text);

}  // namespace quire::grammar
