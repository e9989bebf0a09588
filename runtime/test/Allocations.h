//===- Allocations.h - Allocations that fail on request ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_ALLOCATIONS_H
#define ATTNRT_TEST_ALLOCATIONS_H

#include "attnrt/attnrt.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace attnrt_test {

/// Allocations that this thread still gets (operator new, and aligned_alloc of
/// the runtime); negative: all.
long &allocationsLeft();

/// Allocations of the whole process so far, and those of them that were blocks
/// for kernels (aligned_alloc of the runtime).
long allocationsMade();
long blocksMade();

/// Whether this thread gets anonymous files.
bool &hasAnonymousFiles();

/// Runs `call` with the n-th allocation failing, for every n, until it needs no
/// more, and `check` behind each failure; returns how many it needed.
template <class F, class Check> long failEach(F call, Check check) {
  for (long n = 0; n < 100000; ++n) {
    allocationsLeft() = n;
    attnrt_status status = call();
    allocationsLeft() = -1;
    if (status == ATTNRT_OK) {
      return n;
    }
    EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, status)
        << n << ": " << attnrt_last_message();
    check();
  }
  ADD_FAILURE() << "it never ends";
  return -1;
}

/// Counts what the runtime asks of the engine.
struct CountingAllocator {
  CountingAllocator() {
    table.struct_size = sizeof(table);
    table.self = this;
    table.allocate = [](void *self, DLDevice, uint64_t bytes, uint64_t, void *,
                        void **out) {
      ++static_cast<CountingAllocator *>(self)->asked;
      *out = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
      return ATTNRT_OK;
    };
    table.free = [](void *self, DLDevice, void *memory, uint64_t, void *) {
      ++static_cast<CountingAllocator *>(self)->freed;
      std::free(memory);
    };
  }
  attnrt_allocator table{};
  int asked = 0, freed = 0;
};

} // namespace attnrt_test

#endif // ATTNRT_TEST_ALLOCATIONS_H
