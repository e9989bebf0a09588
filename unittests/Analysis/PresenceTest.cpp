//===- PresenceTest.cpp - Presence of the values of a cascade -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/Presence.h"
#include "attn/Dialect/Attn/IR/NormalForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

class PresenceTest : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<AttnDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect>();
  }

  /// Parses a module with one cascade; einsums in the order of the text.
  void parse(StringRef text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    module->walk<mlir::WalkOrder::PreOrder>([&](Operation *op) {
      if (auto found = dyn_cast<CascadeOp>(op)) {
        cascade = found;
      } else if (auto found = dyn_cast<EinsumOp>(op)) {
        einsums.push_back(found);
      } else if (auto found = dyn_cast<FoldOp>(op)) {
        fold = found;
      }
    });
  }

  std::string print(const Presence &presence) {
    SmallVector<StringRef> ranks;
    for (int64_t r = 0; r < cascade.getNumRanks(); ++r) {
      ranks.push_back(cascade.getRankName(r));
    }
    std::string text;
    llvm::raw_string_ostream os(text);
    auto printMap = [&](AffineMap map) {
      os << "[";
      llvm::interleaveComma(map.getResults(), os, [&](AffineExpr expr) {
        printNamed(expr, ranks, {}, os);
      });
      os << "]";
    };
    for (const PresenceTerm &term : presence) {
      os << (text.empty() ? "" : " and ");
      SmallVector<StringRef> symbols;
      for (StringAttr name : term.symbolNames) {
        symbols.push_back(name.getValue());
      }
      llvm::interleave(
          term.sets, os,
          [&](IntegerSet set) {
            os << "(";
            for (unsigned c = 0; c < set.getNumConstraints(); ++c) {
              os << (c ? " and " : "");
              printNamed(set.getConstraint(c), ranks, symbols, os);
              os << (set.isEq(c) ? " == 0" : " >= 0");
            }
            os << ")";
          },
          " or ");
      for (auto [name, map] : llvm::zip(symbols, term.symbolMaps)) {
        os << " " << name;
        printMap(map);
      }
      if (term.data) {
        os << "data";
        printMap(term.dataMap);
      }
      if (term.data2) {
        os << " == data";
        printMap(term.data2Map);
      }
      if (term.selection) {
        os << "at ";
        printNamed(term.selectedCoordinate, ranks, {}, os);
        os << " in";
        printMap(term.selectionMap);
      }
    }
    return text;
  }

  MLIRContext context;
  OwningOpRef<mlir::ModuleOp> module;
  CascadeOp cascade;
  FoldOp fold;
  SmallVector<EinsumOp> einsums;
};

TEST_F(PresenceTest, ReductionsHandOnWhatNamesNoReducedRank) {
  parse(R"mlir(
func.func @f(%q: tensor<?x?x64xf32>, %kp: memref<?x16x64xf32>,
             %table: memref<?x?xi32>, %len: tensor<?xi32>,
             %off: tensor<?xi32>) {
  %k = attn.view (b, m, e)
      symbols(pg = %table[b, m floordiv 16], n = %len[b]) where (m < n)
      of %kp[pg, m mod 16, e]
      : (memref<?x16x64xf32>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x64xf32>
  attn.cascade ranks(b, p, m, e) {
    %s = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e)
        symbols(off = %off[b], len = %len[b])
        where (p + off - m >= 0 and len - 1 - off - p >= 0)
        : (tensor<?x?x64xf32>, tensor<?x?x64xf32>, tensor<?xi32>, tensor<?xi32>)
        -> tensor<?x?x?xf32>
    %g = attn.einsum %s[b, p, m] -> [b, p] reduce max(m)
        : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    %x = attn.einsum %s[b, p, m], %g[b, p] -> [b, p, m]
        : (tensor<?x?x?xf32>, tensor<?x?xf32>) -> tensor<?x?x?xf32>
    attn.yield
  }
  return
})mlir");
  ASSERT_EQ(einsums.size(), 3u);
  auto presences = computePresence(cascade);
  // The domain of the view comes with its own symbol.
  std::string score = "(p - m + off >= 0 and -p - off + len - 1 >= 0) off[b] "
                      "len[b] and (-m + n - 1 >= 0) n[b]";
  std::string row = "(-p - off + len - 1 >= 0) off[b] len[b]";
  EXPECT_EQ(print(pointPresence(einsums[0])), score);
  EXPECT_EQ(print(presences[einsums[0].getResult()]), score);
  EXPECT_EQ(print(presences[einsums[1].getResult()]), row);
  EXPECT_EQ(print(pointPresence(einsums[1])), score);
  EXPECT_EQ(print(presences[einsums[2].getResult()]), score + " and " + row);
}

