//===- RankSpaceTest.cpp - Extents, bound ranks and builders --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/Attn/IR/RankSpace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

constexpr StringLiteral kProgram = R"mlir(
func.func @f(%q: tensor<2x?x8xf32>, %k: tensor<?xf32>, %flag: tensor<?x9xi1>,
             %n: index, %zero: f32) -> tensor<2x?xf32> {
  %o = attn.cascade ranks(b, p, e, m1, m0, f, g, t to %n)
      -> tensor<2x?xf32> {
    %s = attn.fold over m1 to %n state(%a[b, p] = %zero) : tensor<2x?xf32>
    step {
      %x = attn.einsum %q[b, p, e], %k[m1 * 4 + m0] -> [b, p, m0]
           reduce add(e) : (tensor<2x?x8xf32>, tensor<?xf32>)
             -> tensor<2x?x4xf32>
      %y = attn.einsum %x[b, p, m0] -> [b, p] reduce add(m0)
           : (tensor<2x?x4xf32>) -> tensor<2x?xf32>
      attn.yield %y : tensor<2x?xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<2x?xf32>
    }
    %c = attn.einsum %zero -> [] reduce add(f) where %flag[0, f]
         : (f32, tensor<?x9xi1>) -> tensor<f32>
    attn.yield %s : tensor<2x?xf32>
  }
  return %o : tensor<2x?xf32>
}
)mlir";

class RankSpace : public ::testing::Test {
protected:
  RankSpace() {
    context.loadDialect<AttnDialect, func::FuncDialect, arith::ArithDialect>();
    module = parseSourceString<ModuleOp>(kProgram, &context);
  }

  CascadeOp getCascade() {
    CascadeOp found;
    module->walk([&](CascadeOp op) { found = op; });
    return found;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(RankSpace, Extents) {
  ASSERT_TRUE(module);
  CascadeOp cascade = getCascade();
  SmallVector<RankExtent> extents = getRankExtents(cascade);
  auto get = [&](StringRef name) { return extents[cascade.findRank(name)]; };
  Block &entry = (*module->getOps<func::FuncOp>().begin()).getBody().front();

  EXPECT_EQ(get("b").size, 2);
  EXPECT_EQ(get("p").size, ShapedType::kDynamic);
  EXPECT_EQ(get("p").source, entry.getArgument(0));
  EXPECT_EQ(get("p").axis, 1);
  EXPECT_EQ(get("e").size, 8);
  // Given by the fold and by the cascade: index values.
  EXPECT_EQ(get("m1").source, entry.getArgument(3));
  EXPECT_EQ(get("m1").axis, -1);
  EXPECT_EQ(get("t").source, cascade.getGivenExtent(cascade.findRank("t")));
  // A tile of constant size; a rank that only a presence operand has.
  EXPECT_EQ(get("m0").size, 4);
  EXPECT_EQ(get("f").size, 9);
  EXPECT_EQ(get("f").source, entry.getArgument(2));
  // Nothing.
  EXPECT_FALSE(get("g"));
  EXPECT_EQ(cascade.findRank("z"), -1);
}

TEST_F(RankSpace, BoundRanks) {
  ASSERT_TRUE(module);
  CascadeOp cascade = getCascade();
  unsigned m1 = cascade.findRank("m1");
  module->walk([&](Operation *op) {
    bool inside = op->getParentOfType<FoldOp>() != nullptr;
    llvm::SmallBitVector bound = getBoundRanks(op);
    EXPECT_EQ(bound.count(), inside ? 1u : 0u);
    EXPECT_EQ(inside, !bound.empty() && bound.test(m1));
  });
}

TEST_F(RankSpace, UsedRanks) {
  ASSERT_TRUE(module);
  SmallVector<EinsumOp> einsums;
  module->walk([&](EinsumOp op) { einsums.push_back(op); });
  ASSERT_EQ(einsums.size(), 3u);
  // b p e m1 m0
  for (unsigned rank = 0; rank < 5; ++rank) {
    EXPECT_TRUE(getUsedRanks(einsums[0]).test(rank));
  }
  EXPECT_EQ(getUsedRanks(einsums[2]).count(), 1u);
  EXPECT_TRUE(einsums[0].getReducedRanks().test(2));
  EXPECT_EQ(einsums[0].getReducedRanks().count(), 1u);
  EXPECT_EQ(einsums[1].getIterationRanks().count(), 3u);
}

TEST_F(RankSpace, BuilderNormalizes) {
  ASSERT_TRUE(module);
  CascadeOp cascade = getCascade();
  Operation *yield = cascade.getBody().front().getTerminator();
  OpBuilder builder(yield);
  AffineExpr m1 = builder.getAffineDimExpr(3), m0 = builder.getAffineDimExpr(4);
  auto getMap = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(8, 0, results, &context);
  };
  auto fold = *cascade.getBody().getOps<FoldOp>().begin();
  builder.setInsertionPointToStart(&fold.getStep().front());
  Value k = (*module->getOps<func::FuncOp>().begin()).getArgument(1);
  auto type = RankedTensorType::get({4}, builder.getF32Type());

  auto identity = EinsumOp::create(builder, yield->getLoc(), type, k,
                                   {getMap({m0 + m1 * 4}), getMap({m0})});
  EXPECT_EQ(identity.getInputMap(0), getMap({m1 * 4 + m0}));
  EXPECT_FALSE(identity.hasRegion());

  auto scalar = RankedTensorType::get({}, builder.getF32Type());
  auto mapped = EinsumOp::create(
      builder, yield->getLoc(), scalar, identity.getResult(),
      {getMap({m0}), getMap({})}, ReduceAttr::get(&context, Monoid::max, {4}),
      [](OpBuilder &inner, Location loc, ValueRange args) {
        Value sum = arith::AddFOp::create(inner, loc, args[0], args[0]);
        YieldOp::create(inner, loc, sum);
      });
  EXPECT_TRUE(mapped.hasRegion());
  EXPECT_EQ(mapped->getBlock(), identity->getBlock());
  EXPECT_TRUE(succeeded(verify(*module)));
}

} // namespace
