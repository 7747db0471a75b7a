// What the step loop needs of a model: a function from the tokens of a step to logits.
#pragma once

#include "base/team.h"
#include "models/model.h"

namespace quire::engine {

class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  virtual int vocab() const = 0;                     // V
  virtual std::int64_t hidden() const { return 0; }  // D; 0: gives no hidden states
  // logits: [step.logit_rows, V] f32. Writes keys, values and states through `memory`.
  virtual void forward(const models::StepInput& step, const models::StepMemory& memory,
                       float* logits) = 0;
  // See models::Model.
  virtual int length_class(std::int64_t /*length_max*/) const { return 0; }
  // Runs f(0) ... f(chunks - 1), each once, on up to threads() threads; f must not depend on which.
  virtual int threads() const { return 1; }
  virtual void run(int chunks, ChunkFunction f) {
    for (int chunk = 0; chunk < chunks; ++chunk) f(chunk);
  }
};

// A loaded model and the worker team that computes it.
class LoadedRunner final : public ModelRunner {
 public:
  // model must outlive the runner. threads: see Team.
  LoadedRunner(models::Model& model, int threads) : model_(&model), team_(threads) {}

  int vocab() const override { return model_->spec().vocab; }
  std::int64_t hidden() const override { return model_->spec().hidden; }
  void forward(const models::StepInput& step, const models::StepMemory& memory,
               float* logits) override {
    model_->forward(step, memory, team_, logits);
  }
  int length_class(std::int64_t length_max) const override {
    return model_->length_class(length_max);
  }
  int threads() const override { return team_.threads(); }
  void run(int chunks, ChunkFunction f) override { team_.run(chunks, f); }

 private:
  models::Model* model_;
  Team team_;
};

}  // namespace quire::engine
