// Formulas from the papers and from Transformers' modeling files, with its names for the steps.
#include "tests/models/block_reference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/blocks/rope.h"

namespace quire::models {
namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

class Reference {
 public:
  Reference(const DecoderSpec& spec, const RawWeights& raw) : spec_(spec), raw_(raw) {}

  std::vector<double> logits(const std::vector<std::int32_t>& tokens) {
    layer_ = -1;
    const std::vector<float>& table = weight(Slot::kEmbed);
    Matrix x;
    for (const std::int32_t token : tokens) {
      Row& row = x.emplace_back();
      for (int i = 0; i < spec_.hidden; ++i) {
        row.push_back(double{table[static_cast<std::size_t>(token * spec_.hidden + i)]} *
                      spec_.embed_scale);
      }
    }
    for (const Layer& layer : spec_.layers) {
      ++layer_;
      half(x, layer, {Slot::kMixerNorm, Slot::kMixerNormBias, Slot::kMixerPostNorm},
           [&](const Matrix& in) {
             return std::visit([&](const auto& mixer) { return mix(mixer, in); }, layer.mixer);
           });
      if (std::holds_alternative<NoFfn>(layer.ffn)) continue;
      half(x, layer, {Slot::kFfnNorm, Slot::kFfnNormBias, Slot::kFfnPostNorm},
           [&](const Matrix& in) {
             Matrix out;
             for (const Row& row : in) {
               out.push_back(
                   std::visit([&](const auto& ffn) { return feed_forward(ffn, row); }, layer.ffn));
             }
             return out;
           });
    }
    layer_ = -1;
    std::vector<double> result;
    for (const Row& row : x) {
      const Row normed =
          norm(spec_.final_norm, row, {Slot::kFinalNorm, Slot::kFinalNormBias, Slot::kFinalNorm});
      for (double logit : linear(spec_.tied_head ? Slot::kEmbed : Slot::kHead, normed)) {
        logit *= spec_.logit_scale;
        if (spec_.logit_softcap != 0) {
          logit = spec_.logit_softcap * std::tanh(logit / spec_.logit_softcap);
        }
        result.push_back(logit);
      }
    }
    return result;
  }

 private:
  struct NormSlots {
    Slot weight, bias, post;
  };

  const std::vector<float>& weight(Slot slot, int index = 0) const {
    return raw_.at({layer_, slot, index});
  }
  bool has(Slot slot) const { return raw_.contains({layer_, slot, 0}); }

  static Row times(const std::vector<float>& w, const Row& x) {
    Row y(w.size() / x.size());
    for (std::size_t n = 0; n < y.size(); ++n) {
      for (std::size_t k = 0; k < x.size(); ++k) y[n] += double{w[n * x.size() + k]} * x[k];
    }
    return y;
  }
  Row linear(Slot slot, const Row& x) const { return times(weight(slot), x); }
  Row linear(Slot slot, const Row& x, Slot bias) const {
    Row y = linear(slot, x);
    for (std::size_t i = 0; i < y.size() && has(bias); ++i) y[i] += double{weight(bias)[i]};
    return y;
  }

