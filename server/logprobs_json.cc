// Minus infinity is no JSON number: it shows as -9999, as in vLLM.
#include "server/logprobs_json.h"

#include <algorithm>
#include <cmath>

#include "server/token_text.h"

namespace quire::server {
namespace {

double shown(float logprob) {
  constexpr float kFloor = -9999;
  return static_cast<double>(logprob > kFloor ? logprob : kFloor);
}

Json bytes_json(const std::string& bytes) {
  Json out = Json::array();
  for (const char c : bytes) out.push_back(static_cast<int>(static_cast<unsigned char>(c)));
  return out;
}

std::string id_text(std::int32_t id) { return fmt::format("token:{}", id); }

Json chat_entry(const text::Tokenizer& tokenizer, std::int32_t id, float logprob,
                const LogprobsStyle& style) {
  const TokenText token = token_text(tokenizer, id);
  Json entry = Json::object();
  entry["token"] = style.tokens_as_ids ? id_text(id) : token.text;
  entry["logprob"] = shown(logprob);
  entry["bytes"] = bytes_json(token.bytes);
  return entry;
}

}  // namespace

std::int64_t count_code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; });
}

Json chat_logprobs(const text::Tokenizer& tokenizer, std::span<const engine::OutputToken> tokens,
                   const LogprobsStyle& style) {
  Json content = Json::array();
  for (const engine::OutputToken& token : tokens) {
    Json entry = chat_entry(tokenizer, token.id, token.logprob, style);
    Json top = Json::array();
    for (const engine::TokenLogprob& other : token.top) {
      if (static_cast<int>(top.size()) == style.top) break;
      top.push_back(chat_entry(tokenizer, other.id, other.logprob, style));
    }
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  Json out = Json::object();
  out["content"] = std::move(content);
  out["refusal"] = nullptr;
  return out;
}

Json llama_probs(const text::Tokenizer& tokenizer, std::span<const engine::OutputToken> tokens,
                 const LlamaProbs& style) {
  const auto entry = [&](std::int32_t id, float logprob) {
    const TokenText token = token_text(tokenizer, id);
    Json out = {{"id", id}, {"token", token.text}, {"bytes", bytes_json(token.bytes)}};
    if (style.drawn) {
      out["prob"] = std::exp(static_cast<double>(logprob));
    } else {
      out["logprob"] = shown(logprob);
    }
    return out;
  };
  Json list = Json::array();
  for (const engine::OutputToken& token : tokens) {
    Json out = entry(token.id, token.logprob);
    Json top = Json::array();
    for (const engine::TokenLogprob& other : token.top) {
      if (static_cast<int>(top.size()) == style.top) break;
      top.push_back(entry(other.id, other.logprob));
    }
    out[style.drawn ? "top_probs" : "top_logprobs"] = std::move(top);
    list.push_back(std::move(out));
  }
  return list;
}

Json completion_logprobs(const text::Tokenizer& tokenizer,
                         std::span<const engine::OutputToken> tokens, const LogprobsStyle& style,
                         std::size_t prompt_count, std::int64_t& offset) {
  Json texts = Json::array();
  Json logprobs = Json::array();
  Json tops = Json::array();
  Json offsets = Json::array();
  const auto name = [&](std::int32_t id) {
    return style.tokens_as_ids ? id_text(id) : completion_token_text(token_text(tokenizer, id));
  };
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const engine::OutputToken& token = tokens[i];
    texts.push_back(name(token.id));
    offsets.push_back(offset);
    offset += count_code_points(token_text(tokenizer, token.id).text);
    if (i == 0 && prompt_count > 0) {
      logprobs.push_back(nullptr);
      tops.push_back(nullptr);
      continue;
    }
    logprobs.push_back(shown(token.logprob));
    Json top = Json::object();
    top[name(token.id)] = shown(token.logprob);
    int rank = 0;
    for (const engine::TokenLogprob& other : token.top) {
      if (rank++ == style.top) break;
      const std::string key = name(other.id);
      if (!top.contains(key)) top[key] = shown(other.logprob);
    }
    tops.push_back(std::move(top));
  }
  Json out = Json::object();
  out["tokens"] = std::move(texts);
  out["token_logprobs"] = std::move(logprobs);
  out["top_logprobs"] = std::move(tops);
  out["text_offset"] = std::move(offsets);
  return out;
}

Json prompt_logprobs(const text::Tokenizer& tokenizer,
                     std::span<const engine::OutputToken> tokens) {
  Json out = Json::array();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i == 0) {
      out.push_back(nullptr);
      continue;
    }
    Json entry = Json::object();
    const auto add = [&](std::int32_t id, float logprob, int rank) {
      const std::string key = std::to_string(id);
      if (entry.contains(key)) return;
      Json one = Json::object();
      one["logprob"] = shown(logprob);
      one["rank"] = rank;
      one["decoded_token"] = token_text(tokenizer, id).text;
      entry[key] = std::move(one);
    };
    add(tokens[i].id, tokens[i].logprob, tokens[i].rank);
    for (const engine::TokenLogprob& other : tokens[i].top)
      add(other.id, other.logprob, other.rank);
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace quire::server
