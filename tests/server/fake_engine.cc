// One thread steps all live requests, as the real engine does; sinks are called outside the lock.
#include "tests/server/fake_engine.h"

#include <algorithm>

#include "base/rng.h"

namespace quire::server {
namespace {

using engine::FinishReason;

// A made-up log-probability that depends on the token alone.
float fake_logprob(std::int32_t id, std::int64_t position) {
  return -0.125f * static_cast<float>((id * 7 + position * 3) % 16) - 0.0625f;
}

engine::OutputToken fake_output_token(std::int32_t id, std::int64_t position, int top) {
  engine::OutputToken token{id, fake_logprob(id, position), 1, {}};
  for (int i = 0; i < top; ++i) {
    const std::int32_t other = (id + i) % ByteTokenizer::kVocab;
    token.top.push_back({other, token.logprob - static_cast<float>(i), i + 1});
  }
  return token;
}

}  // namespace

Result<std::vector<std::int32_t>> ByteTokenizer::encode(std::string_view text,
                                                        const text::EncodeOptions& options) const {
  std::vector<std::int32_t> ids;
  if (options.add_special_tokens && text.starts_with("^")) ids.push_back(kBos);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (options.parse_special && text.substr(i).starts_with("<|end|>")) {
      ids.push_back(kEnd);
      i += 6;
    } else {
      ids.push_back(static_cast<unsigned char>(text[i]));
    }
  }
  return ids;
}

Result<std::string> ByteTokenizer::decode(const std::vector<std::int32_t>& ids,
                                          const text::DecodeOptions& options) const {
  std::string out;
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= kVocab)
      return fail(ErrorCode::kInvalid, "id {} is not below {}", id, kVocab);
    if (id < kBos) {
      out += static_cast<char>(id);
    } else if (!options.skip_special_tokens) {
      out += token(id);
    }
  }
  if (ids.size() == 1 && ids[0] >= 0x80 && ids[0] < 256) return std::string("\xEF\xBF\xBD");
  return out;
}

// Every token is a whole character here.
class ByteSession final : public text::DecodeSession {
 public:
  ByteSession(const ByteTokenizer& tokenizer, const text::DecodeOptions& options)
      : tokenizer_(tokenizer), options_(options) {}
  Result<std::string> push(std::int32_t id) override { return tokenizer_.decode({id}, options_); }
  Result<std::string> finish() override { return std::string(); }

 private:
  const ByteTokenizer& tokenizer_;
  text::DecodeOptions options_;
};

std::unique_ptr<text::DecodeSession> ByteTokenizer::start_decoding(
    const text::DecodeOptions& options) const {
  return std::make_unique<ByteSession>(*this, options);
}

std::string ByteTokenizer::token(std::int32_t id) const {
  if (id == kBos) return "<|bos|>";
  if (id == kEos) return "<|eos|>";
  if (id == kEnd) return "<|end|>";
  if (id >= 0x80) return fmt::format("<0x{:02X}>", id);
  return id < 0 ? std::string() : std::string(1, static_cast<char>(id));
}

std::optional<std::int32_t> ByteTokenizer::token_id(std::string_view token) const {
  if (token.size() == 1) return static_cast<unsigned char>(token[0]);
  return std::nullopt;
}

std::int32_t fake_token(const std::vector<std::int32_t>& prompt, int choice,
                        std::int64_t position) {
  std::uint64_t key = static_cast<std::uint64_t>(choice) * 1000003u;
  for (const std::int32_t id : prompt) key = mix64(key + static_cast<std::uint64_t>(id) + 1);
  const std::uint64_t draw = random_bits(key, static_cast<std::uint64_t>(position)) % 27;
  return draw == 26 ? ' ' : static_cast<std::int32_t>('a' + draw);
}

std::string fake_text(const std::vector<std::int32_t>& prompt, int choice, std::int64_t count) {
  std::string out;
  for (std::int64_t i = 0; i < count; ++i) {
    out += static_cast<char>(fake_token(prompt, choice, i));
  }
  return out;
}

std::string fake_text(std::string_view prompt, int choice, std::int64_t count) {
  return fake_text(ByteTokenizer().encode(prompt, {}).value(), choice, count);
}

FakeEngine::FakeEngine(const FakeEngineOptions& options) : options_(options) {
  card_.family = "fake";
  card_.media = options.media;
  card_.folder = "/models/fake";
  card_.context_max = options.context_max;
  card_.vocab = ByteTokenizer::kVocab;
  card_.eos_ids = {ByteTokenizer::kEos};
  card_.fingerprint = "fake";
  card_.block_size = 16;
  card_.max_num_seqs = options.max_num_seqs;
  stats_.cache.groups.push_back({1000, 0, 0, 1000});
  stats_.step_tokens_histogram.assign(std::size(engine::kStepTokenBounds) + 1, 0);
  thread_ = std::thread([this] { run(); });
}

FakeEngine::~FakeEngine() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    paused_ = false;
    for (auto& [id, live] : live_) live->cancelled = true;
  }
  wake_.notify_all();
  thread_.join();
}

