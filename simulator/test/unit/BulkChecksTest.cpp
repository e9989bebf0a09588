//===- BulkChecksTest.cpp - What is wrong with a bulk copy ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One defect each in a kernel that is otherwise right.
//
//===----------------------------------------------------------------------===//
#include "CopyKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

TensorMapDesc matrix() {
  TensorMapDesc map;
  map.element = TensorMapDesc::Element::BF16;
  map.rank = 2;
  map.swizzle = TensorMapDesc::Swizzle::B64;
  map.dim[0] = 40, map.dim[1] = 20;
  map.stride[1] = 96;
  map.box[0] = 32, map.box[1] = 16;
  return map;
}

/// A body with thread 0's copy of 1024 bytes, by map or without.
CopyJob make(const std::string &body, unsigned ctas = 1) {
  CopyJob job(body, ctas);
  job.map = matrix();
  job.tx = 1024;
  return job;
}

const char *const kBulkLoad = "cp.async.bulk.shared::cluster.global.mbarrier::"
                              "complete_tx::bytes [%smem], [%global], 1024, "
                              "[bars]";
const char *const kBulkStore =
    "cp.async.bulk.global.shared::cta.bulk_group [%global], [%smem], 1024";

std::vector<std::string> loads() { return {tensorLoad(2, "%smem"), kBulkLoad}; }
std::vector<std::string> stores() {
  return {tensorStore(2, "%smem"), kBulkStore};
}

/// The same text with something else in one place.
std::string with(std::string text, const std::string &from,
                 const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << "\n" << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

} // namespace

TEST(BulkChecksTest, NothingIsWrong) {
  for (const std::string &copy : loads()) {
    expectNoFinding(make(loadText(copy)));
  }
  for (const std::string &copy : stores()) {
    expectNoFinding(make(storeText(copy)));
  }
}

//===--- Order ------------------------------------------------------------===//

TEST(BulkChecksTest, LoadIsNotWaitedFor) {
  for (const std::string &copy : loads()) {
    CopyJob job = make("  @!%one bra issued;\n"
                       "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                       "[bars], %tx;\n  " +
                       copy + "; // @copy\nissued:\n  bar.sync 0;\n");
    expectRace(job, "read", "copy");
  }
}

/// The copy is on its way while it is read.
TEST(BulkChecksTest, LoadIsNotWaitedForAndRacesAreNotLookedFor) {
  for (const std::string &copy : loads()) {
    CopyJob job = make("  @!%one bra issued;\n"
                       "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                       "[bars], %tx;\n  " +
                       copy + "; // @copy\nissued:\n  bar.sync 0;\n");
    Options options;
    options.checks.races = false;
    CopyOutcome got = job.run(options);
    EXPECT_TRUE(got.has({job.source.line("read")}, {"async"}))
        << got.describe();
  }
}

/// A wait of thread 0 alone orders nothing for the others.
TEST(BulkChecksTest, LoadIsWaitedForByOne) {
  for (const std::string &copy : loads()) {
    std::string text =
        "  @!%one bra over;\n"
        "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, [bars], %tx;\n"
        "  " +
        copy + "; // @copy\n" + waitText("bars", "0", "wait") + "over:\n";
    expectRace(make(text), "read", "copy");
    expectNoFinding(make(text + "  bar.sync 0;\n"));
  }
}

/// A second copy to where others still read the first.
TEST(BulkChecksTest, DestinationIsCopiedToWhileItIsRead) {
  for (const std::string &copy : loads()) {
    std::string text = loadText(copy) +
                       "  shl.b32 %at, %thread, 2;\n"
                       "  add.u32 %to, %smem, %at;\n"
                       "  ld.shared.b32 %x, [%to]; // @use\n"
                       "  // between\n"
                       "  @!%one bra poll_again;\n"
                       "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                       "[bars+8], %tx;\n  " +
                       with(copy, "[bars]", "[bars+8]") + "; // @second\n" +
                       waitText("bars+8", "0", "again");
    CopyJob job = make(text);
    expectRace(job, "use", "second");
    expectNoFinding(make(with(text, "  // between\n", "  bar.sync 0;\n")));
  }
}

TEST(BulkChecksTest, TwoCopiesToOnePlace) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy + "; // @one\n  " + copy));
    job.tx = 2048;
    for (const Options &options : everyOptions()) {
      CopyOutcome got = job.run(options);
      EXPECT_TRUE(
          got.has({job.source.line("one"), job.source.line("copy")}, {"races"}))
          << nameOf(options) << got.describe();
    }
  }
}

TEST(BulkChecksTest, ProxyFenceIsMissing) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText(copy));
    job.source.drop("proxy");
    expectFinding(job, "copy", "races");
  }
  // What the threads wrote, and the copy overwrites.
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy));
    job.source.drop("proxy");
    expectFinding(job, "copy", "races");
  }
}

/// Before the barrier, or behind it in the thread that copies: the manual has
/// it anywhere between.
TEST(BulkChecksTest, ProxyFenceOfTheIssuer) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText("fence.proxy.async;\n  " + copy));
    job.source.drop("proxy");
    expectNoFinding(job);
    job = make(storeText("fence.proxy.async.shared::cta;\n  " + copy));
    job.source.drop("proxy");
    expectNoFinding(job);
  }
}

TEST(BulkChecksTest, BarrierBeforeAStoreIsMissing) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText(copy));
    job.source.drop("ready");
    expectRace(job, "fill", "copy");
  }
}

