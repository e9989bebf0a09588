//===- MbarrierCopiesTest.cpp - cp.async that arrives at an mbarrier ------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.13.15.15] Without .noinc, the arrival is counted when it is announced;
// with it, the object's count has to foresee it.
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr unsigned kWords = 64;

/// Each lane of warp 0 copies two words and lets `arrive` follow them; warp 1
/// waits and reads those of the lane across.
struct Copies {
  unsigned count = 32;
  std::string arrive = "cp.async.mbarrier.arrive.noinc.shared.b64 [bar];";
  /// Behind it, by the lanes that copied.
  std::string behind = {};
  std::string wait = "mbarrier.try_wait.parity.shared.b64";
};

Launch launchOf(const Copies &c) {
  Launch launch(
      ".shared .align 8 .b64 bar;\n  .shared .align 8 .b32 data[64];",
      "  setp.eq.u32 %p0, %thread, 0;\n"
      "  @%p0 mbarrier.init.shared.b64 [bar], " +
          std::to_string(c.count) +
          ";\n  bar.sync 0; // @ready\n"
          "  mov.u32 %v0, data;\n  mov.u64 %x1, bar;\n"
          "  cvta.shared.u64 %x1, %x1;\n"
          "  setp.eq.u32 %p1, %warp, 1;\n  @%p1 bra reader;\n"
          "  mad.lo.u32 %v1, %lane, 8, %v0;\n"
          "  mad.wide.u32 %x0, %lane, 8, %in;\n"
          "  cp.async.ca.shared.global [%v1], [%x0], 4;\n"
          "  cp.async.ca.shared.global [%v1+4], [%x0+4], 4; // @copy\n  " +
          c.arrive + " // @arrive\n" + c.behind + "  ret; // @left\nreader:\n" +
          waitText(c.wait, "[bar], 0", "wait") +
          "  xor.b32 %v2, %lane, 31;\n  mad.lo.u32 %v1, %v2, 8, %v0;\n"
          "  mad.wide.u32 %x0, %v2, 8, %out;\n"
          "  ld.shared.v2.b32 {%v3, %v4}, [%v1]; // @read\n"
          "  st.global.v2.b32 [%x0], {%v3, %v4};\n");
  launch.config.block.x = 64;
  launch.words = kWords;
  launch.in.clear();
  for (uint32_t i = 0; i < kWords; ++i) {
    launch.in.push_back(i * 2654435761u);
  }
  return launch;
}

const std::string kArrive = "  mbarrier.arrive.shared.b64 _, [bar];\n";

} // namespace

TEST(MbarrierCopiesTest, NotCountedBefore) {
  for (const char *arrive :
       {"cp.async.mbarrier.arrive.noinc.shared.b64 [bar];",
        "cp.async.mbarrier.arrive.noinc.shared::cta.b64 [bar];",
        "cp.async.mbarrier.arrive.noinc.b64 [%x1];"}) {
    Copies alone;
    alone.arrive = arrive;
    Launch launch = launchOf(alone);
    expectClean(launch, launch.in);
    Copies both = alone;
    both.count = 64;
    both.behind = kArrive;
    launch = launchOf(both);
    expectClean(launch, launch.in);
  }
}

TEST(MbarrierCopiesTest, Counted) {
  for (const char *arrive : {"cp.async.mbarrier.arrive.shared.b64 [bar];",
                             "cp.async.mbarrier.arrive.shared::cta.b64 [bar];",
                             "cp.async.mbarrier.arrive.b64 [%x1];"}) {
    Copies copies;
    copies.arrive = arrive;
    copies.behind = kArrive;
    Launch launch = launchOf(copies);
    expectClean(launch, launch.in);
  }
}

/// Several of them follow what was copied until then.
TEST(MbarrierCopiesTest, ThreeOfThem) {
  Copies counted;
  counted.arrive = "cp.async.mbarrier.arrive.shared.b64 [bar];";
  counted.behind = kArrive;
  Copies foreseen;
  foreseen.count = 3 * 32;
  for (const Copies &copies : {counted, foreseen}) {
    Launch launch = launchOf(copies);
    for (int i = 0; i < 2; ++i) {
      launch.source.before("copy", "  " + copies.arrive);
    }
    expectClean(launch, launch.in);
  }
}

TEST(MbarrierCopiesTest, WithoutAnyCopy) {
  Copies copies;
  copies.behind = "  mov.u32 %v1, 5;\n";
  Launch launch = launchOf(copies);
  launch.source.swap("  cp.async.ca.shared.global [%v1], [%x0], 4;\n", "");
  launch.source.replace("copy", "  cp.async.wait_all;");
  launch.source.swap("  ld.shared.v2.b32 {%v3, %v4}, [%v1]; // @read\n",
                     "  mov.u32 %v3, 1;\n  mov.u32 %v4, 2;\n");
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < kWords; ++i) {
    out.push_back(1 + i % 2);
  }
  expectClean(launch, out);
}

/// The arrival of copies that are counted cancels out: it completes nothing.
TEST(MbarrierCopiesTest, CountedAloneCompletesNothing) {
  Copies copies;
  copies.arrive = "cp.async.mbarrier.arrive.shared.b64 [bar];";
  expectDeadlock(launchOf(copies), "wait",
                 "(phase 0: 32 of 32 arrivals missing)");
}

TEST(MbarrierCopiesTest, ForeseenTooFew) {
  Copies copies;
  copies.count = 65;
  copies.behind = kArrive;
  expectDeadlock(launchOf(copies), "wait",
                 "(phase 0: 1 of 65 arrivals missing)");
  // Half of the copies complete the phase of which they are not a part.
  copies.count = 32;
  for (const Options &options : everySchedule()) {
    EXPECT_FALSE(launchOf(copies).run(options).findings.empty())
        << nameOf(options);
  }
}

/// An arrival of the thread is none of its copies.
TEST(MbarrierCopiesTest, OnlyTheThreadArrives) {
  Copies copies;
  copies.arrive = "mbarrier.arrive.shared.b64 _, [bar];";
  copies.behind = "  cp.async.wait_all;\n";
  expectFinding(launchOf(copies), {"read", "copy"}, {"races", "async"});
}

/// Copies behind it are not waited for.
TEST(MbarrierCopiesTest, CopyBehindTheArrival) {
  Copies copies;
  Launch launch = launchOf(copies);
  launch.source.drop("copy");
  launch.source.after("arrive",
                      "  cp.async.ca.shared.global [%v1+4], [%x0+4], 4; "
                      "// @late\n  cp.async.wait_all;");
  expectFinding(launch, {"read", "late"}, {"races", "async"});
}

TEST(MbarrierCopiesTest, NobodyWaits) {
  Copies copies;
  Launch launch = launchOf(copies);
  launch.source.swap("  @!%p7 bra wait_again;\n", "");
  expectFindingOnce(launch, {"read", "copy"}, {"races", "async"});
}
