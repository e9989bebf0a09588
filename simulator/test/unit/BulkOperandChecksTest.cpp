//===- BulkOperandChecksTest.cpp - What is wrong with its operands --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Addresses, maps, masks and sizes of bulk copies: one defect each.
//
//===----------------------------------------------------------------------===//
#include "BulkKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

TEST(BulkOperandChecksTest, NegativeCoordinatesOfAStore) {
  for (int d : {0, 1}) {
    for (int32_t c : {-1, -1000}) {
      CopyJob job = make(storeText(tensorStore(2, "%smem")));
      job.at[d] = c;
      expectFinding(job, "copy", "async", std::to_string(c));
    }
  }
}

TEST(BulkOperandChecksTest, SharedAddressIsNotAligned) {
  for (const char *off : {"+8", "+16", "+64"}) {
    std::string address = std::string("%smem") + off;
    expectFinding(make(loadText(tensorLoad(2, address))), "copy", "alignment");
    expectFinding(make(storeText(tensorStore(2, address))), "copy",
                  "alignment");
  }
  for (const char *off : {"+1", "+4", "+8"}) {
    std::string address = std::string("[%smem") + off + "]";
    expectFinding(make(loadText(with(kBulkLoad, "[%smem]", address))), "copy",
                  "alignment");
    expectFinding(make(storeText(with(kBulkStore, "[%smem]", address))), "copy",
                  "alignment");
  }
}

TEST(BulkOperandChecksTest, GlobalAddressIsNotAligned) {
  for (const char *off : {"+1", "+4", "+8"}) {
    std::string address = std::string("[%global") + off + "]";
    expectFinding(make(loadText(with(kBulkLoad, "[%global]", address))), "copy",
                  "alignment");
    expectFinding(make(storeText(with(kBulkStore, "[%global]", address))),
                  "copy", "alignment");
  }
}

TEST(BulkOperandChecksTest, SizeIsNoMultipleOf16) {
  for (const char *size : {"1020", "1016", "8", "1"}) {
    expectFinding(make(loadText(with(kBulkLoad, "1024", size))), "copy",
                  "alignment", size);
    expectFinding(make(storeText(with(kBulkStore, "1024", size))), "copy",
                  "alignment", size);
  }
}

TEST(BulkOperandChecksTest, MapIsNotAligned) {
  for (const char *off : {"8", "16", "32"}) {
    std::string move = std::string("  add.u64 %map, %map, ") + off + ";\n";
    expectFinding(make(move + loadText(tensorLoad(2, "%smem"))), "copy",
                  "alignment");
    expectFinding(make(move + storeText(tensorStore(2, "%smem"))), "copy",
                  "alignment");
  }
}

TEST(BulkOperandChecksTest, MapIsNone) {
  for (int value : {0, 0xCD, 0xFF}) {
    CopyJob job = make(loadText(tensorLoad(2, "%smem")));
    job.mapBytes.assign(128, std::byte(value));
    expectFinding(job, "copy", "async");
    job = make(storeText(tensorStore(2, "%smem")));
    job.mapBytes.assign(128, std::byte(value));
    expectFinding(job, "copy", "async");
  }
}

TEST(BulkOperandChecksTest, RankIsNotTheMaps) {
  for (unsigned rank : {1u, 3u, 4u, 5u}) {
    expectFinding(make(loadText(tensorLoad(rank, "%smem"))), "copy", "async");
    expectFinding(make(storeText(tensorStore(rank, "%smem"))), "copy", "async");
  }
}

TEST(BulkOperandChecksTest, OutsideOfShared) {
  std::vector<std::string> all;
  for (const std::string &copy : loads()) {
    all.push_back(loadText(copy));
  }
  for (const std::string &copy : stores()) {
    all.push_back(storeText(copy));
  }
  for (const std::string &text : all) {
    // Of this launch, however much the SM has.
    CopyJob job = make(text);
    job.sharedBytes = 1024;
    expectNoFinding(job);
    job.sharedBytes = 1008;
    expectFinding(job, "copy", "bounds");
    // The first byte.
    job = make(with(text, "[%smem]", "[%smem+4096]"));
    expectFinding(job, "copy", "bounds");
  }
}

