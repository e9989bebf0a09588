//===- FoldTest.cpp - Folds in random parts and trees ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Program.h"
#include "attn/Support/RowCompare.h"

#include <random>

using namespace attn;

// Softmax over m in one pass, with the guards of an empty part; and the same
// written in three passes.
static constexpr const char kSoftmax[] = R"(
!rows = tensor<?xf64>
func.func @f(%s: tensor<?x?xf64>, %v: tensor<?xf64>, %n: index) -> (!rows, !rows) {
  %ninf = arith.constant 0xFFF0000000000000 : f64
  %zero = arith.constant 0.0 : f64
  %o:2 = attn.cascade ranks(p, m) -> (!rows, !rows) {
    %r:3 = attn.fold over m to %n state(%g[p] = %ninf, %d[p] = %zero, %a[p] = %zero)
        : !rows, !rows, !rows
    step {
      %x = attn.einsum %s[p, m] -> [p] where (m <= p) : (tensor<?x?xf64>) -> !rows
      %g1 = attn.einsum %g[p], %x[p] -> [p] : (!rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64):
        %y = arith.maximumf %u, %w : f64
        attn.yield %y : f64
      }
      %k = attn.einsum %g[p], %g1[p] -> [p] : (!rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64):
        %t = arith.subf %u, %w : f64
        %e = math.exp %t : f64
        attn.yield %e : f64
      }
      %e = attn.einsum %x[p], %g1[p] -> [p] : (!rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64):
        %t = arith.subf %u, %w : f64
        %y = math.exp %t : f64
        attn.yield %y : f64
      }
      %d1 = attn.einsum %d[p], %k[p], %e[p] -> [p] : (!rows, !rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64, %z: f64):
        %t = arith.mulf %u, %w : f64
        %y = arith.addf %t, %z : f64
        attn.yield %y : f64
      }
      %a1 = attn.einsum %a[p], %k[p], %e[p], %v[m] -> [p]
          : (!rows, !rows, !rows, tensor<?xf64>) -> !rows {
      ^bb0(%u: f64, %w: f64, %z: f64, %q: f64):
        %t = arith.mulf %u, %w : f64
        %h = arith.mulf %z, %q : f64
        %y = arith.addf %t, %h : f64
        attn.yield %y : f64
      }
      attn.yield %g1, %d1, %a1 : !rows, !rows, !rows
    } merge(%ga, %da, %aa) with(%gb, %db, %ab) {
      %g1 = attn.einsum %ga[p], %gb[p] -> [p] : (!rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64):
        %y = arith.maximumf %u, %w : f64
        attn.yield %y : f64
      }
      %ka = attn.einsum %ga[p], %g1[p] -> [p] : (!rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64):
        %t = arith.subf %u, %w : f64
        %e = math.exp %t : f64
        %none = arith.cmpf oeq, %u, %ninf : f64
        %y = arith.select %none, %zero, %e : f64
        attn.yield %y : f64
      }
      %kb = attn.einsum %gb[p], %g1[p] -> [p] : (!rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64):
        %t = arith.subf %u, %w : f64
        %e = math.exp %t : f64
        %none = arith.cmpf oeq, %u, %ninf : f64
        %y = arith.select %none, %zero, %e : f64
        attn.yield %y : f64
      }
      %d1 = attn.einsum %da[p], %ka[p], %db[p], %kb[p] -> [p] : (!rows, !rows, !rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64, %x: f64, %z: f64):
        %t = arith.mulf %u, %w : f64
        %h = arith.mulf %x, %z : f64
        %y = arith.addf %t, %h : f64
        attn.yield %y : f64
      }
      %a1 = attn.einsum %aa[p], %ka[p], %ab[p], %kb[p] -> [p] : (!rows, !rows, !rows, !rows) -> !rows {
      ^bb0(%u: f64, %w: f64, %x: f64, %z: f64):
        %t = arith.mulf %u, %w : f64
        %h = arith.mulf %x, %z : f64
        %y = arith.addf %t, %h : f64
        attn.yield %y : f64
      }
      attn.yield %g1, %d1, %a1 : !rows, !rows, !rows
    }
    %w = attn.einsum %r#2[p], %r#1[p] -> [p] : (!rows, !rows) -> !rows {
    ^bb0(%u: f64, %z: f64):
      %y = arith.divf %u, %z : f64
      attn.yield %y : f64
    }
    attn.yield %w, %r#0 : !rows, !rows
  }
  return %o#0, %o#1 : !rows, !rows
})";

namespace {
class FoldTest : public ::testing::Test {
protected:
  static constexpr int64_t P = 12, M = 29;

  FoldTest() : program(kSoftmax) {
    std::mt19937 random(5);
    std::normal_distribution<double> normal(0, 4);
    scores = HostArray::zeros(DType::F64, {P, M});
    values = HostArray::zeros(DType::F64, {M});
    for (int64_t i = 0; i < P * M; ++i) {
      scores.setDouble(i, normal(random));
    }
    for (int64_t i = 0; i < M; ++i) {
      values.setDouble(i, normal(random));
    }
  }

  SmallVector<HostArray> run(const InterpreterOptions &options) {
    return program.run({scores, values, HostArray::scalarInt(DType::I64, M)},
                       options);
  }

  Program program;
  HostArray scores, values;
};
} // namespace

TEST_F(FoldTest, WholeEqualsTheFormula) {
  SmallVector<HostArray> results = run({});
  ASSERT_EQ(results.size(), 2u);
  for (int64_t p = 0; p < P; ++p) {
    double sum = 0, weighted = 0;
    for (int64_t m = 0; m <= p; ++m) {
      double weight = std::exp(scores.at({p, m}));
      sum += weight;
      weighted += weight * values.at({m});
    }
    EXPECT_NEAR(results[0].at({p}), weighted / sum, 1e-12);
  }
}

TEST_F(FoldTest, AnySplitEqualsTheWhole) {
  SmallVector<HostArray> whole = run({});
  for (int64_t splits : {2, 3, 7, 29, 40}) {
    InterpreterOptions options;
    options.splits = splits;
    SmallVector<HostArray> parts = run(options);
    ASSERT_EQ(parts.size(), 2u);
    RowComparison rows = compareRows(parts[0], whole[0], 1e-12);
    EXPECT_TRUE(rows.ok) << splits << ": " << rows.message;
  }
}

TEST_F(FoldTest, RandomPartsInRandomTreesEqualTheWhole) {
  SmallVector<HostArray> whole = run({});
  bool differs = false;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    InterpreterOptions options;
    options.randomSeed = seed;
    SmallVector<HostArray> parts = run(options);
    ASSERT_EQ(parts.size(), 2u);
    RowComparison rows = compareRows(parts[0], whole[0], 1e-12);
    EXPECT_TRUE(rows.ok) << seed << ": " << rows.message;
    differs |= rows.maxRowError > 0;
  }
  // The parts really are others: some sum rounds differently.
  EXPECT_TRUE(differs);
}

TEST_F(FoldTest, StatisticsCountPresentPoints) {
  InterpreterStats stats;
  InterpreterOptions options;
  options.stats = &stats;
  run(options);
  int64_t steps = 0, masked = 0;
  for (auto [op, points] : stats.points) {
    if (isa<FoldOp>(op)) {
      steps = points;
    } else if (cast<EinsumOp>(op).getWhere()) {
      masked = points;
    }
  }
  EXPECT_EQ(steps, M);
  EXPECT_EQ(masked, P * (P + 1) / 2);
}
