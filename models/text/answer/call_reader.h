// Readers of one tool call, byte by byte, one for each shape.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "models/load/json.h"
#include "models/text/answer/answer_format.h"

namespace quire::text {

enum class ReadState {
  kMore,
  kDone,        // the byte was the call's last one
  kDoneBefore,  // the call ended before the byte
  kBroken,      // not a call of this shape
};

// Starts behind the call's begin marker. What it has found so far is in `name` (whole once
// name_known) and `arguments` (a beginning of the arguments' JSON text).
class CallReader {
 public:
  virtual ~CallReader() = default;
  virtual ReadState feed(char c) = 0;

  std::string name;
  bool name_known = false;
  std::string arguments;
  bool arguments_done = false;
  std::string native_id;
};

// The longest name of a function; what is longer is text.
inline constexpr std::size_t kCallNameBytesMax = 256;

// format and tools must outlive the reader. tools: the request's list, for the types of bare
// values.
std::unique_ptr<CallReader> make_call_reader(const ToolFormat& format, const Json& tools);

std::unique_ptr<CallReader> make_json_call_reader(const ToolFormat& format);
std::unique_ptr<CallReader> make_named_json_reader(const ToolFormat& format);
std::unique_ptr<CallReader> make_tags_reader(const ToolFormat& format, const Json& tools);
std::unique_ptr<CallReader> make_python_reader();
std::unique_ptr<CallReader> make_literal_reader(const ToolFormat& format);

// Finds the end of one JSON value without checking more than its brackets.
class JsonValueScan {
 public:
  // kDone with the closing byte of a container or string; kDoneBefore with the first byte behind a
  // number or a word.
  ReadState feed(char c);
  void reset() { *this = JsonValueScan(); }

 private:
  std::string open_;  // brackets, outermost first
  bool in_string_ = false, escaped_ = false, in_word_ = false;
};

// The schema of a parameter of one of the request's functions, or null.
const Json* parameter_schema(const Json& tools, std::string_view function, std::string_view name);
// Bare text as a JSON value of the type that the schema (may be null) asks for.
Json typed_value(const std::string& text, const Json* schema);

}  // namespace quire::text
