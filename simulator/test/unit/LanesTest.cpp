//===- LanesTest.cpp - Lanes that look at each other ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <bit>
#include <gtest/gtest.h>
#include <random>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr unsigned kAll = 32;

std::vector<uint64_t> draw(uint64_t seed, uint64_t below) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> values(kAll);
  for (uint64_t &x : values) {
    x = random() % below;
  }
  return values;
}

std::vector<uint64_t> all(uint64_t value) {
  return std::vector<uint64_t>(kAll, value);
}

/// The manual's pseudocode, lane by lane.
struct Shuffled {
  uint64_t value;
  bool isValid;
};
Shuffled shuffle(const std::string &mode, const std::vector<uint64_t> &a,
                 unsigned lane, unsigned b, unsigned c) {
  int bval = int(b & 0x1F), cval = int(c & 0x1F), mask = int(c >> 8 & 0x1F);
  int maxLane = (int(lane) & mask) | (cval & ~mask);
  int minLane = int(lane) & mask;
  int j = 0;
  bool pval = false;
  if (mode == "up") {
    j = int(lane) - bval;
    pval = j >= maxLane;
  } else if (mode == "down") {
    j = int(lane) + bval;
    pval = j <= maxLane;
  } else if (mode == "bfly") {
    j = int(lane) ^ bval;
    pval = j <= maxLane;
  } else {
    j = minLane | (bval & ~mask);
    pval = j <= maxLane;
  }
  if (!pval) {
    j = int(lane);
  }
  return {a[size_t(j)], pval};
}

TEST(LanesTest, Shuffle) {
  for (const char *mode : {"up", "down", "bfly", "idx"}) {
    LaneProgram program("shfl.sync." + std::string(mode) +
                            ".b32 %d0|%d1, %a0, %a1, %a2, -1;",
                        {32, 32, 32}, {32, 1});
    ASSERT_EQ(program.error(), "");
    auto a = draw(1, uint64_t(1) << 32);
    for (unsigned b : {0u, 1u, 2u, 5u, 16u, 31u}) {
      // Whole warps, and segments of 8 and of 16 lanes.
      for (unsigned c : {0u, 31u, 0x181Fu, 0x1800u, 0x101Fu, 7u}) {
        Values d = program.run({a, all(b), all(c)});
        for (unsigned l = 0; l < kAll; ++l) {
          Shuffled want = shuffle(mode, a, l, b, c);
          EXPECT_EQ(d[0][l], want.value) << mode << " " << b << " " << c;
          EXPECT_EQ(d[1][l], uint64_t(want.isValid)) << mode << b << " " << c;
        }
        EXPECT_TRUE(program.findings().empty());
      }
    }
  }
}

TEST(LanesTest, ShuffleOfLanesThatAreAway) {
  LaneProgram program("shfl.sync.bfly.b32 %d0, %a0, 16, 31, %a1;", {32, 32},
                      {32});
  // Only the lower half runs, and says so: its sources do not take part.
  program.run({draw(1, 100), all(0xFFFF)}, 0xFFFF);
  ASSERT_EQ(program.findings().size(), 1u);
  EXPECT_EQ(program.findings()[0].check, "lanes");
  EXPECT_EQ(program.findings()[0].message, "reads lanes that do not take part");
  // A mask that names lanes which are elsewhere.
  LaneProgram other("shfl.sync.bfly.b32 %d0, %a0, 1, 31, -1;", {32}, {32});
  other.run({draw(1, 100)}, 0xFFFF);
  ASSERT_EQ(other.findings().size(), 1u);
  EXPECT_NE(other.findings()[0].message.find("are elsewhere"),
            std::string::npos);
  // The same, said rightly.
  LaneProgram good("shfl.sync.bfly.b32 %d0, %a0, 1, 31, 0xFFFF;", {32}, {32});
  good.run({draw(1, 100)}, 0xFFFF);
  EXPECT_TRUE(good.findings().empty());
}

TEST(LanesTest, MaskWithoutTheLaneItself) {
  LaneProgram program("vote.sync.ballot.b32 %d0, %a0, 0xFFFF;", {1}, {32});
  program.run({all(1)});
  ASSERT_EQ(program.findings().size(), 1u);
  EXPECT_NE(program.findings()[0].message.find("not in the mask 0x0000ffff"),
            std::string::npos);
}

