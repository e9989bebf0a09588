//===- TablesTest.cpp - Engines' tables and strides, on compiled kernels --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One cache in the layouts that engines have, read in place: the same rows come
// out, and they are those of attention in f64. A program is compiled to a
// bundle in this process and run through the C ABI.
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/Compiler.h"
#include "attn/JIT/Bundle.h"
#include "attnrt/attnrt.hpp"
#include "attnrt/sim.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <functional>
#include <random>

using namespace attn;

namespace {

constexpr int64_t kRequests = 3, kHeads = 2, kWidth = 16, kPage = 4,
                  kPages = 24, kMost = 24;
const std::vector<int32_t> kLengths{24, 0, 13};

/// Decode of one query per request; the view of the cache is what differs.
std::string program(const std::string &storage, const std::string &symbols,
                    const std::string &domain, const std::string &address,
                    const std::string &types, const std::string &parameters) {
  std::string views;
  for (auto [name, axis] : {std::pair("k", "e"), {"v", "f"}}) {
    views += std::string("  %") + name + " = attn.view (b, m, g, " + axis +
             ") symbols(" + symbols + ") where (" + domain + ") of %" + name +
             "p[" + address + axis + "]\n    : (" + storage + ", " + types +
             ") -> tensor<?x?x2x16xf32>\n";
  }
  return "func.func @decode(%q: tensor<?x2x16xf32>, %kp: " + storage +
         ", %vp: " + storage + ", " + parameters +
         ", %scale: f32) -> tensor<?x2x16xf32> {\n" + views + R"mlir(
  %o = attn.cascade ranks(b, g, m, e, f) -> tensor<?x2x16xf32> {
    %qk = attn.einsum %q[b, g, e], %k[b, m, g, e], %scale -> [b, g, m]
        reduce add(e)
        : (tensor<?x2x16xf32>, tensor<?x?x2x16xf32>, f32) -> tensor<?x2x?xf32>
    %gm = attn.einsum %qk[b, g, m] -> [b, g] reduce max(m)
        : (tensor<?x2x?xf32>) -> tensor<?x2xf32>
    %sn = attn.einsum %qk[b, g, m], %gm[b, g] -> [b, g, m]
        : (tensor<?x2x?xf32>, tensor<?x2xf32>) -> tensor<?x2x?xf32> {
    ^bb0(%s: f32, %x: f32):
      %d = arith.subf %s, %x : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, g, m] -> [b, g] reduce add(m)
        : (tensor<?x2x?xf32>) -> tensor<?x2xf32>
    %a = attn.einsum %sn[b, g, m], %sd[b, g] -> [b, g, m]
        : (tensor<?x2x?xf32>, tensor<?x2xf32>) -> tensor<?x2x?xf32> {
    ^bb0(%n: f32, %d: f32):
      %y = arith.divf %n, %d : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %a[b, g, m], %v[b, m, g, f] -> [b, g, f] reduce add(m)
        : (tensor<?x2x?xf32>, tensor<?x?x2x16xf32>) -> tensor<?x2x16xf32>
    attn.yield %av : tensor<?x2x16xf32>
  }
  return %o : tensor<?x2x16xf32>
}
)mlir";
}

/// A DLTensor with its sizes and strides.
struct Tensor {
  Tensor(void *data, std::vector<int64_t> sizes, DLDataType dtype,
         std::vector<int64_t> strides = {})
      : sizes(std::move(sizes)), strides(std::move(strides)) {
    tensor.data = data;
    tensor.device = {kDLCPU, 0};
    tensor.dtype = dtype;
  }
  const DLTensor *get() {
    tensor.ndim = int32_t(sizes.size());
    tensor.shape = sizes.data();
    tensor.strides = strides.empty() ? nullptr : strides.data();
    return &tensor;
  }
  DLTensor tensor{};
  std::vector<int64_t> sizes, strides;
};
constexpr DLDataType kF32{kDLFloat, 32, 1}, kI32{kDLInt, 32, 1};

struct DeviceCase {
  const char *name;
  DLDevice device;
};

/// How tables that lead astray are used nevertheless.
struct Astray {
  attnrt_status validated = ATTNRT_OK;
  std::string updated; ///< what an update says to them; "": nothing
  /// What the host has in their place, by table.
  std::vector<Tensor> planned;
  /// Requests that the plan does not hold all keys of: what comes out of
  /// them is some number.
  std::vector<int64_t> beyond;
};

