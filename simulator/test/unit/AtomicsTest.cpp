//===- AtomicsTest.cpp - atom, red, fence ---------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <gtest/gtest.h>
#include <random>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr size_t kThreads = 64;

std::vector<uint64_t> draw(uint64_t seed, uint64_t mask) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> values(kThreads);
  for (uint64_t &x : values) {
    x = random() & mask;
  }
  return values;
}
std::vector<uint64_t> all(uint64_t value, size_t count = kThreads) {
  return std::vector<uint64_t>(count, value);
}

using Operation = std::function<uint64_t(uint64_t, uint64_t)>;

/// Each warp has a cell of shared memory, which starts as %a0. Its lanes run
/// `op` on [%x] and read the cell when all of them are done.
std::string onShared(const std::string &op, unsigned bits,
                     const std::string &space = "shared") {
  std::string type = ".b" + std::to_string(bits);
  return ".reg .b64 %x;\n.reg .b32 %w;\nshr.u32 %w, %t, 5;\n"
         "and.b32 %w, %w, 31;\nmul.wide.u32 %x, %w, 16;\n"
         "add.s64 %x, %x, %smem;\n" +
         (space.empty() ? std::string("cvta.shared.u64 %x, %x;\n")
                        : std::string()) +
         "st" + (space.empty() ? "" : ".") + space + type +
         " [%x], %a0;\nbar.warp.sync -1;\n" + op + "\nbar.warp.sync -1;\nld" +
         (space.empty() ? "" : ".") + space + type + " %d1, [%x];";
}

/// `op` on every type of memory gives what the formula does lane by lane.
void expectUpdates(const std::string &words, unsigned bits, uint64_t start,
                   const std::vector<uint64_t> &b, const Operation &f) {
  for (std::string space : {"shared", ""}) {
    std::string dot = space.empty() ? "" : ".";
    for (bool hasResult : {true, false}) {
      std::string op = hasResult
                           ? "atom" + dot + space + words + " %d0, [%x], %a1;"
                           : "mov.b" + std::to_string(bits) + " %d0, 0;\nred" +
                                 dot + space + words + " [%x], %a1;";
      LaneProgram program(onShared(op, bits, space), {bits, bits},
                          {bits, bits});
      ASSERT_EQ(program.error(), "") << op;
      Values d = program.run({all(start), b}, ~0u, kThreads);
      for (size_t first = 0; first < kThreads; first += 32) {
        uint64_t cell = start;
        for (size_t t = first; t < first + 32; ++t) {
          EXPECT_EQ(d[0][t], hasResult ? cell : 0) << op << " thread " << t;
          cell = f(cell, b[t]);
        }
        for (size_t t = first; t < first + 32; ++t) {
          EXPECT_EQ(d[1][t], cell) << op;
        }
      }
      EXPECT_TRUE(program.findings().empty());
    }
  }
}

template <class T> Operation ofNumbers(T (*f)(T, T)) {
  return [f](uint64_t a, uint64_t b) {
    return uint64_t(std::make_unsigned_t<T>(f(T(a), T(b))));
  };
}
template <class T> T smaller(T a, T b) { return a < b ? a : b; }
template <class T> T larger(T a, T b) { return a < b ? b : a; }

constexpr uint64_t kWord = 0xFFFF'FFFF;

