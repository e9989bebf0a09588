//===- ClusterTest.cpp - Addresses in other CTAs of a cluster -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ClusterKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

const std::vector<Dim3> kShapes = {{2, 1, 1}, {1, 2, 1}, {4, 1, 1}, {2, 2, 1},
                                   {1, 4, 1}, {8, 1, 1}, {4, 2, 1}, {2, 4, 1},
                                   {1, 8, 1}, {2, 2, 2}};

} // namespace

/// [10.11-10.17].
TEST(ClusterTest, SpecialRegisters) {
  using Value = uint32_t (*)(const Spot &);
  const std::pair<const char *, Value> registers[] = {
      {"%clusterid.x", [](const Spot &p) { return p.cluster.x; }},
      {"%clusterid.y", [](const Spot &p) { return p.cluster.y; }},
      {"%clusterid.z", [](const Spot &p) { return p.cluster.z; }},
      {"%nclusterid.x", [](const Spot &) { return 3u; }},
      {"%nclusterid.y", [](const Spot &) { return 2u; }},
      {"%nclusterid.z", [](const Spot &) { return 1u; }},
      {"%cluster_ctaid.x", [](const Spot &p) { return p.inCluster.x; }},
      {"%cluster_ctaid.y", [](const Spot &p) { return p.inCluster.y; }},
      {"%cluster_ctaid.z", [](const Spot &p) { return p.inCluster.z; }},
      {"%cluster_nctaid.x", [](const Spot &p) { return p.shape.x; }},
      {"%cluster_nctaid.y", [](const Spot &p) { return p.shape.y; }},
      {"%cluster_nctaid.z", [](const Spot &p) { return p.shape.z; }},
      {"%cluster_ctarank", [](const Spot &p) { return p.rank; }},
      {"%cluster_nctarank",
       [](const Spot &p) { return uint32_t(p.shape.count()); }},
      {"%ctaid.x", [](const Spot &p) { return p.cta.x; }},
      {"%ctaid.y", [](const Spot &p) { return p.cta.y; }}};
  for (const Dim3 &shape : kShapes) {
    for (auto &[name, value] : registers) {
      Launch launch = clusterOf(shape, "",
                                "  mov.u32 %v0, " + std::string(name) +
                                    ";\n  st.global.u32 [%own], %v0;\n");
      LaunchOutcome outcome = launch.run(Options());
      ASSERT_EQ(outcome.error, "");
      EXPECT_TRUE(outcome.findings.empty());
      EXPECT_EQ(outcome.out, wordsOf(launch, value)) << name;
    }
    Launch launch = clusterOf(shape, "",
                              "  mov.pred %p0, %is_explicit_cluster;\n"
                              "  selp.u32 %v0, 1, 0, %p0;\n"
                              "  st.global.u32 [%own], %v0;\n");
    LaunchOutcome outcome = launch.run(Options());
    ASSERT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.out, wordsOf(launch, [](const Spot &) { return 1u; }));
  }
}

namespace {

/// Each way to get from `words` + 4 of this CTA to that of the CTA with rank
/// %v1, and the state space to access it by; the address is in %x2 or %v2.
struct Way {
  const char *map, *address, *space, *rankOf;
};
const Way kWays[] = {
    {"mapa.shared::cluster.u32 %v2, %v3, %v1;", "%v2+4", ".shared::cluster",
     "getctarank.shared::cluster.u32 %v4, %v2;"},
    {"mapa.shared::cluster.u32 %v2, words, %v1;", "%v2+4", ".shared::cluster",
     "getctarank.shared::cluster.u32 %v4, %v2;"},
    {"mapa.shared::cluster.u32 %v2, words+4, %v1;", "%v2", ".shared::cluster",
     "getctarank.shared::cluster.u32 %v4, %v2;"},
    {"mapa.shared::cluster.u64 %x2, %x3, %v1;", "%x2+4", ".shared::cluster",
     "getctarank.shared::cluster.u64 %v4, %x2;"},
    {"mapa.shared::cluster.u64 %x2, words+4, %v1;", "%x2", ".shared::cluster",
     "getctarank.shared::cluster.u64 %v4, %x2;"},
    {"mapa.u64 %x2, %x4, %v1;", "%x2+4", "", "getctarank.u64 %v4, %x2;"}};

/// The rank that a CTA asks: the next one, but for the first.
uint32_t asked(const Spot &p) {
  return (p.rank + 1) % uint32_t(p.shape.count());
}
const std::string kAsk =
    "  mov.u32 %v0, %cluster_nctarank;\n  add.u32 %v1, %rank, 1;\n"
    "  rem.u32 %v1, %v1, %v0;\n";

} // namespace

TEST(ClusterTest, LoadsOfOthers) {
  for (const Dim3 &shape : kShapes) {
    for (const Way &way : kWays) {
      Launch launch = clusterOf(
          shape, kWords,
          kNames + kAsk +
              "  add.u32 %v5, %cta, 500;\n"
              "  st.shared.u32 [words+4], %v5;\n" +
              kMeet + "  " + way.map + "\n  ld" + way.space + ".u32 %v6, [" +
              way.address + "];\n" + kMeet + "  st.global.u32 [%own], %v6;\n");
      expectClean(launch, wordsOf(launch, [](const Spot &p) {
                    return 500 + p.peer(asked(p));
                  }));
    }
  }
}