/// On the CPU, and as PTX for sm_80 under the simulator.
class TablesTest : public ::testing::TestWithParam<DeviceCase> {
protected:
  TablesTest() : q(kRequests * kHeads * kWidth) {
    std::mt19937_64 random(7);
    std::normal_distribution<float> normal;
    for (float &x : q) {
      x = normal(random);
    }
    for (auto &logical : {&k, &v}) {
      logical->resize(kRequests * kMost * kHeads * kWidth);
      for (float &x : *logical) {
        x = normal(random);
      }
    }
    DialectRegistry registry;
    registerCompilerDialects(registry);
    context.appendDialectRegistry(registry);
  }

  float &logical(std::vector<float> &from, int64_t b, int64_t m, int64_t g,
                 int64_t e) {
    return from[((b * kMost + m) * kHeads + g) * kWidth + e];
  }

  /// Fills a pool, NaN elsewhere: at(b, m, g) is the element of e = 0.
  std::vector<float>
  fill(std::vector<float> &from, size_t elements,
       const std::function<int64_t(int64_t, int64_t, int64_t)> &at) {
    std::vector<float> pool(elements, NAN);
    for (int64_t b = 0; b < kRequests; ++b) {
      for (int64_t m = 0; m < kLengths[b]; ++m) {
        for (int64_t g = 0; g < kHeads; ++g) {
          for (int64_t e = 0; e < kWidth; ++e) {
            pool[at(b, m, g) + e] = logical(from, b, m, g, e);
          }
        }
      }
    }
    return pool;
  }

  /// Runs with the cache's tensors and tables and compares all rows.
  void check(const std::string &text, std::vector<Tensor> cache,
             std::vector<Tensor> tables, Astray astray = {});

  /// What a key is that its table leads outside of the cache for.
  void forget(int64_t b, int64_t m) {
    for (auto *from : {&k, &v}) {
      std::fill_n(&logical(*from, b, m, 0, 0), kHeads * kWidth, 0.0f);
    }
  }

  MLIRContext context;
  std::vector<float> q, k, v;
  float scale = 0.25f;
};

INSTANTIATE_TEST_SUITE_P(
    Devices, TablesTest,
    ::testing::Values(DeviceCase{"cpu", {kDLCPU, 0}},
                      DeviceCase{"sim", {kDLExtDev, ATTNRT_DEVICE_SIM}}),
    [](const auto &info) { return std::string(info.param.name); });

void TablesTest::check(const std::string &text, std::vector<Tensor> cache,
                       std::vector<Tensor> tables, Astray astray) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << text;
  BundleOptions options;
  options.targets = {"x86-64-v2", "sm_80"};
  auto bytes = makeBundle(*module, options);
  ASSERT_TRUE(succeeded(bytes));

  rt::throwIfFailed(attnrt_sim_enable(nullptr));
  rt::Context runtime;
  rt::Bundle bundle(runtime, bytes->data(), bytes->size());
  rt::Kernel kernel(bundle, "decode", GetParam().device);
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = 3;
  caps.split = 2;
  rt::Schedule schedule(kernel, &caps);
  std::vector<float> out(q.size(), -1);
  Tensor tq(q.data(), {kRequests, kHeads, kWidth}, kF32);
  Tensor ts(&scale, {}, kF32), to(out.data(), tq.sizes, kF32);
  std::vector<const DLTensor *> arguments{tq.get()};
  for (auto *list : {&cache, &tables}) {
    for (Tensor &tensor : *list) {
      arguments.push_back(tensor.get());
    }
  }
  arguments.push_back(ts.get());
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(arguments.size());
  step.arguments = arguments.data();
  EXPECT_EQ(attnrt_schedule_validate(schedule.get(), &step), astray.validated)
      << attnrt_last_message();
  // A program in stages has no plan that could be of the wrong size.
  auto info = rt::params<attnrt_kernel_info>();
  rt::throwIfFailed(attnrt_kernel_describe(kernel.get(), &info));
  if (!astray.updated.empty() && info.num_launches == 1) {
    EXPECT_EQ(attnrt_schedule_update(schedule.get(), &step, nullptr),
              ATTNRT_INVALID_ARGUMENT);
    EXPECT_EQ(astray.updated, attnrt_last_message());
  }
  std::vector<const DLTensor *> host(arguments.size());
  for (size_t i = 0; i < astray.planned.size(); ++i) {
    host[1 + cache.size() + i] = astray.planned[i].get();
  }
  step.host = host.data();
  schedule.update(step);
  schedule.verify();
  arguments.push_back(to.get());
  schedule.run(arguments);

  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t g = 0; g < kHeads; ++g) {
      if (llvm::is_contained(astray.beyond, b)) {
        for (int64_t f = 0; f < kWidth; ++f) {
          EXPECT_TRUE(std::isfinite(out[(b * kHeads + g) * kWidth + f]));
        }
        continue;
      }
      std::vector<double> weights;
      double sum = 0;
      for (int64_t m = 0; m < kLengths[b]; ++m) {
        double score = 0;
        for (int64_t e = 0; e < kWidth; ++e) {
          score += double(q[(b * kHeads + g) * kWidth + e]) *
                   logical(k, b, m, g, e) * scale;
        }
        sum += weights.emplace_back(std::exp(score));
      }
      for (int64_t f = 0; f < kWidth; ++f) {
        double want = 0;
        for (int64_t m = 0; m < kLengths[b]; ++m) {
          want += weights[m] * logical(v, b, m, g, f) / sum;
        }
        EXPECT_NEAR(want, out[(b * kHeads + g) * kWidth + f], 1e-5)
            << "request " << b << " head " << g << " channel " << f;
      }
    }
  }
}

