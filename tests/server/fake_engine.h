// An engine without a model: every token is a known function of the prompt, the choice and the
// position, so that the exact answer to any request is known at any load.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/live_view.h"

namespace quire::server {

// Ids 0..255 are bytes, 256 is BOS, 257 EOS, 258 "<|end|>" (special).
class ByteTokenizer final : public text::Tokenizer {
 public:
  static constexpr std::int32_t kBos = 256, kEos = 257, kEnd = 258, kVocab = 259;

  Result<std::vector<std::int32_t>> encode(std::string_view text,
                                           const text::EncodeOptions& options) const override;
  Result<std::string> decode(const std::vector<std::int32_t>& ids,
                             const text::DecodeOptions& options) const override;
  std::unique_ptr<text::DecodeSession> start_decoding(
      const text::DecodeOptions& options) const override;
  std::int32_t vocab_size() const override { return kVocab; }
  std::string token(std::int32_t id) const override;
  std::optional<std::int32_t> token_id(std::string_view token) const override;
  bool is_special(std::int32_t id) const override { return id >= kBos; }
  std::optional<std::int32_t> bos_id() const override { return kBos; }
  std::optional<std::int32_t> eos_id() const override { return kEos; }
};

struct FakeEngineOptions {
  std::int64_t context_max = 512;
  int max_num_seqs = 64;
  int max_num_waiting = 256;
  Time step = from_seconds(0.0005);
  int prefill_steps = 1;  // steps from being scheduled to the first token
  // Tokens end with EOS after so many, when the request allows it; 0: never.
  int natural_length = 0;
  std::vector<std::string> media;  // of the card
};

// The token of choice `choice` at `position` behind `prompt`: a lower-case letter or a space.
std::int32_t fake_token(const std::vector<std::int32_t>& prompt, int choice, std::int64_t position);
// The text of the first `count` of them.
std::string fake_text(const std::vector<std::int32_t>& prompt, int choice, std::int64_t count);
std::string fake_text(std::string_view prompt, int choice, std::int64_t count);

class FakeEngine final : public engine::Engine {
 public:
  explicit FakeEngine(const FakeEngineOptions& options);
  ~FakeEngine() override;

  Result<engine::RequestId> submit(engine::GenerateRequest request,
                                   engine::OutputSink sink) override;
  void cancel(engine::RequestId id) override;
  bool drain(Time timeout) override;
  CacheReset reset_cache() override { return {7, 3}; }
  // One group of pages, a step and a request or two: enough to tell what is passed on.
  void observe(const engine::LiveViewWish& wish,
               std::function<void(engine::LiveView&&)> done) override;
  engine::EngineStats stats() const override;
  std::vector<engine::RequestInfo> requests() const override;
  bool healthy(Time) const override { return healthy_; }
  const text::Tokenizer& tokenizer() const override { return tokenizer_; }
  const engine::ModelCard& card() const override { return card_; }

  // What tests look at and turn.
  void set_healthy(bool healthy) { healthy_ = healthy; }
  // While paused nothing is scheduled and nothing steps; cancels still work.
  void pause(bool paused);
  int cancelled() const { return cancelled_; }
  int live() const;
  std::int64_t tokens_made() const;
  int looks() const { return looks_; }  // calls of observe()
  std::uint64_t steps() const;
  // The last request that was submitted.
  engine::GenerateRequest last() const;

 private:
  struct Choice {
    std::int64_t made = 0;
    bool finished = false;
    std::string text;
    std::size_t told = 0;  // bytes of it that are out: the rest may be the start of a stop string
  };
  struct Live {
    engine::RequestId id = 0;
    engine::GenerateRequest request;
    engine::OutputSink sink;
    engine::Timings timings;
    std::vector<Choice> choices;
    int prefilled = 0;
    bool running = false;
    bool cancelled = false;
    bool prompt_told = false;
  };

  void run();
  void step();
  void step_request(Live& live, std::vector<engine::Output>& outputs);
  engine::Output next_output(Live& live, int choice);
  void finish(Live& live, int choice, engine::FinishReason reason, engine::Output& output);

  FakeEngineOptions options_;
  ByteTokenizer tokenizer_;
  engine::ModelCard card_;
  std::atomic<bool> healthy_{true};
  std::atomic<int> cancelled_{0};
  std::atomic<int> looks_{0};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<engine::RequestId, std::unique_ptr<Live>> live_;
  engine::GenerateRequest last_;
  engine::EngineStats stats_;
  engine::RequestId next_id_ = 1;
  bool paused_ = false;
  bool stop_ = false;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace quire::server
