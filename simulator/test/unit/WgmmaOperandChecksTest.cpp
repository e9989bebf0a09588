//===- WgmmaOperandChecksTest.cpp - Operands that a product may not read --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shared memory, descriptors and warps that do not fit a product: one defect
// each in a kernel that is otherwise right.
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

static Product plain() { return {}; }

static Product withRegisters() {
  Product p;
  p.aInRegisters = true;
  return p;
}

//===--- Shared memory ----------------------------------------------------===//

TEST(WgmmaChecksTest, OperandIsOverwrittenInFlight) {
  // A row of A, and one of B that every warp reads.
  for (std::string at : {"0", "2048"}) {
    WgmmaJob job(plain());
    ASSERT_EQ(job.product.tilesB[0].start, 2048u);
    job.source.after("commit", "  setp.eq.u32 %low, %thread, 0;\n"
                               "  @%low st.shared.b32 [%smem+" +
                                   at + "], %thread; // @spoil");
    expectFinding(job, {"spoil", "mma0"}, {"races", "async"});
  }
}

TEST(WgmmaChecksTest, OperandIsOverwrittenBehindWaitAndBarrier) {
  WgmmaJob job(plain());
  job.source.after("wait", "  bar.sync 0;\n"
                           "  setp.eq.u32 %low, %thread, 0;\n"
                           "  @%low st.shared.b32 [%smem+2048], %thread;");
  expectClean(job);
}

TEST(WgmmaChecksTest, OperandMayBeReadInFlight) {
  WgmmaJob job(plain());
  job.source.after("commit", "  ld.shared.b32 %x0, [%smem+2048];");
  expectClean(job);
}

TEST(WgmmaChecksTest, ProxyFenceIsMissing) {
  WgmmaJob job(plain());
  job.source.drop("proxy");
  expectFinding(job, {"mma0"}, {"races", "async"});
}

/// It must stand behind the stores.
TEST(WgmmaChecksTest, ProxyFenceComesTooEarly) {
  WgmmaJob job(plain());
  job.source.drop("proxy").swap("fill:\n", "  fence.proxy.async;\nfill:\n");
  expectFinding(job, {"mma0"}, {"races", "async"});
}

TEST(WgmmaChecksTest, ProxyFenceOfAnotherSpace) {
  WgmmaJob job(plain());
  job.source.replace("proxy", "  fence.proxy.async.global;");
  expectFinding(job, {"mma0"}, {"races", "async"});
  job.source.replace("proxy", "  fence.proxy.async.shared::cta;");
  expectClean(job);
}

/// The reader may fence as well, behind the barrier; but each for itself.
TEST(WgmmaChecksTest, ProxyFenceBehindTheBarrier) {
  WgmmaJob all(plain());
  all.source.drop("proxy").after("ready", "  fence.proxy.async;");
  expectClean(all);
  WgmmaJob one(plain());
  one.source.drop("proxy").after("ready", "  setp.lt.u32 %low, %thread, 32;\n"
                                          "  @%low fence.proxy.async;");
  expectFinding(one, {"mma0"}, {"races", "async"});
}

TEST(WgmmaChecksTest, BarrierIsMissing) {
  WgmmaJob job(plain());
  job.source.drop("ready");
  expectFinding(job, {"mma0", "fill"}, {"races", "uninitialised"});
}

TEST(WgmmaChecksTest, OperandLiesOutside) {
  // The last rows of B; a start behind the end; a stride that leaves.
  WgmmaJob rows(plain());
  rows.sharedBytes -= 16;
  rows.filledBytes = rows.sharedBytes;
  expectFinding(rows, {"mma0"}, {"bounds"});
  for (unsigned shift : {0u, 16u, 32u}) {
    WgmmaJob job(plain());
    for (unsigned warp = 0; warp < 4; ++warp) {
      job.descriptor(warp, 0, 0) += uint64_t(1024) << shift;
    }
    expectFinding(job, {"mma0"}, {"bounds"});
  }
}

TEST(WgmmaChecksTest, OperandIsNotWritten) {
  WgmmaJob job(plain());
  job.filledBytes -= 16;
  expectFinding(job, {"mma0"}, {"uninitialised"});
}

TEST(WgmmaChecksTest, RegistersAreNotWritten) {
  WgmmaJob sums(plain());
  sums.source.drop("load2");
  expectFinding(sums, {"mma0"}, {"uninitialised"});
  WgmmaJob a(withRegisters());
  a.source.drop("loadA1");
  // A register that no instruction writes may be one that does not matter.
  Outcome outcome = a.run(Options());
  EXPECT_TRUE(std::any_of(outcome.findings.begin(), outcome.findings.end(),
                          [&](const Finding &finding) {
                            return finding.isWarning &&
                                   finding.check == "uninitialised" &&
                                   finding.line == a.source.line("mma0");
                          }))
      << outcome.describe();
  // Who does not add up needs no sums.
  Product p;
  p.accumulates = false;
  WgmmaJob none(p);
  none.source.drop("load2");
  expectClean(none);
}

//===--- Descriptors ------------------------------------------------------===//

