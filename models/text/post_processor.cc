// Reads the "post_processor" of a tokenizer.json. What it says about offsets and pairs of texts has
// no effect on the ids of one text.
#include "models/text/post_processor.h"

#include <map>

#include "models/text/spec.h"
#include "models/text/vocab.h"

namespace quire::text {
namespace {

using Part = PostProcessor::Part;

Result<std::int32_t> id_of(const Json& json, std::string_view name) {
  QUIRE_ASSIGN(const std::int64_t id, json_integer(json, name, 0, Vocab::kIdMax - 1));
  return static_cast<std::int32_t>(id);
}

// ["[SEP]", 102]
Result<Part> pair_part(const SpecReader& spec, std::string_view key) {
  const Json* found = spec.member(key);
  if (found == nullptr || !found->is_array() || found->size() != 2) {
    return fail(ErrorCode::kInvalid, "{} must be [token, id]", spec.name_of(key));
  }
  QUIRE_ASSIGN(const std::int32_t id, id_of((*found)[1], spec.name_of(key)));
  return Part{false, {id}};
}

Result<std::map<std::string, Part>> special_tokens(const SpecReader& spec) {
  std::map<std::string, Part> out;
  const Json* tokens = spec.member("special_tokens");
  if (tokens == nullptr) return out;
  if (!tokens->is_object()) {
    return fail(ErrorCode::kInvalid, "{} must be an object", spec.name_of("special_tokens"));
  }
  for (const auto& [name, token] : tokens->items()) {
    const std::string where = spec.name_of("special_tokens") + "." + name.substr(0, 64) + ".ids";
    const Json* ids = find_member(token, "ids");
    if (ids == nullptr || !ids->is_array()) {
      return fail(ErrorCode::kInvalid, "{} must be a list", where);
    }
    Part part{false, {}};
    for (const Json& json : *ids) {
      QUIRE_ASSIGN(const std::int32_t id, id_of(json, where));
      part.ids.push_back(id);
    }
    out[name] = std::move(part);
  }
  return out;
}

// One element of "single": the text, or a special token by its name.
Result<Part> template_part(const SpecReader& piece, const std::map<std::string, Part>& tokens) {
  const Json* sequence = piece.member("Sequence");
  const Json* special = piece.member("SpecialToken");
  if (sequence == nullptr && special == nullptr) {
    return fail(ErrorCode::kInvalid, "{} must be a Sequence or a SpecialToken", piece.where());
  }
  const SpecReader named(sequence != nullptr ? *sequence : *special, piece.where());
  const auto id = named.string("id");
  if (!id) return tl::unexpected<Error>(id.error());
  if (sequence != nullptr) {
    if (*id == "A") return Part{};
    return fail(ErrorCode::kInvalid, "{}: a single text has no sequence \"{}\"", piece.where(),
                id->substr(0, 16));
  }
  const auto found = tokens.find(*id);
  if (found != tokens.end()) return found->second;
  return fail(ErrorCode::kInvalid, "{}: special_tokens has no \"{}\"", piece.where(),
              id->substr(0, 64));
}

Result<PostProcessor> template_processing(const SpecReader& spec) {
  QUIRE_ASSIGN(const auto tokens, special_tokens(spec));
  PostProcessor out;
  out.parts.clear();
  QUIRE_TRY(spec.each("single", [&](const SpecReader& piece) -> Status {
    QUIRE_ASSIGN(Part part, template_part(piece, tokens));
    out.parts.push_back(std::move(part));
    return {};
  }));
  return out;
}

// The second applied to what the first makes.
PostProcessor chain(const PostProcessor& first, const PostProcessor& second) {
  PostProcessor out;
  out.parts.clear();
  for (const Part& part : second.parts) {
    if (part.is_text) {
      out.parts.insert(out.parts.end(), first.parts.begin(), first.parts.end());
    } else {
      out.parts.push_back(part);
    }
  }
  return out;
}

Result<PostProcessor> make(const SpecReader& spec) {
  QUIRE_ASSIGN(const std::string type, spec.type());
  if (type == "ByteLevel") return PostProcessor{};
  if (type == "TemplateProcessing") return template_processing(spec);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    QUIRE_ASSIGN(Part sep, pair_part(spec, "sep"));
    QUIRE_ASSIGN(Part cls, pair_part(spec, "cls"));
    return PostProcessor{{std::move(cls), Part{}, std::move(sep)}};
  }
  if (type == "Sequence") {
    PostProcessor all;
    QUIRE_TRY(spec.each("processors", [&all](const SpecReader& child) -> Status {
      QUIRE_ASSIGN(const PostProcessor next, make(child));
      all = chain(all, next);
      if (all.parts.size() > 1000) {
        return fail(ErrorCode::kInvalid, "{}: more than 1000 parts", child.where());
      }
      return {};
    }));
    return all;
  }
  return spec.refuse("type", type);
}

}  // namespace

std::vector<std::int32_t> PostProcessor::apply(std::vector<std::int32_t> text,
                                               bool add_special_tokens) const {
  if (parts.size() == 1 && parts[0].is_text) return text;
  std::vector<std::int32_t> out;
  out.reserve(text.size() + parts.size());
  for (const Part& part : parts) {
    if (part.is_text) {
      out.insert(out.end(), text.begin(), text.end());
    } else if (add_special_tokens) {
      out.insert(out.end(), part.ids.begin(), part.ids.end());
    }
  }
  return out;
}

Result<PostProcessor> make_post_processor(const Json& spec, std::string_view where) {
  if (spec.is_null()) return PostProcessor{};
  return make(SpecReader(spec, std::string(where)));
}

PostProcessor make_bos_eos(std::optional<std::int32_t> bos, std::optional<std::int32_t> eos) {
  PostProcessor out;
  if (bos) out.parts.insert(out.parts.begin(), Part{false, {*bos}});
  if (eos) out.parts.push_back(Part{false, {*eos}});
  return out;
}

}  // namespace quire::text
