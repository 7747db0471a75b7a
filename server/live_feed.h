// /v1/engine/live: one look at the engine, or one stream of looks for all who watch.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/live_view.h"
#include "server/http_exchange.h"
#include "server/live_json.h"

namespace quire::server {

// Thread-safe. While nobody watches, nothing is asked of the engine.
class LiveFeed {
 public:
  static constexpr Time kPeriod = std::chrono::milliseconds(250);
  static constexpr std::size_t kWatchersMax = 16;

  // The engine must live until end().
  LiveFeed(engine::Engine& engine, RequestNamer namer);
  ~LiveFeed();

  // Answers with one JSON object, or, with the query stream=1, with events until the client goes.
  void answer(const ExchangePtr& exchange);

  // Ends every stream; later ones are refused.
  void end();

 private:
  struct Slot;  // where the engine thread leaves its view

  void answer_once(const ExchangePtr& exchange);
  void watch(const ExchangePtr& exchange);
  void forget(const Exchange* exchange);
  void run();
  void send(const engine::LiveView& view);

  engine::Engine& engine_;
  const RequestNamer namer_;
  std::shared_ptr<Slot> slot_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<ExchangePtr> watchers_;
  engine::LiveViewWish wish_;  // what the watchers have not seen yet
  bool newcomer_ = false;      // has seen nothing, so everything is told once more
  bool ended_ = false;
  std::thread thread_;  // from the first watcher on
};

}  // namespace quire::server
