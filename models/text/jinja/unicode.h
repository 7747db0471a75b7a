// Python's str operations on UTF-8: by code point, with Unicode's tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quire::text::jinja {

// Requires valid UTF-8 throughout; offsets are bytes unless named code points.
std::size_t count_code_points(std::string_view text);
char32_t next_code_point(std::string_view text, std::size_t& offset);  // advances offset
void append_code_point(std::string& out, char32_t code_point);
bool valid_utf8(std::string_view text);
// The byte offset of a code point; the size of the text for its end.
std::size_t offset_of(std::string_view text, std::size_t code_point_idx);
// True when every byte is a code point.
bool is_ascii(std::string_view text);

bool is_space(char32_t code_point);      // str.isspace
bool is_printable(char32_t code_point);  // what repr() shows as it is (Unicode 14, as Python 3.11)
bool is_identifier_start(char32_t code_point);
bool is_identifier_part(char32_t code_point);
bool is_word(char32_t code_point);  // \w

// The text without the white space, or without any of `chars`, at its ends.
enum class Side : std::uint8_t { kLeft, kRight, kBoth };
std::string_view strip(std::string_view text, Side side = Side::kBoth);
std::string_view strip_chars(std::string_view text, std::string_view chars, Side side);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);        // str.title
std::string to_capitalized(std::string_view text);  // str.capitalize
std::string fold_case(std::string_view text);       // str.casefold
std::string swap_case(std::string_view text);

bool all_alpha(std::string_view text);
bool all_digit(std::string_view text);
bool all_decimal(std::string_view text);
bool all_numeric(std::string_view text);
bool all_alnum(std::string_view text);
bool all_space(std::string_view text);
bool all_printable(std::string_view text);
bool has_only_upper(std::string_view text);  // str.isupper
bool has_only_lower(std::string_view text);
bool is_titlecased(std::string_view text);
bool is_identifier(std::string_view text);

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// limit < 0: no limit.
std::vector<std::string_view> split_space(std::string_view text, std::int64_t limit);
std::vector<std::string_view> split_space_right(std::string_view text, std::int64_t limit);

// The value of a digit or ASCII letter in bases up to 36; -1 for anything else.
int digit_value(char32_t code_point);
// U+XXXX of the name of a character, 0 when there is none ("GREEK SMALL LETTER MU").
char32_t named_code_point(std::string_view name);

}  // namespace quire::text::jinja
