// What smaller cached keys and values do to a model: differences of log-probabilities from f32
// pages over the texts of an expected.json (prompts and answers, every token that follows another).
//
// kv_precision [MODEL_FOLDER]; without a folder the demo of the source tree.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "base/team.h"
#include "models/load/file.h"
#include "models/load/json.h"
#include "models/load/load.h"
#include "models/model.h"

namespace quire {
namespace {

using Tokens = std::vector<std::int32_t>;

template <class T>
T need(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

std::vector<Tokens> texts_of(const std::string& folder) {
  const Json document =
      need(parse_json(need(models::read_text_file(folder + "/expected.json", 16u << 20))));
  std::vector<Tokens> texts;
  for (const Json& one : document["cases"]) {
    Tokens tokens = one["prompt_ids"].get<Tokens>();
    for (const std::int32_t id : one["new_ids"].get<Tokens>()) tokens.push_back(id);
    texts.push_back(std::move(tokens));
  }
  return texts;
}

// Of each position: the log-probability of the token that follows, and the likeliest token.
struct Judgement {
  std::vector<double> logprob;
  std::vector<std::int64_t> best;
};

class Judge {
 public:
  Judge(models::LoadedModel loaded, DType kv_dtype, int context)
      : vocab_(loaded.spec.vocab),
        model_(std::move(loaded.spec), std::move(loaded.weights),
               {.kv_dtype = kv_dtype,
                .page_tokens = kPageTokens,
                .context_max = context,
                .step_tokens_max = context,
                .isa = kernels::best_isa()}),
        team_(1) {
    const int pages = (context + kPageTokens - 1) / kPageTokens;
    for (int i = 0; i < pages; ++i) table_.push_back(i);
    for (const models::KvGroup& group : model_.kv_groups()) {
      page_bytes_.push_back(group.token_bytes() * kPageTokens);
      memory_.emplace_back(static_cast<std::size_t>(pages * page_bytes_.back()));
    }
  }

  Judgement judge(const Tokens& tokens) {
    std::vector<std::byte> state(static_cast<std::size_t>(model_.state_bytes()));
    const std::vector<std::span<const std::int32_t>> tables(memory_.size(), table_);
    const auto count = static_cast<int>(tokens.size());
    const models::SequenceInput sequence{
        .row_count = count, .page_tables = tables, .state_slot = state.empty() ? -1 : 0};
    std::vector<int> rows;
    for (int i = 0; i + 1 < count; ++i) rows.push_back(i);
    std::vector<std::byte*> bases;
    for (auto& pages : memory_) bases.push_back(pages.data());
    std::vector<float> logits(rows.size() * static_cast<std::size_t>(vocab_));
    model_.forward({.tokens = tokens, .sequences = {&sequence, 1}, .logit_rows = rows},
                   {.kv_base = bases,
                    .kv_page_bytes = page_bytes_,
                    .states = {state.data(), model_.state_bytes()}},
                   team_, logits.data());
    const kernels::Kernels& row = kernels::kernels(kernels::best_isa());
    Judgement result;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float* of = logits.data() + i * static_cast<std::size_t>(vocab_);
      result.logprob.push_back(row.log_sum(of, vocab_).logprob(of[tokens[i + 1]]));
      result.best.push_back(row.argmax(of, vocab_));
    }
    return result;
  }

 private:
  static constexpr int kPageTokens = 16;
  int vocab_;
  models::Model model_;
  Team team_;
  std::vector<std::vector<std::byte>> memory_;  // [group]
  std::vector<std::int64_t> page_bytes_;
  std::vector<std::int32_t> table_;
};

struct Kind {
  const char* name;
  DType dtype;
};

void report(const std::string& folder) {
  const std::vector<Tokens> texts = texts_of(folder);
  std::size_t longest = 0;
  for (const Tokens& tokens : texts) longest = std::max(longest, tokens.size());
  std::vector<Judgement> exact;
  for (const Kind kind : {Kind{"f32", DType::kF32}, {"bf16", DType::kBf16}, {"int8", DType::kI8}}) {
    Judge judge(need(models::load_model(folder, {})), kind.dtype, static_cast<int>(longest));
    double sum = 0, largest = 0, loss = 0;
    std::size_t positions = 0, others = 0;
    for (std::size_t t = 0; t < texts.size(); ++t) {
      const Judgement got = judge.judge(texts[t]);
      if (kind.dtype == DType::kF32) exact.push_back(got);
      for (std::size_t i = 0; i < got.logprob.size(); ++i) {
        const double off = std::fabs(got.logprob[i] - exact[t].logprob[i]);
        sum += off;
        largest = std::max(largest, off);
        loss -= got.logprob[i];
        others += got.best[i] != exact[t].best[i] ? 1 : 0;
      }
      positions += got.logprob.size();
    }
    const auto n = static_cast<double>(positions);
    fmt::print(
        "{:4} pages: |delta logprob| mean {:.6f} max {:.6f}, mean loss {:.6f}, "
        "another best token at {} of {} positions\n",
        kind.name, sum / n, largest, loss / n, others, positions);
  }
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) { quire::report(argc > 1 ? argv[1] : QUIRE_SOURCE_DIR "/demo"); }