TEST(BulkOperandChecksTest, OutsideOfGlobal) {
  // The last row that the box touches is not there; box and tensor are larger.
  for (size_t bytes : {size_t(15 * 96 + 64), size_t(15 * 96 + 48)}) {
    for (bool isLoad : {true, false}) {
      CopyJob job = make(isLoad ? loadText(tensorLoad(2, "%smem"))
                                : storeText(tensorStore(2, "%smem")));
      job.global = noise(bytes);
      if (bytes == 15 * 96 + 64) {
        expectNoFinding(job);
      } else {
        expectFinding(job, "copy", "bounds");
      }
    }
  }
  CopyJob load = make(loadText(kBulkLoad)), store = make(storeText(kBulkStore));
  load.global = noise(1024), store.global = noise(1024);
  expectNoFinding(load);
  expectNoFinding(store);
  load.global = noise(1008), store.global = noise(1008);
  expectFinding(load, "copy", "bounds");
  expectFinding(store, "copy", "bounds");
}

TEST(BulkOperandChecksTest, NobodyWroteTheSource) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy));
    job.written = 15 * 96 + 64;
    expectNoFinding(job);
    job.written = 600;
    expectFinding(job, "copy", "uninitialised");
  }
  for (const std::string &copy : stores()) {
    CopyJob job = make("  // nothing\n" + storeText(copy));
    job.source.drop("fill");
    expectFinding(job, "copy", "uninitialised");
  }
}

/// A destination is written by the copy.
TEST(BulkOperandChecksTest, NobodyWroteTheDestination) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy));
    job.source.drop("fill");
    job.sharedBytes = 1024;
    expectNoFinding(job);
    // The rest was not.
    job.sharedBytes = 1040;
    expectFinding(job, "read", "uninitialised");
  }
}

/// A box that is no whole number of lines may be swizzled to elsewhere in its
/// last line: there it is written, and on its way.
TEST(BulkOperandChecksTest, PartsOfLines) {
  for (auto [line, begin] : {std::pair(0, 0), {3, 0}, {4, 64}, {7, 64}}) {
    std::string word = std::to_string(128 * line + begin + 20);
    std::string other = std::to_string(128 * line + (64 - begin) + 20);
    std::string load =
        loadText(tensorLoad(1, "%smem+" + std::to_string(128 * line)));
    std::string use = "  ld.shared.b32 %x, [%smem+" + word + "]; // @use\n";
    auto run = [&](const std::string &text) {
      CopyJob job = make(text);
      job.map.rank = 1;
      job.map.swizzle = TensorMapDesc::Swizzle::B128;
      job.tx = 64;
      job.source.drop("fill").swap("  ld.shared.b32 %x, [%to]; // @read\n",
                                   "  mov.u32 %x, 0; // @read\n");
      return job;
    };
    expectNoFinding(run(load + use));
    expectFinding(
        run(load + "  ld.shared.b32 %x, [%smem+" + other + "]; // @use\n"),
        "use", "uninitialised");
    CopyJob early = run(load);
    early.source.after("copy", use);
    Options options;
    options.checks.races = false;
    CopyOutcome got = early.run(options);
    EXPECT_TRUE(got.has({early.source.line("use")}, {"async"}))
        << got.describe();
  }
}

TEST(BulkOperandChecksTest, BarrierIsNotInitialised) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy));
    job.source.drop("init");
    expectFinding(job, "expect", "barriers");
    // Not even expected at.
    job = make("  @%one " + copy + "; // @copy\n");
    job.source.drop("init");
    expectFinding(job, "copy", "barriers");
  }
}

TEST(BulkOperandChecksTest, BarrierIsNotAligned) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(with(copy, "[bars]", "[bars+4]")));
    expectFinding(job, "copy", "alignment");
  }
}

//===--- Clusters ---------------------------------------------------------===//

