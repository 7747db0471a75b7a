// Packing of weights and preparing of activations: the layouts of the headers, element by element.
#include "tests/kernels/matmul_support.h"

namespace quire::kernels {
namespace {

// Oracle: the matrix that was packed.
TEST(Pack, GatherReadsBackEveryElement) {
  Rng rng(15);
  const std::int64_t rows = 53;
  for (const std::int64_t cols : {19, 64, 96}) {
    for (const PackedFormat& format : formats_for(cols)) {
      const Weights w = make_weights(format, rows, cols, rng);
      for (const Isa isa : present_isas()) {
        std::vector<float> got(static_cast<std::size_t>(cols)), want;
        for (std::int64_t n = 0; n < rows; ++n) {
          want.clear();
          for (std::int64_t k = 0; k < cols; ++k) want.push_back(w.at(n, k));
          kernels(isa).gather_row(w.view, n, got.data());
          expect_same(want, got, name_of(format));
        }
      }
    }
  }
}

TEST(Pack, RowsInPartsEqualTheWhole) {
  Rng rng(19);
  const std::int64_t rows = 53, cols = 19;
  const auto values = normals(rng, rows * cols);
  for (const PackedFormat& format : formats_for(cols)) {
    const std::size_t bytes = packed_bytes(format, rows, cols);
    std::vector<std::byte> whole(bytes), parts(bytes);
    const auto source = stored(values, DType::kF32);
    pack_rows({source.data(), DType::kF32, rows, cols, cols, 1}, 0, rows, format, whole.data());
    for (std::int64_t n = 0; n < rows; n += 9) {
      const std::int64_t count = std::min<std::int64_t>(9, rows - n);
      pack_rows({source.data() + n * cols * 4, DType::kF32, count, cols, cols, 1}, n, rows, format,
                parts.data());
    }
    EXPECT_EQ(parts, whole) << name_of(format);
  }
}

TEST(Pack, ConvertsAndTransposes) {
  Rng rng(16);
  const std::int64_t rows = 5, cols = 7;
  const PackedFormat format = PackedFormat::of(DType::kBf16);
  const auto values = normals(rng, rows * cols);  // [cols, rows]: read transposed
  std::vector<std::byte> target(packed_bytes(format, rows, cols));
  pack_rows({reinterpret_cast<const std::byte*>(values.data()), DType::kF32, rows, cols, 1, rows},
            0, rows, format, target.data());
  const PackedMatrix w{target.data(), format, rows, cols};
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t k = 0; k < cols; ++k) {
      const float value = values[static_cast<std::size_t>(k * rows + n)];
      EXPECT_EQ(ref::weight_at(w, n, k), bf16_to_f32(f32_to_bf16(value)));
    }
  }
}

const ActivationForm kForms[] = {{ActivationForm::Kind::kBf16, 0},
                                 {ActivationForm::Kind::kInt8, 8},
                                 {ActivationForm::Kind::kInt8, 24},
                                 {ActivationForm::Kind::kInt8, 64},
                                 {ActivationForm::Kind::kInt8, 128}};

std::vector<std::byte> prepared(const Kernels& row, const ActivationForm& form,
                                const std::vector<float>& x, std::int64_t cols) {
  const Prepared p(form, x, 1, cols, row);
  const std::byte* begin = p.view().row(0);
  std::int64_t bytes = (cols + 1) / 2 * 4;
  if (form.kind == ActivationForm::Kind::kInt8)
    bytes = int8_codes_bytes(cols) + 12 * group_count(form, cols);
  return {begin, begin + bytes};
}

// Oracle: the sentences of activations.h as plain loops, byte for byte.
std::vector<std::byte> expected(const ActivationForm& form, const std::vector<float>& x) {
  const auto cols = static_cast<std::int64_t>(x.size());
  if (form.kind == ActivationForm::Kind::kBf16) {
    auto padded = x;
    if (cols % 2 != 0) padded.push_back(0);
    return stored(padded, DType::kBf16);
  }
  const auto groups = static_cast<std::size_t>(group_count(form, cols));
  std::vector<std::byte> out(static_cast<std::size_t>(int8_codes_bytes(cols)));
  std::vector<float> numbers(2 * groups);
  std::vector<std::int32_t> sums(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t begin = g * static_cast<std::size_t>(form.group);
    const std::size_t end = std::min(x.size(), begin + static_cast<std::size_t>(form.group));
    float largest = 0;
    bool finite = true;
    for (std::size_t k = begin; k < end; ++k) {
      largest = std::max(largest, std::fabs(x[k]));
      finite = finite && std::isfinite(x[k]);
    }
    numbers[g] = finite ? largest / 127 : kNan;
    for (std::size_t k = begin; numbers[g] > 0 && k < end; ++k) {
      const float code = std::nearbyint(x[k] * (127 / largest));
      out[k] = static_cast<std::byte>(static_cast<std::int8_t>(code));
      sums[g] += static_cast<int>(code);
    }
    numbers[groups + g] = numbers[g] * static_cast<float>(sums[g]);
  }
  const auto append = [&](const void* p, std::size_t bytes) {
    const auto* from = static_cast<const std::byte*>(p);
    out.insert(out.end(), from, from + bytes);
  };
  append(numbers.data(), numbers.size() * 4);
  append(sums.data(), sums.size() * 4);
  return out;
}

// NaN scales may differ in payload: they are made alike before the bytes are compared.
std::vector<std::byte> with_one_nan(std::vector<std::byte> row, const ActivationForm& form,
                                    std::int64_t cols) {
  if (form.kind != ActivationForm::Kind::kInt8) return row;
  for (std::int64_t i = 0; i < 2 * group_count(form, cols); ++i) {
    float value;
    std::byte* at = row.data() + int8_codes_bytes(cols) + 4 * i;
    std::memcpy(&value, at, 4);
    if (std::isnan(value)) std::memcpy(at, &kNan, 4);
  }
  return row;
}

TEST(Prepare, EveryRowOfTheTableWritesTheDefinedBytes) {
  Rng rng(20);
  for (const std::int64_t cols : {1, 2, 7, 16, 33, 63, 64, 65, 127, 128, 129, 200, 384}) {
    for (int kind = 0; kind < 6; ++kind) {
      auto x = kind % 2 == 0 ? normals(rng, cols) : odd_floats(rng, cols);
      const auto any = static_cast<std::size_t>(rng.below(static_cast<std::uint64_t>(cols)));
      if (kind == 2) x[any] = kNan;
      if (kind == 3) x[any] = -std::numeric_limits<float>::infinity();
      if (kind == 4) std::fill(x.begin(), x.end(), 0.0f);
      if (kind == 5) {
        for (float& v : x) v = normal(rng, 0x1p-122);  // 127 / max overflows, max / 127 is flushed
      }
      for (const ActivationForm& form : kForms) {
        const auto want = with_one_nan(expected(form, x), form, cols);
        for (const Isa isa : present_isas()) {
          const auto got = with_one_nan(prepared(kernels(isa), form, x, cols), form, cols);
          EXPECT_EQ(got, want) << isa_name(isa) << " cols " << cols << " group " << form.group
                               << " kind " << kind;
        }
      }
    }
  }
}

}  // namespace
}  // namespace quire::kernels