TEST(AtomicsTest, Integers) {
  auto word = draw(1, kWord), wide = draw(2, ~uint64_t(0));
  auto add32 = [](uint64_t a, uint64_t b) { return (a + b) & kWord; };
  expectUpdates(".add.u32", 32, 0xF000'0000, word, add32);
  expectUpdates(".add.s32", 32, 5, word, add32);
  expectUpdates(".add.u64", 64, 7, wide, std::plus<uint64_t>());
  expectUpdates(".min.s32", 32, 9, word, ofNumbers(smaller<int32_t>));
  expectUpdates(".max.s32", 32, 9, word, ofNumbers(larger<int32_t>));
  expectUpdates(".min.u32", 32, kWord, word, ofNumbers(smaller<uint32_t>));
  expectUpdates(".max.u32", 32, 9, word, ofNumbers(larger<uint32_t>));
  expectUpdates(".min.s64", 64, 9, wide, ofNumbers(smaller<int64_t>));
  expectUpdates(".max.s64", 64, 9, wide, ofNumbers(larger<int64_t>));
  expectUpdates(".min.u64", 64, 9, wide, ofNumbers(smaller<uint64_t>));
  expectUpdates(".max.u64", 64, 9, wide, ofNumbers(larger<uint64_t>));
}

TEST(AtomicsTest, Bits) {
  auto word = draw(3, kWord), wide = draw(4, ~uint64_t(0));
  expectUpdates(".and.b32", 32, kWord, word, std::bit_and<uint64_t>());
  expectUpdates(".or.b32", 32, 0, word, std::bit_or<uint64_t>());
  expectUpdates(".xor.b32", 32, 77, word, std::bit_xor<uint64_t>());
  expectUpdates(".and.b64", 64, ~uint64_t(0), wide, std::bit_and<uint64_t>());
  expectUpdates(".or.b64", 64, 0, wide, std::bit_or<uint64_t>());
  expectUpdates(".xor.b64", 64, 77, wide, std::bit_xor<uint64_t>());
}

TEST(AtomicsTest, IncrementAndDecrementWrap) {
  for (uint64_t start : {0u, 5u, 30u, 200u}) {
    expectUpdates(".inc.u32", 32, start, all(9),
                  [](uint64_t a, uint64_t b) { return a >= b ? 0 : a + 1; });
    expectUpdates(".dec.u32", 32, start, all(9), [](uint64_t a, uint64_t b) {
      return a == 0 || a > b ? b : a - 1;
    });
  }
}

uint64_t bitsOf(float f) { return std::bit_cast<uint32_t>(f); }
float floatOf(uint64_t bits) { return std::bit_cast<float>(uint32_t(bits)); }

TEST(AtomicsTest, Floats) {
  std::vector<uint64_t> b, wide;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (size_t t = 0; t < kThreads; ++t) {
    double x = normal(random);
    b.push_back(bitsOf(float(x)));
    wide.push_back(std::bit_cast<uint64_t>(x));
  }
  expectUpdates(".add.f32", 32, bitsOf(1), b, [](uint64_t x, uint64_t y) {
    return bitsOf(floatOf(x) + floatOf(y));
  });
  expectUpdates(".add.f64", 64, 0, wide, [](uint64_t x, uint64_t y) {
    return std::bit_cast<uint64_t>(std::bit_cast<double>(x) +
                                   std::bit_cast<double>(y));
  });
  // Subnormal numbers last in shared memory.
  expectUpdates(".add.f32", 32, 3, all(2),
                [](uint64_t x, uint64_t y) { return x + y; });
}

TEST(AtomicsTest, Halves) {
  // Small whole numbers: 1 in bf16 is 0x3F80, in f16 it is 0x3C00.
  auto toBFloat = [](uint64_t bits) { return floatOf(bits << 16); };
  auto addBFloat = [&](uint64_t x, uint64_t y) {
    return bitsOf(toBFloat(x) + toBFloat(y)) >> 16;
  };
  expectUpdates(".add.noftz.bf16", 16, 0x3F80, all(0x3F80), addBFloat);
  expectUpdates(".add.noftz.bf16x2", 32, 0x3F80'4000, all(0x3F80'4000),
                [&](uint64_t x, uint64_t y) {
                  return addBFloat(x & 0xFFFF, y & 0xFFFF) |
                         addBFloat(x >> 16, y >> 16) << 16;
                });
  // Subnormal halves are whole numbers of 2^-24, and stay so.
  expectUpdates(".add.noftz.f16", 16, 1, all(3), std::plus<uint64_t>());
  expectUpdates(".add.noftz.f16x2", 32, 0x0001'0002, all(0x0002'0001),
                std::plus<uint64_t>());
}

TEST(AtomicsTest, Exchange) {
  auto b = draw(6, kWord);
  LaneProgram program(onShared("atom.shared.exch.b32 %d0, [%x], %a1;", 32),
                      {32, 32}, {32, 32});
  ASSERT_EQ(program.error(), "");
  Values d = program.run({all(7), b}, ~0u, kThreads);
  for (size_t t = 0; t < kThreads; ++t) {
    EXPECT_EQ(d[0][t], t % 32 ? b[t - 1] : 7);
    EXPECT_EQ(d[1][t], b[t | 31]);
  }
}

TEST(AtomicsTest, CompareAndSwap) {
  for (unsigned bits : {16u, 32u, 64u}) {
    std::string type = "b" + std::to_string(bits);
    LaneProgram program(
        onShared("atom.shared.cas." + type + " %d0, [%x], %a1, %a2;", bits),
        {bits, bits, bits}, {bits, bits});
    ASSERT_EQ(program.error(), "");
    // Lane l turns l into l + 1, but lane 20 misses.
    std::vector<uint64_t> from, to;
    for (uint64_t t = 0; t < kThreads; ++t) {
      from.push_back(t % 32 == 20 ? 1000 : t % 32);
      to.push_back(t % 32 + 1);
    }
    Values d = program.run({all(0), from, to}, ~0u, kThreads);
    for (size_t t = 0; t < kThreads; ++t) {
      EXPECT_EQ(d[0][t], std::min<uint64_t>(t % 32, 20));
      EXPECT_EQ(d[1][t], 20u);
    }
  }
}

