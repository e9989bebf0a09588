//===- MbarrierOrderTest.cpp - What an mbarrier makes known ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

//===--- Order ------------------------------------------------------------===//

namespace {

/// Warp 0 writes a word per lane and signals; warp 1 waits and reads.
Launch signal(const std::string &signal, const std::string &wait) {
  Launch launch(".shared .align 8 .b64 bar;\n  .shared .align 4 .b32 "
                "data[32];",
                "  setp.eq.u32 %p0, %thread, 0;\n"
                "  @%p0 mbarrier.init.shared.b64 [bar], 32; // @init\n"
                "  bar.sync 0; // @ready\n"
                "  mov.u32 %v0, data;\n  mad.lo.u32 %v0, %lane, 4, %v0;\n"
                "  setp.eq.u32 %p1, %warp, 1;\n  @%p1 bra reader;\n"
                "  mad.lo.u32 %v1, %lane, 3, 1000;\n"
                "  st.shared.b32 [%v0], %v1; // @write\n" +
                    signal + "  ret;\nreader:\n" +
                    waitText(wait, "[bar], 0", "wait") +
                    "  ld.shared.b32 %v1, [%v0]; // @read\n"
                    "  st.global.b32 [%out], %v1;\n");
  launch.source.swap("[%out], %v1;", "[%x0], %v1;");
  launch.source.before("ready", "  mad.wide.u32 %x0, %lane, 4, %out;");
  launch.config.block.x = 64;
  launch.words = 32;
  return launch;
}

std::vector<uint32_t> signalled() {
  std::vector<uint32_t> words;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    words.push_back(1000 + 3 * lane);
  }
  return words;
}

const std::string kWait = "mbarrier.try_wait.parity.shared.b64";

} // namespace

TEST(MbarrierOrderTest, ArrivalsOrder) {
  for (const char *arrive :
       {"mbarrier.arrive.shared.b64 _, [bar];",
        "mbarrier.arrive.release.cta.shared::cta.b64 _, [bar];",
        "mbarrier.arrive.release.cluster.shared::cta.b64 %x1, [bar];",
        "mbarrier.arrive.shared::cluster.b64 _, [bar];",
        "mbarrier.arrive.expect_tx.shared.b64 _, [bar], 0;",
        "mbarrier.arrive_drop.shared.b64 _, [bar];"}) {
    std::string text = "  " + std::string(arrive) + "\n";
    expectClean(signal(text, kWait), signalled());
    // An arrival before the write says nothing of it.
    Launch early = signal("", kWait);
    early.source.before("write", text);
    expectFinding(early, {"read", "write"}, {"races"});
  }
  for (const char *arrive :
       {"mbarrier.arrive.relaxed.cta.shared.b64 _, [bar];",
        "mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [bar];",
        "mbarrier.arrive.expect_tx.relaxed.cta.shared.b64 _, [bar], 0;",
        "mbarrier.arrive_drop.relaxed.cta.shared.b64 _, [bar];"}) {
    std::string text = "  " + std::string(arrive) + "\n";
    expectFinding(signal(text, kWait), {"read", "write"}, {"races"});
    expectClean(signal("  fence.acq_rel.cta;\n" + text, kWait), signalled());
  }
}

TEST(MbarrierOrderTest, WaitsOrder) {
  std::string arrive = "  mbarrier.arrive.shared.b64 _, [bar];\n";
  for (std::string what :
       {"mbarrier.try_wait.parity", "mbarrier.test_wait.parity"}) {
    for (std::string order : {"", ".acquire.cta", ".acquire.cluster"}) {
      expectClean(signal(arrive, what + order + ".shared::cta.b64"),
                  signalled());
    }
    for (std::string order : {".relaxed.cta", ".relaxed.cluster"}) {
      Launch launch = signal(arrive, what + order + ".shared::cta.b64");
      expectFinding(launch, {"read", "write"}, {"races"});
      launch.source.before("read", "  fence.acq_rel.cta;");
      expectClean(launch, signalled());
    }
  }
}

/// [9.7.13.15.12] complete_tx is relaxed: nothing that its thread did before is
/// known for it.
TEST(MbarrierOrderTest, CompletedBytesAreNoOrder) {
  Launch launch =
      signal("  @%p0 mbarrier.complete_tx.shared.b64 [bar], 64;\n", kWait);
  launch.source.before("ready",
                       "  @%p0 mbarrier.expect_tx.shared.b64 [bar], 64;\n"
                       "  @%p0 mbarrier.arrive.shared.b64 _, [bar], 32;");
  expectFinding(launch, {"read", "write"}, {"races"});
}

