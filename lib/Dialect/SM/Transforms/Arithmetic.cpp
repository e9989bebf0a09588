//===- Arithmetic.cpp - Less arithmetic for each element ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread has 32 to 128 elements of a block but two rows of it.
//
//===----------------------------------------------------------------------===//
#include "Simplify.h"

#include "attn/Dialect/SM/IR/Monoid.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;
using namespace attn::sm;

/// What a value repeats along an axis, or has beside parts. Null: it has
/// elements of its own.
static Value getNarrow(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<ExpandOp, FactorOp>(op) ? op->getOperand(0) : Value();
}

/// Another value in the place of what `like` repeats.
static Value widen(PatternRewriter &rewriter, Value narrow, Value like) {
  auto type = cast<RankedTensorType>(like.getType())
                  .clone(getElementTypeOrSelf(narrow.getType()));
  Location loc = narrow.getLoc();
  if (auto expand = like.getDefiningOp<ExpandOp>()) {
    return ExpandOp::create(rewriter, loc, type, narrow, expand.getAxis());
  }
  return FactorOp::create(rewriter, loc, type, narrow);
}

static Value makeSplat(PatternRewriter &rewriter, Location loc, Type type,
                       Attribute element) {
  auto shaped = cast<RankedTensorType>(type);
  return arith::ConstantOp::create(rewriter, loc, shaped,
                                   SplatElementsAttr::get(shaped, element));
}

namespace {

/// x + (0 + a * b): x is where the product is added up.
struct Accumulate : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::AddFOp add,
                                PatternRewriter &rewriter) const override {
    for (auto [x, y] : {std::make_pair(add.getLhs(), add.getRhs()),
                        std::make_pair(add.getRhs(), add.getLhs())}) {
      auto gemm = y.getDefiningOp<GemmOp>();
      if (!gemm || !gemm->hasOneUse() || !isUnit(gemm.getAcc(), Kind::add) ||
          !canDelay(gemm, add)) {
        continue;
      }
      auto made = cast<GemmOp>(rewriter.clone(*gemm));
      made.getAccMutable().assign(x);
      rewriter.replaceOp(add, made);
      rewriter.eraseOp(gemm);
      return success();
    }
    return failure();
  }

private:
  /// A place that an operand lies in may be overwritten behind the product.
  static bool canDelay(Operation *op, Operation *until) {
    if (op->getBlock() != until->getBlock()) {
      return false;
    }
    while ((op = op->getNextNode()) != until) {
      if (!isMemoryEffectFree(op)) {
        return false;
      }
    }
    return true;
  }
};

/// Scaled or kept or begun anew, as rows say: rows that are kept are scaled by
/// 1.
struct Rescale : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::SelectOp keep,
                                PatternRewriter &rewriter) const override {
    Value x = keep.getTrueValue(), scaled = keep.getFalseValue();
    auto begin = scaled.getDefiningOp<arith::SelectOp>();
    if (begin) {
      scaled = begin.getFalseValue();
    }
    auto product = scaled.getDefiningOp<arith::MulFOp>();
    if (!product || (product.getLhs() != x && product.getRhs() != x)) {
      return failure();
    }
    Value factor = product.getLhs() == x ? product.getRhs() : product.getLhs();
    Value isKept = getNarrow(keep.getCondition()), narrow = getNarrow(factor);
    Value isBegun = begin ? getNarrow(begin.getCondition()) : Value();
    if (!isKept || !narrow || (begin && !isBegun)) {
      return failure();
    }
    Location loc = keep.getLoc();
    Value one = makeSplat(
        rewriter, loc, narrow.getType(),
        rewriter.getFloatAttr(getElementTypeOrSelf(narrow.getType()), 1.0));
    Value chosen = arith::SelectOp::create(rewriter, loc, isKept, one, narrow);
    Value result = arith::MulFOp::create(rewriter, loc, x,
                                         widen(rewriter, chosen, factor));
    if (begin) {
      Value yes = makeSplat(rewriter, loc, isKept.getType(),
                            rewriter.getBoolAttr(true));
      Value isOther = arith::XOrIOp::create(rewriter, loc, isKept, yes);
      Value isNew = arith::AndIOp::create(rewriter, loc, isBegun, isOther);
      result = arith::SelectOp::create(
          rewriter, loc, widen(rewriter, isNew, begin.getCondition()),
          begin.getTrueValue(), result);
    }
    rewriter.replaceOp(keep, result);
    return success();
  }
};

