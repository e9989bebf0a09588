//===- MbarrierRingTest.cpp - Warps that hand data over by mbarrier -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr unsigned kRounds = 7;

std::string number(size_t i) { return std::to_string(i); }

/// Text with each '$name' replaced.
std::string fill(std::string text,
                 const std::vector<std::pair<std::string, std::string>> &with) {
  for (auto &[name, value] : with) {
    for (size_t at; (at = text.find("$" + name)) != std::string::npos;) {
      text.replace(at, name.size() + 1, value);
    }
  }
  return text;
}

/// How a ring is used.
struct Ring {
  unsigned stages = 2;
  /// Lane 0 arrives for its warp behind a bar.warp.sync.
  bool oneArrives = false;
  std::string wait = "mbarrier.try_wait.parity.shared.b64";
  std::string hint = {};
  std::string arrive = "mbarrier.arrive.shared.b64 _,";
};

/// Warp 0 writes words round * 100 + lane to a stage of `data`, warp 1 reads
/// those of the lane across. full[stage] and empty[stage] say who may go on:
/// round r uses stage r % stages, and the parity of its phase is r / stages
/// & 1. The producer waits for what is one phase before, which is over at
/// first.
Launch ringOf(const Ring &ring) {
  std::string text = fill(
      R"(
  setp.ne.u32 %p0, %thread, 0;
  @%p0 bra started;
  $init
  fence.mbarrier_init.release.cluster;
started:
  bar.sync 0; // @ready
  mov.u32 %v0, 0;
  mov.u32 %v1, data;
  mov.u32 %v2, bars;
  setp.ne.u32 %p1, %lane, 0;
round:
  rem.u32 %v3, %v0, $stages;
  div.u32 %v4, %v0, $stages;
  and.b32 %v4, %v4, 1;
  mad.lo.u32 %v5, %v3, 128, %v1;
  mad.lo.u32 %v6, %v3, 16, %v2;
  setp.eq.u32 %p2, %warp, 1;
  @%p2 bra consume;
  xor.b32 %v4, %v4, 1;
$waitEmpty
  mad.lo.u32 %v5, %lane, 4, %v5;
  mad.lo.u32 %v7, %v0, 100, %lane;
  st.shared.b32 [%v5], %v7; // @write
  $sync
  $one$arrive [%v6]; // @arriveFull
  bra next;
consume:
$waitFull
  xor.b32 %v7, %lane, 31;
  mad.lo.u32 %v5, %v7, 4, %v5;
  ld.shared.b32 %v7, [%v5]; // @read
  $sync
  $one$arrive [%v6+8]; // @arriveEmpty
  mad.lo.u32 %v8, %v0, 32, %lane;
  mad.wide.u32 %x0, %v8, 4, %out;
  st.global.b32 [%x0], %v7;
next:
  add.u32 %v0, %v0, 1;
  setp.lt.u32 %p2, %v0, $rounds;
  @%p2 bra round;
)",
      {{"stages", number(ring.stages)},
       {"waitEmpty",
        waitText(ring.wait, "[%v6+8], %v4" + ring.hint, "waitEmpty")},
       {"waitFull", waitText(ring.wait, "[%v6], %v4" + ring.hint, "waitFull")},
       {"sync", ring.oneArrives ? "bar.warp.sync -1; // @s" : ""},
       {"one", ring.oneArrives ? "@!%p1 " : ""},
       {"arrive", ring.arrive},
       {"rounds", number(kRounds)}});
  std::string init;
  for (unsigned i = 0; i < 2 * ring.stages; ++i) {
    init += "mbarrier.init.shared.b64 [bars+" + number(8 * i) + "], " +
            (ring.oneArrives ? "1" : "32") + ";\n";
  }
  Launch launch(".shared .align 16 .b8 bars[" + number(16 * ring.stages) +
                    "];\n  .shared .align 16 .b8 data[" +
                    number(128 * ring.stages) + "];",
                fill(text, {{"init", init}}));
  launch.config.block.x = 64;
  launch.words = 32 * kRounds;
  return launch;
}

std::vector<uint32_t> ringWords() {
  std::vector<uint32_t> words;
  for (unsigned i = 0; i < 32 * kRounds; ++i) {
    words.push_back(i / 32 * 100 + 31 - i % 32);
  }
  return words;
}

} // namespace