TEST(BulkChecksTest, StoreIsNotCommittedOrNotWaitedFor) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText(copy));
    job.source.drop("commit");
    expectFinding(job, "copy", "async");
    job = make(storeText(copy));
    job.source.drop("done");
    expectFinding(job, "copy", "async");
    // One is left.
    job = make(storeText(copy));
    job.source.replace("done", "  cp.async.bulk.wait_group 1;");
    expectFinding(job, "copy", "async");
    // Its source has been read: the CTA may end.
    job = make(storeText(copy));
    job.source.replace("done", "  cp.async.bulk.wait_group.read 0;");
    expectNoFinding(job);
  }
}

TEST(BulkChecksTest, SourceIsWrittenBeforeItIsRead) {
  std::string touch = "  st.shared.b32 [%smem+1020], %x; // @touch\n";
  for (const std::string &copy : stores()) {
    for (const char *where : {"copy", "commit"}) {
      CopyJob job = make(storeText(copy) + "  bar.sync 0;\n");
      job.source.after(where, touch);
      expectRace(job, "touch", "copy");
    }
    CopyJob job = make(storeText(copy) + "  bar.sync 0;\n");
    job.source.after("done", touch);
    expectNoFinding(job);
    job.source.replace("done", "  cp.async.bulk.wait_group.read 0;");
    expectNoFinding(job);
    // Another warp, before thread 0 has waited.
    std::string other = "  setp.eq.u32 %done, %thread, 40;\n  @%done" +
                        touch.substr(1) + "  bar.sync 0;\n";
    job = make(storeText(copy) + other);
    expectRace(job, "touch", "copy");
    expectNoFinding(make(storeText(copy) + "  bar.sync 0;\n" + other));
  }
}

//===--- Operands ---------------------------------------------------------===//

TEST(BulkChecksTest, NegativeCoordinatesOfAStore) {
  for (int d : {0, 1}) {
    for (int32_t c : {-1, -1000}) {
      CopyJob job = make(storeText(tensorStore(2, "%smem")));
      job.at[d] = c;
      expectFinding(job, "copy", "async", std::to_string(c));
    }
  }
}

TEST(BulkChecksTest, SharedAddressIsNotAligned) {
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

TEST(BulkChecksTest, GlobalAddressIsNotAligned) {
  for (const char *off : {"+1", "+4", "+8"}) {
    std::string address = std::string("[%global") + off + "]";
    expectFinding(make(loadText(with(kBulkLoad, "[%global]", address))), "copy",
                  "alignment");
    expectFinding(make(storeText(with(kBulkStore, "[%global]", address))),
                  "copy", "alignment");
  }
}

TEST(BulkChecksTest, SizeIsNoMultipleOf16) {
  for (const char *size : {"1020", "1016", "8", "1"}) {
    expectFinding(make(loadText(with(kBulkLoad, "1024", size))), "copy",
                  "alignment", size);
    expectFinding(make(storeText(with(kBulkStore, "1024", size))), "copy",
                  "alignment", size);
  }
}

TEST(BulkChecksTest, MapIsNotAligned) {
  for (const char *off : {"8", "16", "32"}) {
    std::string move = std::string("  add.u64 %map, %map, ") + off + ";\n";
    expectFinding(make(move + loadText(tensorLoad(2, "%smem"))), "copy",
                  "alignment");
    expectFinding(make(move + storeText(tensorStore(2, "%smem"))), "copy",
                  "alignment");
  }
}

TEST(BulkChecksTest, MapIsNone) {
  for (int value : {0, 0xCD, 0xFF}) {
    CopyJob job = make(loadText(tensorLoad(2, "%smem")));
    job.mapBytes.assign(128, std::byte(value));
    expectFinding(job, "copy", "async");
    job = make(storeText(tensorStore(2, "%smem")));
    job.mapBytes.assign(128, std::byte(value));
    expectFinding(job, "copy", "async");
  }
}

TEST(BulkChecksTest, RankIsNotTheMaps) {
  for (unsigned rank : {1u, 3u, 4u, 5u}) {
    expectFinding(make(loadText(tensorLoad(rank, "%smem"))), "copy", "async");
    expectFinding(make(storeText(tensorStore(rank, "%smem"))), "copy", "async");
  }
}

TEST(BulkChecksTest, OutsideOfShared) {
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

TEST(BulkChecksTest, OutsideOfGlobal) {
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

TEST(BulkChecksTest, NobodyWroteTheSource) {
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
TEST(BulkChecksTest, NobodyWroteTheDestination) {
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
TEST(BulkChecksTest, PartsOfLines) {
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

TEST(BulkChecksTest, BarrierIsNotInitialised) {
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

TEST(BulkChecksTest, BarrierIsNotAligned) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(with(copy, "[bars]", "[bars+4]")));
    expectFinding(job, "copy", "alignment");
  }
}

//===--- Clusters ---------------------------------------------------------===//

TEST(BulkChecksTest, MaskBeyondTheCluster) {
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
TEST(BulkChecksTest, SharedOfAnotherCTAIsNotTheOwn) {
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
TEST(BulkChecksTest, SourceIsInAnotherCTA) {
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

/// The reader of the other CTA waits at its own barrier, or races.
TEST(BulkChecksTest, OtherCTAsWaitForTheirCopies) {
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
