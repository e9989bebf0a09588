//===- Float8Conversions.cpp - What 8-bit floats mean ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Float8Conversions.h"

#include "attn/Support/BitArithmetic.h"

#include "mlir/IR/TypeUtilities.h"

using namespace attn;

namespace {
/// The bits of a value of `type`, which has an exponent above `mantissa` bits,
/// as the bits of an f32. Subnormals are small integers times a power of two.
Value extendBits(Bits &e, Value byte, FloatType type) {
  const llvm::fltSemantics &format = type.getFloatSemantics();
  unsigned mantissa = type.getFPMantissaWidth() - 1;
  int minExponent = llvm::APFloat::semanticsMinExponent(format);
  Value magnitude = e.mask(byte, 0x7f), sign = e.left(e.mask(byte, 0x80), 24);
  // The exponent of the smallest normal value is stored as 1 here and as 127 +
  // minExponent in an f32.
  uint32_t rebias = uint32_t(126 + minExponent) << 23;
  Value shifted = e.left(magnitude, 23 - mantissa);
  Value normal = e.add(shifted, e.i(rebias));
  Type f32 = e.like(e.b.getF32Type());
  Value small = arith::UIToFPOp::create(e.b, f32, magnitude);
  small = arith::MulFOp::create(
      e.b, small, e.f(std::ldexp(1.0, minExponent - int(mantissa))));
  Value result =
      e.select(e.cmp(arith::CmpIPredicate::ult, magnitude, 1u << mantissa),
               e.toInt(small), normal);
  // f8E4M3FN has one NaN and no infinity; formats like those of IEEE keep the
  // largest exponent for both.
  bool isFinite = isa<Float8E4M3FNType>(type);
  uint32_t special = isFinite ? 0x7f : 0x7f >> mantissa << mantissa;
  result = e.select(e.cmp(arith::CmpIPredicate::uge, magnitude, special),
                    e.either(shifted, e.i(0x7f800000)), result);
  return e.either(result, sign);
}

struct ExtendFloat8 : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const final {
    auto type = cast<FloatType>(getElementTypeOrSelf(op.getIn().getType()));
    Type to = getElementTypeOrSelf(op.getType());
    if (!isa<Float8E4M3FNType, Float8E5M2Type>(type) ||
        !(to.isF32() || to.isF16())) {
      return rewriter.notifyMatchFailure(op, "expects an 8-bit float");
    }
    Bits e{ImplicitLocOpBuilder(op.getLoc(), rewriter), op.getType()};
    Value byte =
        arith::BitcastOp::create(e.b, e.like(e.b.getI8Type()), op.getIn());
    byte = arith::ExtUIOp::create(e.b, e.like(e.b.getI32Type()), byte);
    Value result = e.toFloat(extendBits(e, byte, type));
    if (to.isF16()) {
      // Exact: f16 has more of both exponents and digits.
      result = arith::TruncFOp::create(e.b, op.getType(), result);
    }
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct TruncateFloat8 : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const final {
    auto type = cast<FloatType>(getElementTypeOrSelf(op.getType()));
    Type from = getElementTypeOrSelf(op.getIn().getType());
    if (!isa<Float8E4M3FNType, Float8E5M2Type>(type) ||
        !(from.isF32() || from.isF16() || from.isBF16())) {
      return rewriter.notifyMatchFailure(op, "expects an 8-bit float");
    }
    Bits e{ImplicitLocOpBuilder(op.getLoc(), rewriter), op.getIn().getType()};
    Value wide = op.getIn();
    if (!from.isF32()) {
      wide = arith::ExtFOp::create(e.b, e.like(e.b.getF32Type()), wide);
    }
    rewriter.replaceOp(op, truncateToFloat8(e, wide, type));
    return success();
  }
};
} // namespace

void attn::populateFloat8ConversionPatterns(RewritePatternSet &patterns) {
  patterns.add<ExtendFloat8, TruncateFloat8>(patterns.getContext());
}
