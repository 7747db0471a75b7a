// The judge's prompt is that of Qwen3-Reranker's model card, byte for byte.
#include "server/rerank.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "server/embeddings.h"
#include "server/ids.h"
#include "server/openai_request.h"
#include "server/request_body.h"

namespace quire::server {
namespace {

constexpr std::size_t kPairsMax = 2048;
constexpr std::string_view kJudgePrefix =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    "the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n"
    "<|im_start|>user\n";
constexpr std::string_view kJudgeSuffix =
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
constexpr std::string_view kInstruction =
    "Given a web search query, retrieve relevant passages that answer the query";

using Ids = std::vector<std::int32_t>;
using Texts = std::vector<std::string>;
using Outputs = std::vector<engine::Output>;

struct Pair {
  std::string query, document;
};

// What the scores are of, and how the answer shows them.
struct Ranking {
  Endpoint endpoint = kRerank;
  std::string model, id;
  std::vector<Pair> pairs;
  std::vector<std::size_t> left, right;  // embeddings: which outputs a pair compares
  std::int64_t prompt_tokens = 0;
  std::size_t top_n = 0;
  bool return_documents = true;
  std::vector<std::string> warnings;
};

// P(yes) against no, from the two log-probabilities that were asked for.
double yes_probability(const engine::Output& output) {
  if (output.tokens.empty() || output.tokens.front().top.size() != 2) return 0;
  const auto& top = output.tokens.front().top;
  return 1 /
         (1 + std::exp(static_cast<double>(top[1].logprob) - static_cast<double>(top[0].logprob)));
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto u = finish_embedding(a, 0, true);
  const auto v = finish_embedding(b, 0, true);
  return std::inner_product(u.begin(), u.end(), v.begin(), 0.0, std::plus<>(),
                            [](float x, float y) { return static_cast<double>(x) * y; });
}

std::vector<double> scores_of(const Ranking& ranking, const Outputs& outputs) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < ranking.pairs.size(); ++i) {
    scores.push_back(ranking.left.empty() ? yes_probability(outputs[i])
                                          : cosine(outputs[ranking.left[i]].embedding,
                                                   outputs[ranking.right[i]].embedding));
  }
  return scores;
}

Json rerank_results(const Ranking& ranking, const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  if (ranking.top_n > 0 && ranking.top_n < order.size()) order.resize(ranking.top_n);
  Json results = Json::array();
  for (const std::size_t i : order) {
    Json result = {{"index", i}, {"relevance_score", scores[i]}};
    if (ranking.return_documents) result["document"] = {{"text", ranking.pairs[i].document}};
    results.push_back(std::move(result));
  }
  return results;
}

Json listed_scores(const Ranking& ranking, const std::vector<double>& scores) {
  Json data = Json::array();
  for (const double score : scores) {
    if (ranking.endpoint == kScore) {
      data.push_back({{"index", data.size()}, {"object", "score"}, {"score", score}});
      continue;
    }
    data.push_back({{"index", data.size()},
                    {"label", score >= 0.5 ? "yes" : "no"},
                    {"probs", {1 - score, score}},
                    {"num_classes", 2}});
  }
  return data;
}

HttpResponse answer_of(const Ranking& ranking, const Outputs& outputs) {
  const std::vector<double> scores = scores_of(ranking, outputs);
  const bool rerank = ranking.endpoint == kRerank;
  Json out = Json::object();
  out["id"] = ranking.id;
  if (!rerank) out["object"] = "list";
  out["model"] = ranking.model;
  if (rerank) {
    out["results"] = rerank_results(ranking, scores);
  } else {
    out["data"] = listed_scores(ranking, scores);
  }
  out["usage"] = {{"prompt_tokens", ranking.prompt_tokens},
                  {"total_tokens", ranking.prompt_tokens}};
  if (!ranking.warnings.empty()) out["warnings"] = ranking.warnings;
  HttpResponse response;
  response.body = dump_json(out);
  return response;
}