TEST(MbarrierRingTest, HandsOver) {
  for (unsigned stages : {1u, 2u, 3u}) {
    for (bool oneArrives : {false, true}) {
      for (std::string wait :
           {"mbarrier.try_wait.parity.shared.b64",
            "mbarrier.test_wait.parity.shared.b64",
            "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64",
            "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64"}) {
        Ring ring;
        ring.stages = stages;
        ring.oneArrives = oneArrives;
        ring.wait = wait;
        if (oneArrives && wait.find("try") != std::string::npos) {
          ring.hint = ", 1000";
          ring.arrive = "mbarrier.arrive.release.cta.shared::cta.b64 _,";
        }
        expectClean(ringOf(ring), ringWords());
      }
    }
  }
}

/// Nothing but the default order hands data over.
TEST(MbarrierRingTest, RelaxedIsNoOrder) {
  Ring arrives;
  arrives.arrive = "mbarrier.arrive.relaxed.cta.shared.b64 _,";
  expectFinding(ringOf(arrives), {"read", "write"}, {"races"});
  Ring waits;
  waits.wait = "mbarrier.try_wait.parity.relaxed.cta.shared.b64";
  expectFinding(ringOf(waits), {"read", "write"}, {"races"});
}

/// A relaxed wait and a fence are an acquire, a fence and a relaxed arrival a
/// release [8.7].
TEST(MbarrierRingTest, RelaxedWithFences) {
  Ring ring;
  ring.arrive = "mbarrier.arrive.relaxed.cta.shared.b64 _,";
  ring.wait = "mbarrier.try_wait.parity.relaxed.cta.shared.b64";
  Launch launch = ringOf(ring);
  for (std::string name : {"arriveFull", "arriveEmpty"}) {
    launch.source.before(name, "  fence.acq_rel.cta;");
  }
  launch.source.swap("  @!%p7 bra waitFull_again;\n",
                     "  @!%p7 bra waitFull_again;\n  fence.acq_rel.cta;\n");
  launch.source.swap("  @!%p7 bra waitEmpty_again;\n",
                     "  @!%p7 bra waitEmpty_again;\n  fence.acq_rel.cta;\n");
  expectClean(launch, ringWords());
}

TEST(MbarrierRingTest, ReadyIsMissing) {
  Launch launch = ringOf(Ring());
  launch.source.drop("ready");
  expectFinding(launch, {"waitEmpty", "waitFull", "arriveFull", "arriveEmpty"},
                {"races", "barriers"});
}

/// Both wait for phases that nobody is going to complete.
TEST(MbarrierRingTest, ProducerStartsWithTheWrongParity) {
  Launch launch = ringOf(Ring());
  launch.source.swap("  xor.b32 %v4, %v4, 1;\n", "");
  expectDeadlock(launch, "waitEmpty",
                 "shared+8 (phase 0: 32 of 32 arrivals missing)");
  expectDeadlock(launch, "waitFull",
                 "shared+0 (phase 0: 32 of 32 arrivals missing)");
}

/// It reads what may not be there; or waits, if it is.
TEST(MbarrierRingTest, ConsumerIsAPhaseAhead) {
  Launch launch = ringOf(Ring());
  launch.source.swap("consume:\n", "consume:\n  xor.b32 %v4, %v4, 1;\n");
  expectFindingOnce(launch, {"read", "write"}, {"races", "uninitialised"});
  for (const Options &options : everySchedule()) {
    EXPECT_FALSE(launch.run(options).findings.empty()) << nameOf(options);
  }
}

/// Waits that are not repeated: try_wait may give up.
TEST(MbarrierRingTest, OneTryIsNoWait) {
  for (std::string name : {"waitEmpty", "waitFull"}) {
    for (std::string wait : {"mbarrier.try_wait.parity.shared.b64",
                             "mbarrier.test_wait.parity.shared.b64"}) {
      Ring ring;
      ring.wait = wait;
      Launch launch = ringOf(ring);
      launch.source.swap("  @!%p7 bra " + name + "_again;\n", "");
      expectFindingOnce(launch, {"write", "read"}, {"races"});
    }
  }
}

