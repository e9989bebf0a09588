//===- TablesTest.cpp - Engines' tables and strides, on compiled kernels --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One cache in the layouts that engines have, read in place: the same rows come
// out, and they are those of attention in f64.
//
//===----------------------------------------------------------------------===//
#include "TablesKit.h"

#include <cmath>

using namespace attn::test;

TEST_P(TablesTest, DenseWithANullBlockInAnyOrderOfTheCache) {
  // [requests, 6] of 9 columns; what is past the length is the null block.
  std::vector<int32_t> table(kRequests * 9, 0), len = kLengths;
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t page = 0; page * kPage < kLengths[b]; ++page) {
      table[b * 9 + page] = int32_t(pageOf(b, page));
    }
  }
  struct Layout {
    const char *name;
    // Strides of page, token, head; where V begins; elements in all.
    int64_t page, token, head, v, all;
  };
  constexpr int64_t kTokens = kHeads * kWidth, kBlock = kPage * kTokens;
  const Layout layouts[] = {
      {"tokens outside heads, K and V apart", kBlock, kTokens, kWidth,
       kPages * kBlock, 2 * kPages * kBlock},
      {"heads outside tokens", kBlock, kWidth, kPage * kWidth, kPages * kBlock,
       2 * kPages * kBlock},
      {"K and V in one block", 2 * kBlock, kTokens, kWidth, kBlock,
       2 * kPages * kBlock},
      {"layer 2 of 3 inside of blocks and heads",
       kHeads * 3 * 2 * kPage * kWidth, kWidth, 3 * 2 * kPage * kWidth,
       kPage * kWidth, kPages * kHeads * 3 * 2 * kPage * kWidth},
  };
  for (const Layout &l : layouts) {
    SCOPED_TRACE(l.name);
    bool isCrossLayer = l.all > 2 * kPages * kBlock;
    int64_t start = isCrossLayer ? 2 * 2 * kPage * kWidth : 0;
    auto at = [&](int64_t b, int64_t m, int64_t g) {
      return start + pageOf(b, m / kPage) * l.page + m % kPage * l.token +
             g * l.head;
    };
    std::vector<float> pool = fill(k, l.all, at);
    std::vector<float> values =
        fill(v, l.all, [&](int64_t b, int64_t m, int64_t g) {
          return l.v + at(b, m, g);
        });
    for (size_t i = 0; i < pool.size(); ++i) {
      pool[i] = std::isnan(pool[i]) ? values[i] : pool[i];
    }
    std::vector<int64_t> sizes{kPages, kPage, kHeads, kWidth},
        strides{l.page, l.token, l.head, 1};
    check(paged(),
          {Tensor(pool.data() + start, sizes, kF32, strides),
           Tensor(pool.data() + start + l.v, sizes, kF32, strides)},
          {Tensor(table.data(), {kRequests, 6}, kI32, {9, 1}),
           Tensor(len.data(), {kRequests}, kI32)});
  }
}

TEST_P(TablesTest, TokenSlots) {
  std::vector<int32_t> slots(kRequests * kMost, 0), len = kLengths;
  auto slot = [](int64_t b, int64_t m) {
    return 1 + (b * kMost + m) * 5 % (kRequests * kMost);
  };
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t m = 0; m < kLengths[b]; ++m) {
      slots[b * kMost + m] = int32_t(slot(b, m));
    }
  }
  int64_t all = kRequests * kMost + 1;
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return (slot(b, m) * kHeads + g) * kWidth;
  };
  std::vector<float> kp = fill(k, all * kHeads * kWidth, at),
                     vp = fill(v, all * kHeads * kWidth, at);
  check(program("memref<?x2x16xf32>", "slot = %slots[b, m], len = %len[b]",
                "m < len", "slot, g, ", "tensor<?x?xi32>, tensor<?xi32>",
                "%slots: tensor<?x?xi32>, %len: tensor<?xi32>"),
        {Tensor(kp.data(), {all, kHeads, kWidth}, kF32),
         Tensor(vp.data(), {all, kHeads, kWidth}, kF32)},
        {Tensor(slots.data(), {kRequests, kMost}, kI32),
         Tensor(len.data(), {kRequests}, kI32)});
}

TEST_P(TablesTest, ListsOfPagesBehindEachOther) {
  // Where a request's pages begin in one list, and how full its last one is.
  // The middle request has none, so its begin is the next one's; nothing stands
  // behind the last page of the list.
  std::vector<int32_t> indptr{0}, indices, last;
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t page = 0; page * kPage < kLengths[b]; ++page) {
      indices.push_back(int32_t(pageOf(b, page)));
    }
    indptr.push_back(int32_t(indices.size()));
    last.push_back(kLengths[b] ? int32_t((kLengths[b] - 1) % kPage + 1) : 0);
  }
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((pageOf(b, m / kPage) * kPage + m % kPage) * kHeads + g) * kWidth;
  };
  std::vector<float> kp = fill(k, kPages * kPage * kHeads * kWidth, at),
                     vp = fill(v, kPages * kPage * kHeads * kWidth, at);
  check(program("memref<?x4x2x16xf32>",
                "lo = %indptr[b], hi = %indptr[b + 1], last = %last[b], "
                "pg = %indices[lo + m floordiv 4]",
                "m < 4 * hi - 4 * lo - 4 + last", "pg, m mod 4, g, ",
                "tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>",
                "%indptr: tensor<?xi32>, %indices: tensor<?xi32>, "
                "%last: tensor<?xi32>"),
        {Tensor(kp.data(), {kPages, kPage, kHeads, kWidth}, kF32),
         Tensor(vp.data(), {kPages, kPage, kHeads, kWidth}, kF32)},
        {Tensor(indptr.data(), {kRequests + 1}, kI32),
         Tensor(indices.data(), {int64_t(indices.size())}, kI32),
         Tensor(last.data(), {kRequests}, kI32)});
}

TEST_P(TablesTest, ContiguousRuns) {
  std::vector<int32_t> ptr{2}; // two tokens of somebody else
  for (int32_t length : kLengths) {
    ptr.push_back(ptr.back() + length);
  }
  int64_t all = ptr.back() + 1;
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((ptr[b] + m) * kHeads + g) * kWidth;
  };
  std::vector<float> kp = fill(k, all * kHeads * kWidth, at),
                     vp = fill(v, all * kHeads * kWidth, at);
  check(program("memref<?x2x16xf32>", "lo = %ptr[b], hi = %ptr[b + 1]",
                "lo + m < hi", "lo + m, g, ", "tensor<?xi32>, tensor<?xi32>",
                "%ptr: tensor<?xi32>"),
        {Tensor(kp.data(), {all, kHeads, kWidth}, kF32),
         Tensor(vp.data(), {all, kHeads, kWidth}, kF32)},
        {Tensor(ptr.data(), {kRequests + 1}, kI32)});
}
