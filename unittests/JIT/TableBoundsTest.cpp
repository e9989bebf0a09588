//===- TableBoundsTest.cpp - Tables that lead outside of the cache --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tables are the engine's, and a device may write them: where nobody validates
// them, kernels bound what they say. All memory around the caches is NaN.
//
//===----------------------------------------------------------------------===//
#include "TablesKit.h"

#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <limits>

using namespace attn;
using namespace attn::test;

namespace {

/// What leads outside of `size` points, at either end and far away.
std::vector<int32_t> outside(int64_t size) {
  return {-1, int32_t(size), std::numeric_limits<int32_t>::max(),
          std::numeric_limits<int32_t>::min()};
}

/// NaN before and behind a cache.
struct Fenced {
  Fenced(const std::vector<float> &cache, std::vector<int64_t> sizes)
      : all(3 * cache.size(), NAN), sizes(std::move(sizes)) {
    llvm::copy(cache, all.begin() + cache.size());
  }
  Tensor get() { return Tensor(all.data() + all.size() / 3, sizes, kF32); }
  std::vector<float> all;
  std::vector<int64_t> sizes;
};

} // namespace

TEST_P(TablesTest, PagesOutsideOfTheCacheReadAsZeros) {
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((pageOf(b, m / kPage) * kPage + m % kPage) * kHeads + g) * kWidth;
  };
  std::vector<int64_t> sizes{kPages, kPage, kHeads, kWidth};
  Fenced kp(fill(k, kPages * kPage * kHeads * kWidth, at), sizes),
      vp(fill(v, kPages * kPage * kHeads * kWidth, at), sizes);
  std::vector<int32_t> table(kRequests * 6, 0), len = kLengths;
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t page = 0; page * kPage < kLengths[b]; ++page) {
      table[b * 6 + page] = int32_t(pageOf(b, page));
    }
  }
  auto damage = [&](int64_t b, int64_t page, int32_t entry) {
    table[b * 6 + page] = entry;
    for (int64_t m = page * kPage; m < (page + 1) * kPage; ++m) {
      forget(b, m);
    }
  };
  std::vector<int32_t> entries = outside(kPages);
  damage(0, 1, entries[0]);
  damage(0, 2, entries[1]);
  damage(0, 5, entries[2]);
  damage(2, 0, entries[3]);
  check(paged(), {kp.get(), vp.get()},
        {Tensor(table.data(), {kRequests, 6}, kI32),
         Tensor(len.data(), {kRequests}, kI32)},
        {ATTNRT_INVALID_ARGUMENT});
}

TEST_P(TablesTest, LengthsPastTheTable) {
  // Request 0 is said to be longer than a line of the table, behind which
  // stand pages that there are. The host says so as well: refused; the device
  // alone: bounded.
  constexpr int64_t columns = 4;
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((pageOf(b, m / kPage) * kPage + m % kPage) * kHeads + g) * kWidth;
  };
  std::vector<int64_t> sizes{kPages, kPage, kHeads, kWidth};
  Fenced kp(fill(k, kPages * kPage * kHeads * kWidth, at), sizes),
      vp(fill(v, kPages * kPage * kHeads * kWidth, at), sizes);
  std::vector<int32_t> table((kRequests + 1) * columns, int32_t(pageOf(0, 0)));
  for (int64_t page = 0; page < columns; ++page) {
    table[page] = int32_t(pageOf(0, page));
    table[2 * columns + page] = int32_t(pageOf(2, page));
  }
  // Ends are known in whole tiles: a few keys more are the kernel's matter.
  for (int32_t length : {int32_t(columns * kPage) + 1, 24, 200, 1 << 30,
                         std::numeric_limits<int32_t>::max()}) {
    SCOPED_TRACE(length);
    std::vector<int32_t> len = kLengths, most = kLengths;
    len[0] = length;
    most[0] = columns * kPage;
    Astray astray{
        ATTNRT_INVALID_ARGUMENT,
        "the view of argument 1 goes on to m = " + std::to_string(length - 1) +
            " at b = 0, but argument 3 has 4 entries along axis 1: "
            "expects an end of m at 16 or before",
        {Tensor(table.data(), {kRequests, columns}, kI32),
         Tensor(most.data(), {kRequests}, kI32)},
        {0}};
    if (length <= kMost) {
      astray.updated.clear();
    }
    check(paged(), {kp.get(), vp.get()},
          {Tensor(table.data(), {kRequests, columns}, kI32),
           Tensor(len.data(), {kRequests}, kI32)},
          astray);
  }
}