TEST(ClusterTest, StoresToOthers) {
  for (const Dim3 &shape : kShapes) {
    for (const Way &way : kWays) {
      Launch launch = clusterOf(shape, kWords,
                                kNames + kAsk + kMeet + "  " + way.map +
                                    "\n  st" + way.space + ".u32 [" +
                                    way.address + "], %cta;\n" + kMeet +
                                    "  ld.shared.u32 %v6, [words+4];\n"
                                    "  st.global.u32 [%own], %v6;\n");
      expectClean(launch, wordsOf(launch, [](const Spot &p) {
                    uint32_t n = uint32_t(p.shape.count());
                    return p.peer((p.rank + n - 1) % n);
                  }));
    }
  }
}

/// All add to the word of rank 1.
TEST(ClusterTest, AtomicsOnOthers) {
  for (const Dim3 &shape : kShapes) {
    for (const Way &way : kWays) {
      for (std::string atomic :
           {"atom.relaxed.cluster" + std::string(way.space) +
                ".add.u32 %v6, [" + way.address + "], %v5;",
            "red.relaxed.cluster" + std::string(way.space) + ".add.u32 [" +
                way.address + "], %v5;"}) {
        Launch launch = clusterOf(shape, kWords,
                                  kNames +
                                      "  mov.u32 %v1, 1;\n  mov.u32 %v5, 0;\n"
                                      "  st.shared.u32 [words+4], %v5;\n" +
                                      kMeet + "  " + way.map +
                                      "\n  add.u32 %v5, %rank, 1;\n"
                                      "  " +
                                      atomic + "\n" + kMeet +
                                      "  ld.shared.u32 %v6, [words+4];\n"
                                      "  st.global.u32 [%own], %v6;\n");
        expectClean(launch, wordsOf(launch, [](const Spot &p) {
                      uint32_t n = uint32_t(p.shape.count());
                      return p.rank == 1 ? n * (n + 1) / 2 : 0;
                    }));
      }
    }
  }
}

TEST(ClusterTest, RanksOfAddresses) {
  for (const Dim3 &shape : kShapes) {
    for (const Way &way : kWays) {
      Launch launch =
          clusterOf(shape, kWords,
                    kNames + kAsk + "  " + way.map + "\n  " + way.rankOf +
                        "\n  st.global.u32 [%own], %v4;\n");
      expectClean(launch, wordsOf(launch, asked));
    }
    for (const char *own : {"getctarank.shared::cluster.u32 %v4, words;",
                            "getctarank.shared::cluster.u64 %v4, words+4;",
                            "getctarank.shared::cluster.u32 %v4, %v3;",
                            "getctarank.shared::cluster.u64 %v4, %x3;",
                            "getctarank.u64 %v4, %x4;"}) {
      Launch launch = clusterOf(shape, kWords,
                                kNames + "  " + std::string(own) +
                                    "\n  st.global.u32 [%own], %v4;\n");
      expectClean(launch,
                  wordsOf(launch, [](const Spot &p) { return p.rank; }));
    }
  }
}

/// A rank may be a constant, or differ by lane; one's own works as well.
TEST(ClusterTest, RanksByLane) {
  Launch constant =
      clusterOf({4, 1, 1}, kWords,
                kNames + "  st.shared.u32 [words], %cta;\n" + kMeet +
                    "  mapa.shared::cluster.u32 %v2, %v3, 2;\n"
                    "  ld.shared::cluster.u32 %v6, [%v2];\n" +
                    kMeet + "  st.global.u32 [%own], %v6;\n");
  expectClean(constant,
              wordsOf(constant, [](const Spot &p) { return p.peer(2); }));
  Launch lanes = clusterOf({4, 1, 1}, kWords,
                           kNames +
                               "  setp.eq.u32 %p0, %thread, 0;\n"
                               "  @%p0 st.shared.u32 [words], %cta;\n" +
                               kMeet +
                               "  rem.u32 %v1, %lane, 4;\n"
                               "  mapa.shared::cluster.u32 %v2, %v3, %v1;\n"
                               "  ld.shared::cluster.u32 %v6, [%v2];\n" +
                               kMeet + "  st.global.u32 [%own], %v6;\n",
                           64);
  std::vector<uint32_t> out;
  for (uint32_t t = 0; t < lanes.words; ++t) {
    out.push_back(spotOf(lanes, t / 64).peer(t % 32 % 4));
  }
  expectClean(lanes, out);
}

//===--- What is wrong ----------------------------------------------------===//

TEST(ClusterTest, RankOutside) {
  for (std::string rank : {"4", "0xFFFFFFFF"}) {
    for (const Way &way : kWays) {
      Launch launch = clusterOf({4, 1, 1}, kWords,
                                kNames + "  mov.u32 %v1, " + rank + ";\n  " +
                                    way.map + " // @map\n");
      expectFinding(launch, {"map"}, {"bounds"});
    }
  }
}

TEST(ClusterTest, OutsideOfAnothersMemory) {
  for (std::string access : {"ld.shared::cluster.u32 %v6, [%v2+1024];",
                             "st.shared::cluster.u32 [%v2+8], %cta;",
                             "atom.shared::cluster.add.u32 %v6, [%v2+8], 1;"}) {
    Launch launch = clusterOf(
        {2, 1, 1}, kWords,
        kAsk + kMeet + "  mapa.shared::cluster.u32 %v2, words, %v1;\n  " +
            access + " // @access\n" + kMeet);
    expectFinding(launch, {"access"}, {"bounds"});
  }
}
