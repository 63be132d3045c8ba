// Owners give zeroed, aligned memory, hand it over without copying, and free it once.
#include "tensor/owner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace octet::tensor {
namespace {

bool is_aligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 64 == 0;
}

TEST(Array, IsZeroedAndAlignedToACacheLineForEverySize) {
  for (int64_t size : {1, 2, 63, 64, 65, 4095, 4096, 4097, 3'000'000}) {
    Array<int16_t> array(size);
    EXPECT_EQ(array.size(), size);
    EXPECT_EQ(array.bytes(), static_cast<size_t>(size) * sizeof(int16_t));
    EXPECT_TRUE(is_aligned(array.data())) << size;
    EXPECT_TRUE(std::all_of(array.begin(), array.end(), [](int16_t value) { return value == 0; }));
    array[0] = 1;
    array[size - 1] = 2;
    EXPECT_EQ(array.data()[size - 1], 2);
  }
}

TEST(Array, OfSizeZeroOwnsNothing) {
  Array<float> array(0);
  EXPECT_EQ(array.size(), 0);
  EXPECT_EQ(array.bytes(), 0u);
  EXPECT_EQ(array.begin(), array.end());
  EXPECT_EQ(Array<float>().data(), nullptr);
}

TEST(Array, MovesItsMemoryWithoutCopying) {
  Array<int32_t> source(1000);
  source[999] = 7;
  const int32_t* memory = source.data();
  Array<int32_t> target(std::move(source));
  EXPECT_EQ(target.data(), memory);
  EXPECT_EQ(target[999], 7);
  EXPECT_EQ(source.data(), nullptr);  // NOLINT(bugprone-use-after-move): the state is specified
  EXPECT_EQ(source.size(), 0);
  Array<int32_t> other(5);
  other = std::move(target);
  EXPECT_EQ(other.data(), memory);
  EXPECT_EQ(other.size(), 1000);
}

TEST(Array, EnsureGrowsOnlyWhenItMust) {
  Array<int8_t> array(100);
  const int8_t* memory = array.data();
  array.ensure(100);
  array.ensure(3);
  EXPECT_EQ(array.data(), memory);
  array.ensure(101);
  EXPECT_GE(array.size(), 101);
  array[100] = 1;
}

TEST(Array, LivesAsASpanOfConstantAndMutableElements) {
  Array<uint8_t> array(10);
  const std::span<uint8_t> mutable_span = array;
  mutable_span[9] = 3;
  const std::span<const uint8_t> constant_span = array;
  EXPECT_EQ(constant_span.size(), 10u);
  EXPECT_EQ(constant_span[9], 3);
}

TEST(Array, ANegativeOrAbsurdSizeIsABrokenInvariant) {
  EXPECT_DEATH(Array<float>(-1), "internal error");
  EXPECT_DEATH(Array<float>(int64_t{1} << 46), "internal error");
}

TEST(Array, MoreThanTheAddressSpaceIsAnErrorNotACrash) {
  EXPECT_THROW(Array<double>((int64_t{1} << 46) - 1), Error);
}

#if defined(__SANITIZE_ADDRESS__)
// Kernels store rows into arrays: the address sanitizer must see one element too many.
TEST(Array, TheAddressSanitizerSeesAnElementPastTheEnd) {
  Array<int8_t> array(4096);
  volatile int64_t past = array.size();
  EXPECT_DEATH(array[past] = 1, "heap-buffer-overflow");
}
#endif

TEST(Shared, TakesOverAnArrayAndKeepsItAliveThroughCopies) {
  Array<float> array(100);
  array[42] = 2.5f;
  const float* memory = array.data();
  Shared<float> copy;
  EXPECT_TRUE(copy.empty());
  {
    const Shared<float> shared(std::move(array));
    EXPECT_EQ(shared.data(), memory);
    copy = shared;
  }
  EXPECT_EQ(copy.size(), 100);
  EXPECT_EQ(copy.bytes(), 400u);
  EXPECT_EQ(copy[42], 2.5f);
}

TEST(Shared, ReleasesItsOwnerWithTheLastCopy) {
  auto owner = std::make_shared<std::vector<int32_t>>(std::vector<int32_t>{1, 2, 3});
  const std::weak_ptr<std::vector<int32_t>> watch = owner;
  Shared<int32_t> first(owner->data() + 1, 2, owner);
  owner.reset();
  Shared<int32_t> second = first;
  first = {};
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(second[1], 3);
  EXPECT_EQ(std::count(second.begin(), second.end(), 2), 1);
  second = {};
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace octet::tensor
