// A task's state belongs to the I/O thread of its connection; outputs are posted there.
#include "server/prompt_batch.h"

#include <memory>
#include <utility>

namespace quire::server {
namespace {

struct Task : std::enable_shared_from_this<Task> {
  Task(engine::Engine& engine, ExchangePtr exchange, PromptBatch batch)
      : engine(engine),
        exchange(std::move(exchange)),
        batch(std::move(batch)),
        outputs(this->batch.requests.size()),
        left(outputs.size()) {}

  void submit();
  void on_output(std::size_t index, engine::Output output);
  void fail(const ApiError& error);
  void cancel_all() {
    for (const engine::RequestId id : ids) engine.cancel(id);
  }

  engine::Engine& engine;
  ExchangePtr exchange;
  PromptBatch batch;
  std::vector<engine::Output> outputs;
  std::size_t left;
  std::vector<engine::RequestId> ids;
  bool answered = false;
};

void Task::submit() {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    engine::GenerateRequest request = batch.requests[i];
    auto id =
        engine.submit(std::move(request), [self = shared_from_this(), i](engine::Output&& output) {
          self->exchange->post([self, i, output = std::move(output)]() mutable {
            self->on_output(i, std::move(output));
          });
        });
    if (!id) {
      exchange->post([self = shared_from_this(),
                      error = batch.refuse(id.error(), batch.requests[i])] { self->fail(error); });
      return;
    }
    ids.push_back(*id);
  }
  exchange->post([self = shared_from_this()] {
    if (self->answered) return;
    self->exchange->on_hang_up([self] {
      self->answered = true;
      self->cancel_all();
    });
  });
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
  if (--left > 0) return;
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
  std::make_shared<Task>(engine, exchange, std::move(batch))->submit();
}

}  // namespace quire::server
