// Vectors go out as numbers or, as OpenAI's SDK asks by default, as base64 of little-endian f32.
#include "server/embeddings.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "server/openai_request.h"
#include "server/request_body.h"

namespace quire::server {
namespace {

constexpr std::size_t kInputsMax = 2048;

using Ids = std::vector<std::int32_t>;
static_assert(std::endian::native == std::endian::little);

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= count ? kDigits[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
  return out;
}

Json vector_json(const std::vector<float>& vector, bool as_base64) {
  if (as_base64) {
    std::string bytes(vector.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), vector.data(), bytes.size());
    return base64(bytes);
  }
  Json out = Json::array();
  for (const float value : vector) out.push_back(static_cast<double>(value));
  return out;
}

tl::expected<Ids, ApiError> encode(const Json& input, const std::string& name, const Fields& fields,
                                   const Backend& backend) {
  Ids ids;
  if (input.is_string()) {
    auto encoded = backend.engine->tokenizer().encode(
        input.get<std::string>(), {.add_special_tokens = fields.flag("add_special_tokens", true)});
    if (!encoded) return tl::unexpected(api_error(encoded.error()));
    ids = std::move(*encoded);
  } else {
    auto read = read_token_ids(input, name, backend.engine->card().vocab);
    if (!read) return tl::unexpected(read.error());
    ids = std::move(*read);
  }
  if (ids.empty()) return api_fail(kBadRequest, name, "{} has no tokens", name);
  const std::int64_t keep = fields.integer("truncate_prompt_tokens", 0);
  const auto limit = static_cast<std::size_t>(keep > 0 ? keep : backend.engine->card().context_max);
  if (keep != 0 && ids.size() > limit) ids.resize(limit);
  if (auto good = check_fits(ids.size(), backend, name); !good) {
    return tl::unexpected(good.error());
  }
  return ids;
}

tl::expected<std::vector<Ids>, ApiError> read_inputs(const Fields& fields, const Backend& backend) {
  const Json& input = *fields.get("input");
  const bool many = input.is_array() && !input.empty() && !input.front().is_number();
  if (!input.is_string() && !input.is_array()) {
    return api_fail(kBadRequest, "input", "input must be a string, token ids, or a list of either");
  }
  if (input.is_array() && (input.empty() || (many && input.size() > kInputsMax))) {
    return api_fail(kBadRequest, "input", "input must have 1 to {} entries, got {}", kInputsMax,
                    input.size());
  }
  std::vector<Ids> out;
  for (std::size_t i = 0; i < (many ? input.size() : 1); ++i) {
    auto ids = many ? encode(input[i], fmt::format("input[{}]", i), fields, backend)
                    : encode(input, "input", fields, backend);
    if (!ids) return tl::unexpected(ids.error());
    out.push_back(std::move(*ids));
  }
  return out;
}

struct Shape {
  std::string model;
  std::int64_t dimensions = 0, prompt_tokens = 0;
  bool normalize = true, as_base64 = false;
  std::vector<std::string> warnings;
};

HttpResponse answer_of(const Shape& shape, const std::vector<engine::Output>& outputs) {
  Json data = Json::array();
  for (const engine::Output& output : outputs) {
    const auto vector = finish_embedding(output.embedding, shape.dimensions, shape.normalize);
    data.push_back({{"object", "embedding"},
                    {"index", data.size()},
                    {"embedding", vector_json(vector, shape.as_base64)}});
  }
  Json out = Json::object();
  out["object"] = "list";
  out["data"] = std::move(data);
  out["model"] = shape.model;
  out["usage"] = {{"prompt_tokens", shape.prompt_tokens}, {"total_tokens", shape.prompt_tokens}};
  if (!shape.warnings.empty()) out["warnings"] = shape.warnings;
  HttpResponse response;
  response.body = dump_json(out);
  return response;
}

}  // namespace

std::vector<float> finish_embedding(std::vector<float> vector, std::int64_t dimensions,
                                    bool normalize) {
  if (dimensions > 0) vector.resize(static_cast<std::size_t>(dimensions));
  if (!normalize) return vector;
  double sum = 0;
  for (const float value : vector) sum += static_cast<double>(value) * static_cast<double>(value);
  const double scale = sum > 0 ? 1 / std::sqrt(sum) : 0;
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) * scale);
  return vector;
}

engine::GenerateRequest pooling_request(Ids ids, engine::Pooling pooling, double timeout_s) {
  engine::GenerateRequest request;
  request.prompt = std::move(ids);
  request.pooling = pooling;
  request.sampling.max_tokens = 0;
  request.timeout = from_seconds(timeout_s);
  return request;
}

tl::expected<void, ApiError> check_fits(std::size_t tokens, const Backend& backend,
                                        const std::string& param) {
  const std::int64_t limit = backend.engine->card().context_max;
  if (static_cast<std::int64_t>(tokens) <= limit) return {};
  return tl::unexpected(
      ApiError{kContextLength,
               fmt::format("this model's maximum context length is {} tokens, but {} has {}", limit,
                           param, tokens),
               param,
               {{"n_prompt_tokens", static_cast<std::int64_t>(tokens)}, {"n_ctx", limit}}});
}

tl::expected<PromptBatch, ApiError> plan_embeddings(std::string_view text, const Backend& backend,
                                                    const RequestPolicy& policy) {
  auto body = open_body(text, kEmbeddings, policy);
  if (!body) return tl::unexpected(body.error());
  const Fields fields(body->json);
  if (auto good = check_model(fields, backend); !good) return tl::unexpected(good.error());
  if (!backend.pooling.embedding) {
    return api_fail(kUnsupportedEndpoint, "",
                    "the model is no embedding model; --task embed makes it one");
  }
  const EmbeddingSetup& setup = *backend.pooling.embedding;
  Shape shape;
  shape.model = fields.text("model", backend.model_names.front());
  shape.dimensions = fields.integer("dimensions", 0);
  const std::int64_t width = backend.engine->card().hidden;
  if (shape.dimensions > width) {
    return api_fail(kBadRequest, "dimensions", "dimensions must be at most {}, got {}", width,
                    shape.dimensions);
  }
  shape.normalize = fields.flag("normalize", setup.normalize);
  const std::string format = fields.text("encoding_format", "float");
  if (format != "float" && format != "base64") {
    return api_fail(kBadRequest, "encoding_format", "encoding_format must be float or base64");
  }
  shape.as_base64 = format == "base64";
  shape.warnings = std::move(body->warnings);
  auto inputs = read_inputs(fields, backend);
  if (!inputs) return tl::unexpected(inputs.error());
  PromptBatch batch;
  for (Ids& ids : *inputs) {
    shape.prompt_tokens += static_cast<std::int64_t>(ids.size());
    batch.requests.push_back(pooling_request(std::move(ids), setup.pooling, policy.timeout_s));
  }
  batch.answer = [shape](const std::vector<engine::Output>& outputs) {
    return answer_of(shape, outputs);
  };
  return batch;
}

}  // namespace quire::server
