// Fuzzes the safetensors header: whatever is accepted must describe the data without holes.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string_view>

#include "base/check.h"
#include "models/load/safetensors.h"

// Input: 8 bytes of data size, then the header.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t data_bytes = 0;
  if (size < sizeof data_bytes) return 0;
  std::memcpy(&data_bytes, data, sizeof data_bytes);
  const std::string_view header(reinterpret_cast<const char*>(data) + sizeof data_bytes,
                                size - sizeof data_bytes);
  const auto tensors = quire::models::parse_safetensors_header(header, data_bytes);
  if (!tensors) {
    CHECK(!tensors.error().message.empty());
    return 0;
  }
  std::uint64_t end = 0;
  std::set<std::string_view> names;
  for (const auto& tensor : *tensors) {
    CHECK(tensor.begin == end && tensor.bytes <= data_bytes - end, "{}", tensor.name);
    CHECK(names.insert(tensor.name).second, "{}", tensor.name);
    unsigned __int128 elements = 1;
    for (const std::int64_t dim : tensor.shape) {
      CHECK(dim >= 0, "{}", tensor.name);
      elements *= static_cast<unsigned __int128>(dim);  // rank 8 of 63 bits may wrap; see below
    }
    if (tensor.dtype && tensor.shape.size() <= 2) {
      CHECK(elements * static_cast<unsigned>(quire::dtype_bytes(*tensor.dtype)) == tensor.bytes);
    }
    end += tensor.bytes;
  }
  CHECK(end == data_bytes);
  return 0;
}
