//===- ClusterBarrierTest.cpp - CTAs of a cluster that wait ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ClusterKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

//===--- The cluster's barrier --------------------------------------------===//

namespace {

/// Rank 0 reads in each round what the last thread of the last CTA has written.
Launch rounds(const std::string &arrive, const std::string &wait) {
  return clusterOf({4, 1, 1}, kWords,
                   kNames +
                       "  mov.u32 %v7, 0;\n  mov.u32 %v8, 0;\n"
                       "  setp.eq.u32 %p0, %thread, 63;\n"
                       "  mapa.shared::cluster.u32 %v2, %v3, 3;\nround:\n"
                       "  mad.lo.u32 %v5, %v7, 1000, %cta;\n"
                       "  @%p0 st.shared.u32 [words], %v5; // @write\n"
                       "  " +
                       arrive + " // @arrive1\n  " + wait +
                       " // @wait1\n"
                       "  ld.shared::cluster.u32 %v6, [%v2]; // @read\n"
                       "  add.u32 %v8, %v8, %v6;\n"
                       "  " +
                       arrive + " // @arrive2\n  " + wait +
                       " // @wait2\n"
                       "  add.u32 %v7, %v7, 1;\n  setp.lt.u32 %p1, %v7, 3;\n"
                       "  @%p1 bra round;\n  st.global.u32 [%own], %v8;\n",
                   64);
}

std::vector<uint32_t> ofRounds(const Launch &launch) {
  std::vector<uint32_t> out;
  for (uint32_t t = 0; t < launch.words; ++t) {
    out.push_back(3000 + 3 * spotOf(launch, t / 64).peer(3));
  }
  return out;
}

} // namespace

TEST(ClusterBarrierTest, BarrierForms) {
  const std::pair<const char *, const char *> forms[] = {
      {"barrier.cluster.arrive;", "barrier.cluster.wait;"},
      {"barrier.cluster.arrive.aligned;", "barrier.cluster.wait.aligned;"},
      {"barrier.cluster.arrive.release;", "barrier.cluster.wait.acquire;"},
      {"barrier.cluster.arrive.release.aligned;",
       "barrier.cluster.wait.acquire.aligned;"},
      {"fence.acq_rel.cluster;\n  barrier.cluster.arrive.relaxed;",
       "barrier.cluster.wait;"},
      {"fence.cluster.acq_rel;\n  barrier.cluster.arrive.relaxed.aligned;",
       "barrier.cluster.wait.aligned;"},
      {"fence.sc.cluster;\n  barrier.cluster.arrive.relaxed;",
       "barrier.cluster.wait.acquire;"}};
  for (auto &[arrive, wait] : forms) {
    Launch launch = rounds(arrive, wait);
    expectClean(launch, ofRounds(launch));
  }
}

TEST(ClusterBarrierTest, BarrierFormsThatThereAreNot) {
  for (const char *text :
       {"barrier.cluster.wait.release;", "barrier.cluster.arrive.acquire;",
        "barrier.cluster.wait.relaxed;", "barrier.cluster.sync;",
        "mapa.shared::cta.u32 %v2, words, 0;",
        "getctarank.shared::cta.u32 %v2, words;",
        "mapa.shared::cluster.u32 %v2, words;",
        "mapa.shared::cluster.f32 %v2, words, 0;"}) {
    Launch launch(kWords, "  " + std::string(text) + " // @bad\n");
    std::string line =
        "line " + std::to_string(launch.source.line("bad")) + ":";
    EXPECT_EQ(refusal(launch).substr(0, line.size()), line) << text;
  }
}

/// Those that have left are not waited for.
TEST(ClusterBarrierTest, BarrierWithoutThoseThatLeft) {
  Launch launch = clusterOf({4, 1, 1}, kWords,
                            "  setp.eq.u32 %p0, %rank, 2;\n  @%p0 ret;\n"
                            "  setp.lt.u32 %p0, %lane, 7;\n  @%p0 ret;\n" +
                                kMeet + "  st.global.u32 [%own], %rank;\n",
                            64);
  std::vector<uint32_t> out;
  for (uint32_t t = 0; t < launch.words; ++t) {
    uint32_t rank = spotOf(launch, t / 64).rank;
    out.push_back(rank == 2 || t % 32 < 7 ? kUnwritten : rank);
  }
  expectClean(launch, out);
}