TEST(MbarrierOrderTest, InitIsNotReady) {
  Launch launch =
      signal("  mbarrier.arrive.shared.b64 _, [bar]; // @arrive\n", kWait);
  expectClean(launch, signalled());
  launch.source.drop("ready");
  expectFinding(launch, {"wait", "arrive", "init"}, {"races", "barriers"});
  // A fence alone makes nobody wait.
  launch.source.after("init", "  fence.mbarrier_init.release.cluster;");
  expectFinding(launch, {"wait", "arrive", "init"}, {"races", "barriers"});
}

/// While others may still use it.
TEST(MbarrierOrderTest, EndsTooEarly) {
  std::string arrive = "  mbarrier.arrive.shared.b64 _, [bar];\n";
  Launch launch = signal(arrive + "  @%p0 mbarrier.inval.shared.b64 [bar]; "
                                  "// @inval\n",
                         kWait);
  expectFinding(launch, {"wait", "inval"}, {"races", "barriers"});
  Launch good = signal(arrive + "  barrier.sync 1;\n"
                                "  @%p0 mbarrier.inval.shared.b64 [bar];\n",
                       kWait);
  good.source.before("read", "  barrier.sync 1;");
  expectClean(good, signalled());
}

//===--- Bytes that copies bring ------------------------------------------===//

namespace {

/// Warp 0's first lane copies 128 bytes, warp 1 waits and reads them.
Launch bulk(const std::string &before, const std::string &behind) {
  std::string one = "  @%p0 ";
  Launch launch(
      ".shared .align 16 .b64 bar;\n  .shared .align 16 .b32 data[32];",
      one +
          "mbarrier.init.shared.b64 [bar], 1; // @init\n"
          "  @%p0 fence.proxy.async.shared::cta;\n"
          "  bar.sync 0;\n  setp.eq.u32 %p1, %warp, 1;\n"
          "  @%p1 bra reader;\n" +
          before + one +
          "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
          "[data], [%in], 128, [bar]; // @copy\n" +
          behind + "  ret;\nreader:\n" + waitText(kWait, "[bar], 0", "wait") +
          "  mov.u32 %v0, data;\n  mad.lo.u32 %v0, %lane, 4, %v0;\n"
          "  mad.wide.u32 %x0, %lane, 4, %out;\n"
          "  ld.shared.b32 %v1, [%v0]; // @read\n"
          "  st.global.b32 [%x0], %v1;\n");
  launch.source.before("init", "  setp.eq.u32 %p0, %thread, 0;");
  launch.config.block.x = 64;
  launch.words = 32;
  launch.in = signalled();
  return launch;
}

const std::string kExpect =
    "  @%p0 mbarrier.expect_tx.shared.b64 [bar], 128;\n";
const std::string kArrive = "  @%p0 mbarrier.arrive.shared.b64 _, [bar];\n";
const std::string kBoth =
    "  @%p0 mbarrier.arrive.expect_tx.shared.b64 _, [bar], 128;\n";

} // namespace

TEST(MbarrierOrderTest, BytesAreAwaited) {
  expectClean(bulk(kBoth, ""), signalled());
  // The copy may be done before it is expected: the count is below zero then.
  expectClean(bulk("", kBoth), signalled());
  expectClean(bulk(kExpect, kArrive), signalled());
  expectClean(bulk("", kExpect + kArrive), signalled());
  expectClean(bulk(kExpect + kArrive, ""), signalled());
}

/// The phase is over with the last arrival if nothing is expected by then.
TEST(MbarrierOrderTest, BytesAreExpectedTooLate) {
  expectFinding(bulk(kArrive + kExpect, ""), {"read", "copy"},
                {"races", "async"});
  expectFinding(bulk(kArrive, ""), {"read", "copy"}, {"races", "async"});
}

TEST(MbarrierOrderTest, BytesAreCountedWrong) {
  for (const char *bytes : {"112", "64", "0"}) {
    std::string less =
        "  @%p0 mbarrier.arrive.expect_tx.shared.b64 _, [bar], " +
        std::string(bytes) + ";\n";
    for (const Options &options : everySchedule()) {
      EXPECT_FALSE(bulk(less, "").run(options).findings.empty())
          << nameOf(options) << ", " << bytes;
    }
  }
  std::string more =
      "  @%p0 mbarrier.arrive.expect_tx.shared.b64 _, [bar], 144;\n";
  expectDeadlock(bulk(more, ""), "wait", "16 bytes to come");
}