TEST_F(PresenceTest, UnionsDataAndSelections) {
  parse(R"mlir(
func.func @f(%a: tensor<8x64xf32>, %w: tensor<64xi32>, %doc: tensor<64xi32>,
             %tree: tensor<8x64xi1>, %row: tensor<8xi1>,
             %list: tensor<8x?xi32>, %count: tensor<8xi32>) {
  attn.cascade ranks(p, m) {
    %l = attn.select listed %list[p], %count[p] -> [p]
        : (tensor<8x?xi32>, tensor<8xi32>) -> !attn.coords<4, 16>
    %s = attn.einsum %a[p, m] -> [p, m] symbols(w = %w[m])
        where (p - m >= 0 and p - 1 >= 0) or (p + w >= 0 and 6 - p >= 0)
          and %tree[p, m] and %row[p] and %doc[p] == %doc[m] at m in %l[p]
        : (tensor<8x64xf32>, tensor<64xi32>, tensor<8x64xi1>, tensor<8xi1>,
           tensor<64xi32>, tensor<64xi32>, !attn.coords<4, 16>)
        -> tensor<8x64xf32>
    %g = attn.einsum %s[p, m] -> [p] reduce max(m)
        : (tensor<8x64xf32>) -> tensor<8xf32>
    %t = attn.einsum %a[p, m] -> [p, m]
        where (p - m >= 0) or (p - 1 >= 0)
        : (tensor<8x64xf32>) -> tensor<8x64xf32>
    %h = attn.einsum %t[p, m] -> [p] reduce max(m)
        : (tensor<8x64xf32>) -> tensor<8xf32>
    %u = attn.einsum %s[p floordiv 2, m * 2 + 1] -> [p, m]
        : (tensor<8x64xf32>) -> tensor<8x64xf32>
    attn.yield
  }
  return
})mlir");
  ASSERT_EQ(einsums.size(), 5u);
  auto presences = computePresence(cascade);
  EXPECT_EQ(print(presences[einsums[0].getResult()]),
            "(p - m >= 0 and p - 1 >= 0) or (p + w >= 0 and -p + 6 >= 0) w[m] "
            "and data[p, m] and data[p] and data[p] == data[m] and at m in[p]");
  // w varies with m, so its constraint goes with it, and so does what names m.
  EXPECT_EQ(print(presences[einsums[1].getResult()]),
            "(p - 1 >= 0) or (-p + 6 >= 0) and data[p]");
  // One disjunct lost all it had: the union admits everything.
  EXPECT_EQ(print(presences[einsums[3].getResult()]), "");
  EXPECT_EQ(print(presences[einsums[4].getResult()]),
            "(m * -2 + p floordiv 2 - 1 >= 0 and p floordiv 2 - 1 >= 0) or "
            "(p floordiv 2 + w >= 0 and -(p floordiv 2) + 6 >= 0) w[m * 2 + 1] "
            "and data[p floordiv 2, m * 2 + 1] and data[p floordiv 2] and "
            "data[p floordiv 2] == data[m * 2 + 1] and at m * 2 + 1 in"
            "[p floordiv 2]");
  EXPECT_EQ(presences[einsums[4].getResult()].back().selectedRank, -1);
  EXPECT_EQ(presences[einsums[0].getResult()].back().selectedRank, 1);
}

TEST_F(PresenceTest, FoldIsAReductionOverItsRank) {
  parse(R"mlir(
func.func @f(%a: tensor<8x64xf32>, %n: index, %len: index, %rows: index,
             %ninf: f32) {
  attn.cascade ranks(p, m1, m0) {
    %r = attn.fold over m1 to %n state(%g[p] = %ninf) : tensor<8xf32> step {
      %s = attn.einsum %a[p, m1 * 16 + m0] -> [p, m0]
          symbols(len = %len, rows = %rows)
          where (m1 * 16 + m0 < len and m1 < 3 and p < rows)
          : (tensor<8x64xf32>, index, index) -> tensor<8x16xf32>
      %t = attn.einsum %s[p, m0] -> [p] reduce max(m0)
          : (tensor<8x16xf32>) -> tensor<8xf32>
      %x = attn.einsum %g[p], %t[p] -> [p]
          : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
      attn.yield %x : tensor<8xf32>
    } merge(%ga) with(%gb) {
      %x = attn.einsum %ga[p], %gb[p] -> [p]
          : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
      attn.yield %x : tensor<8xf32>
    }
    attn.yield
  }
  return
})mlir");
  ASSERT_EQ(einsums.size(), 4u);
  ASSERT_TRUE(fold);
  auto presences = computePresence(cascade);
  EXPECT_EQ(print(presences[einsums[0].getResult()]),
            "(m1 * -16 - m0 + len - 1 >= 0 and -m1 + 2 >= 0 and "
            "-p + rows - 1 >= 0) len[] rows[]");
  std::string tile = "(-m1 + 2 >= 0 and -p + rows - 1 >= 0) rows[]";
  EXPECT_EQ(print(presences[einsums[1].getResult()]), tile);
  EXPECT_EQ(print(presences[einsums[2].getResult()]), tile);
  EXPECT_EQ(print(presences[fold.getResult(0)]), "(-p + rows - 1 >= 0) rows[]");
  EXPECT_EQ(print(presences[einsums[3].getResult()]), "");
  EXPECT_TRUE(presences.contains(fold.getStep().getArgument(0)));
  EXPECT_EQ(print(presences[fold.getStep().getArgument(0)]), "");
}