// The text of a string, of {"text": ...}, or of vLLM's {"content": ...} with parts of text.
std::optional<std::string> text_of(const Json& item) {
  if (item.is_string()) return item.get<std::string>();
  const Json* text = find_member(item, "text");
  if (text != nullptr && text->is_string()) return text->get<std::string>();
  const Json* content = find_member(item, "content");
  if (content == nullptr || content->is_string() || !content->is_array()) {
    return content != nullptr && content->is_string() ? text_of(*content) : std::nullopt;
  }
  std::string out;
  for (const Json& part : *content) {
    const Json* type = find_member(part, "type");
    const Json* piece = find_member(part, "text");
    const bool is_text = type == nullptr || *type == "text" || *type == "input_text";
    if (!is_text || piece == nullptr || !piece->is_string()) return std::nullopt;
    out += piece->get_ref<const std::string&>();
  }
  return out;
}

// One of them, or a list.
tl::expected<Texts, ApiError> read_texts(const Fields& fields, const std::string& name) {
  const Json* value = fields.get(name);
  if (value == nullptr) return api_fail(kBadRequest, name, "{} is missing", name);
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.empty() || list.size() > kPairsMax) {
    return api_fail(kBadRequest, name, "{} must have 1 to {} entries, got {}", name, kPairsMax,
                    list.size());
  }
  Texts out;
  for (const Json& item : list) {
    auto text = text_of(item);
    if (!text) {
      return api_fail(
          kBadRequest, name,
          "{} must be texts: strings, or objects with a text or a content of text parts", name);
    }
    out.push_back(std::move(*text));
  }
  return out;
}

// The names under which a request has both sides of its pairs.
std::pair<const char*, const char*> side_names(Endpoint endpoint, const Fields& fields) {
  if (endpoint == kRerank) return {"query", "documents"};
  if (endpoint == kClassify) return {"input", ""};
  if (fields.get("data_1") != nullptr) return {"data_1", "data_2"};
  if (fields.get("queries") == nullptr) return {"text_1", "text_2"};
  return {"queries", fields.get("items") != nullptr ? "items" : "documents"};
}

tl::expected<std::vector<Pair>, ApiError> read_pairs(Endpoint endpoint, const Fields& fields) {
  const auto [left_name, right_name] = side_names(endpoint, fields);
  auto left = read_texts(fields, left_name);
  if (!left) return tl::unexpected(left.error());
  std::vector<Pair> pairs;
  if (endpoint == kClassify) {
    for (std::string& text : *left) pairs.push_back({std::move(text), {}});
    return pairs;
  }
  auto right = read_texts(fields, right_name);
  if (!right) return tl::unexpected(right.error());
  if (left->size() != 1 && left->size() != right->size()) {
    return api_fail(kBadRequest, right_name, "{} has {} texts and {} has {}: they do not pair up",
                    left_name, left->size(), right_name, right->size());
  }
  for (std::size_t i = 0; i < right->size(); ++i) {
    pairs.push_back({(*left)[left->size() == 1 ? 0 : i], std::move((*right)[i])});
  }
  return pairs;
}

class Planner {
 public:
  Planner(const Fields& fields, const Backend& backend, const RequestPolicy& policy)
      : fields_(fields), backend_(backend), policy_(policy) {}

  tl::expected<PromptBatch, ApiError> run(Ranking ranking);

 private:
  tl::expected<void, ApiError> add_judged(Ranking& ranking, PromptBatch& batch) const;
  tl::expected<void, ApiError> add_embedded(Ranking& ranking, PromptBatch& batch) const;
  tl::expected<Ids, ApiError> encode(const std::string& text, bool special) const;

  const Fields& fields_;
  const Backend& backend_;
  const RequestPolicy& policy_;
};

tl::expected<Ids, ApiError> Planner::encode(const std::string& text, bool special) const {
  auto ids = backend_.engine->tokenizer().encode(text, {.add_special_tokens = special});
  if (!ids) return tl::unexpected(api_error(ids.error()));
  if (ids->empty()) return api_fail(kBadRequest, "", "a text has no tokens");
  if (auto good = check_fits(ids->size() + 1, backend_, "documents"); !good) {
    return tl::unexpected(good.error());
  }
  return std::move(*ids);
}

