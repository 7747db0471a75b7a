// Page memory: orders against a byte-for-byte account of what each page and slot should hold.
#include "cache/kv_store.h"

#include <gtest/gtest.h>

#include <cstring>

namespace quire::cache {
namespace {

TEST(KvStore, CarriesOutOrdersInTheirOrder) {
  KvStore store({{{64, 4}, {96, 3}}, 128, 5});
  EXPECT_EQ(store.bytes(), 64 * 4 + 96 * 3 + 128 * 5);
  const auto page = [&](int group, int index) {
    return store.kv_base()[static_cast<std::size_t>(group)] +
           index * store.kv_page_bytes()[static_cast<std::size_t>(group)];
  };
  const auto holds = [](const std::byte* at, int bytes, int value) {
    for (int i = 0; i < bytes; ++i) {
      if (at[i] != static_cast<std::byte>(value)) return false;
    }
    return true;
  };
  EXPECT_TRUE(holds(page(1, 2), 96, 0));
  for (int i = 0; i < 4; ++i) std::memset(page(0, i), 10 + i, 64);
  for (int i = 0; i < 3; ++i) std::memset(page(1, i), 20 + i, 96);
  const kernels::StateSlots states = store.states();
  for (int i = 0; i < 5; ++i) std::memset(states.at(i, 0), 30 + i, 128);

  MemoryOrders orders;
  orders.page_copies = {{0, 0, 3, 2}, {1, 2, 0, 1}};
  orders.state_copies = {{1, 2}, {2, 3}};
  orders.state_zeros = {2};
  store.execute(orders);
  const int first[] = {10, 11, 12, 10};
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(holds(page(0, i), 64, first[i])) << i;
  const int second[] = {22, 21, 22};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(holds(page(1, i), 96, second[i])) << i;
  const int slots[] = {30, 31, 0, 31, 34};
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(holds(reinterpret_cast<const std::byte*>(states.at(i, 0)), 128, slots[i])) << i;
  }
}

TEST(KvStoreDeath, WrongOrdersAbort) {
  KvStore store({{{64, 4}}, 0, 0});
  const PageCopy outside{0, 0, 4, 1}, no_group{1, 0, 1, 1};
  EXPECT_DEATH(store.execute(std::span(&outside, 1), {}, {}), "page 4 of KV group 0");
  EXPECT_DEATH(store.execute(std::span(&no_group, 1), {}, {}), "KV group 1");
  const std::int32_t zero = 0;
  EXPECT_DEATH(store.execute({}, {}, std::span(&zero, 1)), "state slot 0 of 0");
}

}  // namespace
}  // namespace quire::cache