TEST(MbarrierRingTest, CountsAreWrong) {
  // One more than arrives: nobody gets on.
  Launch more = ringOf(Ring());
  more.source.swap("[bars+0], 32;", "[bars+0], 33;");
  expectDeadlock(more, "waitFull",
                 "shared+0 (phase 0: 1 of 33 arrivals missing)");
  // Half of it: a round completes two phases, which looks like none.
  Launch less = ringOf(Ring());
  less.source.swap("[bars+0], 32;", "[bars+0], 16;");
  expectDeadlock(less, "waitFull",
                 "shared+0 (phase 2: 16 of 16 arrivals missing)");
}

//===--- Both sides arrive ------------------------------------------------===//

namespace {

/// All warps arrive and wait for what their arrival gave them: a CTA's barrier.
Launch everybody(const std::string &wait, unsigned warps) {
  Launch launch(
      ".shared .align 8 .b64 bar;\n  .shared .align 4 .b32 data[128];",
      fill(R"(
  setp.eq.u32 %p0, %thread, 0;
  @%p0 mbarrier.init.shared.b64 [bar], $threads; // @init
  bar.sync 0; // @ready
  mov.u32 %v0, 0;
  mov.u32 %v1, data;
  mad.lo.u32 %v2, %thread, 4, %v1;
  sub.u32 %v3, $threads, %thread;
  sub.u32 %v3, %v3, 1;
  mad.lo.u32 %v3, %v3, 4, %v1;
  mov.u32 %v4, 0;
round:
  mad.lo.u32 %v5, %v0, 1000, %thread;
  st.shared.b32 [%v2], %v5; // @write
  mbarrier.arrive.shared.b64 %x0, [bar];
$one
  ld.shared.b32 %v5, [%v3]; // @read
  add.u32 %v4, %v4, %v5;
  mbarrier.arrive.shared.b64 %x0, [bar];
$two
  add.u32 %v0, %v0, 1;
  setp.lt.u32 %p1, %v0, 3;
  @%p1 bra round;
  st.global.u32 [%own], %v4;
)",
           {{"threads", number(32 * warps)},
            {"one", waitText(wait, "[bar], %x0", "one")},
            {"two", waitText(wait, "[bar], %x0", "two")}}));
  launch.config.block.x = 32 * warps;
  launch.words = 32 * warps;
  return launch;
}

} // namespace

TEST(MbarrierRingTest, EverybodyMeets) {
  for (unsigned warps : {1u, 2u, 4u}) {
    for (std::string wait :
         {"mbarrier.test_wait.shared.b64", "mbarrier.try_wait.shared.b64",
          "mbarrier.try_wait.acquire.cta.shared::cta.b64"}) {
      std::vector<uint32_t> out;
      for (uint32_t t = 0; t < 32 * warps; ++t) {
        out.push_back(3000 + 3 * (32 * warps - 1 - t));
      }
      expectClean(everybody(wait, warps), out);
    }
  }
}

TEST(MbarrierRingTest, OneOfTwoMeetingsIsMissing) {
  for (std::string name : {"one", "two"}) {
    Launch launch = everybody("mbarrier.try_wait.shared.b64", 2);
    launch.source.swap("  @!%p7 bra " + name + "_again;\n", "");
    expectFindingOnce(launch, {"read", "write"}, {"races"});
  }
}

/// Those that leave drop out: the others meet without them.
TEST(MbarrierRingTest, WarpsDropOut) {
  for (std::string drop : {"mbarrier.arrive_drop.shared.b64 _, [bar];",
                           "mbarrier.arrive_drop.release.cta.shared::cta.b64 "
                           "%x0, [bar], 1;"}) {
    Launch launch = everybody("mbarrier.try_wait.shared.b64", 4);
    // Warp 3 writes what the others read and leaves; warp 0 reads it.
    launch.source.after("ready", "  setp.ne.u32 %p2, %warp, 3;\n"
                                 "  @%p2 bra stay;\n"
                                 "  mad.lo.u32 %v2, %thread, 4, data;\n"
                                 "  st.shared.b32 [%v2], 5; // @last\n  " +
                                     drop + "\n  ret;\nstay:");
    // Warp 3 is not there to write again: warp 0 reads the same each round.
    std::vector<uint32_t> out;
    for (uint32_t t = 0; t < 128; ++t) {
      out.push_back(t < 32 ? 15 : t < 96 ? 3000 + 3 * (127 - t) : kUnwritten);
    }
    expectClean(launch, out);
  }
}
