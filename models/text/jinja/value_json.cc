// A request's JSON as template values.
#include "models/load/json.h"
#include "models/text/jinja/value.h"

namespace quire::text::jinja {

Value Value::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return integer(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return integer(json.get<std::uint64_t>());
    case Json::value_t::number_float:
      return number(json.get<double>());
    case Json::value_t::string:
      return string(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      Values items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      auto data = std::make_shared<DictData>();
      for (const auto& [key, member] : json.get_ref<const Json::object_t&>()) {
        data->set(string(key), from_json(member));
      }
      return dict(std::move(data));
    }
    default:
      return {};
  }
}

}  // namespace quire::text::jinja