/// Lanes of a warp may arrive, and wait, at different places.
TEST(ClusterBarrierTest, BarrierInDivergedCode) {
  Launch launch =
      clusterOf({2, 1, 1}, kWords,
                "  setp.lt.u32 %p0, %lane, 9;\n  @%p0 bra low;\n"
                "  barrier.cluster.arrive;\n  bra arrived;\n"
                "low:\n  barrier.cluster.arrive.release;\narrived:\n"
                "  @%p0 bra low2;\n  barrier.cluster.wait;\n  bra waited;\n"
                "low2:\n  barrier.cluster.wait.acquire;\nwaited:\n"
                "  st.global.u32 [%own], %rank;\n",
                64);
  std::vector<uint32_t> out;
  for (uint32_t t = 0; t < launch.words; ++t) {
    out.push_back(spotOf(launch, t / 64).rank);
  }
  expectClean(launch, out);
}

//===--- mbarriers of others ----------------------------------------------===//

namespace {

/// All threads of all CTAs store to rank 0's memory and arrive at its mbarrier;
/// its threads wait and read.
Launch gather(const std::string &arrive, const std::string &before = "") {
  return clusterOf(
      {4, 1, 1},
      ".shared .align 8 .b64 bar;\n  .shared .align 4 .b32 words[256];",
      kNames +
          "  setp.eq.u32 %p0, %thread, 0;\n"
          "  @%p0 mbarrier.init.shared.b64 [bar], 256; // @init\n"
          "  @%p0 fence.mbarrier_init.release.cluster; // @fence\n"
          "  barrier.cluster.arrive.relaxed; // @arrive\n"
          "  barrier.cluster.wait; // @ready\n"
          "  mapa.shared::cluster.u32 %v2, bar, 0;\n  mov.u64 %x5, bar;\n"
          "  cvta.shared.u64 %x5, %x5;\n  mapa.u64 %x2, %x5, 0;\n"
          "  mapa.shared::cluster.u32 %v4, words, 0;\n"
          "  mad.lo.u32 %v5, %rank, 64, %thread;\n"
          "  mad.lo.u32 %v4, %v5, 4, %v4;\n  mov.u32 %v9, 1;\n"
          "  st.shared::cluster.u32 [%v4], %t; // @write\n" +
          before + "  " + arrive +
          " // @signal\n"
          "  setp.ne.u32 %p1, %rank, 0;\n  @%p1 bra end;\n" +
          waitText("mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64",
                   "[bar], 0", "wait") +
          // From thread 63 - tid of the CTA across.
          "  sub.u32 %v5, 255, %thread;\n  mad.lo.u32 %v5, %v5, 4, %v3;\n"
          "  ld.shared.u32 %v6, [%v5]; // @read\n"
          "  st.global.u32 [%own], %v6;\nend:\n" +
          kMeet,
      64);
}

std::vector<uint32_t> gathered(const Launch &launch) {
  std::vector<uint32_t> out;
  for (uint32_t t = 0; t < launch.words; ++t) {
    Spot p = spotOf(launch, t / 64);
    out.push_back(p.rank == 0 ? p.peer(3) * 64 + 63 - t % 64 : kUnwritten);
  }
  return out;
}

const std::string kRemote =
    "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%v2];";

} // namespace

TEST(ClusterBarrierTest, ArrivalsAtOthers) {
  for (const char *arrive :
       {kRemote.c_str(),
        "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%v2], 1;",
        "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%v2], %v9;",
        "mbarrier.arrive.release.cluster.b64 _, [%x2];",
        "mbarrier.arrive.release.cluster.b64 _, [%x2], %v9;",
        "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, "
        "[%v2], 0;",
        "mbarrier.arrive_drop.release.cluster.shared::cluster.b64 _, [%v2];"}) {
    // The fence says nothing of words that nobody else has touched.
    Launch launch = gather(arrive);
    expectClean(launch, gathered(launch));
  }
}

TEST(ClusterBarrierTest, BytesOfOthers) {
  for (std::string space : {".shared::cluster", ""}) {
    std::string at = space.empty() ? "[%x2]" : "[%v2]";
    for (std::string order : {"", ".relaxed.cluster"}) {
      Launch launch =
          gather(kRemote, "  mbarrier.expect_tx" + order + space + ".b64 " +
                              at + ", 24;\n  mbarrier.complete_tx" + order +
                              space + ".b64 " + at + ", 24;\n");
      expectClean(launch, gathered(launch));
    }
  }
  Launch less = gather(kRemote, "  mbarrier.expect_tx.shared::cluster.b64 "
                                "[%v2], 24;\n");
  expectDeadlock(less, "wait", "6144 bytes to come");
}

//===--- What is wrong ----------------------------------------------------===//

TEST(ClusterBarrierTest, NothingOrdersAccesses) {
  // Neither the write before nor the next one behind it.
  Launch first = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
  first.source.drop("arrive1").drop("wait1");
  expectFinding(first, {"read", "write"}, {"races"});
  Launch second = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
  second.source.drop("arrive2").drop("wait2");
  expectFinding(second, {"read", "write"}, {"races"});
  // The CTA's own barrier says nothing of other CTAs.
  Launch cta = rounds("bar.sync 0;", "bar.sync 0;");
  expectFinding(cta, {"read", "write"}, {"races"});
  Launch relaxed =
      rounds("barrier.cluster.arrive.relaxed;", "barrier.cluster.wait;");
  expectFinding(relaxed, {"read", "write"}, {"races"});
}

