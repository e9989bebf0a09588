//===- WgmmaTextTest.cpp - How a warpgroup's product is written -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the text may say, and what ptxas and the simulator refuse.
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

TEST(WgmmaTextTest, RegistersMayBeOfAnyTypeOfTheirWidth) {
  Product p;
  p.n = 16;
  p.steps = 2;
  p.aInRegisters = true;
  WgmmaJob job(p);
  job.source.swap("  .reg .b32 %c<8>, %a<8>;",
                  "  .reg .f32 %c<8>;\n  .reg .u32 %a<8>;");
  Outcome outcome = job.run();
  EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
  EXPECT_EQ(job.difference(outcome), "");
}

TEST(WgmmaTextTest, AccumulatorsMayStandInAnyOrder) {
  Product p;
  p.n = 8;
  WgmmaJob job(p);
  job.source.swap("{%c0, %c1, %c2, %c3}", "{%c3, %c1, %c0, %c2}");
  // Thread by thread: register i of the product is %c of order[i].
  constexpr unsigned kOrder[4] = {3, 1, 0, 2};
  Product inOrder = p;
  inOrder.scale = "0";
  job.source.swap("%accumulate, 1, 1", "0, 1, 1");
  WgmmaJob reference(inOrder);
  Outcome outcome = job.run();
  ASSERT_EQ(outcome.d.size(), 128u) << outcome.describe();
  for (auto &registers : outcome.d) {
    std::vector<uint32_t> sorted(4);
    for (unsigned i = 0; i < 4; ++i) {
      sorted[i] = registers[kOrder[i]];
    }
    registers = sorted;
  }
  EXPECT_EQ(reference.difference(outcome), "");
}

/// What ptxas refuses is refused with the line.
TEST(WgmmaTextTest, RefusesWhatThereIsNot) {
  struct Case {
    std::string from, to;
    std::string type = "bf16", sums = "f32";
    bool aInRegisters = false;
  };
  for (const Case &k : {
           Case{"m64n16k16", "m64n24k16"}, // too few registers
           Case{"m64n16k16", "m64n16k8"},
           Case{"m64n16k16", "m128n16k16"},
           Case{".f32.bf16.bf16", ".f16.bf16.bf16"},
           Case{".f32.bf16.bf16", ".f32.bf16.f16"},
           Case{".f32.bf16.bf16", ".satfinite.f32.bf16.bf16"},
           Case{".f32.bf16.bf16", ".bf16.bf16.bf16"},
           Case{"1, 1, 0, 0;", "1, 2, 0, 0;"},
           Case{"1, 1, 0, 0;", "0, 1, 0, 0;"},
           Case{"1, 1, 0, 0;", "1, 1, 2, 0;"},
           Case{"1, 1, 0, 0;", "1, 1, 0, -1;"},
           Case{"1, 1, 0, 0;", "1, 1, 0;"},
           Case{"1, 1, 0, 0;", "1, 1;"},
           Case{"1, 1, 0;", "1, 1, 0, 0;", "bf16", "f32", true},
           Case{"{%a0, %a1, %a2, %a3}", "{%a0, %a1}", "bf16", "f32", true},
           Case{"1, 1;", "1, 1, 0, 0;", "tf32"},
           Case{"1, 1;", "1, 1, 0, 0;", "e4m3"},
           Case{"%accumulate;", "%accumulate, 1, 1;", "s8", "s32"},
           Case{".s32.s8.s8", ".f32.s8.s8", "s8", "s32"},
           Case{".s32.s8.s8", ".s32.s8.e4m3", "s8", "s32"},
           Case{"%accumulate, 1", "%x0, 1"},
           Case{"%descA0, %descB0, %acc", "%descA0, %x0, %acc"},
           Case{".sync.aligned.m64", ".m64"},
           Case{"wait_group.sync.aligned 0", "wait_group.sync.aligned %x0"},
           Case{"wait_group.sync.aligned 0", "wait_group.sync.aligned -1"},
           Case{"commit_group.sync.aligned", "commit_group"},
       }) {
    Product p;
    p.a = p.b = k.type;
    p.sums = k.sums;
    p.n = 16;
    p.aInRegisters = k.aInRegisters;
    WgmmaJob job(p);
    ASSERT_EQ(job.run().error, "");
    job.source.swap(k.from, k.to);
    uint32_t line = job.source.line(k.from.starts_with("wait")     ? "wait"
                                    : k.from.starts_with("commit") ? "commit"
                                                                   : "mma0");
    std::string error = job.run().error;
    EXPECT_TRUE(error.starts_with("line " + std::to_string(line) + ": "))
        << k.from << " -> " << k.to << ": '" << error << "'";
  }
}

/// With as many registers as the shape would have.
TEST(WgmmaTextTest, RefusesShapes) {
  auto expectRefused = [](const Product &p) {
    WgmmaJob job(p);
    std::string line = "line " + std::to_string(job.source.line("mma0")) + ": ";
    EXPECT_TRUE(job.run().error.starts_with(line)) << p.opcode();
  };
  for (unsigned n : {4, 12, 20, 100, 264, 512}) {
    Product p;
    p.n = n;
    expectRefused(p);
  }
  // Integers have less of them.
  for (unsigned n = 40; n < 256; n += 16) {
    Product p;
    p.sums = "s32";
    p.a = p.b = "u8";
    p.n = n;
    expectRefused(p);
  }
}

TEST(WgmmaTextTest, WaitsForAnyNumberOfGroups) {
  for (std::string pending : {"8", "15", "64"}) {
    WgmmaJob job(Product{});
    std::string line = "  wgmma.wait_group.sync.aligned ";
    job.source.before("wait", line + pending + ";");
    expectClean(job);
  }
}