TEST(WgmmaChecksTest, DescriptorsOfAWarpgroupDiffer) {
  for (unsigned operand : {0, 1}) {
    for (unsigned warp : {0, 1, 3}) {
      // One of a register that no product of this size looks at.
      for (unsigned shift : {0u, 32u, 49u}) {
        WgmmaJob job(plain());
        job.descriptor(warp, 0, operand) ^= uint64_t(1) << shift;
        expectFinding(job, {"mma0"}, {"async"});
      }
    }
  }
}

TEST(WgmmaChecksTest, DescriptorsOfLanesDiffer) {
  WgmmaJob job(plain());
  job.source.before("fence", "  setp.eq.u32 %low, %thread, 45;\n"
                             "  @%low add.u64 %descB0, %descB0, 1;");
  expectFinding(job, {"mma0"}, {"async"});
}

TEST(WgmmaChecksTest, SwizzledTileIsNotAligned) {
  struct Case {
    Swizzle swizzle;
    unsigned start;
  };
  for (const Case &k : {Case{Swizzle::B128, 128}, Case{Swizzle::B128, 512},
                        Case{Swizzle::B64, 128}, Case{Swizzle::B64, 256},
                        Case{Swizzle::B32, 128}}) {
    for (Major major : {Major::K, Major::MN}) {
      for (bool isB : {false, true}) {
        Product p;
        p.n = 32;
        p.tilesA = {Tile::packed(major, k.swizzle, 8192, 64, 2)};
        p.tilesB = {Tile::packed(major, k.swizzle, 32768, 32, 2)};
        (isB ? p.tilesB : p.tilesA)[0].start += k.start;
        expectFinding(WgmmaJob(p), {"mma0"}, {"async"});
      }
    }
  }
}

//===--- Who takes part ---------------------------------------------------===//

TEST(WgmmaChecksTest, WarpgroupIsNotComplete) {
  for (uint32_t threads : {32u, 64u, 96u, 160u, 224u}) {
    Product p;
    p.warpgroups = 2;
    WgmmaJob job(p);
    job.threads = threads;
    expectFinding(job, {"fence", "mma0"}, {"async", "barriers"});
  }
}

TEST(WgmmaChecksTest, LanesAreMissing) {
  WgmmaJob job(plain());
  job.source
      .before("mma0", "  setp.ge.u32 %low, %lane, 16;\n  @%low bra behind;")
      .after("mma0", "behind:");
  expectFinding(job, {"mma0"}, {"barriers", "async"});
}

TEST(WgmmaChecksTest, AWarpIsMissing) {
  for (std::string name : {"fence", "commit"}) {
    WgmmaJob job(plain());
    job.source
        .before(name, "  setp.eq.u32 %low, %warp, 2;\n  @%low bra behind;")
        .after(name, "behind:");
    expectFinding(job, {name, "mma0", "store0"}, {"barriers", "async"});
  }
}

/// The same instruction, not the same text twice.
TEST(WgmmaChecksTest, WarpsRunDifferentProducts) {
  WgmmaJob job(plain());
  job.source.before("mma0", "  setp.eq.u32 %low, %warp, 2;\n  @%low bra other;")
      .after("mma0", "  bra behind;\nother:\n" +
                         multiplyText("{%c0, %c1, %c2, %c3}", "other") +
                         "\nbehind:");
  expectFinding(job, {"mma0", "other", "commit", "wait"},
                {"barriers", "async"});
}

/// A guard that is false in the whole warpgroup leaves the sums alone.
TEST(WgmmaChecksTest, NobodyTakesPart) {
  WgmmaJob job(plain());
  job.source.before("mma0", "  setp.eq.u32 %low, %thread, 1000;")
      .swap("  wgmma.mma_async", "  @%low wgmma.mma_async");
  for (auto &row : job.a[0]) {
    row.assign(row.size(), 0);
  }
  expectClean(job);
}

/// Three warps cannot multiply without the fourth.
TEST(WgmmaChecksTest, AWarpNeverMultiplies) {
  WgmmaJob job(plain());
  job.source
      .before("mma0", "  setp.eq.u32 %low, %warp, 2;\n  @%low bra behind;")
      .after("mma0", "behind:");
  expectFinding(job, {"mma0"}, {"barriers", "async"});
}

/// Rows of A and D are with lanes that are gone.
TEST(WgmmaChecksTest, LanesHaveExited) {
  WgmmaJob job(plain());
  job.source.before("mma0", "  setp.ge.u32 %low, %lane, 16;\n  @%low exit;");
  expectFinding(job, {"mma0"}, {"barriers", "async"});
}

/// Other warps of the warpgroup may still read B.
TEST(WgmmaChecksTest, OperandIsOverwrittenBehindOnesOwnWait) {
  WgmmaJob job(plain());
  job.source.after("wait", "  setp.eq.u32 %low, %thread, 0;\n"
                           "  @%low st.shared.b32 [%smem+2048], %thread; "
                           "// @spoil");
  expectFinding(job, {"spoil", "mma0"}, {"races", "async"});
}
