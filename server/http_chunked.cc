// Sizes are hexadecimal digits and nothing else; every line ends in CR LF.
#include "server/http_chunked.h"

#include <algorithm>

#include "server/http_parser.h"

namespace quire::server {
namespace {

// Digits of a chunk size; 15 of them cannot overflow 64 bits.
constexpr std::size_t kSizeDigits = 15;

std::optional<std::size_t> parse_hex(std::string_view digits) {
  if (digits.empty() || digits.size() > kSizeDigits) return std::nullopt;
  std::size_t value = 0;
  for (const char c : digits) {
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + static_cast<std::size_t>(digit);
  }
  return value;
}

bool is_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

}  // namespace

std::size_t ChunkedDecoder::feed(std::string_view bytes, std::string& body) {
  std::size_t used = 0;
  while (used < bytes.size() && !failure_ && part_ != Part::kDone) {
    if (part_ == Part::kContent) {
      const std::size_t count = std::min(content_left_, bytes.size() - used);
      body.append(bytes.substr(used, count));
      used += count;
      content_left_ -= count;
      if (content_left_ == 0) part_ = Part::kContentEnd;
      continue;
    }
    if (!take_line(bytes, used)) continue;
    if (part_ == Part::kSizeLine) {
      end_size_line(body.size());
    } else if (part_ == Part::kTrailer) {
      end_trailer_line();
    } else if (!line_.empty()) {
      refuse(400, "chunk is longer than its size");
    } else {
      part_ = Part::kSizeLine;
    }
    line_.clear();
  }
  return used;
}

bool ChunkedDecoder::take_line(std::string_view bytes, std::size_t& used) {
  while (used < bytes.size()) {
    const char c = bytes[used++];
    if (c == '\n') {
      if (line_.empty() || line_.back() != '\r') {
        refuse(400, "line of a chunked body does not end in CR LF");
        return false;
      }
      line_.pop_back();
      return true;
    }
    const bool room = part_ == Part::kContentEnd
                          ? line_.empty()
                          : extra_bytes_ + line_.size() < limits_->chunk_extra_bytes + kSizeDigits;
    if ((!line_.empty() && line_.back() == '\r') || (part_ == Part::kContentEnd && c != '\r')) {
      refuse(400, "malformed chunked body");
      return false;
    }
    if (!room) {
      refuse(
          part_ == Part::kTrailer ? 431 : 400,
          fmt::format("chunk extensions and trailers exceed {} bytes", limits_->chunk_extra_bytes));
      return false;
    }
    line_ += c;
  }
  return false;
}

void ChunkedDecoder::end_size_line(std::size_t body_bytes) {
  const std::size_t end = std::min(line_.find(';'), line_.size());
  const std::optional<std::size_t> size = parse_hex(std::string_view(line_).substr(0, end));
  const std::string_view extension = std::string_view(line_).substr(end);
  if (!size || !is_text(extension)) {
    refuse(400, "malformed chunk size");
    return;
  }
  extra_bytes_ += extension.size();
  if (extra_bytes_ > limits_->chunk_extra_bytes) {
    refuse(400, fmt::format("chunk extensions exceed {} bytes", limits_->chunk_extra_bytes));
  } else if (*size > limits_->body_bytes - body_bytes) {
    refuse(413, fmt::format("body exceeds {} bytes", limits_->body_bytes));
  } else {
    content_left_ = *size;
    part_ = *size == 0 ? Part::kTrailer : Part::kContent;
  }
}

void ChunkedDecoder::end_trailer_line() {
  if (line_.empty()) {
    part_ = Part::kDone;
    return;
  }
  extra_bytes_ += line_.size() + 2;
  const std::optional<HttpField> field = parse_field_line(line_);
  if (!field) {
    refuse(400, "malformed trailer field");
  } else if (field->name == "content-length" || field->name == "transfer-encoding" ||
             field->name == "host") {
    refuse(400, fmt::format("field {} is not allowed in a trailer", field->name));
  } else if (extra_bytes_ > limits_->chunk_extra_bytes) {
    refuse(431, fmt::format("trailers exceed {} bytes", limits_->chunk_extra_bytes));
  }
}

}  // namespace quire::server
