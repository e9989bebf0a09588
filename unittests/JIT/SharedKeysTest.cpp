//===- SharedKeysTest.cpp - Prefix forests and strategies, one kernel -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernels of one bundle run every plan of a batch: flat, by nodes of a
// forest, in a fixed number of parts, uncut. Rows come out as in f64, and what
// is read is what the forest leaves.
//
//===----------------------------------------------------------------------===//
#include "SharedKeys.h"
#include "TestProgram.h"

#include "attnrt/plan.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace attn;
using namespace attn::test;

namespace {

constexpr double kTolerance = 2e-5;
constexpr DLDevice kCpu{kDLCPU, 0}, kSim{kDLExtDev, ATTNRT_DEVICE_SIM};

/// A bundle of makeProgram(shape) for the CPU and for sm_80.
class Compiled {
public:
  explicit Compiled(const Shape &shape, bool withPtx = false, int64_t rows = 0,
                    int64_t tile = 0)
      : bundle(
            loadProgram(runtime, makeProgram(shape), {withPtx, rows, tile})) {}

  Ran run(Batch &batch, const How &how) {
    return attn::test::run(runtime, bundle, batch, how);
  }

  rt::Context runtime;
  rt::Bundle bundle;
};

const char *nameOf(Mask mask) {
  return mask == Mask::none     ? "none"
         : mask == Mask::causal ? "causal"
                                : "window";
}

/// Flat and shared, with every strategy, against f64.
void checkAll(Compiled &compiled, Batch &batch, DLDevice device) {
  std::vector<double> want = batch.dense();
  struct Way {
    const char *name;
    bool shares;
    int32_t strategy, split;
  };
  for (const Way &way : {Way{"flat", false, 0, 0},
                         {"forest", true, 0, 0},
                         {"even", true, ATTNRT_STRATEGY_EVEN, 0},
                         {"three parts", true, ATTNRT_STRATEGY_FIXED, 3},
                         {"uncut", true, ATTNRT_STRATEGY_FIXED, 1}}) {
    SCOPED_TRACE(way.name);
    How how;
    how.device = device;
    how.shares = way.shares;
    how.strategy = way.strategy;
    how.split = way.split;
    Ran ran = compiled.run(batch, how);
    EXPECT_LT(distance(ran.out, want), kTolerance);
  }
}

} // namespace

TEST(SharedKeys, OneKernelRunsEveryStrategy) {
  // Borders in the middle of tiles and of pages, a request that ends where its
  // node does, one without keys, one that shares nothing.
  for (Mask mask : {Mask::none, Mask::causal, Mask::window}) {
    SCOPED_TRACE(nameOf(mask));
    Shape shape;
    shape.mask = mask;
    Compiled compiled(shape);
    for (int32_t most : {1, 7}) {
      Batch batch(shape, {{-1, 131}, {0, 150}, {0, 263}, {-1, 64}},
                  {1, 0, 2, 3, -1, 2, -1, 3},
                  {170, 131, 300, 77, 0, 263, 90, 64},
                  {most, 1, most, 1, 0, most, most, 1}, 11);
      checkAll(compiled, batch, kCpu);
    }
  }
}

TEST(SharedKeys, TheTreeInSmall) {
  Shape shape;
  shape.group = 4;
  Compiled compiled(shape);
  std::vector<Node> nodes{{-1, 256}};
  std::vector<int32_t> leaf, lengths, queries;
  for (int32_t i = 0; i < 4; ++i) {
    nodes.push_back({0, 256 + 64});
  }
  for (int32_t i = 0; i < 16; ++i) {
    nodes.push_back({1 + i / 4, 256 + 64 + 16});
    for (int32_t r = 0; r < 8; ++r) {
      leaf.push_back(5 + i);
      lengths.push_back(256 + 64 + 16 + r % 3);
      queries.push_back(1);
    }
  }
  Batch batch(shape, nodes, leaf, lengths, queries, 9);
  checkAll(compiled, batch, kCpu);
}

