//===- KernelMemoryTest.cpp - Memory that kernels of the CPU work in ------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../src/device/cpu/Memory.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>

namespace {

using Block = std::unique_ptr<void, decltype(&std::free)>;

Block allocate(uint64_t bytes, uint64_t alignment) {
  return {attnrt::allocateForKernels(bytes, alignment), std::free};
}

bool isAligned(const Block &block, uint64_t alignment) {
  return reinterpret_cast<uintptr_t>(block.get()) % alignment == 0;
}

TEST(KernelMemory, IsAlignedAndAllThere) {
  constexpr uint64_t large = 2 << 20;
  for (uint64_t alignment : {uint64_t(64), uint64_t(4096), 2 * large}) {
    for (uint64_t bytes : {uint64_t(1), uint64_t(65), large / 4 - 1, large / 4,
                           large + 1, 3 * large}) {
      Block block = allocate(bytes, alignment);
      ASSERT_TRUE(block) << bytes;
      EXPECT_TRUE(isAligned(block, alignment)) << bytes;
      // A large page begins where its address is a multiple of its size.
      EXPECT_TRUE(bytes < large / 4 || isAligned(block, large)) << bytes;
      std::memset(block.get(), 0xff, bytes);
    }
  }
}

TEST(KernelMemory, TooMuchIsNull) {
  for (uint64_t bytes : {UINT64_MAX, UINT64_MAX - 63, uint64_t(PTRDIFF_MAX),
                         uint64_t(PTRDIFF_MAX) - 63}) {
    EXPECT_FALSE(allocate(bytes, 64)) << bytes;
  }
}

} // namespace