TEST(AtomicsTest, LanesThatDoNotRunDoNothing) {
  LaneProgram program(onShared("atom.shared.add.u32 %d0, [%x], 1;", 32), {32},
                      {32, 32});
  Values d = program.run({all(0)}, 0x0F0F, kThreads);
  EXPECT_EQ(d[1][0], 8u);
  EXPECT_EQ(d[0][11], 7u);
}

TEST(AtomicsTest, DestinationMayBeTheSource) {
  LaneProgram program(onShared("mov.b32 %d0, %a1;\n"
                               "atom.shared.add.u32 %d0, [%x], %d0;",
                               32),
                      {32, 32}, {32, 32});
  Values d = program.run({all(0), all(2)}, ~0u, kThreads);
  EXPECT_EQ(d[0][5], 10u);
  EXPECT_EQ(d[1][5], 64u);
}

TEST(AtomicsTest, OrdersAndScopes) {
  for (const char *words :
       {"atom.relaxed.gpu.global.add.u32 %d0, [%p], 1",
        "atom.acquire.cta.global.add.u32 %d0, [%p], 1",
        "atom.release.sys.global.add.u32 %d0, [%p], 1",
        "atom.acq_rel.cluster.global.add.u32 %d0, [%p], 1",
        "atom.global.gpu.acq_rel.add.u32 %d0, [%p], 1",
        "atom.shared::cta.add.u32 %d0, [%p], 1",
        "atom.shared::cluster.add.u32 %d0, [%p], 1",
        "atom.add.u32 _, [%p+16], 1",
        "red.release.gpu.global.add.s32 [%p], 1",
        "red.global.add.L2::cache_hint.u32 [%p], 1, %p",
        "red.global.v4.f32.add [%p], {%f, %f, %f, %f}",
        "red.global.v2.bf16x2.add.noftz [%p], {%w, %w}",
        "atom.global.v2.f16x2.max.noftz {%w, %u}, [%p], {%w, %w}",
        "membar.cta",
        "membar.gl",
        "membar.sys",
        "fence.sc.gpu",
        "fence.acq_rel.cta",
        "fence.acq_rel.cluster",
        "fence.acq_rel.sys",
        "fence.mbarrier_init.release.cluster",
        "fence.proxy.alias",
        "fence.proxy.async",
        "fence.proxy.async.global",
        "fence.proxy.async.shared::cta",
        "fence.proxy.tensormap::generic.release.gpu",
        "fence.proxy.tensormap::generic.acquire.gpu [%p], 128",
        "membar.proxy.alias",
        "ld.acquire.gpu.global.b32 %d0, [%p]",
        "ld.volatile.global.b32 %d0, [%p]",
        "ld.relaxed.cta.b32 %d0, [%p]",
        "st.release.sys.global.b32 [%p], %w",
        "st.volatile.b32 [%p], %w"}) {
    EXPECT_EQ(loadError(".reg .b64 %p;\n.reg .f32 %f;\n.reg .b32 %w, %u;\n" +
                            std::string(words) + ";",
                        {32}, {32}),
              "")
        << words;
  }
}

TEST(AtomicsTest, WhatThereIsNot) {
  for (const char *words :
       {"atom.global.add.b32 %d0, [%p], 1", "atom.global.and.u32 %d0, [%p], 1",
        "atom.global.inc.s32 %d0, [%p], 1",
        "atom.global.min.f32 %d0, [%p], 1.0",
        "atom.global.add.u16 %d0, [%p], 1", "atom.local.add.u32 %d0, [%p], 1",
        "atom.const.add.u32 %d0, [%p], 1", "atom.global.cas.b32 %d0, [%p], 1",
        "red.global.exch.b32 [%p], 1", "red.acquire.gpu.global.add.u32 [%p], 1",
        "atom.global.add.f16x2 %d0, [%p], %w", "atom.global.u32 %d0, [%p], 1",
        "red.shared.v2.f32.add [%p], {%f, %f}",
        "red.global.v8.f32.add [%p], {%f, %f, %f, %f, %f, %f, %f, %f}",
        "ld.release.gpu.b32 %d0, [%p]", "st.acquire.gpu.b32 [%p], %w",
        "membar.gpu", "fence.acq_rel", "fence.proxy.gpu"}) {
    EXPECT_NE(loadError(".reg .b64 %p;\n.reg .f32 %f;\n.reg .b32 %w;\n" +
                            std::string(words) + ";",
                        {32}, {32}),
              "")
        << words;
  }
}

//===--- Global memory ----------------------------------------------------===//

/// A kernel with the parameter `cells` and, for it, `%p`.
std::string kernelText(const std::string &body) {
  return ".version 8.4\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .u64 cells)\n{\n"
         "  .reg .b64 %p, %q;\n  .reg .b32 %r<9>;\n  .reg .f32 %f<9>;\n"
         "  ld.param.u64 %p, [cells];\n" +
         body + "\n  ret;\n}\n";
}

