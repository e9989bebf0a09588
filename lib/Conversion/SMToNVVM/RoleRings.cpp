//===- RoleRings.cpp - Rings between roles --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A place of a ring has barriers in memory. `full` completes a round when one
// thread of the filler has arrived and the bytes of its boxes are there;
// `empty` when one lane of each warp that reads has arrived. A barrier tells
// only a round from the one before it, so a warp must never fall two rounds
// behind: of the filler its first warp waits alone, and the others only where
// they take part.
//
// What the filler writes by itself, by cp.async or by stores, is made visible
// to products and tensor copies by a fence before it arrives. If it must see
// what boxes brought before it arrives, they report to `landed`.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

/// A cursor has the number of the place in its lower half, and above it the
/// parity of the round.
static constexpr int64_t kPlaceBits = 16;

void sm::waitForPhase(ImplicitLocOpBuilder &b, Phase phase) {
  // How long the hardware may hold the thread before it asks again.
  Value ticks = constantI32(b, 10000000);
  NVVM::MBarrierTryWaitParityOp::create(b, phase.barrier, phase.parity, ticks);
}

void sm::fenceProducts(ImplicitLocOpBuilder &b) {
  NVVM::FenceProxyOp::create(
      b, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(b.getContext(),
                                 NVVM::SharedSpace::shared_cta));
}

static void arrive(ImplicitLocOpBuilder &b, Value barrier) {
  NVVM::MBarrierArriveOp::create(b, b.getI64Type(), barrier);
}

static void arriveExpecting(ImplicitLocOpBuilder &b, Value barrier,
                            Value bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(b, TypeRange(), barrier, bytes,
                                         NVVM::MemScopeKind::CTA,
                                         /*relaxed=*/false, Value());
}

/// Runs `body` where the condition holds.
static void createIf(ImplicitLocOpBuilder &b, Value condition,
                     function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

static Value isZero(ImplicitLocOpBuilder &b, Value number) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, number,
                               constantI32(b, 0));
}

namespace {
/// A place of a ring as a cursor names it.
class Place {
public:
  Place(ImplicitLocOpBuilder &b, const KernelValues &kernel, Value ring,
        Value cursor)
      : b(b), kernel(kernel), op(ring.getDefiningOp<RingOp>()) {
    place = constantI32(b, 0);
    if (getType().getSlots() > 1) {
      place = arith::AndIOp::create(b, cursor,
                                    constantI32(b, (1 << kPlaceBits) - 1));
    }
    parity = arith::ShRUIOp::create(b, cursor, constantI32(b, kPlaceBits));
  }

  RingType getType() { return cast<RingType>(op.getResult().getType()); }
  /// Whether some fill of the ring waits for its boxes.
  bool lands() { return op->hasAttr(kLandsAttr); }
  Value getParity() const { return parity; }
  Value getOtherParity() {
    return arith::XOrIOp::create(b, parity, constantI32(b, 1));
  }

  Value getBarrier(RingBarrier barrier) {
    int64_t first = op->getAttrOfType<IntegerAttr>(kBarriersAttr).getInt() +
                    getBarrierOffset(getType().getSlots(), barrier);
    Value away = arith::MulIOp::create(b, place, constantI32(b, kBarrierBytes));
    return addBytes(b, addBytes(b, kernel.shared, first), away);
  }

  SmallVector<Value> getBuffers(Value ring) {
    return getRingBuffers(b, getType(), ring, place);
  }

private:
  ImplicitLocOpBuilder &b;
  const KernelValues &kernel;
  RingOp op;
  Value place, parity;
};

class AdvanceLowering : public Lowering<AdvanceOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(AdvanceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (kernelOf(op).isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    int64_t slots = cast<RingType>(op.getRing().getType()).getSlots();
    Value cursor = adaptor.getCursor();
    Value other = constantI32(b, 1 << kPlaceBits);
    if (slots == 1) {
      rewriter.replaceOp(op, arith::XOrIOp::create(b, cursor, other));
      return success();
    }
    Value next = arith::AddIOp::create(b, cursor, constantI32(b, 1));
    Value place =
        arith::AndIOp::create(b, next, constantI32(b, (1 << kPlaceBits) - 1));
    Value isAround = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, place,
                                           constantI32(b, slots));
    Value around = arith::XOrIOp::create(
        b, arith::SubIOp::create(b, next, constantI32(b, slots)), other);
    rewriter.replaceOp(
        op, arith::SelectOp::create(b, isAround, around, next).getResult());
    return success();
  }
};