/// A divisor that many elements share is inverted once. That rounds twice.
struct Divide : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::DivFOp op,
                                PatternRewriter &rewriter) const override {
    if (!isFragment(op.getType())) {
      return failure();
    }
    Location loc = op.getLoc();
    Value inverse;
    DenseFPElementsAttr constant;
    if (matchPattern(op.getRhs(), m_Constant(&constant)) &&
        constant.isSplat()) {
      APFloat value = constant.getSplatValue<APFloat>();
      APFloat one(value.getSemantics(), 1);
      one.divide(value, APFloat::rmNearestTiesToEven);
      if (!one.isFiniteNonZero() || one.isDenormal()) {
        return failure();
      }
      inverse =
          makeSplat(rewriter, loc, op.getType(),
                    FloatAttr::get(getElementTypeOrSelf(op.getType()), one));
    } else if (auto splat = op.getRhs().getDefiningOp<SplatOp>()) {
      Value one = arith::ConstantOp::create(
          rewriter, loc,
          rewriter.getFloatAttr(splat.getValue().getType(), 1.0));
      inverse = SplatOp::create(
          rewriter, loc, op.getType(),
          arith::DivFOp::create(rewriter, loc, one, splat.getValue()));
    } else if (Value narrow = getNarrow(op.getRhs())) {
      Value one = makeSplat(
          rewriter, loc, narrow.getType(),
          rewriter.getFloatAttr(getElementTypeOrSelf(narrow.getType()), 1.0));
      inverse =
          widen(rewriter, arith::DivFOp::create(rewriter, loc, one, narrow),
                op.getRhs());
    }
    if (!inverse) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, op.getLhs(), inverse);
    return success();
  }
};

/// exp(x - y) = 2^(x log2(e) - y log2(e)). Where y repeats along an axis its
/// product is one for many elements, and each of these takes one multiply-add.
///
/// The product rounds: the result is off by a factor of up to 1 + |y| 2^-24,
/// as it is by the rounding of x. For all elements that share y it is the same
/// factor, and for what scales sums of them (differences of rows come here too)
/// nearly so: it drops out of quotients. A y past 2.3e38 has no product.
struct ExponentialOfDifference : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    auto difference = op.getOperand().getDefiningOp<arith::SubFOp>();
    if (!difference || !isFragment(op.getType()) ||
        !getElementTypeOrSelf(op.getType()).isF32()) {
      return failure();
    }
    Location loc = op.getLoc();
    auto times = [&](Value x, double factor) -> Value {
      return arith::MulFOp::create(
          rewriter, loc, x,
          makeSplat(rewriter, loc, x.getType(),
                    rewriter.getF32FloatAttr(float(factor))));
    };
    Value x = difference.getLhs(), y = difference.getRhs(), exponent;
    if (Value narrow = getNarrow(y)) {
      Value factor =
          makeSplat(rewriter, loc, x.getType(),
                    rewriter.getF32FloatAttr(float(llvm::numbers::log2e)));
      exponent = math::FmaOp::create(
          rewriter, loc, x, factor,
          widen(rewriter, times(narrow, -llvm::numbers::log2e), y));
    } else if (cast<RankedTensorType>(op.getType()).getRank() == 1) {
      exponent =
          arith::AddFOp::create(rewriter, loc, times(x, llvm::numbers::log2e),
                                times(y, -llvm::numbers::log2e));
    } else {
      return failure();
    }
    rewriter.replaceOpWithNewOp<math::Exp2Op>(op, exponent);
    return success();
  }
};

} // namespace

void sm::populateArithmeticPatterns(RewritePatternSet &patterns) {
  patterns.add<Accumulate, Rescale, Divide, ExponentialOfDifference>(
      patterns.getContext());
}
