// The parser's view of the tokens, with its nesting guard and its table of names.
#pragma once

#include <initializer_list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/text/jinja/ast.h"
#include "models/text/jinja/lexer.h"

namespace quire::text::jinja {

class TokenStream {
 public:
  TokenStream(std::vector<Token> tokens, int depth_max)
      : tokens_(std::move(tokens)), depth_max_(depth_max) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  // Returns the current token and goes on; stays at the end.
  const Token& next() {
    const Token& token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }

  static bool is_operator(const Token& token, std::string_view text) {
    return token.kind == TokenKind::kOperator && token.text == text;
  }
  static bool is_name(const Token& token, std::string_view text) {
    return token.kind == TokenKind::kName && token.text == text;
  }
  bool at_operator(std::string_view text) const { return is_operator(current(), text); }
  bool at_name(std::string_view text) const { return is_name(current(), text); }
  bool at(TokenKind kind) const { return current().kind == kind; }
  bool skip_operator(std::string_view text) { return at_operator(text) && (next(), true); }
  bool skip_name(std::string_view text) { return at_name(text) && (next(), true); }

  void expect_operator(std::string_view text) {
    if (!skip_operator(text)) fail_expected(text);
  }
  std::string expect_name() {
    if (!at(TokenKind::kName)) fail_expected("name");
    return next().text;
  }
  void expect(TokenKind kind, std::string_view description) {
    if (!at(kind)) fail_expected(description);
    next();
  }

  [[noreturn]] void fail(std::string message) const {
    fail_at(current().offset, std::move(message));
  }
  [[noreturn]] static void fail_at(std::size_t offset, std::string message) {
    throw SyntaxError{std::move(message), offset};
  }
  [[noreturn]] void fail_expected(std::string_view wanted) const {
    fail(fmt::format("expected token '{}', got '{}'", wanted, describe(current())));
  }
  static std::string describe(const Token& token);

  NameId intern(const std::string& name) {
    const auto [it, is_new] = ids_.try_emplace(name, static_cast<NameId>(names_.size()));
    if (is_new) names_.push_back(name);
    return it->second;
  }
  const std::string& name_of(NameId id) const { return names_[static_cast<std::size_t>(id)]; }
  std::vector<std::string> take_names() { return std::move(names_); }

  int depth_max() const { return depth_max_; }

  // Counts one level of recursion while it lives.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) {
      if (++stream_.depth_ > stream_.depth_max_) {
        --stream_.depth_;
        stream_.fail(fmt::format("the template nests deeper than {}", stream_.depth_max_));
      }
    }
    ~Level() { --stream_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_max_;
  int depth_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, NameId> ids_;
};

}  // namespace quire::text::jinja
