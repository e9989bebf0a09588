//===- TileProblemTest.cpp - What a cascade asks of a tile ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileProblem.h"
#include "attn/Dialect/Attn/IR/NormalForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

class TileProblemTest : public testing::Test {
protected:
  TileProblemTest() {
    context.loadDialect<AttnDialect, arith::ArithDialect, func::FuncDialect,
                        tensor::TensorDialect>();
  }

  /// Of a fold over m: scores with the presence `where`, given `add`, weigh
  /// values.
  TileProblem problemOf(const std::string &where, const std::string &type,
                        const std::string &add = "") {
    std::string text = R"mlir(
      func.func @f(%q: tensor<4x2x8x16xf16>, %k: tensor<4x?x2x16xf16>,
                   %v: tensor<4x?x2x32xf16>, %perKey: tensor<4x?xi1>,
                   %perPoint: tensor<4x8x?xi1>, %bias: tensor<8x64xf32>)
          -> tensor<4x2x8x32xf32> {
        %o = attn.cascade ranks(b, g, p, m, e, f) -> tensor<4x2x8x32xf32> {
          %s = attn.einsum %q[b, g, p, e], %k[b, m, g, e] -> [b, g, p, m]
              reduce add(e) )mlir" +
                       where + R"mlir(
              : (tensor<4x2x8x16xf16>, tensor<4x?x2x16xf16>)mlir" +
                       type + R"mlir() -> tensor<4x2x8x?xf32>
          %w = attn.einsum %s[b, g, p, m] -> [b, g, p, m]
              : (tensor<4x2x8x?xf32>) -> tensor<4x2x8x?xf32> {
          ^bb0(%x: f32):
            %row = attn.coord p
            %column = attn.coord m
            %zero = arith.constant 0 : index
            %y0 = arith.addf %x, %x : f32
            )mlir" + add +
                       R"mlir(
            attn.yield %y0 : f32
          }
          %o = attn.einsum %w[b, g, p, m], %v[b, m, g, f] -> [b, g, p, f]
              reduce add(m)
              : (tensor<4x2x8x?xf32>, tensor<4x?x2x32xf16>)
              -> tensor<4x2x8x32xf32>
          attn.yield %o : tensor<4x2x8x32xf32>
        }
        return %o : tensor<4x2x8x32xf32>
      })mlir";
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    TileProblem problem;
    if (module) {
      module->walk([&](CascadeOp cascade) {
        problem = getTileProblem(cascade, /*rank=*/3);
      });
    }
    return problem;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(TileProblemTest, RowsAreWhatOperandsOfTheColumnsDoNotHave) {
  TileProblem problem = problemOf("", "");
  EXPECT_EQ(problem.packedRows, 8);
  EXPECT_EQ(problem.scoreChannels, 16);
  EXPECT_EQ(problem.valueChannels, 32);
  EXPECT_EQ(problem.numDots, 2);
  EXPECT_EQ(problem.pointReads, 0);
}

TEST_F(TileProblemTest, PointsReadWhatRowsAndColumnsHaveOfTheirOwn) {
  EXPECT_EQ(
      problemOf("where %perPoint[b, p, m]", ", tensor<4x8x?xi1>").pointReads,
      1);
  // All rows of a tile share the flag of a key, whichever request it is of.
  EXPECT_EQ(problemOf("where %perKey[b, m]", ", tensor<4x?xi1>").pointReads, 0);
  std::string entry =
      "%entry = tensor.extract %bias[%row, %zero] : tensor<8x64xf32>";
  EXPECT_EQ(problemOf("", "", entry).pointReads, 1);
  EXPECT_EQ(problemOf("where %perPoint[b, p, m]", ", tensor<4x8x?xi1>", entry)
                .pointReads,
            2);
}

} // namespace