TEST_P(TablesTest, SlotsOutsideOfTheCacheReadAsZeros) {
  int64_t all = kRequests * kMost;
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((b * kMost + m) * kHeads + g) * kWidth;
  };
  std::vector<int64_t> sizes{all, kHeads, kWidth};
  Fenced kp(fill(k, all * kHeads * kWidth, at), sizes),
      vp(fill(v, all * kHeads * kWidth, at), sizes);
  std::vector<int32_t> slots(all), len = kLengths;
  for (int64_t i = 0; i < all; ++i) {
    slots[i] = int32_t(i);
  }
  for (auto [i, entry] : llvm::enumerate(outside(all))) {
    slots[2 * kMost + 3 * i] = entry;
    forget(2, 3 * i);
  }
  check(program("memref<?x2x16xf32>", "slot = %slots[b, m], len = %len[b]",
                "m < len", "slot, g, ", "tensor<?x?xi32>, tensor<?xi32>",
                "%slots: tensor<?x?xi32>, %len: tensor<?xi32>"),
        {kp.get(), vp.get()},
        {Tensor(slots.data(), {kRequests, kMost}, kI32),
         Tensor(len.data(), {kRequests}, kI32)},
        {ATTNRT_INVALID_ARGUMENT});
}

TEST_P(TablesTest, ListsThatEndEarlyReadAsZeros) {
  // The last page of the last request is behind the list's end, where a page
  // stands that there is.
  std::vector<int32_t> indptr{0, 6, 6, 10}, indices, last{4, 0, 1};
  for (int64_t b : {0, 2}) {
    for (int64_t page = 0; page * kPage < kLengths[b]; ++page) {
      indices.push_back(int32_t(pageOf(b, page)));
    }
  }
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((pageOf(b, m / kPage) * kPage + m % kPage) * kHeads + g) * kWidth;
  };
  std::vector<int64_t> sizes{kPages, kPage, kHeads, kWidth};
  Fenced kp(fill(k, kPages * kPage * kHeads * kWidth, at), sizes),
      vp(fill(v, kPages * kPage * kHeads * kWidth, at), sizes);
  indices[3] = outside(kPages)[1];
  for (int64_t m = 12; m < 16; ++m) {
    forget(0, m);
  }
  std::vector<int32_t> planned{0, 6, 6, 9};
  Astray astray{ATTNRT_INVALID_ARGUMENT,
                "", // the end is in the tile that the list has
                {Tensor(planned.data(), {kRequests + 1}, kI32)},
                {2}};
  check(program("memref<?x4x2x16xf32>",
                "lo = %indptr[b], hi = %indptr[b + 1], last = %last[b], "
                "pg = %indices[lo + m floordiv 4]",
                "m < 4 * hi - 4 * lo - 4 + last", "pg, m mod 4, g, ",
                "tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>",
                "%indptr: tensor<?xi32>, %indices: tensor<?xi32>, "
                "%last: tensor<?xi32>"),
        {kp.get(), vp.get()},
        {Tensor(indptr.data(), {kRequests + 1}, kI32),
         Tensor(indices.data(), {int64_t(indices.size()) - 1}, kI32),
         Tensor(last.data(), {kRequests}, kI32)},
        astray);
}

TEST_P(TablesTest, RowsBesideEachOtherWhereATableSays) {
  // The table says where a key's channels begin.
  int64_t all = kRequests * kMost * kHeads * kWidth;
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    return ((b * kMost + m) * kHeads + g) * kWidth;
  };
  Fenced kp(fill(k, all, at), {all}), vp(fill(v, all, at), {all});
  std::vector<int32_t> begins(kRequests * kMost), len = kLengths;
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t m = 0; m < kMost; ++m) {
      begins[b * kMost + m] = int32_t(at(b, m, 0));
    }
  }
  std::vector<int32_t> entries = outside(all);
  entries[0] = -kHeads * kWidth;
  for (auto [i, entry] : llvm::enumerate(entries)) {
    begins[2 * kMost + 3 * i] = entry;
    forget(2, 3 * i);
  }
  check(program("memref<?xf32>", "first = %begins[b, m], len = %len[b]",
                "m < len", "first + 16 * g + ",
                "tensor<?x?xi32>, tensor<?xi32>",
                "%begins: tensor<?x?xi32>, %len: tensor<?xi32>"),
        {kp.get(), vp.get()},
        {Tensor(begins.data(), {kRequests, kMost}, kI32),
         Tensor(len.data(), {kRequests}, kI32)},
        {ATTNRT_INVALID_ARGUMENT});
}