TEST(LanesTest, Vote) {
  auto yes = draw(3, 2);
  for (auto values : {yes, all(0), all(1)}) {
    uint64_t ballot = 0;
    for (unsigned l = 0; l < kAll; ++l) {
      ballot |= values[l] << l;
    }
    LaneProgram program("vote.sync.ballot.b32 %d0, %a0, -1;\n"
                        "vote.sync.all.pred %d1, %a0, -1;\n"
                        "vote.sync.any.pred %d2, %a0, -1;\n"
                        "vote.sync.uni.pred %d3, !%a0, -1;",
                        {1}, {32, 1, 1, 1});
    ASSERT_EQ(program.error(), "");
    Values d = program.run({values});
    bool isAll = ballot == 0xFFFFFFFF, isNone = ballot == 0;
    for (unsigned l = 0; l < kAll; ++l) {
      EXPECT_EQ(d[0][l], ballot);
      EXPECT_EQ(d[1][l], uint64_t(isAll));
      EXPECT_EQ(d[2][l], uint64_t(!isNone));
      EXPECT_EQ(d[3][l], uint64_t(isAll || isNone));
    }
  }
}

TEST(LanesTest, Match) {
  LaneProgram program("match.any.sync.b32 %d0, %a0, -1;\n"
                      "match.all.sync.b64 %d1|%d2, %a1, -1;",
                      {32, 64}, {32, 32, 1});
  ASSERT_EQ(program.error(), "");
  auto a = draw(5, 4);
  for (uint64_t wide : {uint64_t(1) << 40, uint64_t(0)}) {
    std::vector<uint64_t> b = all(7);
    b[9] += wide;
    Values d = program.run({a, b});
    for (unsigned l = 0; l < kAll; ++l) {
      uint64_t same = 0;
      for (unsigned k = 0; k < kAll; ++k) {
        same |= uint64_t(a[k] == a[l]) << k;
      }
      EXPECT_EQ(d[0][l], same);
      EXPECT_EQ(d[1][l], wide ? 0 : 0xFFFFFFFF);
      EXPECT_EQ(d[2][l], uint64_t(wide == 0));
    }
  }
}

TEST(LanesTest, Redux) {
  auto a = draw(7, uint64_t(1) << 32);
  LaneProgram program("redux.sync.add.u32 %d0, %a0, -1;\n"
                      "redux.sync.min.s32 %d1, %a0, -1;\n"
                      "redux.sync.max.u32 %d2, %a0, -1;\n"
                      "redux.sync.and.b32 %d3, %a0, -1;\n"
                      "redux.sync.or.b32 %d4, %a0, -1;\n"
                      "redux.sync.xor.b32 %d5, %a0, -1;",
                      {32}, {32, 32, 32, 32, 32, 32});
  ASSERT_EQ(program.error(), "");
  Values d = program.run({a});
  uint32_t sum = 0, most = 0, both = ~0u, any = 0, odd = 0;
  int32_t least = INT32_MAX;
  for (uint64_t x : a) {
    sum += uint32_t(x);
    least = std::min(least, int32_t(uint32_t(x)));
    most = std::max(most, uint32_t(x));
    both &= uint32_t(x);
    any |= uint32_t(x);
    odd ^= uint32_t(x);
  }
  for (unsigned l = 0; l < kAll; ++l) {
    EXPECT_EQ(d[0][l], sum);
    EXPECT_EQ(d[1][l], uint32_t(least));
    EXPECT_EQ(d[2][l], most);
    EXPECT_EQ(d[3][l], both);
    EXPECT_EQ(d[4][l], any);
    EXPECT_EQ(d[5][l], odd);
  }
}

TEST(LanesTest, ActiveMaskAndElect) {
  LaneProgram program("activemask.b32 %d0;\nelect.sync %d1|%d2, 0xF0;", {32},
                      {32, 32, 1});
  ASSERT_EQ(program.error(), "");
  Values d = program.run({all(0)}, 0xF0);
  EXPECT_TRUE(program.findings().empty());
  for (unsigned l = 4; l < 8; ++l) {
    EXPECT_EQ(d[0][l], 0xF0u);
    EXPECT_EQ(d[1][l], 4u);
    EXPECT_EQ(d[2][l], uint64_t(l == 4));
  }
}

TEST(LanesTest, WithoutTheCheckNothingIsSaid) {
  Options options;
  options.checks.lanes = false;
  LaneProgram program("shfl.sync.bfly.b32 %d0, %a0, 1, 31, -1;", {32}, {32},
                      options);
  program.run({draw(1, 100)}, 0xFFFF);
  EXPECT_TRUE(program.findings().empty());
}

} // namespace
