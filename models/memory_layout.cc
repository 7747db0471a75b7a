// KV groups by equal geometry and window; state offsets in layer order.
#include "models/memory_layout.h"

#include "base/check.h"

namespace quire::models {
namespace {

constexpr std::int64_t kAlignedFloats = 16;  // 64 bytes

// The geometry of a layer's keys, or no kv heads.
KvSite geometry(const Attention& a) {
  return {.layout = {.kv_heads = a.kv_heads, .key_dim = a.head_dim, .value_dim = a.head_dim},
          .window = a.window};
}
KvSite geometry(const LatentAttention& a) {
  return {.layout = {.kv_heads = 1,
                     .key_dim = a.kv_rank + a.rope_dim,
                     .value_dim = 0,
                     .latent_value_dim = a.kv_rank}};
}
KvSite geometry(const Mamba2&) { return {}; }
KvSite geometry(const GatedDelta&) { return {}; }

StateShape state_shape(const Attention&) { return {}; }
StateShape state_shape(const LatentAttention&) { return {}; }

bool same_pages(const KvGroup& group, const KvSite& site) {
  return group.layout.kv_heads == site.layout.kv_heads &&
         group.layout.key_dim == site.layout.key_dim &&
         group.layout.value_dim == site.layout.value_dim &&
         group.layout.latent_value_dim == site.layout.latent_value_dim &&
         group.window == site.window;
}

void place_kv(KvSite site, const ModelOptions& options, MemoryLayout& layout) {
  const int layer = static_cast<int>(layout.kv.size());
  if (site.layout.kv_heads == 0) {
    layout.kv.push_back({});
    return;
  }
  site.layout.dtype = options.kv_dtype;
  site.layout.page_tokens = options.page_tokens;
  site.group = 0;
  for (const KvGroup& group : layout.groups) {
    if (same_pages(group, site)) break;
    ++site.group;
  }
  const auto group = static_cast<std::size_t>(site.group);
  if (group == layout.groups.size()) {
    layout.groups.push_back({.layout = site.layout, .window = site.window, .layers = {}});
  }
  std::vector<int>& layers = layout.groups[group].layers;
  site.layer_offset = static_cast<std::int64_t>(layers.size()) * site.layout.layer_page_bytes();
  layers.push_back(layer);
  layout.kv.push_back(site);
}

}  // namespace

std::int64_t StateShape::floats() const {
  return (conv_floats + state_floats + kAlignedFloats - 1) / kAlignedFloats * kAlignedFloats;
}

StateShape state_shape(const Mamba2& m) {
  return {std::int64_t{m.conv_taps - 1} * m.conv_channels(),
          std::int64_t{m.heads} * m.head_dim * m.state_dim};
}

StateShape state_shape(const GatedDelta& g) {
  return {std::int64_t{g.conv_taps - 1} * g.conv_channels(),
          std::int64_t{g.value_heads} * g.value_dim * g.key_dim};
}

MemoryLayout memory_layout_of(const DecoderSpec& spec, const ModelOptions& options) {
  CHECK(options.page_tokens > 0 && options.page_tokens % 16 == 0, "pages of {} tokens",
        options.page_tokens);
  MemoryLayout layout;
  for (const Layer& layer : spec.layers) {
    place_kv(std::visit([](const auto& mixer) { return geometry(mixer); }, layer.mixer), options,
             layout);
    const StateShape shape =
        std::visit([](const auto& mixer) { return state_shape(mixer); }, layer.mixer);
    layout.state_offsets.push_back(shape.state_floats == 0 ? -1 : layout.state_bytes);
    layout.state_bytes += shape.floats() * static_cast<std::int64_t>(sizeof(float));
  }
  return layout;
}

std::vector<KvGroup> kv_groups_of(const DecoderSpec& spec, const ModelOptions& options) {
  return memory_layout_of(spec, options).groups;
}

std::int64_t state_bytes_of(const DecoderSpec& spec) {
  return memory_layout_of(spec, {}).state_bytes;
}

}  // namespace quire::models
