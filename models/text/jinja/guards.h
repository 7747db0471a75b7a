// What the interpreter changes for the length of a block and restores, also when an error unwinds.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "models/text/jinja/interpreter.h"

namespace quire::text::jinja {

// Levels of statements and expressions for each permitted level of calls; together they bound the
// machine's stack.
constexpr int kLevelsPerCall = 16;

class Interpreter::DepthGuard {
 public:
  explicit DepthGuard(Interpreter& interpreter) : depth_(interpreter.depth_) {
    const int limit = interpreter.budget_.limits().depth * kLevelsPerCall;
    if (depth_ >= limit) raise("evaluation nests deeper than {} levels", limit);
    ++depth_;
  }
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int& depth_;
};

// Calls of macros and recursive loops.
class Interpreter::CallGuard {
 public:
  explicit CallGuard(Interpreter& interpreter) : calls_(interpreter.calls_) {
    const int limit = interpreter.budget_.limits().depth;
    if (calls_ >= limit) raise("macros call each other deeper than {} levels", limit);
    ++calls_;
  }
  ~CallGuard() { --calls_; }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  int& calls_;
};

class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, ScopePtr scope)
      : interpreter_(interpreter), outer_(std::move(interpreter.scope_)) {
    interpreter_.scope_ = std::move(scope);
  }
  // A fresh scope inside the current one.
  ScopeGuard(Interpreter& interpreter, const Scoped& scoped)
      : interpreter_(interpreter), outer_(interpreter.scope_) {
    auto fresh = std::make_shared<Scope>();
    fresh->parent = outer_;
    for (const NameId id : scoped.hidden) fresh->hide(id);
    interpreter_.scope_ = std::move(fresh);
  }
  ~ScopeGuard() { interpreter_.scope_ = std::move(outer_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& interpreter_;
  ScopePtr outer_;
};

// Collects the output instead of printing it.
class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter)
      : interpreter_(interpreter),
        outer_(interpreter.out_),
        text_(std::make_unique<std::string>()) {
    interpreter_.out_ = text_.get();
  }
  ~Capture() { interpreter_.out_ = outer_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  const std::string& text() const { return *text_; }

 private:
  Interpreter& interpreter_;
  std::string* outer_;
  std::unique_ptr<std::string> text_;
};

}  // namespace quire::text::jinja
