//===- MbarrierTest.cpp - mbarriers and the lanes of a warp ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

/// One warp; lane 0 initialises `bar` with the count.
Launch warpOf(const std::string &count, const std::string &body) {
  Launch launch(".shared .align 8 .b64 bar;",
                "  setp.eq.u32 %p0, %thread, 0;\n"
                "  @%p0 mbarrier.init.shared.b64 [bar], " +
                    count + ";\n  bar.sync 0;\n" + body);
  launch.config.block.x = 32;
  launch.words = 32;
  return launch;
}

const char *const kStorePhase =
    "  bar.sync 0;\n"
    "  mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0;\n"
    "  selp.u32 %v1, 1, 0, %p1;\n  st.global.u32 [%own], %v1;\n";

std::vector<uint32_t> all(uint32_t value) {
  return std::vector<uint32_t>(32, value);
}

} // namespace

/// A thread arrives for itself: as many as there are lanes, or their counts'
/// sum.
TEST(MbarrierTest, EachLaneArrives) {
  struct Case {
    const char *arrive;
    unsigned sum;
  };
  for (const Case &c : {Case{"mbarrier.arrive.shared.b64 _, [bar];", 32},
                        {"mbarrier.arrive.shared.b64 _, [bar], 3;", 96},
                        {"mbarrier.arrive.shared.b64 _, [bar], %v0;", 528},
                        {"@%p2 mbarrier.arrive.shared.b64 _, [bar];", 10}}) {
    for (unsigned more = 0; more < 2; ++more) {
      Launch launch = warpOf(std::to_string(c.sum + more),
                             "  add.u32 %v0, %lane, 1;\n"
                             "  setp.lt.u32 %p2, %lane, 10;\n  " +
                                 std::string(c.arrive) + "\n" + kStorePhase);
      expectClean(launch, all(more == 0));
    }
  }
}

TEST(MbarrierTest, EachLaneExpectsItsBytes) {
  for (unsigned missing = 0; missing < 2; ++missing) {
    // 0 + .. + 31 bytes are expected, and all but `missing` complete.
    Launch launch =
        warpOf("33", "  mbarrier.arrive.expect_tx.shared.b64 _, [bar], %lane;\n"
                     "  mov.u32 %v2, " +
                         std::to_string(496 - missing) +
                         ";\n"
                         "  @%p0 mbarrier.complete_tx.shared.b64 [bar], %v2;\n"
                         "  @%p0 mbarrier.arrive.shared.b64 _, [bar];\n" +
                         kStorePhase);
    expectClean(launch, all(missing == 0));
  }
}

/// The lanes find different counts: each that there is, once.
TEST(MbarrierTest, PendingCountsOfLanes) {
  for (std::string drop : {"", "_drop"}) {
    Launch launch = warpOf("40", "  mbarrier.arrive" + drop +
                                     ".noComplete.shared.b64 %x0, [bar], 1;\n"
                                     "  mbarrier.pending_count.b64 %v0, %x0;\n"
                                     "  st.global.u32 [%own], %v0;\n");
    for (const Options &options : everySchedule()) {
      LaunchOutcome outcome = launch.run(options);
      ASSERT_EQ(outcome.error, "");
      EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
      std::sort(outcome.out.begin(), outcome.out.end());
      for (unsigned lane = 0; lane < 32; ++lane) {
        EXPECT_EQ(outcome.out[lane], 9 + lane);
      }
    }
  }
}

/// A wait for the phase before the first one is over at once, one for the first
/// is not; nobody else runs who could end it, and it gives false.
TEST(MbarrierTest, FreshBarrier) {
  for (std::string wait : {"test_wait", "try_wait"}) {
    for (unsigned parity : {0u, 1u}) {
      Launch launch = warpOf(
          "32", "  mov.u32 %v1, 0;\n  mov.u32 %v2, 20;\nagain:\n"
                "  mbarrier." +
                    wait + ".parity.shared.b64 %p1, [bar], " +
                    std::to_string(parity) +
                    ";\n"
                    // A few more times, as a wait may give up.
                    "  sub.u32 %v2, %v2, 1;\n  setp.ne.u32 %p2, %v2, 0;\n"
                    "  @%p1 bra over;\n  @%p2 bra again;\nover:\n"
                    "  selp.u32 %v1, 1, 0, %p1;\n"
                    "  st.global.u32 [%own], %v1;\n");
      expectClean(launch, all(parity));
    }
  }
}

/// Texts that ptxas refuses as well.
TEST(MbarrierTest, Refused) {
  for (const char *text :
       {// The state of an object elsewhere cannot be had.
        "mbarrier.arrive.shared::cluster.b64 %x0, [bar];",
        "mbarrier.arrive.expect_tx.shared::cluster.b64 %x0, [bar], 8;",
        "mbarrier.arrive_drop.shared::cluster.b64 %x0, [bar];",
        // Nor can one be waited for, initialised or left uncompleted.
        "mbarrier.test_wait.parity.shared::cluster.b64 %p1, [bar], 0;",
        "mbarrier.try_wait.parity.shared::cluster.b64 %p1, [bar], 0;",
        "mbarrier.init.shared::cluster.b64 [bar], 1;",
        "mbarrier.inval.shared::cluster.b64 [bar];",
        "mbarrier.arrive.noComplete.shared::cluster.b64 _, [bar], 1;",
        "cp.async.mbarrier.arrive.shared::cluster.b64 [bar];",
        // Words that do not go together.
        "mbarrier.arrive.acquire.cta.shared.b64 _, [bar];",
        "mbarrier.test_wait.parity.release.cta.shared.b64 %p1, [bar], 0;",
        "mbarrier.expect_tx.release.cta.shared.b64 [bar], 8;",
        "mbarrier.arrive.noComplete.shared.b64 _, [bar];",
        "mbarrier.arrive.expect_tx.shared.b64 _, [bar];",
        "mbarrier.arrive.noComplete.relaxed.cta.shared.b64 _, [bar], 1;",
        "mbarrier.arrive.noComplete.release.cluster.shared.b64 _, [bar], 1;",
        "mbarrier.arrive.release.shared.b64 _, [bar];",
        "mbarrier.arrive.cluster.shared.b64 _, [bar];",
        "mbarrier.arrive.shared.b64 [bar];",
        "mbarrier.arrive.expect_tx.shared.b64 [bar], 8;",
        "mbarrier.arrive.global.b64 _, [bar];",
        "mbarrier.arrive.shared.b32 _, [bar];",
        "mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0, 10;",
        "mbarrier.wait.shared.b64 %p1, [bar], 0;"}) {
    Launch launch = warpOf("1", "  " + std::string(text) + " // @bad\n");
    std::string line =
        "line " + std::to_string(launch.source.line("bad")) + ":";
    EXPECT_EQ(refusal(launch).substr(0, line.size()), line) << text;
  }
}