Result<engine::RequestId> FakeEngine::submit(engine::GenerateRequest request,
                                             engine::OutputSink sink) {
  const std::lock_guard lock(mutex_);
  if (draining_) return fail(ErrorCode::kOverloaded, "the engine is draining");
  int waiting = 0;
  for (const auto& [id, live] : live_) waiting += live->running ? 0 : 1;
  const int room = options_.max_num_seqs - (static_cast<int>(live_.size()) - waiting);
  if (waiting - room >= options_.max_num_waiting) {
    return fail(ErrorCode::kOverloaded, "{} requests wait already, the limit is {}", waiting,
                options_.max_num_waiting);
  }
  last_ = request;
  auto live = std::make_unique<Live>();
  live->id = next_id_++;
  live->choices.resize(static_cast<std::size_t>(request.n));
  live->request = std::move(request);
  live->sink = std::move(sink);
  live->timings.arrival = SteadyClock().now();
  const engine::RequestId id = live->id;
  stats_.prompt_tokens += live->request.prompt.size();
  live_[id] = std::move(live);
  wake_.notify_all();
  return id;
}

void FakeEngine::cancel(engine::RequestId id) {
  const std::lock_guard lock(mutex_);
  const auto it = live_.find(id);
  if (it == live_.end() || it->second->cancelled) return;
  it->second->cancelled = true;
  ++cancelled_;
  wake_.notify_all();
}

bool FakeEngine::drain(Time timeout) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  return wake_.wait_for(lock, timeout, [this] { return live_.empty(); });
}

void FakeEngine::pause(bool paused) {
  const std::lock_guard lock(mutex_);
  paused_ = paused;
  wake_.notify_all();
}

int FakeEngine::live() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(live_.size());
}

std::int64_t FakeEngine::tokens_made() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(stats_.generation_tokens);
}

std::uint64_t FakeEngine::steps() const {
  const std::lock_guard lock(mutex_);
  return stats_.steps;
}

engine::GenerateRequest FakeEngine::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

void FakeEngine::observe(const engine::LiveViewWish& wish,
                         std::function<void(engine::LiveView&&)> done) {
  ++looks_;
  engine::LiveView view;
  view.now = SteadyClock().now();
  view.stats = stats();
  cache::PoolView pool{view.stats.cache.groups[0], {}, 0};
  const auto add = [&pool](std::int32_t references, std::int64_t count) {
    if (count > 0) pool.runs.push_back({references, static_cast<std::int32_t>(count)});
  };
  add(1, pool.stats.referenced);
  add(0, pool.stats.cached);
  add(cache::PageRun::kFreeRun, pool.stats.free);
  pool.listed = pool.stats.total;
  view.cache.groups.push_back(pool);
  for (const engine::RequestInfo& info : requests()) {
    engine::RequestView request;
    request.id = request.sequence = info.id;
    request.phase = info.running ? engine::RequestPhase::kDecode : engine::RequestPhase::kWaiting;
    request.prompt_tokens = info.prompt_tokens;
    request.output_tokens = info.output_tokens;
    view.requests.push_back(request);
  }
  view.requests_total = std::ssize(view.requests);
  if (view.stats.steps > wish.steps_after) {
    view.steps.emplace_back();
    view.steps.back().facts.number = view.stats.steps;
  }
  done(std::move(view));
}

engine::EngineStats FakeEngine::stats() const {
  const std::lock_guard lock(mutex_);
  engine::EngineStats stats = stats_;
  for (const auto& [id, live] : live_) {
    ++(live->running ? stats.running : stats.waiting);
    stats.open_prompt_tokens += static_cast<std::int64_t>(live->request.prompt.size());
  }
  stats.step_seconds = to_seconds(options_.step);
  stats.cache.groups[0].referenced = stats.running;
  stats.cache.groups[0].free = stats.cache.groups[0].total - stats.running;
  return stats;
}

std::vector<engine::RequestInfo> FakeEngine::requests() const {
  const std::lock_guard lock(mutex_);
  std::vector<engine::RequestInfo> out;
  for (const auto& [id, live] : live_) {
    engine::RequestInfo info;
    info.id = id;
    info.running = live->running;
    info.max_tokens = live->request.sampling.max_tokens;
    info.prompt_tokens = static_cast<std::int64_t>(live->request.prompt.size());
    info.output_tokens = live->choices.front().made;
    out.push_back(info);
  }
  return out;
}

void FakeEngine::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] {
        if (stop_) return true;
        return std::any_of(live_.begin(), live_.end(), [this](const auto& entry) {
          return !paused_ || entry.second->cancelled;
        });
      });
      if (stop_ && live_.empty()) return;
    }
    step();
    std::this_thread::sleep_for(options_.step);
  }
}