TEST(SharedKeys, OnTheSimulator) {
  for (Mask mask : {Mask::none, Mask::causal, Mask::window}) {
    SCOPED_TRACE(nameOf(mask));
    Shape shape;
    shape.mask = mask;
    Compiled compiled(shape, /*withPtx=*/true);
    Batch batch(shape, {{-1, 70}, {0, 91}}, {1, 0, 1, -1, -1},
                {100, 75, 91, 0, 20}, {3, 1, 3, 0, 2}, 12);
    checkAll(compiled, batch, kSim);
  }
}

TEST(SharedKeys, RandomForests) {
  std::mt19937_64 random(testSeed());
  int rounds = std::getenv("ATTN_TEST_LONG") ? 120 : 10;
  for (Mask mask : {Mask::none, Mask::causal, Mask::window}) {
    Shape shape;
    shape.mask = mask;
    Compiled compiled(shape);
    for (int round = 0; round < rounds; ++round) {
      SCOPED_TRACE(std::string(nameOf(mask)) + ", round " +
                   std::to_string(round) + " of seed " +
                   std::to_string(testSeed()));
      Batch batch = drawBatch(shape, 1 + int64_t(random() % 9), 300,
                              random() % 2 ? 1 : 20, random);
      std::vector<double> want = batch.dense();
      for (int run = 0; run < 4; ++run) {
        How how;
        how.strategy = int32_t(random() % 4);
        how.split = how.strategy % 3 ? 0 : int32_t(random() % 4);
        how.workers = 1 + int32_t(random() % 5);
        if (run % 2) {
          // Planned for other lengths, those of the run between them.
          for (int64_t r = 0; r < batch.requests(); ++r) {
            int32_t leaf = batch.leaf[r], length = batch.lengths[r];
            int32_t least = std::max(leaf < 0 ? 0 : batch.nodes[leaf].end,
                                     batch.queries[r]);
            how.low.push_back(least +
                              int32_t(random() % uint64_t(length - least + 1)));
            how.high.push_back(
                std::min(length + int32_t(random() % 70),
                         int32_t(batch.tableWidth * shape.page)));
          }
        }
        Ran ran = compiled.run(batch, how);
        EXPECT_LT(distance(ran.out, want), kTolerance) << "run " << run;
      }
    }
  }
}

/// Keys that a plan of one query for each request reads, times KV heads.
static int64_t countReads(Compiled &compiled, const Shape &shape,
                          const std::vector<attnrt_prefix_node> &nodes,
                          const std::vector<int32_t> &leaf, int32_t own) {
  int64_t requests = int64_t(leaf.size());
  std::vector<int32_t> lengths, queries(leaf.size(), 1);
  for (int32_t node : leaf) {
    lengths.push_back(nodes[size_t(node)].end + own);
  }
  float scale = 1;
  auto tensorOf = [](void *data, std::vector<int64_t> &sizes, uint8_t code) {
    DLTensor tensor{};
    tensor.data = data;
    tensor.device = kCpu;
    tensor.dtype = {code, 32, 1};
    tensor.ndim = int32_t(sizes.size());
    tensor.shape = sizes.data();
    return tensor;
  };
  // Planning looks at lengths only.
  std::vector<int64_t> rows{requests, 1, shape.heads, shape.group, shape.width},
      cache{1, shape.page, shape.heads, shape.width},
      pages{requests, lengths[0] / shape.page + 1}, counts{requests}, none;
  DLTensor tensors[] = {tensorOf(nullptr, rows, kDLFloat),
                        tensorOf(nullptr, cache, kDLFloat),
                        tensorOf(nullptr, cache, kDLFloat),
                        tensorOf(nullptr, pages, kDLInt),
                        tensorOf(lengths.data(), counts, kDLInt),
                        tensorOf(queries.data(), counts, kDLInt),
                        tensorOf(&scale, none, kDLFloat)};
  std::vector<const DLTensor *> arguments;
  for (DLTensor &tensor : tensors) {
    arguments.push_back(&tensor);
  }
  rt::Kernel kernel(compiled.bundle, "attend", kCpu);
  rt::Schedule schedule(kernel);
  auto prefixes = rt::params<attnrt_prefixes>();
  prefixes.num_nodes = int32_t(nodes.size());
  prefixes.nodes = nodes.data();
  prefixes.leaf = leaf.data();
  prefixes.num_leaves = int32_t(requests);
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(arguments.size());
  step.arguments = arguments.data();
  step.prefixes = &prefixes;
  schedule.update(step);
  schedule.verify();
  auto stats = rt::params<attnrt_schedule_stats>();
  rt::throwIfFailed(attnrt_schedule_describe(schedule.get(), &stats));
  return stats.keys_read;
}

