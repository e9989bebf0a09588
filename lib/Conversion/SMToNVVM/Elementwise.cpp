//===- Elementwise.cpp - Ops on elements, and constants -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Support/BitArithmetic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using namespace attn::sm;

namespace {
/// An op that works element by element does so on what a thread holds.
class ElementwiseLowering : public ConversionPattern {
public:
  ElementwiseLowering(const TypeConverter &converter, MLIRContext *context)
      : ConversionPattern(converter, MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult
  matchAndRewrite(Operation *op, ArrayRef<Value> operands,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumRegions()) {
      return failure();
    }
    SmallVector<Type> types;
    if (failed(getTypeConverter()->convertTypes(op->getResultTypes(), types))) {
      return failure();
    }
    OperationState state(op->getLoc(), op->getName(), operands, types,
                         op->getAttrs());
    rewriter.replaceOp(op, rewriter.create(state));
    return success();
  }
};

class ConstantLowering : public OpConversionPattern<arith::ConstantOp> {
public:
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(arith::ConstantOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isFragment(op.getType())) {
      return failure();
    }
    auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
    if (!splat) {
      return op.emitOpError("expects one value for all elements, but got ")
             << op.getValue();
    }
    auto type = cast<VectorType>(getTypeConverter()->convertType(op.getType()));
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(
        op, DenseElementsAttr::get(type, splat.getSplatValue<Attribute>()));
    return success();
  }
};

/// To 8 bits, which have no type in PTX before sm_89, one by one by integers;
/// to 16 bits: one by one, so that LLVM sees which two share a register and
/// takes the instruction that rounds both.
class TruncFLowering : public OpConversionPattern<arith::TruncFOp> {
public:
  TruncFLowering(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(arith::TruncFOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto element = cast<FloatType>(getElementTypeOrSelf(op.getType()));
    bool isFragmentValue = isFragment(op.getType());
    bool isByte = isa<Float8E4M3FNType, Float8E5M2Type>(element);
    if (!isFragmentValue && !isByte) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> elements{adaptor.getIn()};
    if (isFragmentValue) {
      elements = unpack(b, adaptor.getIn());
    }
    for (Value &value : elements) {
      value = isByte ? toByte(b, value, element)
                     : Value(arith::TruncFOp::create(b, element, value));
    }
    rewriter.replaceOp(op, isFragmentValue ? pack(b, elements) : elements[0]);
    return success();
  }

private:
  static Value toByte(ImplicitLocOpBuilder &b, Value value, FloatType type) {
    if (!value.getType().isF32()) {
      value = arith::ExtFOp::create(b, b.getF32Type(), value);
    }
    Bits bits{b, value.getType()};
    return truncateToFloat8(bits, value, type);
  }
};
/// From 8 bits, which have no type in PTX before sm_89: their exponent and
/// fraction fit into those of f16.
class ExtFLowering : public OpConversionPattern<arith::ExtFOp> {
public:
  ExtFLowering(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(arith::ExtFOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type from = getElementTypeOrSelf(op.getIn().getType());
    bool isE4M3 = isa<Float8E4M3FNType>(from);
    if (!isE4M3 && !isa<Float8E5M2Type>(from)) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> elements{adaptor.getIn()};
    bool isFragmentValue = isFragment(op.getType());
    if (isFragmentValue) {
      elements = unpack(b, adaptor.getIn());
    }
    for (Value &value : elements) {
      value = widen(b, value, isE4M3);
      Type to = getElementTypeOrSelf(op.getType());
      if (!to.isF16()) {
        value = arith::ExtFOp::create(b, to, value);
      }
    }
    rewriter.replaceOp(op, isFragmentValue ? pack(b, elements) : elements[0]);
    return success();
  }

private:
  static Value widen(ImplicitLocOpBuilder &b, Value value, bool isE4M3) {
    auto bits = [&](int64_t x) -> Value {
      return arith::ConstantIntOp::create(b, x, 16);
    };
    Value code = arith::BitcastOp::create(b, b.getI8Type(), value);
    code = arith::ExtUIOp::create(b, b.getI16Type(), code);
    Value high = arith::ShLIOp::create(b, code, bits(8));
    if (!isE4M3) {
      return arith::BitcastOp::create(b, b.getF16Type(), high);
    }
    Value sign = arith::AndIOp::create(b, high, bits(-0x8000));
    Value size = arith::AndIOp::create(b, code, bits(0x7f));
    // The exponents are biased by 7 and by 15. Below the smallest normal
    // number the first bit is none: h = 2^-7 (1 + m / 8) stands for m / 8 2^-6.
    // No step meets a number that f16 flushes.
    Value h = arith::AddIOp::create(b, arith::ShLIOp::create(b, size, bits(7)),
                                    bits(8 << 10));
    auto half = [&](double x) -> Value {
      return arith::ConstantOp::create(b, b.getFloatAttr(b.getF16Type(), x));
    };
    Value small = arith::BitcastOp::create(b, b.getF16Type(), h);
    small = arith::SubFOp::create(b, small, half(0x1p-7));
    small = arith::AddFOp::create(b, small, small);
    small = arith::BitcastOp::create(b, b.getI16Type(), small);
    Value isSmall =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, size, bits(8));
    h = arith::SelectOp::create(b, isSmall, small, h);
    // All ones is the one NaN; there is no infinity.
    Value isNaN =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, size, bits(0x7f));
    h = arith::SelectOp::create(b, isNaN, bits(0x7e00), h);
    return arith::BitcastOp::create(
        b, b.getF16Type(), arith::OrIOp::create(b, sign, h).getResult());
  }
};
} // namespace

void sm::populateElementwise(const TypeConverter &converter,
                             RewritePatternSet &patterns) {
  patterns
      .add<ElementwiseLowering, ConstantLowering, TruncFLowering, ExtFLowering>(
          converter, patterns.getContext());
}
