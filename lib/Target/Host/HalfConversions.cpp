//===- HalfConversions.cpp - f16 without instructions for it --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "HalfConversions.h"

#include "attn/Support/BitArithmetic.h"

#include "mlir/IR/TypeUtilities.h"

using namespace attn;

namespace {
struct ExtendHalf : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const final {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF16() ||
        !getElementTypeOrSelf(op.getType()).isF32()) {
      return rewriter.notifyMatchFailure(op, "expects f16 to f32");
    }
    Bits e{ImplicitLocOpBuilder(op.getLoc(), rewriter), op.getType()};
    Value h =
        arith::BitcastOp::create(e.b, e.like(e.b.getI16Type()), op.getIn());
    h = arith::ExtUIOp::create(e.b, e.like(e.b.getI32Type()), h);
    Value magnitude = e.mask(h, 0x7fff), sign = e.left(e.mask(h, 0x8000), 16);
    Value normal = e.add(e.left(magnitude, 13), e.i(0x38000000));
    Value special = e.either(e.left(magnitude, 13), e.i(0x7f800000));
    // Subnormal halves are small integers times 2^-24.
    Value small = arith::UIToFPOp::create(e.b, op.getType(), magnitude);
    small = e.toInt(arith::MulFOp::create(e.b, small, e.f(0x1p-24)));
    Value r = e.select(e.cmp(arith::CmpIPredicate::ult, magnitude, 0x400),
                       small, normal);
    r = e.select(e.cmp(arith::CmpIPredicate::uge, magnitude, 0x7c00), special,
                 r);
    rewriter.replaceOp(op, e.toFloat(e.either(r, sign)));
    return success();
  }
};

struct TruncateHalf : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const final {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF32() ||
        !getElementTypeOrSelf(op.getType()).isF16()) {
      return rewriter.notifyMatchFailure(op, "expects f32 to f16");
    }
    Bits e{ImplicitLocOpBuilder(op.getLoc(), rewriter), op.getType()};
    Value u = e.toInt(op.getIn());
    Value magnitude = e.mask(u, 0x7fffffff);
    Value sign = e.mask(e.right(u, 16), 0x8000);
    Value odd = e.mask(e.right(magnitude, 13), 1);
    Value normal = e.add(e.add(magnitude, odd), e.i(0xfff - 0x38000000));
    normal = e.right(normal, 13);
    // Adding 1/2 rounds to multiples of 2^-24 and leaves them in the low bits.
    Value small = arith::AddFOp::create(e.b, e.toFloat(magnitude), e.f(0.5));
    small = e.add(e.toInt(small), e.i(-0x3f000000));
    Value r = e.select(e.cmp(arith::CmpIPredicate::ult, magnitude, 0x38800000),
                       small, normal);
    r = e.select(e.cmp(arith::CmpIPredicate::uge, magnitude, 0x477ff000),
                 e.i(0x7c00), r);
    r = e.select(e.cmp(arith::CmpIPredicate::ugt, magnitude, 0x7f800000),
                 e.i(0x7e00), r);
    r = arith::TruncIOp::create(e.b, e.like(e.b.getI16Type()),
                                e.either(r, sign));
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), r);
    return success();
  }
};
} // namespace

void attn::populateHalfConversionPatterns(RewritePatternSet &patterns) {
  patterns.add<ExtendHalf, TruncateHalf>(patterns.getContext());
}
