//===- Turns.cpp - Instances of a role one after another ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each instance has a barrier of the hardware that it waits at for its turn;
// the one before it arrives there without waiting. Before the first turn the
// last instance arrives at the barrier of the first one, and at the end the
// first one takes back what the last turn has left there.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

/// Of the instance that waits, and of the one that lets it go on.
static Value getThreads(ImplicitLocOpBuilder &b, const KernelValues &kernel) {
  return constantI32(b, 2 * kernel.warps * FragmentLayout::kLanes);
}

static void waitAt(ImplicitLocOpBuilder &b, const KernelValues &kernel,
                   Value barrier) {
  NVVM::BarrierOp::create(b, TypeRange(), barrier, getThreads(b, kernel), {},
                          Value());
}

static void arriveAt(ImplicitLocOpBuilder &b, const KernelValues &kernel,
                     Value barrier) {
  NVVM::BarrierArriveOp::create(b, barrier, getThreads(b, kernel));
}

static scf::IfOp ifInstance(ImplicitLocOpBuilder &b, const KernelValues &kernel,
                            int64_t number) {
  Value is = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, kernel.instance,
                                   constantI32(b, number));
  return scf::IfOp::create(b, is, /*withElseRegion=*/false);
}

namespace {
class TurnsLowering : public Lowering<TurnsOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(TurnsOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto number = op->getAttrOfType<IntegerAttr>(kBarrierAttr);
    Value first = constantI32(b, number ? number.getInt() : 0);
    if (kernel.instances > 1) {
      OpBuilder::InsertionGuard guard(b);
      auto last = ifInstance(b, kernel, kernel.instances - 1);
      b.setInsertionPointToStart(last.thenBlock());
      arriveAt(b, kernel, first);
      b.setInsertionPoint(op->getBlock()->getTerminator());
      auto begin = ifInstance(b, kernel, 0);
      b.setInsertionPointToStart(begin.thenBlock());
      waitAt(b, kernel, first);
    }
    rewriter.replaceOp(op, first);
    return success();
  }
};

class BeginTurnLowering : public Lowering<BeginTurnOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(BeginTurnOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    if (kernel.instances > 1) {
      waitAt(b, kernel,
             arith::AddIOp::create(b, adaptor.getTurns(), kernel.instance));
    }
    rewriter.eraseOp(op);
    return success();
  }
};

class EndTurnLowering : public Lowering<EndTurnOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(EndTurnOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    if (kernel.instances > 1) {
      Value next = arith::AddIOp::create(b, kernel.instance, constantI32(b, 1));
      next = arith::RemUIOp::create(b, next, constantI32(b, kernel.instances));
      arriveAt(b, kernel, arith::AddIOp::create(b, adaptor.getTurns(), next));
    }
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void sm::populateTurns(const TypeConverter &converter, KernelState &state,
                       RewritePatternSet &patterns) {
  patterns.add<TurnsLowering, BeginTurnLowering, EndTurnLowering>(
      converter, patterns.getContext(), state);
}
