//===- CascadeTest.cpp - Passes and streams -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Cascade.h"

#include "gtest/gtest.h"

using namespace attn::einsum;

namespace {

/// Ranks p, m, e, n by number; tensors are made in order.
class CascadeTest : public ::testing::Test {
protected:
  enum { P, M, E, N, NumRanks };
  RankSet set(std::initializer_list<int> ranks) {
    RankSet s(NumRanks);
    for (int rank : ranks) {
      s.set(rank);
    }
    return s;
  }
  TensorId input() { return cascade.addTensor(); }
  TensorId step(std::initializer_list<int> iterates,
                std::initializer_list<Read> reads) {
    TensorId result = cascade.addTensor();
    cascade.steps.push_back(Step{set(iterates), reads, {result}});
    return result;
  }
  Cascade cascade;
};

} // namespace

TEST_F(CascadeTest, SoftmaxInThreePasses) {
  TensorId q = input(), k = input(), v = input();
  TensorId s = step({P, M, E}, {{q, set({P, E})}, {k, set({M, E})}});
  TensorId g = step({P, M}, {{s, set({P, M})}});
  TensorId n = step({P, M}, {{s, set({P, M})}, {g, set({P})}});
  TensorId d = step({P, M}, {{n, set({P, M})}});
  TensorId a = step({P, M}, {{n, set({P, M})}, {d, set({P})}});
  TensorId o = step({P, M}, {{a, set({P, M})}, {v, set({M})}});

  PassCount m = countPasses(cascade, set({M}));
  EXPECT_EQ(m.passes, 3u);
  EXPECT_EQ(m.level, (std::vector<unsigned>{0, 0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(m.barriers, (llvm::SmallVector<TensorId>{g, d}));
  EXPECT_EQ(m.streams[q], 0u);
  EXPECT_EQ(m.streams[k], 3u);
  EXPECT_EQ(m.streams[v], 1u);
  EXPECT_EQ(m.streams[o], 0u);

  PassCount e = countPasses(cascade, set({E}));
  EXPECT_EQ(e.passes, 1u);
  EXPECT_TRUE(e.barriers.empty());
}

TEST_F(CascadeTest, DivisionBehindTheSumSavesAPass) {
  TensorId s = input(), v = input();
  TensorId g = step({P, M}, {{s, set({P, M})}});
  TensorId n = step({P, M}, {{s, set({P, M})}, {g, set({P})}});
  TensorId d = step({P, M}, {{n, set({P, M})}});
  TensorId w = step({P, M}, {{n, set({P, M})}, {v, set({M})}});
  TensorId o = step({P}, {{w, set({P})}, {d, set({P})}});
  PassCount count = countPasses(cascade, set({M}));
  EXPECT_EQ(count.passes, 2u);
  EXPECT_EQ(count.level[o], 2u);
  EXPECT_EQ(count.barriers, (llvm::SmallVector<TensorId>{g}));
}

TEST_F(CascadeTest, ReadOfACarryingTensorIsNoBarrier) {
  TensorId s = input();
  TensorId a = step({P, M}, {{s, set({P, M})}});
  step({P, M}, {{a, set({P, M})}});
  EXPECT_EQ(countPasses(cascade, set({M})).passes, 1u);
}

TEST_F(CascadeTest, ReadElsewhereIsABarrier) {
  // a carries m, but is read at another rank: all of it must be there.
  TensorId s = input();
  TensorId a = step({M}, {{s, set({M})}});
  step({N, M}, {{s, set({M})}, {a, set({N})}});
  EXPECT_EQ(countPasses(cascade, set({M})).passes, 2u);
}

TEST_F(CascadeTest, GroupsCountTogether) {
  // A maximum over n and m together, read by a step that iterates both.
  TensorId s = input();
  TensorId g = step({P, N, M}, {{s, set({P, N, M})}});
  step({P, N, M}, {{s, set({P, N, M})}, {g, set({P})}});
  EXPECT_EQ(countPasses(cascade, set({N, M})).passes, 2u);
  EXPECT_EQ(countPasses(cascade, set({N})).passes, 2u);
}

TEST_F(CascadeTest, LocalMaximaAreOnlyBarriersInTheTile) {
  // max over m alone keeps n: no barrier over {n, m}, one over m.
  TensorId s = input();
  TensorId l = step({P, N, M}, {{s, set({P, N, M})}});
  step({P, N, M}, {{s, set({P, N, M})}, {l, set({P, N})}});
  EXPECT_EQ(countPasses(cascade, set({N, M})).passes, 1u);
  EXPECT_EQ(countPasses(cascade, set({M})).passes, 2u);
}

TEST_F(CascadeTest, NothingToTraverse) {
  TensorId s = input();
  step({P}, {{s, set({P})}});
  PassCount count = countPasses(cascade, set({M}));
  EXPECT_EQ(count.passes, 0u);
  EXPECT_EQ(count.streams[s], 0u);
}
