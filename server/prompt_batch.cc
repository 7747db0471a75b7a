// A task's state belongs to the I/O thread of its connection; outputs are posted there. Some
// prompts are with the engine at a time, so that a long list neither fills the queue nor is refused
// by it.
#include "server/prompt_batch.h"

#include <memory>
#include <utility>

namespace quire::server {
namespace {

constexpr std::size_t kInFlightMax = 32;

struct Task : std::enable_shared_from_this<Task> {
  Task(engine::Engine& engine, ExchangePtr exchange, PromptBatch batch)
      : engine(engine),
        exchange(std::move(exchange)),
        batch(std::move(batch)),
        outputs(this->batch.requests.size()) {}

  void begin();
  void submit_more();
  void on_output(std::size_t index, engine::Output output);
  void fail(const ApiError& error);
  void cancel_all() {
    for (const engine::RequestId id : ids) engine.cancel(id);
  }

  engine::Engine& engine;
  ExchangePtr exchange;
  PromptBatch batch;
  std::vector<engine::Output> outputs;
  std::size_t next = 0;      // to be submitted
  std::size_t finished = 0;  // of those before
  std::vector<engine::RequestId> ids;
  bool answered = false;
};

void Task::begin() {
  exchange->on_hang_up([self = shared_from_this()] {
    self->answered = true;
    self->cancel_all();
  });
  submit_more();
}

void Task::submit_more() {
  while (!answered && next < outputs.size() && next - finished < kInFlightMax) {
    engine::GenerateRequest request = batch.requests[next];
    auto id = engine.submit(std::move(request),
                            [self = shared_from_this(), i = next](engine::Output&& output) {
                              self->exchange->post([self, i, output = std::move(output)]() mutable {
                                self->on_output(i, std::move(output));
                              });
                            });
    if (!id) {
      // When one of those in flight has ended there is room for this one.
      const bool later = id.error().code == ErrorCode::kOverloaded && next > finished;
      if (!later) fail(batch.refuse(id.error(), batch.requests[next]));
      return;
    }
    ids.push_back(*id);
    ++next;
  }
}

void Task::on_output(std::size_t index, engine::Output output) {
  engine::Output& kept = outputs[index];
  if (kept.tokens.empty()) kept.tokens = std::move(output.tokens);
  if (output.finish == engine::FinishReason::kNone || answered) return;
  if (output.finish == engine::FinishReason::kError) {
    fail(api_error(output.error));
    return;
  }
  if (output.finish == engine::FinishReason::kAbort) {
    fail({kUnavailable, "the request was ended by the server"});
    return;
  }
  if (output.finish == engine::FinishReason::kTimeout) {
    fail({kDeadline, "the deadline passed"});
    return;
  }
  output.tokens = std::move(kept.tokens);
  kept = std::move(output);
  if (++finished < outputs.size()) {
    submit_more();
    return;
  }
  answered = true;
  exchange->respond(batch.answer(outputs));
}

void Task::fail(const ApiError& error) {
  if (answered) return;
  answered = true;
  exchange->respond(error_response(error));
  cancel_all();
}

}  // namespace

void run_prompt_batch(engine::Engine& engine, const ExchangePtr& exchange, PromptBatch batch) {
  auto task = std::make_shared<Task>(engine, exchange, std::move(batch));
  exchange->post([task = std::move(task)] { task->begin(); });
}

}  // namespace quire::server
