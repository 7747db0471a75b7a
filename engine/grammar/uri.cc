// The parts of a URI, and how a relative one borrows them from its base.
#include "engine/grammar/uri.h"

#include <algorithm>
#include <optional>

namespace quire::grammar {
namespace {

struct Uri {
  std::optional<std::string> scheme, authority, query;
  std::string path, fragment;
};

bool is_scheme(std::string_view text) {
  const auto letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  return !text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

Uri parts_of(std::string_view text) {
  Uri uri;
  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    uri.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    uri.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  if (const std::size_t colon = text.find(':');
      colon != std::string_view::npos && is_scheme(text.substr(0, colon))) {
    uri.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    const std::size_t slash = std::min(text.find('/', 2), text.size());
    uri.authority = text.substr(2, slash - 2);
    text.remove_prefix(slash);
  }
  uri.path = text;
  return uri;
}

// "a/b/../c/./d" is "a/c/d".
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t next = path.starts_with('/') ? 1 : 0;
    const std::size_t end = std::min(path.find('/', next), path.size());
    const std::string_view segment = path.substr(next, end - next);
    const bool last = end == path.size();
    if (segment == "..") {
      out.resize(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
    } else if (segment != ".") {
      out += path.substr(0, end);
    }
    if (last && (segment == "." || segment == "..")) out += '/';
    path.remove_prefix(end);
  }
  return out;
}

std::string merged_path(const Uri& base, const std::string& path) {
  if (base.authority && base.path.empty()) return "/" + path;
  const std::size_t slash = base.path.rfind('/');
  return (slash == std::string::npos ? "" : base.path.substr(0, slash + 1)) + path;
}

}  // namespace

ResolvedUri resolve_uri(std::string_view base_text, std::string_view reference) {
  const Uri base = parts_of(base_text);
  Uri uri = parts_of(reference);
  if (!uri.scheme) {
    uri.scheme = base.scheme;
    if (!uri.authority) {
      uri.authority = base.authority;
      if (uri.path.empty()) {
        uri.path = base.path;
        if (!uri.query) uri.query = base.query;
      } else if (!uri.path.starts_with('/')) {
        uri.path = without_dots(merged_path(base, uri.path));
      } else {
        uri.path = without_dots(uri.path);
      }
    }
  }
  std::string address = uri.scheme ? *uri.scheme + ":" : "";
  if (uri.authority) address += "//" + *uri.authority;
  address += uri.path;
  if (uri.query) address += "?" + *uri.query;
  return {std::move(address), std::move(uri.fragment)};
}

std::string unescape_percent(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

}  // namespace quire::grammar
