// Text on its way from raw input to pieces that a model encodes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quire::text {

struct Piece {
  std::uint32_t begin;  // byte range in the text
  std::uint32_t end;
  std::int32_t id = -1;  // of the added token that the piece is; -1: text still to be encoded

  bool is_text() const { return id < 0; }
};

// Pieces in order over one text. Invariant: text pieces are not empty and lie at UTF-8 boundaries.
class Pieces {
 public:
  // Views the text; the caller keeps it alive.
  explicit Pieces(std::string_view text) : view_(text) {}
  explicit Pieces(std::string&& text) : owned_(std::move(text)), view_(owned_) {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  std::string_view text() const { return view_; }
  std::string_view text_of(const Piece& piece) const {
    return view_.substr(piece.begin, piece.end - piece.begin);
  }
  void replace_text(std::string&& text) {
    owned_ = std::move(text);
    view_ = owned_;
  }

  std::vector<Piece> items;
  // Text bytes before this one stem from the first character of the raw input.
  std::size_t first_char_end = 0;

 private:
  std::string owned_;
  std::string_view view_;
};

// A string together with what the pieces keep of its origin.
struct NormalText {
  std::string text;
  std::size_t first_char_end = 0;  // as in Pieces
};

}  // namespace quire::text
