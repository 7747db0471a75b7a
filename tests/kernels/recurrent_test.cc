// Convolution, gated delta rule and Mamba-2 scan: rows agree, values are right, chunks leave no
// trace.
#include <tuple>

#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

std::vector<float> joined(std::vector<float> a, const std::vector<float>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct ConvCase {
  std::int64_t rows, channels, taps;
  bool silu, bias;
};

class ConvInputs {
 public:
  ConvInputs(const ConvCase& c, Rng& rng)
      : c_(c),
        x_(normals(rng, c.rows * (c.channels + 2))),
        weight_(normals(rng, c.taps * c.channels)),
        bias_(normals(rng, c.channels)),
        history_(normals(rng, (c.taps - 1) * c.channels)) {}

  Conv1d task() {
    return {.x = x_.data(),
            .x_stride = c_.channels + 2,
            .y_stride = c_.channels,
            .rows = c_.rows,
            .channels = c_.channels,
            .taps = c_.taps,
            .weight = weight_.data(),
            .bias = c_.bias ? bias_.data() : nullptr,
            .history = history_.data(),
            .history_stride = c_.channels,
            .silu = c_.silu};
  }
  // Outputs, then the advanced history, in steps of `step` rows.
  std::vector<float> run(const Kernels& k, std::int64_t step) {
    std::vector<float> y(static_cast<std::size_t>(c_.rows * c_.channels)), history = history_;
    for (std::int64_t r = 0; r < c_.rows; r += step) {
      Conv1d part = task();
      part.x += r * part.x_stride;
      part.y = y.data() + r * part.y_stride;
      part.rows = std::min(step, c_.rows - r);
      part.history = history.data();
      k.conv1d(part);
    }
    return joined(y, history);
  }

 private:
  ConvCase c_;
  std::vector<float> x_, weight_, bias_, history_;
};

TEST(Conv1dTest, RowsAgreeValuesAreRightChunksLeaveNoTrace) {
  Rng rng(50);
  const ConvCase cases[] = {{1, 16, 4, true, true},  {9, 37, 4, false, false},
                            {30, 5, 3, true, false}, {2, 50, 7, false, true},
                            {11, 33, 1, true, true}, {5, 64, 40, false, true}};
  for (const ConvCase& c : cases) {
    ConvInputs in(c, rng);
    const auto whole = on_all_rows("conv1d", [&](const Kernels& k) { return in.run(k, c.rows); });
    const auto outputs = static_cast<std::ptrdiff_t>(c.rows * c.channels);
    expect_close(ref::conv1d(in.task()), {whole.begin(), whole.begin() + outputs}, "conv1d");
    for (const std::int64_t step : {1, 2, 5})
      for (const Isa isa : present_isas()) expect_same(whole, in.run(kernels(isa), step), "chunks");
  }
}

TEST(Conv1dTest, InPlaceEqualsOutOfPlace) {
  Rng rng(51);
  for (const Isa isa : present_isas()) {
    auto x = normals(rng, 10 * 20);
    const auto weight = normals(rng, 4 * 20);
    std::vector<float> y(x.size()), history(60), history_again(60);
    Conv1d task{.x = x.data(),
                .x_stride = 20,
                .y = y.data(),
                .y_stride = 20,
                .rows = 10,
                .channels = 20,
                .taps = 4,
                .weight = weight.data(),
                .history = history.data(),
                .history_stride = 20};
    kernels(isa).conv1d(task);
    task.y = x.data();
    task.history = history_again.data();
    kernels(isa).conv1d(task);
    expect_same(y, x, "in place");
    expect_same(history, history_again, "history");
  }
}

class DeltaInputs {
 public:
  DeltaInputs(std::int64_t rows, std::int64_t key_dim, std::int64_t value_dim, Rng& rng)
      : rows_(rows),
        key_dim_(key_dim),
        value_dim_(value_dim),
        q_(normals(rng, rows * key_dim, 0.3)),
        k_(normals(rng, rows * key_dim)),
        v_(normals(rng, rows * value_dim)),
        state_(normals(rng, value_dim * key_dim)) {
    kernels(Isa::kScalar).l2_norm(k_.data(), rows, key_dim, 1e-6f, 1.0f);
    for (std::int64_t t = 0; t < rows; ++t) {
      decay_.push_back(static_cast<float>(0.5 + 0.5 * rng.uniform()));
      beta_.push_back(static_cast<float>(rng.uniform()));
    }
  }
  GatedDelta task() {
    return {.q = q_.data(),
            .k = k_.data(),
            .qk_stride = key_dim_,
            .v = v_.data(),
            .v_stride = value_dim_,
            .decay = decay_.data(),
            .beta = beta_.data(),
            .gate_stride = 1,
            .out_stride = value_dim_,
            .state = state_.data(),
            .rows = rows_,
            .key_dim = key_dim_,
            .value_dim = value_dim_};
  }
  std::vector<float> run(const Kernels& k, std::int64_t step) {
    std::vector<float> out(static_cast<std::size_t>(rows_ * value_dim_)), state = state_;
    for (std::int64_t r = 0; r < rows_; r += step) {
      GatedDelta part = task();
      part.q += r * key_dim_, part.k += r * key_dim_, part.v += r * value_dim_;
      part.decay += r, part.beta += r;
      part.out = out.data() + r * value_dim_;
      part.rows = std::min(step, rows_ - r);
      part.state = state.data();
      k.gated_delta(part);
    }
    return joined(out, state);
  }

 private:
  std::int64_t rows_, key_dim_, value_dim_;
  std::vector<float> q_, k_, v_, state_, decay_, beta_;
};

TEST(GatedDeltaTest, RowsAgreeValuesAreRightChunksLeaveNoTrace) {
  Rng rng(52);
  for (const auto& [rows, key_dim, value_dim] :
       {std::tuple{1, 16, 4}, std::tuple{20, 33, 7}, std::tuple{50, 64, 64}, std::tuple{9, 5, 3}}) {
    DeltaInputs in(rows, key_dim, value_dim, rng);
    const auto whole = on_all_rows("delta", [&](const Kernels& k) { return in.run(k, 1000); });
    const std::ptrdiff_t outputs = std::ptrdiff_t{rows} * value_dim;
    expect_close(ref::gated_delta(in.task()), {whole.begin(), whole.begin() + outputs},
                 "gated_delta");
    for (const std::int64_t step : {1, 3, 16})
      for (const Isa isa : present_isas()) expect_same(whole, in.run(kernels(isa), step), "chunks");
  }
}

// decay 1, beta 1, unit keys of one element: the state stores v under k, and o reads it back.
TEST(GatedDeltaTest, StoresAndReadsBack) {
  for (const Isa isa : present_isas()) {
    std::vector<float> k(32), q(32), v = {3, -4}, state(2 * 16), out(4);
    k[2] = 1, q[2] = 1;            // token 0 writes under 2
    k[16 + 5] = 1, q[16 + 2] = 1;  // token 1 writes zero elsewhere and reads 2
    const float one[2] = {1, 1};
    const std::vector<float> values = {3, -4, 0, 0};
    kernels(isa).gated_delta({.q = q.data(),
                              .k = k.data(),
                              .qk_stride = 16,
                              .v = values.data(),
                              .v_stride = 2,
                              .decay = one,
                              .beta = one,
                              .gate_stride = 1,
                              .out = out.data(),
                              .out_stride = 2,
                              .state = state.data(),
                              .rows = 2,
                              .key_dim = 16,
                              .value_dim = 2});
    EXPECT_EQ(out, (std::vector<float>{3, -4, 3, -4}));
  }
}

class SsdInputs {
 public:
  SsdInputs(std::int64_t rows, std::int64_t head_dim, std::int64_t state_dim, Rng& rng)
      : rows_(rows),
        head_dim_(head_dim),
        state_dim_(state_dim),
        x_(normals(rng, rows * head_dim)),
        b_(normals(rng, rows * state_dim)),
        c_(normals(rng, rows * state_dim)),
        state_(normals(rng, head_dim * state_dim)) {
    for (std::int64_t t = 0; t < rows; ++t) {
      dt_.push_back(static_cast<float>(rng.uniform()));
      decay_.push_back(exp_f32(-dt_.back()));
    }
  }
  Ssd task() {
    return {.x = x_.data(),
            .x_stride = head_dim_,
            .b = b_.data(),
            .c = c_.data(),
            .bc_stride = state_dim_,
            .decay = decay_.data(),
            .dt = dt_.data(),
            .dt_stride = 1,
            .d = 0.7f,
            .y_stride = head_dim_,
            .state = state_.data(),
            .rows = rows_,
            .head_dim = head_dim_,
            .state_dim = state_dim_};
  }
  std::vector<float> run(const Kernels& k, std::int64_t step) {
    std::vector<float> y(static_cast<std::size_t>(rows_ * head_dim_)), state = state_;
    for (std::int64_t r = 0; r < rows_; r += step) {
      Ssd part = task();
      part.x += r * head_dim_, part.b += r * state_dim_, part.c += r * state_dim_;
      part.decay += r, part.dt += r;
      part.y = y.data() + r * head_dim_;
      part.rows = std::min(step, rows_ - r);
      part.state = state.data();
      k.ssd(part);
    }
    return joined(y, state);
  }

 private:
  std::int64_t rows_, head_dim_, state_dim_;
  std::vector<float> x_, b_, c_, state_, dt_, decay_;
};

TEST(SsdTest, RowsAgreeValuesAreRightChunksLeaveNoTrace) {
  Rng rng(53);
  for (const auto& [rows, head_dim, state_dim] : {std::tuple{1, 4, 16}, std::tuple{20, 7, 33},
                                                  std::tuple{40, 64, 128}, std::tuple{9, 3, 5}}) {
    SsdInputs in(rows, head_dim, state_dim, rng);
    const auto whole = on_all_rows("ssd", [&](const Kernels& k) { return in.run(k, 1000); });
    const std::ptrdiff_t outputs = std::ptrdiff_t{rows} * head_dim;
    expect_close(ref::ssd(in.task()), {whole.begin(), whole.begin() + outputs}, "ssd");
    for (const std::int64_t step : {1, 3, 16})
      for (const Isa isa : present_isas()) expect_same(whole, in.run(kernels(isa), step), "chunks");
  }
}

}  // namespace
}  // namespace quire::kernels