/// What lies between arriving and waiting is not ordered.
TEST(ClusterBarrierTest, AccessBetweenArrivingAndWaiting) {
  Launch read = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
  read.source.drop("wait1").after("read", "  barrier.cluster.wait;");
  expectFinding(read, {"read", "write"}, {"races"});
  Launch write = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
  write.source.drop("arrive1").before("write", "  barrier.cluster.arrive;");
  expectFinding(write, {"read", "write"}, {"races"});
}

TEST(ClusterBarrierTest, WaitsWithoutArriving) {
  Launch launch = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
  launch.source.drop("arrive1");
  expectFinding(launch, {"wait1"}, {"barriers"});
  Launch again = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
  again.source.after("wait1", "  barrier.cluster.wait; // @again");
  expectFinding(again, {"again"}, {"barriers"});
}

TEST(ClusterBarrierTest, ArrivesTwice) {
  for (std::string where : {"arrive1", "arrive2"}) {
    Launch launch = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
    launch.source.after(where, "  barrier.cluster.arrive; // @twice");
    expectFinding(launch, {"twice"}, {"barriers"});
  }
}

TEST(ClusterBarrierTest, OneDoesNotArrive) {
  Launch launch = clusterOf(
      {2, 1, 1}, ".shared .align 8 .b64 bar;",
      "  setp.eq.u32 %p0, %rank, 1;\n"
      "  mbarrier.init.shared.b64 [bar], 1;\n"
      "  @%p0 bra other;\n"
      "  barrier.cluster.arrive;\n"
      "  barrier.cluster.wait; // @wait\n  ret;\n"
      "other:\n" +
          waitText("mbarrier.try_wait.parity.shared.b64", "[bar], 0", "never"));
  expectDeadlock(launch, "wait", "cluster's barrier");
  expectDeadlock(launch, "never", "1 of 1 arrivals missing");
}

TEST(ClusterBarrierTest, AlignedBarrierMetBySomeLanes) {
  for (std::string name : {"arrive1", "wait1"}) {
    Launch launch = rounds("barrier.cluster.arrive;", "barrier.cluster.wait;");
    std::string what = name == "wait1" ? "wait" : "arrive";
    launch.source.replace(name, "  setp.lt.u32 %p2, %lane, 16;\n"
                                "  @!%p2 bra " +
                                    name + "_other;\n  barrier.cluster." +
                                    what + ".aligned; // @bad\n  bra " + name +
                                    "_over;\n" + name +
                                    "_other:\n  barrier.cluster." + what +
                                    ".aligned; // @worse\n" + name + "_over:");
    expectFinding(launch, {"bad", "worse"}, {"barriers"});
  }
}

/// The object of rank 0 is not ready before the cluster has met.
TEST(ClusterBarrierTest, ArrivesAtWhatIsNotReady) {
  Launch launch = gather(kRemote);
  launch.source.drop("arrive").drop("ready");
  expectFinding(launch, {"signal", "init"}, {"races", "barriers"});
  // A relaxed barrier alone says nothing of the object either.
  Launch relaxed = gather(kRemote);
  relaxed.source.drop("fence");
  expectFinding(relaxed, {"signal", "init", "wait"}, {"races"});
  // The default one does.
  Launch released = gather(kRemote);
  released.source.drop("fence").replace("arrive", "  barrier.cluster.arrive;");
  expectClean(released, gathered(released));
}

TEST(ClusterBarrierTest, RelaxedArrivalAtAnother) {
  Launch launch =
      gather("mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [%v2];");
  expectFinding(launch, {"read", "write"}, {"races"});
}

/// [9.7.13.15.8] Only the CTA itself may wait, initialise, or ask for a state.
TEST(ClusterBarrierTest, OperationsThatAreNotForOthers) {
  for (const char *operation :
       {"mbarrier.test_wait.parity.b64 %p3, [%x2], 1;",
        "mbarrier.try_wait.parity.b64 %p3, [%x2], 1;",
        "mbarrier.arrive.release.cluster.b64 %x6, [%x2];",
        "cp.async.mbarrier.arrive.b64 [%x2];", "mbarrier.init.b64 [%x2], 5;",
        "mbarrier.inval.b64 [%x2];"}) {
    Launch launch = gather(kRemote);
    launch.source.before("write", "  setp.eq.u32 %p2, %rank, 1;\n  @%p2 " +
                                      std::string(operation) + " // @bad");
    expectFinding(launch, {"bad"}, {"barriers"});
  }
}
