//===- SharedKeys.h - Batches whose requests share keys ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A batch over a paged cache with a forest of prefixes, the program that
// attends to it, and what comes out in f64. Everything that no row sees is NaN:
// pages of nobody, slots behind a node's or a request's end.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_JIT_SHAREDKEYS_H
#define ATTN_UNITTESTS_JIT_SHAREDKEYS_H

#include "PlanPrograms.h"
#include "attnrt/attnrt.hpp"

#include <random>
#include <string>
#include <vector>

namespace attn::test {

struct Node {
  int32_t parent, end;
};

/// The requests of a batch and what they hold.
class Batch {
public:
  /// `leaf`, `lengths` and `queries` have one element for each request.
  Batch(const Shape &shape, std::vector<Node> nodes, std::vector<int32_t> leaf,
        std::vector<int32_t> lengths, std::vector<int32_t> queries,
        uint64_t seed);

  int64_t requests() const { return int64_t(leaf.size()); }
  /// f64 attention of every row, in the layout of the result.
  std::vector<double> dense() const;
  /// The description that attnrt_step takes.
  attnrt_prefixes prefixes() const;

  Shape shape;
  std::vector<Node> nodes;
  std::vector<attnrt_prefix_node> records;
  std::vector<int32_t> leaf, lengths, queries, table;
  std::vector<float> q, k, v;
  float scale;
  int64_t mostQueries, tableWidth, pages;

  /// Where a key of a request lies in k or v.
  float *find(std::vector<float> &cache, int64_t request, int64_t key,
              int64_t head);

private:
  /// The node that has a key of a request; -1: the request alone.
  int32_t nodeOf(int64_t request, int64_t key) const;
  void placePages(std::mt19937_64 &random);
  void fillPages(std::mt19937_64 &random);
};

/// How a batch is run. Lengths of the plan are [low, high], those of the run
/// the batch's.
struct How {
  DLDevice device{kDLCPU, 0};
  bool shares = true;
  int32_t strategy = 0, split = 0, workers = 3;
  std::vector<int32_t> low, high; ///< empty: exact
  bool validates = false;         ///< and nothing else
};

struct Ran {
  std::vector<float> out;
  attnrt_schedule_stats stats;
  std::string said; ///< of tables
};

/// Plans, verifies and runs `batch` with a kernel of makeProgram(shape).
Ran run(rt::Context &context, rt::Bundle &bundle, Batch &batch, const How &how);

/// The largest difference, relative to 1 + |want|; NaN where one of the two is.
double distance(const std::vector<float> &got, const std::vector<double> &want);

/// A forest with `requests` leaves, ragged lengths and queries.
Batch drawBatch(const Shape &shape, int64_t requests, int32_t most,
                int32_t mostQueries, std::mt19937_64 &random);

} // namespace attn::test

#endif // ATTN_UNITTESTS_JIT_SHAREDKEYS_H
