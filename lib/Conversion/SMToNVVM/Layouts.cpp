//===- Layouts.cpp - Ops that only layouts explain ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace attn;
using namespace attn::sm;

namespace {
class SplatLowering : public Lowering<SplatOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(SplatOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = getTypeConverter()->convertType(op.getResult().getType());
    rewriter.replaceOpWithNewOp<vector::BroadcastOp>(op, type,
                                                     adaptor.getValue());
    return success();
  }
};

class CoordLowering : public Lowering<CoordOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(CoordOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout layout = getLayout(op.getResult().getType());
    if (layout.getRank() != 1) {
      return op.emitOpError("expects a result of one axis, but got ")
             << op.getResult().getType();
    }
    Value first = arith::AddIOp::create(b, toI32(b, adaptor.getBase()),
                                        kernel.thread.locate(b, layout, 0));
    SmallVector<Value> elements;
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e; ++i) {
      Value own = constantI32(b, layout.locateRegister(i)[0]);
      elements.push_back(arith::AddIOp::create(b, first, own));
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

/// Parts and what all threads know lie in the same registers.
class FactorLowering : public Lowering<FactorOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(FactorOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getSource());
    return success();
  }
};

class ExpandLowering : public Lowering<ExpandOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ExpandOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout from = getLayout(op.getSource().getType());
    FragmentLayout to = getLayout(op.getResult().getType());
    auto map = from.gather(to, {int(1 - op.getAxis())});
    if (!map) {
      return op.emitOpError("expects a thread to hold what it spreads, but ")
             << op.getSource().getType() << " is with other threads";
    }
    SmallVector<Value> source = unpack(b, adaptor.getSource()), elements;
    for (int64_t element : *map) {
      elements.push_back(source[element]);
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

/// Coordinates against bounds. What the thread adds to them is taken from the
/// bounds, of which there are fewer: no thread keeps coordinates in registers.
class CompareCoordLowering : public Lowering<arith::CmpIOp> {
public:
  CompareCoordLowering(const TypeConverter &converter, MLIRContext *context,
                       KernelState &state)
      : Lowering(converter, context, state, /*benefit=*/2) {}

  LogicalResult
  matchAndRewrite(arith::CmpIOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto expand = op.getLhs().getDefiningOp<ExpandOp>();
    auto coord =
        expand ? expand.getSource().getDefiningOp<CoordOp>() : CoordOp();
    if (!coord || !isConstantIntValue(coord.getBase(), 0) || !isSigned(op)) {
      return failure();
    }
    FragmentLayout from = getLayout(coord.getResult().getType());
    auto map = from.gather(getLayout(op.getLhs().getType()),
                           {int(1 - expand.getAxis())});
    if (!map) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value first = kernelOf(op).thread.locate(b, from, 0);
    SmallVector<Value> flags;
    DenseMap<Value, Value> relative;
    for (auto [element, bound] :
         llvm::zip_equal(*map, unpack(b, adaptor.getRhs()))) {
      Value &known = relative[bound];
      if (!known) {
        // Data may bound by any number.
        known = LLVM::SSubSat::create(b, bound.getType(), bound, first);
      }
      Value own = constantI32(b, from.locateRegister(element)[0]);
      flags.push_back(arith::CmpIOp::create(b, op.getPredicate(), own, known));
    }
    rewriter.replaceOp(op, pack(b, flags));
    return success();
  }

private:
  static bool isSigned(arith::CmpIOp op) {
    using P = arith::CmpIPredicate;
    return llvm::is_contained({P::slt, P::sle, P::sgt, P::sge},
                              op.getPredicate());
  }
};
} // namespace

void sm::populateLayouts(const TypeConverter &converter, KernelState &state,
                         RewritePatternSet &patterns) {
  patterns.add<SplatLowering, CoordLowering, FactorLowering, ExpandLowering,
               CompareCoordLowering>(converter, patterns.getContext(), state);
}