TEST_F(PresenceTest, SetsShareTheirSymbols) {
  parse(R"mlir(
func.func @f(%a: tensor<8x64xf32>, %len: tensor<8xi32>, %w: index,
             %tree: tensor<8x64xi1>) {
  attn.cascade ranks(p, m) {
    %s = attn.einsum %a[p, m] -> [p, m] symbols(w = %w, len = %len[p])
        where (m + w < len)
        : (tensor<8x64xf32>, index, tensor<8xi32>) -> tensor<8x64xf32>
    %t = attn.einsum %s[p, m] -> [p, m] symbols(n = %len[p])
        where (p < n) and %tree[p, m]
        : (tensor<8x64xf32>, tensor<8xi32>, tensor<8x64xi1>)
        -> tensor<8x64xf32>
    attn.yield
  }
  return
})mlir");
  ASSERT_EQ(einsums.size(), 2u);
  Presence presence = pointPresence(einsums[1]);
  PresenceSets sets = collectSets(presence, 2);
  EXPECT_TRUE(sets.hasOtherTerms);
  ASSERT_EQ(sets.symbols.size(), 2u);
  ASSERT_EQ(sets.conjunction.size(), 2u);
  for (auto &term : sets.conjunction) {
    ASSERT_EQ(term.size(), 1u);
    EXPECT_EQ(term[0].getNumDims(), 2u);
    EXPECT_EQ(term[0].getNumSymbols(), 2u);
  }
  // The term of %t stands first; its n is the len of the other.
  EXPECT_TRUE(sets.conjunction[0][0].getConstraint(0).isFunctionOfSymbol(0));
  EXPECT_TRUE(sets.conjunction[1][0].getConstraint(0).isFunctionOfSymbol(0));
}

TEST_F(PresenceTest, VaryingSymbolsTakeTheirConstraintsAlong) {
  parse(R"mlir(
func.func @f(%a: tensor<8x64xf32>, %len: tensor<8xi32>, %w: index) {
  attn.cascade ranks(p, m) {
    %s = attn.einsum %a[p, m] -> [p, m] symbols(len = %len[p], w = %w)
        where (m < len and p <= m) or (p < w)
        : (tensor<8x64xf32>, tensor<8xi32>, index) -> tensor<8x64xf32>
    %t = attn.einsum %s[p, m] -> [p, m] symbols(len = %len[p])
        where (p < len)
        : (tensor<8x64xf32>, tensor<8xi32>) -> tensor<8x64xf32>
    attn.yield
  }
  return
})mlir");
  ASSERT_EQ(einsums.size(), 2u);
  PresenceSets sets = collectSets(pointPresence(einsums[1]), 2);
  PresenceSets same = sets;
  llvm::SmallBitVector ranks(2);
  ranks.set(1); // m: no symbol varies along it
  dropVaryingSymbols(same, ranks);
  EXPECT_EQ(same.symbols.size(), 2u);
  EXPECT_FALSE(same.hasOtherTerms);
  EXPECT_EQ(same.conjunction, sets.conjunction);

  ranks.set(0);
  dropVaryingSymbols(sets, ranks);
  EXPECT_TRUE(sets.hasOtherTerms);
  ASSERT_EQ(sets.symbols.size(), 1u);
  EXPECT_EQ(sets.symbolNames[0].getValue(), "w");
  ASSERT_EQ(sets.conjunction.size(), 2u);
  // The term of %t stands first, and says nothing any more.
  auto text = [](IntegerSet set) {
    std::string printed;
    llvm::raw_string_ostream os(printed);
    set.print(os);
    return printed;
  };
  ASSERT_EQ(sets.conjunction[0].size(), 1u);
  EXPECT_EQ(text(sets.conjunction[0][0]), "(d0, d1)[s0] : (0 >= 0)");
  ASSERT_EQ(sets.conjunction[1].size(), 2u);
  EXPECT_EQ(text(sets.conjunction[1][0]), "(d0, d1)[s0] : (-d0 + d1 >= 0)");
  EXPECT_EQ(text(sets.conjunction[1][1]), "(d0, d1)[s0] : (-d0 + s0 - 1 >= 0)");
}

TEST_F(PresenceTest, ImplicationReadsTheText) {
  parse(R"mlir(
func.func @f(%a: tensor<8x64xf32>, %w: index, %v: index) {
  attn.cascade ranks(p, m) {
    %s = attn.einsum %a[p, m] -> [p, m] symbols(v = %v, w = %w)
        where (p - m >= 0 and m + w - v >= 0)
        : (tensor<8x64xf32>, index, index) -> tensor<8x64xf32>
    %t = attn.einsum %a[p, m] -> [p, m] symbols(x = %w, y = %v)
        where (m + x - y >= 0) or (p == 3)
        : (tensor<8x64xf32>, index, index) -> tensor<8x64xf32>
    attn.yield
  }
  return
})mlir");
  ASSERT_EQ(einsums.size(), 2u);
  Presence a = pointPresence(einsums[0]), b = pointPresence(einsums[1]);
  EXPECT_TRUE(implies(a[0], b[0]));
  EXPECT_FALSE(implies(b[0], a[0]));
}

} // namespace