TEST_P(TablesTest, CountsPastTheirListChooseNoMore) {
  // Behind the lists stand coordinates that there are; at most K = 4 are taken.
  std::string text = R"mlir(
func.func @decode(%q: tensor<?x2x16xf32>, %k: tensor<?x?x2x16xf32>,
    %v: tensor<?x?x2x16xf32>, %list: tensor<?x?xi32>, %count: tensor<?xi32>,
    %scale: f32) -> tensor<?x2x16xf32> {
  %o = attn.cascade ranks(b, g, m, e, f) -> tensor<?x2x16xf32> {
    %some = attn.select listed %list[b], %count[b] -> [b]
        : (tensor<?x?xi32>, tensor<?xi32>) -> !attn.coords<4, 4>
    %qk = attn.einsum %q[b, g, e], %k[b, m, g, e], %scale -> [b, g, m]
        reduce add(e) at m in %some[b]
        : (tensor<?x2x16xf32>, tensor<?x?x2x16xf32>, f32, !attn.coords<4, 4>)
        -> tensor<?x2x?xf32>
)mlir" + std::string(kSoftmax) +
                     R"mlir(    attn.yield %av : tensor<?x2x16xf32>
  }
  return %o : tensor<?x2x16xf32>
}
)mlir";
  rt::Kernel kernel = load(text, "decode");

  std::string validated;
  auto run = [&](std::vector<int32_t> list, int64_t columns,
                 std::vector<int32_t> counts) {
    // Each list in a row of its own, with a sound coordinate behind them all.
    list.push_back(5);
    Tensor tq(q.data(), {kRequests, kHeads, kWidth}, kF32),
        tk(k.data(), {kRequests, kMost, kHeads, kWidth}, kF32),
        tv(v.data(), {kRequests, kMost, kHeads, kWidth}, kF32),
        tlist(list.data(), {kRequests, columns}, kI32),
        tcount(counts.data(), {kRequests}, kI32), ts(&scale, {}, kF32);
    std::vector<const DLTensor *> arguments{
        tq.get(), tk.get(), tv.get(), tlist.get(), tcount.get(), ts.get()};
    rt::Schedule schedule(kernel);
    auto step = rt::params<attnrt_step>();
    step.num_arguments = int32_t(arguments.size());
    step.arguments = arguments.data();
    validated = attnrt_schedule_validate(schedule.get(), &step)
                    ? attnrt_last_message()
                    : "";
    schedule.update(step);
    std::vector<float> out(q.size(), -1);
    Tensor to(out.data(), tq.sizes, kF32);
    arguments.push_back(to.get());
    schedule.run(arguments);
    return out;
  };
  constexpr int32_t far = std::numeric_limits<int32_t>::max();
  // Past the list, whose last row ends where the memory does.
  std::vector<int32_t> list{0, 2, 3, 1, 4, 0};
  std::vector<float> want = run(list, 2, {2, 2, 2});
  EXPECT_EQ("", validated);
  EXPECT_EQ(want, run(list, 2, {3, far, 4}));
  EXPECT_EQ("the list of argument 3 leads astray at b = 0, place = 2: it goes "
            "to 2 on axis 1 of the argument, which has 2",
            validated);
  // Past K, in a list that is longer.
  list = {0, 2, 3, 1, 5, 3, 1, 4, 0, 5, 4, 5, 3, 2, 1};
  want = run(list, 5, {4, 4, 4});
  EXPECT_EQ("", validated);
  EXPECT_EQ(want, run(list, 5, {5, far, 5}));
  EXPECT_EQ("the list of argument 3 leads astray at b = 0, place = 0: expects "
            "0..4 coordinates, but the count (argument 4) is 5",
            validated);
}

TEST_P(TablesTest, NothingIsWrittenOutsideOfTheCache) {
  const char *text = R"mlir(
func.func @append(%x: tensor<?x16xf32>, %slots: tensor<?xi32>,
    %pool: memref<?x4x16xf32>) {
  %y = attn.cascade ranks(t, c) -> tensor<?x16xf32> {
    %y = attn.einsum %x[t, c] -> [t, c]
        : (tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32):
      %twice = arith.addf %e, %e : f32
      attn.yield %twice : f32
    }
    attn.yield %y : tensor<?x16xf32>
  }
  attn.place %y[t, c] symbols(s = %slots[t])
      into %pool[s floordiv 4, s mod 4, c]
      : (tensor<?x16xf32>, memref<?x4x16xf32>, tensor<?xi32>) -> ()
  return
}
)mlir";
  rt::Kernel kernel = load(text, "append");

  constexpr int64_t slotsOfAll = kPages * kPage;
  std::vector<int32_t> slots = outside(slotsOfAll);
  slots.insert(slots.end(), {0, int32_t(slotsOfAll) - 1, 17});
  int64_t tokens = int64_t(slots.size());
  std::vector<float> x(tokens * kWidth);
  for (auto [i, e] : llvm::enumerate(x)) {
    e = float(i + 1);
  }
  Fenced pool(std::vector<float>(slotsOfAll * kWidth, -1.0f),
              {kPages, kPage, kWidth});
  std::vector<float> want = pool.all;
  for (int64_t t = 4; t < tokens; ++t) {
    for (int64_t c = 0; c < kWidth; ++c) {
      want[want.size() / 3 + slots[t] * kWidth + c] = 2 * x[t * kWidth + c];
    }
  }
  Tensor tx(x.data(), {tokens, kWidth}, kF32),
      tslots(slots.data(), {tokens}, kI32), tpool = pool.get();
  std::vector<const DLTensor *> arguments{tx.get(), tslots.get(), tpool.get()};
  rt::Schedule schedule(kernel);
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(arguments.size());
  step.arguments = arguments.data();
  schedule.update(step);
  schedule.run(arguments);
  for (auto [i, got] : llvm::enumerate(pool.all)) {
    ASSERT_TRUE(got == want[i] || (std::isnan(got) && std::isnan(want[i])))
        << i << ": " << got << " instead of " << want[i];
  }
}