/// Pages of a request in no order; page 0 is nobody's.
int64_t pageOf(int64_t b, int64_t page) {
  return 1 + (b * 11 + page * 7) % (kPages - 1);
}

std::string paged() {
  return program("memref<?x4x2x16xf32>",
                 "pg = %table[b, m floordiv 4], len = %len[b]", "m < len",
                 "pg, m mod 4, g, ", "tensor<?x?xi32>, tensor<?xi32>",
                 "%table: tensor<?x?xi32>, %len: tensor<?xi32>");
}

} // namespace

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

// Tables are the engine's, and a device may write them: where nobody validates
// them, kernels bound what they say. All memory around the caches is NaN.

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
  for (int32_t length : {int32_t(columns * kPage) + 1, 24, 1 << 30,
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
                "the view of argument 1 goes on to m = 12 at b = 2, but "
                "argument 4 has 9 entries along axis 0: expects an end of m at "
                "12 or before",
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
  const char *text = R"mlir(
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
    %gm = attn.einsum %qk[b, g, m] -> [b, g] reduce max(m)
        : (tensor<?x2x?xf32>) -> tensor<?x2xf32>
    %sn = attn.einsum %qk[b, g, m], %gm[b, g] -> [b, g, m]
        : (tensor<?x2x?xf32>, tensor<?x2xf32>) -> tensor<?x2x?xf32> {
    ^bb0(%s: f32, %x: f32):
      %d = arith.subf %s, %x : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, g, m] -> [b, g] reduce add(m)
        : (tensor<?x2x?xf32>) -> tensor<?x2xf32>
    %a = attn.einsum %sn[b, g, m], %sd[b, g] -> [b, g, m]
        : (tensor<?x2x?xf32>, tensor<?x2xf32>) -> tensor<?x2x?xf32> {
    ^bb0(%n: f32, %d: f32):
      %y = arith.divf %n, %d : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %a[b, g, m], %v[b, m, g, f] -> [b, g, f] reduce add(m)
        : (tensor<?x2x?xf32>, tensor<?x?x2x16xf32>) -> tensor<?x2x16xf32>
    attn.yield %av : tensor<?x2x16xf32>
  }
  return %o : tensor<?x2x16xf32>
}
)mlir";
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  BundleOptions options;
  options.targets = {"x86-64-v2", "sm_80"};
  auto bytes = makeBundle(*module, options);
  ASSERT_TRUE(succeeded(bytes));
  rt::throwIfFailed(attnrt_sim_enable(nullptr));
  rt::Context runtime;
  rt::Bundle bundle(runtime, bytes->data(), bytes->size());
  rt::Kernel kernel(bundle, "decode", GetParam().device);

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
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  BundleOptions options;
  options.targets = {"x86-64-v2", "sm_80"};
  auto bytes = makeBundle(*module, options);
  ASSERT_TRUE(succeeded(bytes));
  rt::throwIfFailed(attnrt_sim_enable(nullptr));
  rt::Context runtime;
  rt::Bundle bundle(runtime, bytes->data(), bytes->size());
  rt::Kernel kernel(bundle, "append", GetParam().device);

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