TEST(SharedKeys, WhatIsRead) {
  // The forests of docs/plans.md at their own size, 8 KV heads, groups of 4. A
  // kernel that packs the rows of all requests below a node reads it once.
  Shape shape;
  shape.heads = 8;
  shape.group = 4;
  for (int64_t packed : {64, 128, 512}) {
    Compiled compiled(shape, /*withPtx=*/false, packed, /*tile=*/64);
    auto expect = [&](std::vector<attnrt_prefix_node> nodes,
                      std::vector<int32_t> leaf, int32_t own) {
      int64_t apart = 0, together = 0;
      std::vector<int64_t> below(nodes.size());
      for (int32_t node : leaf) {
        apart += nodes[size_t(node)].end + own;
        together += own;
        for (; node >= 0; node = nodes[size_t(node)].parent) {
          ++below[size_t(node)];
        }
      }
      for (size_t n = 0; n < nodes.size(); ++n) {
        int32_t parent = nodes[n].parent;
        int64_t keys =
            nodes[n].end - (parent < 0 ? 0 : nodes[size_t(parent)].end);
        together += keys * ((below[n] * shape.group + packed - 1) / packed);
      }
      int64_t reads = countReads(compiled, shape, nodes, leaf, own);
      EXPECT_EQ(together * shape.heads, reads);
      std::printf("%3zu requests, %3lld packed rows: %.2fx\n", leaf.size(),
                  (long long)packed,
                  double(apart * shape.heads) / double(reads));
    };
    expect({{-1, 8192}}, std::vector<int32_t>(8, 0), 256);
    expect({{-1, 32768}}, std::vector<int32_t>(32, 0), 128);
    expect({{-1, 131072}}, std::vector<int32_t>(128, 0), 64);
    std::vector<attnrt_prefix_node> nodes{{-1, 16384}};
    std::vector<int32_t> leaf;
    for (int32_t i = 0; i < 4; ++i) {
      nodes.push_back({0, 16384 + 4096});
    }
    for (int32_t i = 0; i < 16; ++i) {
      nodes.push_back({1 + i / 4, 16384 + 4096 + 1024});
      leaf.insert(leaf.end(), 8, 5 + i);
    }
    expect(nodes, leaf, 128);
  }
}

TEST(SharedKeys, FixedPartsDoNotDependOnTheBatch) {
  // Alone, the requests have nodes that nobody else has.
  Shape shape;
  Compiled compiled(shape, /*withPtx=*/true);
  std::vector<int32_t> lengths{265, 0, 128, 90, 201}, queries{2, 0, 1, 4, 2};
  std::vector<int32_t> leaf{1, -1, 1, 0, 0};
  Batch all(shape, {{-1, 64}, {0, 128}}, leaf, lengths, queries, 21);
  for (DLDevice device : {kCpu, kSim}) {
    for (bool shares : {false, true}) {
      How how;
      how.device = device;
      how.shares = shares;
      how.strategy = ATTNRT_STRATEGY_FIXED;
      how.split = 2;
      Ran together = compiled.run(all, how);
      size_t rowsOf = all.q.size() / 5;
      for (int64_t r : {0, 2, 4}) {
        // The request alone, with the same table row, nodes and cache.
        Batch one = all;
        one.leaf = {leaf[r]};
        one.lengths = {lengths[r]};
        one.queries = {queries[r]};
        one.table.assign(all.table.begin() + r * all.tableWidth,
                         all.table.begin() + (r + 1) * all.tableWidth);
        one.q.assign(all.q.begin() + r * rowsOf,
                     all.q.begin() + (r + 1) * rowsOf);
        how.workers = 1 + int32_t(r);
        Ran alone = compiled.run(one, how);
        EXPECT_EQ(0, std::memcmp(alone.out.data(),
                                 together.out.data() + r * rowsOf, rowsOf * 4))
            << "request " << r << (shares ? ", shared" : "");
      }
    }
  }
}

