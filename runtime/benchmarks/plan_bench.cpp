//===- plan_bench.cpp - Time to make and to verify a plan -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints how long the planner and the verifier take for typical batches, and
// what the planner makes: 8 KV heads in groups of 4, KV tile 128, 264 workers.
// "reads" is KV tokens x heads that the items read, "alone" what one plan for
// each request would read with the same packed rows. Asserts nothing.
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
constexpr int32_t heads = 8, group = 4;

struct Batch {
  std::string name;
  int32_t packedRows;
  int32_t resumes = 0;
  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin, rowEnd, coord, lo, limit;
  bool forest = false;

  int32_t addSegment(int32_t count, int32_t coord0) {
    attnrt_segment segment{};
    segment.select = segment.len_ref = segment.head = -1;
    segment.count = count;
    segment.coord0 = coord0;
    segment.param = int32_t(segments.size());
    segments.push_back(segment);
    rowBegin.push_back(int32_t(coord.size()));
    rowEnd.push_back(int32_t(coord.size()));
    return int32_t(segments.size()) - 1;
  }

  /// A request of `count` keys from coord0 on with causal rows at its end.
  void add(int32_t count, int32_t rows, int32_t coord0 = 0) {
    int32_t s = addSegment(count, coord0);
    for (int32_t r = 0; r < rows; ++r) {
      coord.push_back(coord0 + count - rows + r);
      limit.push_back(coord0 + count - rows + r + 1);
      lo.push_back(INT32_MIN);
    }
    rowEnd[s] = int32_t(coord.size());
  }

  /// A tree: each node has `children[level]` children of `counts[level + 1]`
  /// keys; the leaves are requests.
  void addTree(const std::vector<int32_t> &children,
               const std::vector<int32_t> &counts, size_t level = 0,
               int32_t coord0 = 0) {
    forest = true;
    if (level == children.size()) {
      add(counts[level], 1, coord0);
      return;
    }
    int32_t s = addSegment(counts[level], coord0);
    for (int32_t c = 0; c < children[level]; ++c) {
      addTree(children, counts, level + 1, coord0 + counts[level]);
    }
    rowEnd[s] = int32_t(coord.size());
  }

  attnrt_problem problem() const {
    attnrt_problem p{};
    p.struct_size = sizeof(p);
    p.heads = heads;
    p.group = group;
    p.segments = segments.data();
    p.segment_count = int64_t(segments.size());
    p.row_begin = rowBegin.data();
    p.row_end = forest ? rowEnd.data() : nullptr;
    p.row_count = int64_t(coord.size());
    p.coord = coord.data();
    p.lo = lo.data();
    p.limit = limit.data();
    return p;
  }

  /// KV tokens x heads that the requests read one by one.
  int64_t readsAlone() const {
    int64_t reads = 0;
    const int64_t runs = (group + packedRows - 1) / packedRows;
    for (size_t s = 0; s < segments.size(); ++s) {
      reads += int64_t(rowEnd[s] - rowBegin[s]) * segments[s].count;
    }
    return reads * heads * runs;
  }
};
} // namespace

static std::vector<Batch> batches() {
  constexpr int32_t k = 1024;
  std::vector<Batch> result;
  auto make = [&](const char *name, int32_t packed) -> Batch & {
    result.emplace_back();
    result.back().name = name;
    result.back().packedRows = packed;
    return result.back();
  };
  auto ragged = [&](Batch &batch, int32_t requests, int32_t rows) -> Batch & {
    std::mt19937 rng(1);
    std::uniform_int_distribution<int32_t> length(100, 16000);
    for (int32_t i = 0; i < requests; ++i) {
      batch.add(length(rng), rows);
    }
    return batch;
  };
  auto end = [](Batch &batch) { batch.rowBegin.push_back(batch.coord.size()); };
  end(ragged(make("256 ragged decode", 16), 256, 1));
  end(ragged(make("256 x 4 speculative rows", 16), 256, 4));
  Batch &prefill = make("prefill 8,192", 128);
  prefill.add(8192, 8192);
  end(prefill);
  Batch &longer = make("prefill 32,768", 128);
  longer.add(32768, 32768);
  end(longer);
  Batch &chunk = ragged(make("chunk 2,048 + 127 decodes", 128), 127, 1);
  chunk.add(8192, 2048);
  end(chunk);
  for (int32_t packed : {64, 128, 512}) {
    std::string rows = ", " + std::to_string(packed) + " rows";
    make(("8 x (8k + 256)" + rows).c_str(), packed).addTree({8}, {8 * k, 256});
    make(("32 x (32k + 128)" + rows).c_str(), packed)
        .addTree({32}, {32 * k, 128});
    make(("128 x (128k + 64)" + rows).c_str(), packed)
        .addTree({128}, {128 * k, 64});
    make(("tree [1,4,4,8]" + rows).c_str(), packed)
        .addTree({4, 4, 8}, {16 * k, 4 * k, k, 128});
  }
  Batch &resumes = make("128 x (128k + 64), resumes", 512);
  resumes.resumes = 1;
  resumes.addTree({128}, {128 * k, 64});
  return result;
}

/// Best and mean microseconds of `rounds` calls; -1 where one fails.
template <typename Call>
static bool measure(int rounds, Call call, double &best, double &mean) {
  best = 1e9;
  double sum = 0;
  for (int round = 0; round < rounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    attnrt_status status = call();
    std::chrono::duration<double, std::micro> us =
        std::chrono::steady_clock::now() - start;
    if (status) {
      std::fprintf(stderr, "%s\n", attnrt_last_message());
      return false;
    }
    best = std::min(best, us.count());
    sum += us.count();
  }
  mean = sum / rounds;
  return true;
}

int main() {
  std::printf("%-28s %7s %7s %8s %8s %8s %9s %7s %9s %7s\n", "batch", "items",
              "merges", "states", "plan us", "mean us", "verify us", "KB",
              "reads M", "alone");
  for (const Batch &batch : batches()) {
    attnrt_problem problem = batch.problem();
    attnrt_entry entry{};
    entry.struct_size = sizeof(entry);
    entry.max_packed_rows = batch.packedRows;
    entry.kv_tile = 128;
    entry.states = 3;
    entry.resumes = batch.resumes;
    attnrt_plan_options options{};
    options.struct_size = sizeof(options);
    options.workers = 264;

    attnrt_planner *planner = nullptr;
    const attnrt_plan *plan = nullptr;
    if (attnrt_planner_create(&planner)) {
      std::fprintf(stderr, "%s\n", attnrt_last_message());
      return 1;
    }
    double best, mean, verify, verifyMean;
    bool good = measure(
                    500,
                    [&] {
                      return attnrt_planner_plan(planner, &problem, &entry,
                                                 &options, &plan);
                    },
                    best, mean) &&
                measure(
                    20,
                    [&] {
                      return attnrt_plan_verify(plan, plan->bytes, &problem,
                                                &entry, &options);
                    },
                    verify, verifyMean);
    if (!good) {
      return 1;
    }
    int64_t reads = 0;
    for (uint32_t i = 0; i < plan->items.count; ++i) {
      reads += attnrt_plan_items(plan)[i].kv_count;
    }
    std::printf("%-28s %7u %7u %8u %8.1f %8.1f %9.0f %7.0f %9.2f %6.2fx\n",
                batch.name.c_str(), plan->items.count, plan->merges.count,
                plan->slots, best, mean, verify, double(plan->bytes) / 1024,
                double(reads) / 1e6, double(batch.readsAlone()) / reads);
    attnrt_planner_destroy(planner);
  }
  return 0;
}