void FakeEngine::step() {
  std::vector<std::pair<engine::OutputSink, engine::Output>> deliveries;
  {
    const std::lock_guard lock(mutex_);
    ++stats_.steps;
    int running = 0;
    for (auto& [id, live] : live_) running += live->running ? 1 : 0;
    for (auto it = live_.begin(); it != live_.end();) {
      Live& live = *it->second;
      if (!live.running && running < options_.max_num_seqs && !paused_ && !live.cancelled) {
        live.running = true;
        live.timings.first_scheduled = SteadyClock().now();
        ++running;
      }
      std::vector<engine::Output> outputs;
      step_request(live, outputs);
      for (engine::Output& output : outputs) deliveries.emplace_back(live.sink, std::move(output));
      const bool done = std::all_of(live.choices.begin(), live.choices.end(),
                                    [](const Choice& choice) { return choice.finished; });
      it = done ? live_.erase(it) : std::next(it);
    }
  }
  wake_.notify_all();
  for (auto& [sink, output] : deliveries) sink(std::move(output));
}

void FakeEngine::step_request(Live& live, std::vector<engine::Output>& outputs) {
  const Time now = SteadyClock().now();
  const bool late =
      live.request.timeout != Time::max() && now - live.timings.arrival > live.request.timeout;
  if (live.cancelled || late) {
    for (int i = 0; i < live.request.n; ++i) {
      if (live.choices[static_cast<std::size_t>(i)].finished) continue;
      engine::Output output;
      finish(live, i, live.cancelled ? FinishReason::kAbort : FinishReason::kTimeout, output);
      outputs.push_back(std::move(output));
    }
    return;
  }
  if (!live.running || paused_ || ++live.prefilled < options_.prefill_steps) return;
  for (int i = 0; i < live.request.n; ++i) {
    if (live.choices[static_cast<std::size_t>(i)].finished) continue;
    outputs.push_back(next_output(live, i));
  }
}

engine::Output FakeEngine::next_output(Live& live, int choice) {
  Choice& state = live.choices[static_cast<std::size_t>(choice)];
  const engine::SamplingParams& params = live.request.sampling;
  engine::Output output;
  output.choice = choice;
  if (choice == 0 && !live.prompt_told && params.prompt_logprobs >= 0) {
    live.prompt_told = true;
    for (std::size_t i = 0; i < live.request.prompt.size(); ++i) {
      output.prompt_tokens.push_back(fake_output_token(live.request.prompt[i],
                                                       static_cast<std::int64_t>(i),
                                                       i == 0 ? 0 : params.prompt_logprobs));
    }
  }
  if (params.max_tokens == 0) {
    finish(live, choice, FinishReason::kLength, output);
    return output;
  }
  if (live.timings.first_token == Time::zero()) live.timings.first_token = SteadyClock().now();
  const bool ends = options_.natural_length > 0 && !params.ignore_eos &&
                    state.made >= options_.natural_length && state.made >= params.min_tokens;
  const std::int32_t id =
      ends ? ByteTokenizer::kEos : fake_token(live.request.prompt, choice, state.made);
  output.tokens.push_back(fake_output_token(id, state.made, std::max(params.logprobs, 0)));
  ++state.made;
  ++stats_.generation_tokens;
  if (!ends) state.text += static_cast<char>(id);
  const bool stopped = std::find(params.stop_token_ids.begin(), params.stop_token_ids.end(), id) !=
                       params.stop_token_ids.end();
  if (stopped) state.text.pop_back();
  output.tokens.back().text_bytes = ends || stopped ? 0 : 1;
  const auto stop = std::find_if(params.stop.begin(), params.stop.end(), [&](const auto& it) {
    return state.text.find(it) != std::string::npos;
  });
  std::size_t held = 0;
  for (const std::string& text : params.stop) held = std::max(held, text.size() - 1);
  if (stop != params.stop.end()) {
    state.text.resize(state.text.find(*stop));
    output.stop_reason = *stop;
    finish(live, choice, FinishReason::kStop, output);
  } else if (ends) {
    finish(live, choice, FinishReason::kStop, output);
  } else if (stopped) {
    output.stop_token_id = id;
    finish(live, choice, FinishReason::kStop, output);
  } else if (state.made >= params.max_tokens) {
    finish(live, choice, FinishReason::kLength, output);
  }
  if (state.finished) held = 0;
  const std::size_t out =
      std::max(state.told, state.text.size() - std::min(held, state.text.size()));
  output.text = state.text.substr(state.told, out - state.told);
  state.told = out;
  return output;
}

void FakeEngine::finish(Live& live, int choice, FinishReason reason, engine::Output& output) {
  Choice& state = live.choices[static_cast<std::size_t>(choice)];
  state.finished = true;
  output.choice = choice;
  output.finish = reason;
  output.usage.prompt_tokens = static_cast<std::int64_t>(live.request.prompt.size());
  output.usage.completion_tokens = state.made;
  output.usage.cached_tokens = std::min<std::int64_t>(5, output.usage.prompt_tokens);
  output.timings = live.timings;
  output.timings.finished = SteadyClock().now();
}

}  // namespace quire::server
