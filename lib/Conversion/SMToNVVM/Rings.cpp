//===- Rings.cpp - Slots, rings, and who waits for them -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where all warps are one role, a place of a ring is full when each thread has
// waited for its own copies and has met the others, and empty when they have
// met again behind their last read. Where that is not so when a place is filled
// is known to sm-place-waits, which marks the fills that must wait.
// RoleRings.cpp is for several.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

SmallVector<Value> sm::getRingBuffers(ImplicitLocOpBuilder &b, RingType type,
                                      Value ring, Value place) {
  RingPlacement placement = RingPlacement::get(type);
  Value away =
      arith::MulIOp::create(b, place, constantI32(b, placement.stride));
  Value begin = arith::AddIOp::create(b, ring, away);
  SmallVector<Value> buffers;
  for (int64_t offset : placement.offsets) {
    buffers.push_back(arith::AddIOp::create(b, begin, constantI32(b, offset)));
  }
  return buffers;
}

/// All but the newest `pending` groups of every thread are there behind it.
static void waitForCopies(ImplicitLocOpBuilder &b, Operation *op,
                          const KernelValues &kernel) {
  auto pending = op->getAttrOfType<IntegerAttr>(kPendingAttr);
  NVVM::CpAsyncWaitGroupOp::create(b, uint32_t(pending ? pending.getInt() : 0));
  if (kernel.multiplies) {
    fenceProducts(b);
  }
  synchronise(b, kernel);
}

namespace {
/// sm.alloc and sm.ring.
template <class Op> class PlaceLowering : public Lowering<Op> {
public:
  using Lowering<Op>::Lowering;

  LogicalResult
  matchAndRewrite(Op op, typename Op::Adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto offset = op->template getAttrOfType<IntegerAttr>(kOffsetAttr);
    if (!offset) {
      return op.emitOpError("expects a place in shared memory, but got none: "
                            "sm-allocate-shared gives it");
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, constantI32(b, offset.getInt()));
    return success();
  }
};

class CursorLowering : public Lowering<CursorOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(CursorOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }
};

class AdvanceLowering : public Lowering<AdvanceOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(AdvanceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!kernelOf(op).isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    int64_t slots = cast<RingType>(op.getRing().getType()).getSlots();
    Value next =
        arith::AddIOp::create(b, adaptor.getCursor(), constantI32(b, 1));
    Value around = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next,
                                         constantI32(b, slots));
    rewriter.replaceOp(
        op, arith::SelectOp::create(b, around, constantI32(b, 0), next)
                .getResult());
    return success();
  }
};

/// The copies inside are one group, with or without a copy in it: how many
/// groups there are is the same on all paths.
class FillLowering : public Lowering<FillOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(FillOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!kernelOf(op).isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> slots =
        getRingBuffers(b, cast<RingType>(op.getRing().getType()),
                       adaptor.getRing(), adaptor.getCursor());
    FailureOr<Block *> body =
        rewriter.convertRegionTypes(&op.getBody(), *getTypeConverter());
    if (failed(body)) {
      return failure();
    }
    rewriter.eraseOp((*body)->getTerminator());
    if (op->hasAttr(kMeetAttr)) {
      synchronise(b, kernelOf(op));
    }
    if (adaptor.getWhen()) {
      auto branch = scf::IfOp::create(b, adaptor.getWhen(),
                                      /*withElseRegion=*/false);
      rewriter.inlineBlockBefore(*body, branch.thenBlock()->getTerminator(),
                                 slots);
    } else {
      rewriter.inlineBlockBefore(*body, op, slots);
    }
    b.setInsertionPoint(op);
    NVVM::CpAsyncCommitGroupOp::create(b);
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }
};

class TakeLowering : public Lowering<TakeOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(TakeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    if (!kernel.isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    waitForCopies(b, op, kernel);
    rewriter.replaceOp(op,
                       getRingBuffers(b, cast<RingType>(op.getRing().getType()),
                                      adaptor.getRing(), adaptor.getCursor()));
    return success();
  }
};

/// Nobody waits for it: all threads meet before a place is filled again.
class ReleaseLowering : public Lowering<ReleaseOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ReleaseOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!kernelOf(op).isAlone) {
      return failure();
    }
    rewriter.eraseOp(op);
    return success();
  }
};

class WaitLowering : public Lowering<WaitOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(WaitOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto slot = dyn_cast<SlotType>(op.getSource().getType());
    if (!slot) {
      return failure(); // a product
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    const KernelValues &kernel = kernelOf(op);
    auto landed = state.phases.find(op);
    if (landed != state.phases.end()) {
      waitForPhase(b, landed->second);
    }
    bool hasRows = llvm::any_of(op.getTokens(), [](Value token) {
      return !token.getDefiningOp<CopyBoxesOp>();
    });
    if (hasRows) {
      waitForCopies(b, op, kernel);
    }
    rewriter.replaceOp(op, adaptor.getSource());
    return success();
  }
};
} // namespace

void sm::populateRings(const TypeConverter &converter, KernelState &state,
                       RewritePatternSet &patterns) {
  patterns.add<PlaceLowering<AllocOp>, PlaceLowering<RingOp>, CursorLowering,
               AdvanceLowering, FillLowering, TakeLowering, ReleaseLowering,
               WaitLowering>(converter, patterns.getContext(), state);
}
