// The table: which instruction sets exist, are found and are complete.
#include "tests/kernels/support.h"

namespace quire::kernels {
namespace {

TEST(Table, NamesParseBackAndOthersAreRefusedByName) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    const auto parsed = parse_isa(isa_name(isa));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(*parsed, isa);
  }
  const auto refused = parse_isa("sse9");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("sse9"), std::string::npos);
  EXPECT_NE(refused.error().message.find("avx512"), std::string::npos);
}

TEST(Table, EveryRowSaysWhichItIs) {
  EXPECT_TRUE(isa_supported(Isa::kScalar));
  EXPECT_TRUE(isa_supported(best_isa()));
  for (const Isa isa : present_isas()) EXPECT_EQ(kernels(isa).isa, isa);
}

// Says in the log what the comparisons of the other tests did not cover on this machine.
class EachIsa : public ::testing::TestWithParam<Isa> {};
TEST_P(EachIsa, RunsHere) {
  if (!isa_supported(GetParam())) {
    GTEST_SKIP() << isa_name(GetParam())
                 << " is absent on this machine: no kernel test ran its row";
  }
}
INSTANTIATE_TEST_SUITE_P(Table, EachIsa, ::testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvx512),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace quire::kernels