struct Outcome {
  std::vector<uint32_t> cells;
  std::vector<std::string> findings;
};

Outcome launch(const std::string &body, std::vector<uint32_t> cells,
               uint32_t ctas, uint32_t threads) {
  auto device = Device::create();
  Outcome outcome;
  uint64_t bytes = cells.size() * 4;
  DevicePointer at = *device->allocate(bytes, "cells");
  EXPECT_TRUE(bool(device->copyIn(at, cells.data(), bytes)));
  auto module = device->loadModule(kernelText(body));
  if (!module) {
    ADD_FAILURE() << module.message();
    return outcome;
  }
  auto kernel = (*module)->kernel("k");
  if (!kernel) {
    ADD_FAILURE() << kernel.message();
    return outcome;
  }
  KernelArguments arguments;
  arguments.add(at);
  LaunchConfig config;
  config.grid.x = ctas;
  config.block.x = threads;
  auto launched = device->launch(**kernel, config, arguments);
  if (!launched) {
    ADD_FAILURE() << launched.message();
  }
  EXPECT_TRUE(bool(device->copyOut(cells.data(), at, bytes)));
  outcome.cells = std::move(cells);
  for (const Finding &finding : device->findings()) {
    outcome.findings.push_back(finding.check + ": " + finding.message);
  }
  return outcome;
}

TEST(AtomicsTest, CtasCountTogether) {
  Outcome outcome = launch("red.global.add.u32 [%p], 1;\n"
                           "atom.inc.u32 %r0, [%p+4], 9;\n"
                           "atom.global.max.u32 %r0, [%p+8], %r0;\n"
                           "red.relaxed.gpu.add.u64 [%p+16], 0x100000000;",
                           std::vector<uint32_t>(8), 50, 96);
  uint32_t threads = 50 * 96;
  EXPECT_TRUE(outcome.findings.empty());
  EXPECT_EQ(outcome.cells[0], threads);
  EXPECT_EQ(outcome.cells[1], threads % 10);
  EXPECT_EQ(outcome.cells[2], 9u);
  EXPECT_EQ(outcome.cells[4], 0u);
  EXPECT_EQ(outcome.cells[5], threads);
}

TEST(AtomicsTest, GlobalMemoryFlushesSingleFloats) {
  // [9.7.13.5] atom.add.f32 on global memory; halves do not flush.
  Outcome outcome = launch("mov.b32 %f0, 0x00000002;\n"
                           "red.global.add.f32 [%p], %f0;\n"
                           "mov.b32 %r0, 0x00010002;\n"
                           "red.global.add.noftz.f16x2 [%p+4], %r0;",
                           {0, 0}, 1, 1);
  EXPECT_EQ(outcome.cells, (std::vector<uint32_t>{0, 0x00010002}));
}

TEST(AtomicsTest, Vectors) {
  Outcome outcome =
      launch("mov.b32 %f0, 0f3F800000;\nmov.b32 %f1, 0f40000000;\n"
             "red.global.v2.f32.add [%p], {%f0, %f1};\n"
             "mov.b32 %r0, 0x3C004000;\nmov.b32 %r1, 0xBC000000;\n"
             "atom.global.v2.f16x2.min.noftz {%r0, %r1}, [%p+8], {%r0, %r1};\n"
             "st.global.v2.b32 [%p+16], {%r0, %r1};",
             {0, 0, 0x4000'3C00, 0x0000'3C00, 0, 0, 0, 0}, 1, 1);
  EXPECT_TRUE(outcome.findings.empty());
  EXPECT_EQ(outcome.cells, (std::vector<uint32_t>{
                               0x3F800000, 0x40000000, 0x3C00'3C00, 0xBC00'0000,
                               0x4000'3C00, 0x0000'3C00, 0, 0}));
}

TEST(AtomicsTest, AccessesAreChecked) {
  Outcome outcome = launch("red.global.add.u32 [%p+16], 1;\n"
                           "red.global.add.u32 [%p+2], 1;\n"
                           ".local .b32 own;\ncvta.local.u64 %q, own;\n"
                           "red.add.u32 [%q], 1;",
                           {0, 0, 0, 0}, 1, 1);
  ASSERT_EQ(outcome.findings.size(), 3u);
  EXPECT_EQ(outcome.findings[0], "bounds: updates 4 bytes at 0 bytes behind "
                                 "cells (16 bytes)");
  EXPECT_EQ(outcome.findings[1], "alignment: updates 4 bytes at cells+2, which "
                                 "is not a multiple of 4");
  EXPECT_EQ(outcome.findings[2], "bounds: updates 4 bytes at local+0 (own+0)");
}

} // namespace