TEST(SharedKeys, NoOtherRequestsKeysReachARow) {
  // Both requests share 70 keys; what either has alone may be anything.
  Shape shape;
  Compiled compiled(shape, /*withPtx=*/true);
  for (DLDevice device : {kCpu, kSim}) {
    for (int64_t broken : {0, 1}) {
      Batch batch(shape, {{-1, 70}}, {0, 0}, {90, 90}, {1, 1}, 4);
      std::vector<double> want = batch.dense();
      for (int64_t key = 70; key < 90; ++key) {
        for (int64_t g = 0; g < shape.heads; ++g) {
          *batch.find(batch.k, broken, key, g) = NAN;
          *batch.find(batch.v, broken, key, g) = INFINITY;
        }
      }
      How how;
      how.device = device;
      std::vector<float> got = compiled.run(batch, how).out;
      size_t half = got.size() / 2, whole = size_t(1 - broken) * half;
      std::vector<float> other(got.begin() + whole, got.begin() + whole + half);
      want.erase(want.begin() + size_t(broken) * half,
                 want.begin() + size_t(broken) * half + half);
      EXPECT_LT(distance(other, want), kTolerance) << "broken: " << broken;
    }
  }
}

TEST(SharedKeys, TablesThatDisagree) {
  // Tiles of 32 keys, pages of 4. Node 1 ends inside of a tile, which each of
  // its requests reads by itself.
  Shape shape;
  Compiled compiled(shape, /*withPtx=*/false, /*rows=*/24, /*tile=*/32);
  Batch batch(shape, {{-1, 64}, {0, 104}}, {1, 0, 1, -1, 1},
              {130, 90, 110, 100, 104}, {2, 1, 1, 1, 1}, 5);
  How how;
  how.validates = true;
  EXPECT_EQ("", compiled.run(batch, how).said);
  auto swap = [&](int64_t request, int64_t key) {
    int32_t &entry = batch.table[size_t(request * batch.tableWidth + key / 4)];
    int32_t old = entry;
    entry = 0; // nobody's
    std::string said = compiled.run(batch, how).said;
    entry = old;
    return said;
  };
  auto at = [&](int64_t request, int64_t key) {
    int32_t page = batch.table[size_t(request * batch.tableWidth + key / 4)];
    return "[" + std::to_string(page) + ", " + std::to_string(key % 4) + "]";
  };
  EXPECT_EQ("requests 1 and 4 share key 40, but the view of argument 1 finds "
            "it at " +
                at(1, 40) + " for one and at [0, 0] for the other",
            swap(4, 40));
  EXPECT_EQ("requests 0 and 2 share key 92, but the view of argument 1 finds "
            "it at " +
                at(0, 92) + " for one and at [0, 0] for the other",
            swap(2, 92));
  EXPECT_EQ("", swap(2, 96)); // the tile that the node's end cuts
  EXPECT_EQ("", swap(1, 64)); // behind node 0
  EXPECT_EQ("", swap(3, 0));  // shares nothing
  EXPECT_NE("", swap(1, 63));
  how.shares = false;
  EXPECT_EQ("", swap(4, 40));
}

TEST(SharedKeys, ASkippedKeyShows) {
  // If this passes with a key less, the other tests prove nothing.
  Shape shape;
  Compiled compiled(shape);
  // Shared runs are rounded down to tiles: the end of the prefix lies just in
  // front of a border, so that the key behind it is the last of a tile.
  Batch batch(shape, {{-1, 127}}, {0, 0, 0}, {190, 175, 180}, {1, 1, 1}, 3);
  std::vector<double> want = batch.dense();
  EXPECT_LT(distance(compiled.run(batch, {}).out, want), kTolerance);
  batch.records[0].end = 126; // key 126 is each request's own now: still right
  EXPECT_LT(distance(compiled.run(batch, {}).out, want), kTolerance);
  // Key 127 is not the same for all: one key too many.
  batch.records[0].end = 128;
  EXPECT_GT(distance(compiled.run(batch, {}).out, want), 1e-3);
}
