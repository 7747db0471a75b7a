// PCRE2 with its JIT and with limits, so that no pattern can run away.
#include "models/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "models/text/unicode.h"

namespace quire::text {
namespace {

constexpr std::uint32_t kMatchLimit = 50'000'000;
constexpr std::size_t kJitStackBytesMax = std::size_t{16} << 20;

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using CodePointer = std::unique_ptr<pcre2_code, Freer<&pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Freer<&pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<&pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<&pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freer<&pcre2_jit_stack_free>>;

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

// What matching needs besides the pattern; one for each thread.
struct Scratch {
  JitStack stack{pcre2_jit_stack_create(32 << 10, kJitStackBytesMax, nullptr)};
  MatchContext context{pcre2_match_context_create(nullptr)};
  MatchData data{pcre2_match_data_create(1, nullptr)};

  Scratch() {
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

Scratch& scratch() {
  thread_local Scratch value;
  return value;
}

}  // namespace

struct Regex::Code {
  CodePointer pointer;
};

Result<Regex> Regex::compile(std::string_view pattern) {
  QUIRE_ASSIGN(const std::string native, translate_regex(pattern));
  QUIRE_ASSIGN(Regex regex, compile_native(native));
  regex.pattern_ = pattern;
  return regex;
}

Result<Regex> Regex::compile_native(std::string_view pattern) {
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 200);
  int error = 0;
  PCRE2_SIZE offset = 0;
  CodePointer code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                 &error, &offset, context.get()));
  if (code == nullptr) {
    return fail(ErrorCode::kInvalid, "regular expression \"{}\": {} at {}", pattern.substr(0, 200),
                pcre2_message(error), offset);
  }
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without it the interpreter matches
  Regex regex;
  regex.pattern_ = pattern;
  regex.code_ = std::make_shared<const Code>(Code{std::move(code)});
  return regex;
}

Result<Regex> Regex::compile_literal(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const bool sign = static_cast<unsigned char>(c) < 0x80 &&
                      is_punctuation(static_cast<char32_t>(static_cast<unsigned char>(c)));
    if (sign) pattern += '\\';
    pattern += c;
  }
  return compile_native(pattern);
}

Status Regex::find_all(std::string_view text, std::vector<Match>& out) const {
  Scratch& with = scratch();
  std::size_t covered = 0;      // end of what `out` has
  std::size_t search_from = 0;  // where the next search starts
  bool any = false;
  while (search_from <= text.size()) {
    const int found =
        pcre2_match(code_->pointer.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                    search_from, PCRE2_NO_UTF_CHECK, with.data.get(), with.context.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      return fail(ErrorCode::kInvalid, "regular expression \"{}\" on {} bytes of text: {}",
                  pattern_.substr(0, 200), text.size(), pcre2_message(found));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(with.data.get());
    const std::size_t begin = range[0];
    const std::size_t end = range[1];
    if (end < begin || begin < covered) {
      return fail(ErrorCode::kInvalid, "regular expression \"{}\" matches backwards",
                  pattern_.substr(0, 200));
    }
    if (begin == end && any && covered == end) {
      if (search_from >= text.size()) break;
      search_from += utf8_at(text, search_from).bytes;
      continue;
    }
    if (covered != begin) out.push_back({covered, begin, false});
    out.push_back({begin, end, true});
    covered = search_from = end;
    any = true;
  }
  if (covered != text.size()) out.push_back({covered, text.size(), false});
  return {};
}

}  // namespace quire::text
