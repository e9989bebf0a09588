//===- SharedKeysFullTest.cpp - Prefix forests at their full size ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The forests of docs/plans.md with all of their keys: what the plan by nodes
// reads less than one plan per request, and that both give the rows of f64.
// One KV head of 16 channels keeps that at a second or two.
//
//===----------------------------------------------------------------------===//
#include "SharedKeys.h"
#include "TestProgram.h"

#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;

namespace {

constexpr int32_t k = 1024;

/// Requests below a tree of prefixes: each node of level i has children[i]
/// children and counts[i] keys; those of the last level are requests' own.
struct Forest {
  const char *name;
  std::vector<int32_t> children, counts;
  double fall; ///< how many times fewer keys are read
};

const Forest forests[] = {
    {"8 x (8k + 256)", {8}, {8 * k, 256}, 6.6},
    {"32 x (32k + 128)", {32}, {32 * k, 128}, 28.6},
    {"128 x (128k + 64)", {128}, {128 * k, 64}, 120.5},
    {"[1,4,4,8] x [16k,4k,1k,128]", {4, 4, 8}, {16 * k, 4 * k, k, 128}, 42.25}};

/// One query for each request.
Batch batchOf(const Forest &forest, const Shape &shape) {
  std::vector<Node> nodes{{-1, forest.counts[0]}};
  size_t first = 0;
  const size_t levels = forest.counts.size() - 1; // of nodes
  for (size_t level = 1; level < levels; ++level) {
    const size_t end = nodes.size();
    for (size_t parent = first; parent < end; ++parent) {
      for (int32_t child = 0; child < forest.children[level - 1]; ++child) {
        nodes.push_back(
            {int32_t(parent), nodes[parent].end + forest.counts[level]});
      }
    }
    first = end;
  }
  std::vector<int32_t> leaf;
  for (size_t node = first; node < nodes.size(); ++node) {
    leaf.insert(leaf.end(), size_t(forest.children.back()), int32_t(node));
  }
  const int32_t length = nodes.back().end + forest.counts.back();
  return Batch(shape, nodes, leaf, std::vector<int32_t>(leaf.size(), length),
               std::vector<int32_t>(leaf.size(), 1), testSeed());
}

} // namespace

TEST(SharedKeysFull, FewerKeysAndTheSameRows) {
  Shape shape;
  shape.heads = shape.group = 1;
  shape.page = 24; // no count of keys is whole pages
  rt::Context runtime;
  rt::Bundle bundle =
      loadProgram(runtime, makeProgram(shape),
                  {/*withPtx=*/false, /*rows=*/128, /*tile=*/64});
  for (const Forest &forest : forests) {
    SCOPED_TRACE(forest.name);
    Batch batch = batchOf(forest, shape);
    const std::vector<double> want = batch.dense();
    // A key of mean weight that is read twice or not at all shows.
    const double tolerance = 0.25 / batch.lengths[0];
    How how;
    Ran shared = run(runtime, bundle, batch, how);
    how.shares = false;
    Ran alone = run(runtime, bundle, batch, how);
    EXPECT_LT(distance(shared.out, want), tolerance);
    EXPECT_LT(distance(alone.out, want), tolerance);
    const double fall =
        double(alone.stats.keys_read) / double(shared.stats.keys_read);
    std::printf("%s: %.2fx fewer keys read; off by %.1e and %.1e\n",
                forest.name, fall, distance(shared.out, want),
                distance(alone.out, want));
    EXPECT_NEAR(fall, forest.fall, forest.fall == 42.25 ? 0.005 : 0.05);
  }
}