tl::expected<void, ApiError> Planner::add_judged(Ranking& ranking, PromptBatch& batch) const {
  const RerankSetup& setup = *backend_.pooling.rerank;
  const std::string instruction = fields_.text("instruction", std::string(kInstruction));
  for (const Pair& pair : ranking.pairs) {
    const std::string text =
        ranking.endpoint == kClassify
            ? pair.query
            : fmt::format("{}<Instruct>: {}\n<Query>: {}\n<Document>: {}{}", kJudgePrefix,
                          instruction, pair.query, pair.document, kJudgeSuffix);
    auto ids = encode(text, false);
    if (!ids) return tl::unexpected(ids.error());
    ranking.prompt_tokens += static_cast<std::int64_t>(ids->size());
    engine::GenerateRequest request;
    request.prompt = std::move(*ids);
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 1;
    request.sampling.logprobs = 0;
    request.sampling.logprob_token_ids = {setup.yes_id, setup.no_id};
    request.timeout = from_seconds(policy_.timeout_s);
    batch.requests.push_back(std::move(request));
  }
  return {};
}

tl::expected<void, ApiError> Planner::add_embedded(Ranking& ranking, PromptBatch& batch) const {
  const auto add = [&](const std::string& text) -> tl::expected<std::size_t, ApiError> {
    auto ids = encode(text, true);
    if (!ids) return tl::unexpected(ids.error());
    ranking.prompt_tokens += static_cast<std::int64_t>(ids->size());
    batch.requests.push_back(
        pooling_request(std::move(*ids), backend_.pooling.embedding->pooling, policy_.timeout_s));
    return batch.requests.size() - 1;
  };
  for (std::size_t i = 0; i < ranking.pairs.size(); ++i) {
    const bool same = i > 0 && ranking.pairs[i].query == ranking.pairs[i - 1].query;
    const auto left = same ? tl::expected<std::size_t, ApiError>(ranking.left.back())
                           : add(ranking.pairs[i].query);
    if (!left) return tl::unexpected(left.error());
    const auto right = add(ranking.pairs[i].document);
    if (!right) return tl::unexpected(right.error());
    ranking.left.push_back(*left);
    ranking.right.push_back(*right);
  }
  return {};
}

tl::expected<PromptBatch, ApiError> Planner::run(Ranking ranking) {
  PromptBatch batch;
  auto pairs = read_pairs(ranking.endpoint, fields_);
  if (!pairs) return tl::unexpected(pairs.error());
  ranking.pairs = std::move(*pairs);
  const auto good =
      backend_.pooling.rerank ? add_judged(ranking, batch) : add_embedded(ranking, batch);
  if (!good) return tl::unexpected(good.error());
  batch.answer = [ranking](const Outputs& outputs) { return answer_of(ranking, outputs); };
  return batch;
}

}  // namespace

tl::expected<PromptBatch, ApiError> plan_ranking(Endpoint endpoint, std::string_view text,
                                                 const Backend& backend,
                                                 const RequestPolicy& policy) {
  auto body = open_body(text, endpoint, policy);
  if (!body) return tl::unexpected(body.error());
  const Fields fields(body->json);
  if (auto good = check_model(fields, backend); !good) return tl::unexpected(good.error());
  const bool embeds = backend.pooling.embedding && endpoint != kClassify;
  if (!backend.pooling.rerank && !embeds) {
    return api_fail(kUnsupportedEndpoint, "",
                    "the model ranks nothing; --task rerank makes a Qwen3-Reranker do it");
  }
  Ranking ranking;
  ranking.endpoint = endpoint;
  ranking.model = fields.text("model", backend.model_names.front());
  ranking.id = (endpoint == kRerank  ? "rerank-"
                : endpoint == kScore ? "score-"
                                     : "classify-") +
               random_id();
  ranking.top_n = static_cast<std::size_t>(fields.integer("top_n", 0));
  ranking.return_documents = fields.flag("return_documents", true);
  ranking.warnings = std::move(body->warnings);
  return Planner(fields, backend, policy).run(std::move(ranking));
}

}  // namespace quire::server