TEST(BulkOperandChecksTest, MaskBeyondTheCluster) {
  for (std::string copy :
       {tensorLoad(2, "%smem", "bars", "cluster", ".multicast::cluster",
                   ", %mask"),
        with(with(kBulkLoad, "bytes ", "bytes.multicast::cluster "), "[bars]",
             "[bars], %mask")}) {
    // Both expect the bytes, the first one copies.
    std::string text = loadText("@%first " + copy);
    for (unsigned mask : {3u, 7u, 0x8003u}) {
      CopyJob job = make(text, 2);
      job.mask = mask;
      if (mask == 3) {
        expectNoFinding(job);
      } else {
        expectFinding(job, "copy", "async", std::to_string(mask));
      }
    }
  }
}

/// .shared::cta is the own CTA's.
TEST(BulkOperandChecksTest, SharedOfAnotherCTAIsNotTheOwn) {
  std::string text = "  mapa.shared::cluster.u32 %far, %smem, 1;\n"
                     "  mapa.shared::cluster.u32 %farbar, %bar, 1;\n"
                     "  @%first mbarrier.arrive.expect_tx.shared::cta.b64 "
                     "%state, [bars], %tx;\n";
  for (const std::string &copy :
       {tensorLoad(2, "%far", "%farbar", "cta"),
        with(with(with(kBulkLoad, "::cluster", "::cta"), "%smem", "%far"),
             "bars", "%farbar")}) {
    CopyJob job = make(text + "  @%first " + copy + "; // @copy\n", 2);
    expectFinding(job, "copy", "bounds");
  }
}

/// Nor is the source of a store, or of a copy to another CTA.
TEST(BulkOperandChecksTest, SourceIsInAnotherCTA) {
  std::string text = "  mapa.shared::cluster.u32 %far, %smem, 1;\n"
                     "  mapa.shared::cluster.u32 %farbar, %bar, 1;\n";
  for (const std::string &copy : stores()) {
    CopyJob job = make(text + storeText("@%first " + copy), 2);
    expectNoFinding(job);
    job =
        make(text + storeText("@%first " + with(copy, "[%smem]", "[%far]")), 2);
    expectFinding(job, "copy", "bounds");
  }
  std::string across = "  @%first cp.async.bulk.shared::cluster.shared::cta."
                       "mbarrier::complete_tx::bytes ";
  // From there, and to where it comes from.
  for (const char *operands :
       {"[%far], [%far+2048], 1024, [%farbar]; // @copy\n",
        "[%smem], [%smem+2048], 1024, [%bar]; // @copy\n"}) {
    expectFinding(make(text + across + operands, 2), "copy", "bounds");
  }
}

/// Data and bytes go to one CTA.
TEST(BulkOperandChecksTest, BarrierIsInAnotherCTA) {
  std::string text = "  mapa.shared::cluster.u32 %far, %smem, 1;\n"
                     "  mapa.shared::cluster.u32 %farbar, %bar, 1;\n";
  for (auto [to, barrier] : {std::pair("%far", "%bar"), {"%smem", "%farbar"}}) {
    for (const std::string &copy :
         {tensorLoad(2, to, barrier),
          with(with(kBulkLoad, "%smem", to), "bars", barrier)}) {
      CopyJob job = make(text + "  @%first " + copy + "; // @copy\n", 2);
      expectFinding(job, "copy", "async", "mbarrier");
    }
  }
}

/// The reader of the other CTA waits at its own barrier, or races.
TEST(BulkOperandChecksTest, OtherCTAsWaitForTheirCopies) {
  std::string copy = tensorLoad(2, "%smem", "bars", "cluster",
                                ".multicast::cluster", ", %mask");
  CopyJob job = make(loadText("@%first " + copy), 2);
  job.mask = 3;
  job.source
      .before("wait", "  setp.eq.u32 %done, %rank, 1;\n"
                      "  @%done bra skipped;")
      .swap("  mul.lo.u32 %x, %rank, %words;",
            "skipped:\n  mul.lo.u32 %x, %rank, %words;");
  expectRace(job, "read", "copy");
}
