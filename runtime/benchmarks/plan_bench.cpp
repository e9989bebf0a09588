//===- plan_bench.cpp - Time to make a plan -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints how long the planner takes for typical batches, and what it makes:
// 8 KV heads in groups of 4, KV tile 128, 264 workers. Asserts nothing.
//
//===----------------------------------------------------------------------===//
#include "attnrt/plan.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace {
struct Batch {
  std::string name;
  int32_t packedRows;
  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin{0}, coord, lo, limit;

  /// A request of `count` keys with causal rows at its end.
  void add(int32_t count, int32_t rows) {
    attnrt_segment segment{};
    segment.select = segment.len_ref = segment.head = -1;
    segment.count = count;
    segment.param = int32_t(segments.size());
    segments.push_back(segment);
    for (int32_t r = 0; r < rows; ++r) {
      coord.push_back(count - rows + r);
      limit.push_back(count - rows + r + 1);
      lo.push_back(INT32_MIN);
    }
    rowBegin.push_back(int32_t(coord.size()));
  }
};
} // namespace

static std::vector<Batch> batches() {
  std::vector<Batch> result;
  auto ragged = [&](const char *name, int32_t packed, int32_t requests,
                    int32_t rows) -> Batch & {
    std::mt19937 rng(1);
    std::uniform_int_distribution<int32_t> length(100, 16000);
    result.push_back({name, packed, {}, {0}, {}, {}, {}});
    for (int32_t i = 0; i < requests; ++i) {
      result.back().add(length(rng), rows);
    }
    return result.back();
  };
  ragged("256 ragged decode", 16, 256, 1);
  ragged("256 x 4 speculative rows", 16, 256, 4);
  ragged("prefill 8,192", 128, 0, 0).add(8192, 8192);
  ragged("prefill 32,768", 128, 0, 0).add(32768, 32768);
  ragged("chunk 2,048 + 127 decodes", 128, 127, 1).add(8192, 2048);
  return result;
}

int main() {
  std::printf("%-26s %8s %8s %8s %9s %9s %9s %8s\n", "batch", "items", "merges",
              "states", "best us", "mean us", "KB", "verify");
  for (const Batch &batch : batches()) {
    attnrt_problem problem{};
    problem.segments = batch.segments.data();
    problem.segment_count = int64_t(batch.segments.size());
    problem.row_begin = batch.rowBegin.data();
    problem.coord = batch.coord.data();
    problem.lo = batch.lo.data();
    problem.limit = batch.limit.data();
    problem.row_count = int64_t(batch.coord.size());
    problem.heads = 8;
    problem.group = 4;
    attnrt_entry entry{0, batch.packedRows, 128, 3, 0};
    attnrt_plan_options options{};
    options.workers = 264;

    attnrt_planner *planner = nullptr;
    const attnrt_plan *plan = nullptr;
    if (attnrt_planner_create(&planner)) {
      std::fprintf(stderr, "%s\n", attnrt_last_message());
      return 1;
    }
    double best = 1e9, sum = 0;
    const int rounds = 500;
    for (int round = 0; round < rounds; ++round) {
      auto start = std::chrono::steady_clock::now();
      attnrt_status status =
          attnrt_planner_plan(planner, &problem, &entry, &options, &plan);
      std::chrono::duration<double, std::micro> us =
          std::chrono::steady_clock::now() - start;
      if (status) {
        std::fprintf(stderr, "%s\n", attnrt_last_message());
        return 1;
      }
      best = std::min(best, us.count());
      sum += us.count();
    }
    bool good =
        !attnrt_plan_verify(plan, plan->bytes, &problem, &entry, &options);
    std::printf("%-26s %8u %8u %8u %9.1f %9.1f %9.0f %8s\n", batch.name.c_str(),
                plan->items.count, plan->merges.count, plan->slots, best,
                sum / rounds, double(plan->bytes) / 1024,
                good ? "ok" : attnrt_last_message());
    attnrt_planner_destroy(planner);
  }
  return 0;
}
