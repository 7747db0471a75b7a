// A thread of its own asks the engine a few times a second and formats once for all watchers.
#include "server/live_feed.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/api_error.h"
#include "server/sse_writer.h"

namespace quire::server {

struct LiveFeed::Slot {
  std::mutex mutex;
  std::condition_variable filled;
  std::optional<engine::LiveView> view;
  bool closed = false;

  // Nothing when it was closed before the engine had finished its step.
  std::optional<engine::LiveView> take() {
    std::unique_lock lock(mutex);
    filled.wait(lock, [this] { return view || closed; });
    return std::exchange(view, std::nullopt);
  }
};

LiveFeed::LiveFeed(engine::Engine& engine, RequestNamer namer)
    : engine_(engine), namer_(std::move(namer)), slot_(std::make_shared<Slot>()) {}

LiveFeed::~LiveFeed() { end(); }

void LiveFeed::answer(const ExchangePtr& exchange) {
  const std::string& query = exchange->request.query;
  if (query == "stream=1") {
    watch(exchange);
  } else if (query.empty() || query == "stream=0") {
    answer_once(exchange);
  } else {
    exchange->post([exchange] {
      exchange->respond(error_response(
          {kBadRequest, "the query of /v1/engine/live is stream=1, stream=0 or empty"}));
    });
  }
}

void LiveFeed::answer_once(const ExchangePtr& exchange) {
  engine_.observe({}, [exchange, namer = namer_, &card = engine_.card()](auto&& view) {
    exchange->post([exchange, namer, &card, view = std::move(view)] {
      HttpResponse response;
      response.fields = {{"Cache-Control", "no-store"}};
      response.body = dump_json(live_json(view, card, namer));
      exchange->respond(std::move(response));
    });
  });
}

void LiveFeed::watch(const ExchangePtr& exchange) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || watchers_.size() >= kWatchersMax) {
      const char* const why = ended_ ? "the server is shutting down" : "too many watch already";
      exchange->post([exchange, why] { exchange->respond(error_response({kUnavailable, why})); });
      return;
    }
    exchange->post([this, exchange] {
      exchange->begin_stream(sse_head());
      exchange->on_hang_up([this, raw = exchange.get()] { forget(raw); });
    });
    watchers_.push_back(exchange);
    newcomer_ = true;
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  wake_.notify_all();
}

void LiveFeed::forget(const Exchange* exchange) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [exchange](const auto& known) { return known.get() == exchange; });
}

void LiveFeed::run() {
  while (true) {
    engine::LiveViewWish wish;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ended_ || !watchers_.empty(); });
      if (ended_) return;
      if (newcomer_) wish_ = {};
      newcomer_ = false;
      wish = wish_;
    }
    engine_.observe(wish, [slot = slot_](engine::LiveView&& view) {
      {
        const std::lock_guard lock(slot->mutex);
        slot->view = std::move(view);
      }
      slot->filled.notify_one();
    });
    const std::optional<engine::LiveView> view = slot_->take();
    if (!view) return;
    send(*view);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kPeriod, [this] { return ended_; });
  }
}

void LiveFeed::send(const engine::LiveView& view) {
  const auto event =
      std::make_shared<std::string>(sse_event(dump_json(live_json(view, engine_.card(), namer_))));
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (!view.steps.empty()) wish_.steps_after = view.steps.back().facts.number;
  if (!view.finished.empty()) wish_.finished_after = view.finished.back().serial;
  for (const ExchangePtr& watcher : watchers_) {
    watcher->post([this, watcher, event] {
      if (watcher->closed()) {
        forget(watcher.get());
      } else if (!watcher->backlogged()) {  // a slow watcher misses some
        watcher->write(*event);
      }
    });
  }
}

void LiveFeed::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (const ExchangePtr& watcher : watchers_) watcher->post([watcher] { watcher->end({}); });
    watchers_.clear();
  }
  {
    const std::lock_guard lock(slot_->mutex);
    slot_->closed = true;
  }
  slot_->filled.notify_all();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace quire::server