  Row norm(const Norm& norm, Row x, const NormSlots& slots) const {
    if (norm.kind == Norm::Kind::kNone) return x;
    const auto width = static_cast<double>(x.size());
    if (norm.kind == Norm::Kind::kLayer) {
      const double mean = std::accumulate(x.begin(), x.end(), 0.0) / width;
      for (double& value : x) value -= mean;
    }
    const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] /= std::sqrt(squares / width + norm.eps);
      if (norm.has_weight) x[i] *= double{weight(slots.weight)[i]} + norm.weight_offset;
      if (norm.has_bias) x[i] += double{weight(slots.bias)[i]};
    }
    return x;
  }
  Row norm(const Norm& of, const Row& x, Slot slot) const {
    return norm(of, x, {slot, slot, slot});
  }

  template <class F>
  void half(Matrix& x, const Layer& layer, const NormSlots& slots, const F& f) {
    Matrix in;
    for (const Row& row : x) in.push_back(norm(layer.norm, row, slots));
    const Matrix out = f(in);
    for (std::size_t t = 0; t < x.size(); ++t) {
      const Row add =
          layer.residual == Residual::kSandwich ? norm(layer.norm, out[t], slots.post) : out[t];
      for (std::size_t i = 0; i < add.size(); ++i) x[t][i] += add[i];
    }
  }

  static Row slice(const Row& x, std::size_t begin, std::size_t count) {
    return {x.begin() + static_cast<std::ptrdiff_t>(begin),
            x.begin() + static_cast<std::ptrdiff_t>(begin + count)};
  }
  static double dot(const Row& a, const Row& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  }
  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  static double silu(double x) { return x * sigmoid(x); }
  static double softplus(double x) { return std::log1p(std::exp(x)); }

  static void rotate_row(Row& x, const Rope& rope, std::size_t position) {
    const RopeFrequencies frequencies = rope_frequencies(rope, 256);
    const std::size_t pairs = frequencies.per_pair.size();
    for (std::size_t i = 0; i < pairs; ++i) {
      const double angle = static_cast<double>(position) * frequencies.per_pair[i];
      double& a = x[rope.interleaved ? 2 * i : i];
      double& b = x[rope.interleaved ? 2 * i + 1 : i + pairs];
      const double c = std::cos(angle) * frequencies.amplitude;
      const double s = std::sin(angle) * frequencies.amplitude;
      const double a0 = a, b0 = b;
      a = a0 * c - b0 * s;
      b = b0 * c + a0 * s;
    }
  }

  struct Scores {
    double scale, softcap;
    std::size_t window;
  };
  // Causal attention of one head for the last of the keys.
  static Row attend(const Row& q, const Matrix& keys, const Matrix& values, const Scores& how) {
    const std::size_t last = keys.size() - 1;
    const std::size_t first = how.window == 0 || how.window > last ? 0 : last + 1 - how.window;
    Row scores;
    for (std::size_t j = first; j <= last; ++j) {
      double score = dot(q, keys[j]) * how.scale;
      if (how.softcap != 0) score = how.softcap * std::tanh(score / how.softcap);
      scores.push_back(score);
    }
    const double max = *std::ranges::max_element(scores);
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - max);
    Row out(values[0].size());
    for (std::size_t j = first; j <= last; ++j) {
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] += scores[j - first] / sum * values[j][i];
      }
    }
    return out;
  }

  Matrix mix(const Attention& a, const Matrix& x) const {
    const auto e = static_cast<std::size_t>(a.head_dim);
    const int group = a.heads / a.kv_heads;
    std::vector<Matrix> keys(static_cast<std::size_t>(a.kv_heads)), values(keys.size());
    Matrix result;
    for (std::size_t t = 0; t < x.size(); ++t) {
      const Row q = linear(Slot::kQ, x[t], Slot::kQBias);
      const Row k = linear(Slot::kK, x[t], Slot::kKBias);
      const Row v = linear(Slot::kV, x[t], Slot::kVBias);
      for (std::size_t head = 0; head < keys.size(); ++head) {
        keys[head].push_back(norm(a.k_norm, slice(k, head * e, e), Slot::kKNorm));
        rotate_row(keys[head].back(), a.rope, t);
        values[head].push_back(slice(v, head * e, e));
      }
      Row mixed;
      for (int head = 0; head < a.heads; ++head) {
        const std::size_t stride = a.output_gate ? 2 * e : e;
        const std::size_t at = static_cast<std::size_t>(head) * stride;
        Row query = norm(a.q_norm, slice(q, at, e), Slot::kQNorm);
        rotate_row(query, a.rope, t);
        const auto kv = static_cast<std::size_t>(head / group);
        const Row out = attend(query, keys[kv], values[kv],
                               {a.scale, a.softcap, static_cast<std::size_t>(a.window)});
        for (std::size_t i = 0; i < e; ++i) {
          mixed.push_back(a.output_gate ? out[i] * sigmoid(q[at + e + i]) : out[i]);
        }
      }
      result.push_back(linear(Slot::kO, mixed, Slot::kOBias));
    }
    return result;
  }

  // Expanded: every head has its own keys [W_k c | k_rope] and values W_v c.
  Matrix mix(const LatentAttention& a, const Matrix& x) const {
    const auto n = static_cast<std::size_t>(a.nope_dim), o = static_cast<std::size_t>(a.rope_dim);
    const auto rank = static_cast<std::size_t>(a.kv_rank);
    std::vector<Matrix> keys(static_cast<std::size_t>(a.heads)), values(keys.size());
    Matrix result;
    for (std::size_t t = 0; t < x.size(); ++t) {
      const Row q =
          a.q_rank == 0
              ? linear(Slot::kQ, x[t])
              : linear(Slot::kQUp, norm(a.latent_norm, linear(Slot::kQDown, x[t], Slot::kQDownBias),
                                        Slot::kQDownNorm));
      const Row down = linear(Slot::kKvDown, x[t], Slot::kKvDownBias);
      const Row c = norm(a.latent_norm, slice(down, 0, rank), Slot::kKvDownNorm);
      Row k_rope = slice(down, rank, o);
      rotate_row(k_rope, a.rope, t);
      Row mixed;
      for (std::size_t head = 0; head < keys.size(); ++head) {
        const std::vector<float>& up = weight(Slot::kKvUpKey, static_cast<int>(head));  // [r, n]
        Row key(n);
        for (std::size_t r = 0; r < rank; ++r) {
          for (std::size_t i = 0; i < n; ++i) key[i] += double{up[r * n + i]} * c[r];
        }
        key.insert(key.end(), k_rope.begin(), k_rope.end());
        keys[head].push_back(key);
        values[head].push_back(times(weight(Slot::kKvUpValue, static_cast<int>(head)), c));
        Row query = slice(q, head * (n + o), n + o);
        Row q_rope = slice(query, n, o);
        rotate_row(q_rope, a.rope, t);
        std::ranges::copy(q_rope, query.begin() + static_cast<std::ptrdiff_t>(n));
        const Row out = attend(query, keys[head], values[head], {a.scale, 0, 0});
        mixed.insert(mixed.end(), out.begin(), out.end());
      }
      result.push_back(linear(Slot::kO, mixed, Slot::kOBias));
    }
    return result;
  }

  // silu(causal depthwise convolution) of all rows.
  Matrix convolve(const Matrix& x, std::size_t taps) const {
    const std::vector<float>& w = weight(Slot::kConv);
    Matrix y;
    for (std::size_t t = 0; t < x.size(); ++t) {
      Row row(x[t].size());
      for (std::size_t c = 0; c < row.size(); ++c) {
        if (has(Slot::kConvBias)) row[c] = double{weight(Slot::kConvBias)[c]};
        for (std::size_t tap = 0; tap < taps; ++tap) {
          if (t + tap + 1 < taps) continue;
          row[c] += double{w[tap * row.size() + c]} * x[t + tap + 1 - taps][c];
        }
        row[c] = silu(row[c]);
      }
      y.push_back(row);
    }
    return y;
  }

  Matrix mix(const Mamba2& m, const Matrix& x) const {
    const auto inner = static_cast<std::size_t>(m.inner());
    const auto channels = static_cast<std::size_t>(m.conv_channels());
    const auto p = static_cast<std::size_t>(m.head_dim), n = static_cast<std::size_t>(m.state_dim);
    Matrix projected, conv_in;
    for (const Row& row : x) {
      projected.push_back(linear(Slot::kSsmIn, row, Slot::kSsmInBias));
      conv_in.push_back(slice(projected.back(), inner, channels));
    }
    const Matrix conv = convolve(conv_in, static_cast<std::size_t>(m.conv_taps));
    std::vector<Matrix> state(static_cast<std::size_t>(m.heads), Matrix(p, Row(n)));
    Matrix result;
    for (std::size_t t = 0; t < x.size(); ++t) {
      Row y(inner);
      for (std::size_t h = 0; h < state.size(); ++h) {
        const double raw = projected[t][inner + channels + h] + double{weight(Slot::kDtBias)[h]};
        const double dt = std::clamp(softplus(raw), double{m.dt_min}, double{m.dt_max});
        const double decay = std::exp(-std::exp(double{weight(Slot::kALog)[h]}) * dt);
        const std::size_t group = h / (state.size() / static_cast<std::size_t>(m.groups));
        const double* b = conv[t].data() + inner + group * n;
        const double* c = b + static_cast<std::size_t>(m.groups) * n;
        for (std::size_t i = 0; i < p; ++i) {
          const double in = conv[t][h * p + i];
          for (std::size_t j = 0; j < n; ++j) {
            state[h][i][j] = decay * state[h][i][j] + dt * in * b[j];
            y[h * p + i] += state[h][i][j] * c[j];
          }
          y[h * p + i] += double{weight(Slot::kD)[h]} * in;
        }
      }
      for (std::size_t i = 0; i < inner; ++i) y[i] *= silu(projected[t][i]);
      const std::size_t width = inner / static_cast<std::size_t>(m.norm_groups);
      Norm plain = m.gated_norm;
      plain.has_weight = false;
      for (std::size_t begin = 0; begin < inner; begin += width) {
        std::ranges::copy(norm(plain, slice(y, begin, width), Slot::kGatedNorm),
                          y.begin() + static_cast<std::ptrdiff_t>(begin));
      }
      for (std::size_t i = 0; i < inner; ++i) y[i] *= double{weight(Slot::kGatedNorm)[i]};
      result.push_back(linear(Slot::kSsmOut, y, Slot::kSsmOutBias));
    }
    return result;
  }

  static Row unit(Row x, double factor) {
    const double length = std::sqrt(dot(x, x) + 1e-6);
    for (double& value : x) value *= factor / length;
    return x;
  }

  Matrix mix(const GatedDelta& g, const Matrix& x) const {
    const auto dk = static_cast<std::size_t>(g.key_dim), dv = static_cast<std::size_t>(g.value_dim);
    const std::size_t keys = static_cast<std::size_t>(g.key_heads) * dk;
    Matrix conv_in;
    for (const Row& row : x) conv_in.push_back(linear(Slot::kDeltaQkv, row));
    const Matrix conv = convolve(conv_in, static_cast<std::size_t>(g.conv_taps));
    std::vector<Matrix> state(static_cast<std::size_t>(g.value_heads), Matrix(dv, Row(dk)));
    Matrix result;
    for (std::size_t t = 0; t < x.size(); ++t) {
      const Row z = linear(Slot::kDeltaZ, x[t]), b = linear(Slot::kDeltaB, x[t]);
      const Row a = linear(Slot::kDeltaA, x[t]);
      Row mixed;
      for (std::size_t h = 0; h < state.size(); ++h) {
        const std::size_t kh = h * static_cast<std::size_t>(g.key_heads) / state.size();
        const Row q = unit(slice(conv[t], kh * dk, dk), 1 / std::sqrt(g.key_dim));
        const Row k = unit(slice(conv[t], keys + kh * dk, dk), 1);
        const double decay = std::exp(-std::exp(double{weight(Slot::kALog)[h]}) *
                                      softplus(a[h] + double{weight(Slot::kDtBias)[h]}));
        Row out(dv);
        for (std::size_t i = 0; i < dv; ++i) {
          Row& s = state[h][i];
          for (double& value : s) value *= decay;
          const double u = sigmoid(b[h]) * (conv[t][2 * keys + h * dv + i] - dot(s, k));
          for (std::size_t j = 0; j < dk; ++j) s[j] += u * k[j];
          out[i] = dot(s, q);
        }
        out = norm(g.gated_norm, out, Slot::kGatedNorm);
        for (std::size_t i = 0; i < dv; ++i) mixed.push_back(out[i] * silu(z[h * dv + i]));
      }
      result.push_back(linear(Slot::kSsmOut, mixed));
    }
    return result;
  }

  static double activate(Activation activation, double x) {
    switch (activation) {
      case Activation::kSilu:
        return silu(x);
      case Activation::kGeluTanh:
        return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
      case Activation::kGeluErf:
        return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
      case Activation::kRelu:
        return std::max(x, 0.0);
      case Activation::kRelu2:
        return std::max(x, 0.0) * std::max(x, 0.0);
    }
    return 0;
  }
  static Row gated(Activation activation, Row gate, const Row& up) {
    for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = activate(activation, gate[i]) * up[i];
    return gate;
  }

  Row feed_forward(const NoFfn&, const Row&) const { return {}; }
  Row feed_forward(const GatedMlp& m, const Row& x) const {
    const Row inner = gated(m.activation, linear(Slot::kGate, x, Slot::kGateBias),
                            linear(Slot::kUp, x, Slot::kUpBias));
    return linear(Slot::kDown, inner, Slot::kDownBias);
  }

  // The experts of one token as (expert, weight).
  std::vector<std::pair<int, double>> route(const MixtureOfExperts& m, const Row& x) const {
    Row score = linear(Slot::kRouter, x);
    if (m.router.score == Router::Score::kSoftmax) {
      double sum = 0;
      for (double& value : score) sum += value = std::exp(value);
      for (double& value : score) value /= sum;
    } else {
      for (double& value : score) value = sigmoid(value);
    }
    Row rank = score;
    for (std::size_t i = 0; i < rank.size() && m.router.selection_bias; ++i) {
      rank[i] += double{weight(Slot::kRouterBias)[i]};
    }
    const std::size_t size = rank.size() / static_cast<std::size_t>(m.router.groups);
    std::vector<std::pair<double, std::size_t>> groups;  // (score, group)
    for (std::size_t begin = 0; begin < rank.size(); begin += size) {
      Row best = slice(rank, begin, size);
      std::ranges::sort(best, std::greater());
      groups.emplace_back(best[0] + (size > 1 ? best[1] : 0), begin / size);
    }
    std::ranges::sort(groups, std::greater());
    std::vector<std::pair<double, int>> candidates;  // (rank, expert)
    for (int i = 0; i < m.router.groups_kept; ++i) {
      const std::size_t begin = groups[static_cast<std::size_t>(i)].second * size;
      for (std::size_t e = begin; e < begin + size; ++e) {
        candidates.emplace_back(rank[e], static_cast<int>(e));
      }
    }
    std::ranges::sort(candidates, std::greater());
    std::vector<std::pair<int, double>> chosen;
    double sum = 0;
    for (int i = 0; i < m.active; ++i) {
      const int expert = candidates[static_cast<std::size_t>(i)].second;
      chosen.emplace_back(expert, score[static_cast<std::size_t>(expert)]);
      sum += chosen.back().second;
    }
    for (auto& [expert, value] : chosen) {
      value *= double{m.router.weight_scale} / (m.router.renormalize ? sum : 1);
    }
    return chosen;
  }

  Row feed_forward(const MixtureOfExperts& m, const Row& x) const {
    Row y(x.size());
    const auto add = [&](double factor, const Row& from) {
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += factor * from[i];
    };
    for (const auto& [expert, value] : route(m, x)) {
      const Row inner = gated(m.activation, times(weight(Slot::kExpertGate, expert), x),
                              times(weight(Slot::kExpertUp, expert), x));
      add(value, times(weight(Slot::kExpertDown, expert), inner));
    }
    if (m.shared_inner == 0) return y;
    const Row inner = gated(m.activation, linear(Slot::kSharedGate, x), linear(Slot::kSharedUp, x));
    add(m.shared_gate ? sigmoid(linear(Slot::kSharedRouter, x)[0]) : 1.0,
        linear(Slot::kSharedDown, inner));
    return y;
  }

  const DecoderSpec& spec_;
  const RawWeights& raw_;
  int layer_ = -1;
};

}  // namespace

std::vector<double> reference_logits(const DecoderSpec& spec, const RawWeights& raw,
                                     const std::vector<std::int32_t>& tokens) {
  return Reference(spec, raw).logits(tokens);
}

}  // namespace quire::models
