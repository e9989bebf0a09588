//===- Elementwise.cpp - Ops on elements, and constants -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

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

/// To 16 bits: one by one, so that LLVM sees which two share a register and
/// takes the instruction that rounds both.
class TruncFLowering : public OpConversionPattern<arith::TruncFOp> {
public:
  TruncFLowering(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(arith::TruncFOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isFragment(op.getType())) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type element = getElementTypeOrSelf(op.getType());
    SmallVector<Value> elements = unpack(b, adaptor.getIn());
    for (Value &value : elements) {
      value = arith::TruncFOp::create(b, element, value);
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};
} // namespace

void sm::populateElementwise(const TypeConverter &converter,
                             RewritePatternSet &patterns) {
  patterns.add<ElementwiseLowering, ConstantLowering, TruncFLowering>(
      converter, patterns.getContext());
}
