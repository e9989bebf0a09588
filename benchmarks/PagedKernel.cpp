//===- PagedKernel.cpp - Speed of one paged attention kernel on one core --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// usage: PagedKernelBenchmark [features] [query positions] [tokens]
// Compiles test/Dialect/Tile/IR/paged-items.mlir and runs it over all KV heads
// of one request in a shuffled f16 pool. Prints the compile times and, from the
// best of 15 runs in CPU time, arithmetic and KV traffic. Asserts nothing.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <cstdio>
#include <ctime>

using namespace attn;
using namespace attn::test;

static double cpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  const char *features = argc > 1 ? argv[1] : "native";
  int64_t positions = argc > 2 ? atoll(argv[2]) : 24;
  int64_t tokens = argc > 3 ? atoll(argv[3]) : 4096;
  constexpr int64_t heads = 8, group = 4, dim = 128, page = 16;
  if (positions < 1 || positions * group > 96 || tokens < positions) {
    std::fprintf(stderr,
                 "expects 1 to 24 positions and at least as many tokens\n");
    return 1;
  }

  Compiled code;
  std::string text =
      readFile(ATTN_TEST_DIR "/Dialect/Tile/IR/paged-items.mlir");
  double start = cpuSeconds();
  if (!code.compile(text, features)) {
    return 1;
  }
  const HostTimes &t = code.times;
  std::printf(
      "compile (first in the process) %.1f ms CPU: lower %.1f, translate %.1f, "
      "optimise %.1f, codegen %.1f, link %.1f, load %.1f\n",
      (cpuSeconds() - start) * 1e3, t.lower, t.translate, t.optimise, t.codegen,
      t.link, t.load);

  int64_t pages = (tokens + page - 1) / page;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-2, 2);
  auto halves = [&](int64_t n) {
    std::vector<uint16_t> x(n);
    for (uint16_t &v : x) {
      v = toHalf(uniform(random));
    }
    return x;
  };
  std::vector<uint16_t> q = halves(positions * heads * group * dim),
                        k = halves(pages * page * heads * dim),
                        v = halves(pages * page * heads * dim);
  std::vector<int32_t> table(pages), length{int32_t(tokens)},
      offset{int32_t(tokens - positions)};
  for (int64_t i = 0; i < pages; ++i) {
    table[i] = i;
  }
  std::shuffle(table.begin(), table.end(), random);
  std::vector<float> out(q.size()), m(1), l(1), a(dim);
  std::vector<attnrt_tensor> tensors = {
      describe(q.data(), {1, positions, heads, group, dim}),
      describe(k.data(), {pages, page, heads, dim}),
      describe(v.data(), {pages, page, heads, dim}),
      describe(table.data(), {1, pages}),
      describe(length.data(), {1}),
      describe(offset.data(), {1}),
      describe(out.data(), {1, positions, heads, group, dim}),
      describe(m.data(), {1}),
      describe(l.data(), {1}),
      describe(a.data(), {1, dim})};
  float scale = 0.088388f;
  uint64_t cell = 0;
  std::memcpy(&cell, &scale, 4);
  std::vector<attnrt_row> rows(positions);
  for (int64_t i = 0; i < positions; ++i) {
    rows[i].coord = i;
  }
  attnrt_segment segment = {};
  segment.count = tokens;
  attnrt_args args = {};
  args.tensors = tensors.data();
  args.scalars = &cell;
  args.segments = &segment;
  args.rows = rows.data();

  auto *kernel = code.function<ItemFn>("paged");
  double best = 1e30;
  for (int run = 0; run < 15; ++run) {
    double begin = cpuSeconds();
    for (int64_t h = 0; h < heads; ++h) {
      attnrt_item item = {};
      item.row_count = positions;
      item.kv_count = tokens;
      item.slot = -1;
      item.head = h;
      item.sub_count = group;
      kernel(&args, &item, code.scratch);
    }
    best = std::min(best, cpuSeconds() - begin);
  }
  double flops = 4.0 * positions * group * tokens * dim * heads;
  std::printf("%s, %ld rows, %ld tokens: %.1f GFLOP/s, %.2f GB/s of K and V\n",
              features, long(positions * group), long(tokens),
              flops / best * 1e-9, 4.0 * tokens * heads * dim / best * 1e-9);
  return 0;
}