class FillLowering : public Lowering<FillOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(FillOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    if (kernel.isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Block &ops = op.getBody().front();
    bool hasRows = !ops.getOps<CopyOp>().empty();
    bool waits = !ops.getOps<WaitOp>().empty();
    Place place(b, kernel, op.getRing(), adaptor.getCursor());
    Value full = place.getBarrier(RingBarrier::Full);
    Value landed;
    if (place.lands()) {
      landed = place.getBarrier(RingBarrier::Landed);
    }
    begin(b, op, place, full, landed);
    for (Operation &inside : ops) {
      if (isa<CopyBoxesOp, WaitOp>(inside)) {
        state.phases[&inside] = {waits ? landed : full, place.getParity()};
      }
    }
    SmallVector<Value> slots = place.getBuffers(adaptor.getRing());
    FailureOr<Block *> body =
        rewriter.convertRegionTypes(&op.getBody(), *getTypeConverter());
    if (failed(body)) {
      return failure();
    }
    rewriter.eraseOp((*body)->getTerminator());
    rewriter.inlineBlockBefore(*body, op, slots);
    b.setInsertionPoint(op);
    if (hasRows) {
      NVVM::CpAsyncCommitGroupOp::create(b);
      NVVM::CpAsyncWaitGroupOp::create(b, 0);
    }
    if (hasRows || waits) {
      fenceProducts(b);
      synchronise(b, kernel);
      Value isOne = arith::AndIOp::create(b, isZero(b, kernel.thread.getWarp()),
                                          isZero(b, kernel.thread.getLane()));
      createIf(b, isOne, [&] { arrive(b, full); });
    }
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }

private:
  /// The first warp waits until the place is empty, and its first lane says
  /// what will come.
  void begin(ImplicitLocOpBuilder &b, FillOp op, Place &place, Value full,
             Value landed) const {
    const KernelValues &kernel = kernelOf(op);
    Block &ops = op.getBody().front();
    bool hasRows = !ops.getOps<CopyOp>().empty();
    bool waits = !ops.getOps<WaitOp>().empty();
    int64_t bytes = 0;
    for (auto boxes : ops.getOps<CopyBoxesOp>()) {
      bytes +=
          getSharedLayout(cast<SlotType>(boxes.getTo().getType())).getBytes();
    }
    Phase empty{place.getBarrier(RingBarrier::Empty), place.getOtherParity()};
    createIf(b, isZero(b, kernel.thread.getWarp()), [&] {
      waitForPhase(b, empty);
      createIf(b, isZero(b, kernel.thread.getLane()), [&] {
        Value size = constantI32(b, bytes);
        if (waits) {
          arriveExpecting(b, landed, size);
        } else if (hasRows && bytes) {
          NVVM::MBarrierExpectTxOp::create(b, full, size);
        } else if (!hasRows) {
          arriveExpecting(b, full, size);
        }
        if (landed && !waits) {
          // Its rounds go with those of the place.
          arrive(b, landed);
        }
      });
    });
    if (hasRows || waits) {
      synchronise(b, kernel);
    }
  }
};

class TakeLowering : public Lowering<TakeOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(TakeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    if (kernel.isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Place place(b, kernel, op.getRing(), adaptor.getCursor());
    waitForPhase(b, {place.getBarrier(RingBarrier::Full), place.getParity()});
    rewriter.replaceOp(op, place.getBuffers(adaptor.getRing()));
    return success();
  }
};

/// A warp has waited for its own part of a product only, so each one arrives.
class ReleaseLowering : public Lowering<ReleaseOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ReleaseOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    if (kernel.isAlone) {
      return failure();
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Place place(b, kernel, op.getRing(), adaptor.getCursor());
    Value empty = place.getBarrier(RingBarrier::Empty);
    createIf(b, isZero(b, kernel.thread.getLane()), [&] { arrive(b, empty); });
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void sm::populateRoleRings(const TypeConverter &converter, KernelState &state,
                           RewritePatternSet &patterns) {
  patterns.add<AdvanceLowering, FillLowering, TakeLowering, ReleaseLowering>(
      converter, patterns.getContext(), state);
}
