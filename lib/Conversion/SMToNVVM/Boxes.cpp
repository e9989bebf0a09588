//===- Boxes.cpp - Copies of boxes by tensor maps -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One instruction brings one box of one panel. The lanes of the first warp
// share them: a lane knows the coordinates of its box, and lanes that know the
// same box take its panels in turn.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

/// The shared memory of all CTAs of a cluster, where a tensor copy writes to.
static constexpr unsigned kClusterSpace = 7;

namespace {
class CopyBoxesLowering : public Lowering<CopyBoxesOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(CopyBoxesOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    auto phase = state.phases.find(op);
    if (phase == state.phases.end()) {
      return op.emitOpError("expects a ring between roles: nothing else tells "
                            "when boxes are there");
    }
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout boxes = getLayout(op.getLive().getType());
    SharedLayout slot = getSharedLayout(cast<SlotType>(op.getTo().getType()));
    int64_t panels = slot.getRowBytes() / slot.getSpan();
    int64_t replicas = ThreadPosition::countReplicas(boxes);
    Value replica = kernel.thread.getReplica(b, boxes);
    Value first = kernel.thread.locate(b, boxes, 0);
    Value isIssuing = isLess(b, kernel.thread.getWarp(), 1);
    for (int64_t i = 0, e = boxes.getNumRegisters(); i < e; ++i) {
      Value box = arith::AddIOp::create(
          b, first, constantI32(b, boxes.locateRegister(i)[0]));
      for (int64_t begin = 0; begin < panels; begin += replicas) {
        Value panel = arith::AddIOp::create(b, replica, constantI32(b, begin));
        Value takesPart = isIssuing;
        if (begin + replicas > panels) {
          takesPart =
              arith::AndIOp::create(b, takesPart, isLess(b, panel, panels));
        }
        auto branch = scf::IfOp::create(b, takesPart, /*withElseRegion=*/false);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock());
        copy(b, op, adaptor, kernel, phase->second.barrier, box, panel, i);
      }
    }
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }

private:
  static Value isLess(ImplicitLocOpBuilder &b, Value number, int64_t end) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, number,
                                 constantI32(b, end));
  }

  /// One panel of box `box`, whose values are number `element` of the thread.
  static void copy(ImplicitLocOpBuilder &b, CopyBoxesOp op, OpAdaptor adaptor,
                   const KernelValues &kernel, Value barrier, Value box,
                   Value panel, int64_t element) {
    auto map = cast<TensorMapType>(op.getMap().getType());
    SharedLayout slot = getSharedLayout(cast<SlotType>(op.getTo().getType()));
    auto times = [&](Value number, int64_t size) {
      return arith::MulIOp::create(b, number, constantI32(b, size));
    };
    Value to = arith::AddIOp::create(b, adaptor.getTo(),
                                     times(panel, slot.getPanelBytes()));
    to = arith::AddIOp::create(b, to,
                               times(box, map.getRows() * slot.getSpan()));
    auto space = LLVM::LLVMPointerType::get(b.getContext(), kClusterSpace);
    Value pointer =
        LLVM::AddrSpaceCastOp::create(b, space, addBytes(b, kernel.shared, to));

    // Where a box is not live it lies in front of the tensor, all of it.
    SmallVector<Value> coordinates;
    for (auto [axis, value] : llvm::enumerate(adaptor.getCoordinates())) {
      bool isUniform = op.getCoordinates()[axis].getType().isIndex();
      Value own = isUniform ? toI32(b, value) : unpack(b, value)[element];
      if (axis == 0) {
        Value live = unpack(b, adaptor.getLive())[element];
        own = arith::SelectOp::create(b, live, own,
                                      constantI32(b, -map.getBox().front()));
      }
      coordinates.push_back(own);
    }
    int64_t bits = map.getElementType().getIntOrFloatBitWidth();
    coordinates.push_back(times(panel, slot.getSpan() * 8 / bits));
    // The hardware counts axes from the last one on.
    std::reverse(coordinates.begin(), coordinates.end());
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
        b, pointer, adaptor.getMap(), coordinates, barrier,
        /*im2colOffsets=*/ValueRange(), /*multicastMask=*/Value(),
        /*l2CacheHint=*/Value(), NVVM::TMALoadMode::TILE,
        /*isCTAOnly=*/false, /*group=*/nullptr, /*predicate=*/Value());
  }
};

/// All threads of the role write, sixteen bytes at a time.
class ZeroRowsLowering : public Lowering<ZeroRowsOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ZeroRowsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SharedLayout layout =
        getSharedLayout(cast<BufType>(op.getBuffer().getType()));
    constexpr int64_t piece = SharedLayout::kChunkBytes;
    int64_t threads = kernel.warps * FragmentLayout::kLanes;
    Value warp = arith::MulIOp::create(b, kernel.thread.getWarp(),
                                       constantI32(b, FragmentLayout::kLanes));
    Value thread = arith::AddIOp::create(b, warp, kernel.thread.getLane());
    Value first = toI32(b, adaptor.getFirst());
    Value zero = arith::ConstantOp::create(
        b, b.getZeroAttr(VectorType::get({piece / 4}, b.getI32Type())));
    auto loop =
        scf::ForOp::create(b, thread, constantI32(b, layout.getBytes() / piece),
                           constantI32(b, threads));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    // A row has the same bytes of its panel with the swizzle as without.
    Value at =
        arith::MulIOp::create(b, loop.getInductionVar(), constantI32(b, piece));
    Value row =
        arith::RemUIOp::create(b, at, constantI32(b, layout.getPanelBytes()));
    row = arith::DivUIOp::create(b, row, constantI32(b, layout.getSpan()));
    Value isBehind =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, row, first);
    auto branch = scf::IfOp::create(b, isBehind, /*withElseRegion=*/false);
    b.setInsertionPointToStart(branch.thenBlock());
    Value offset = arith::AddIOp::create(b, adaptor.getBuffer(), at);
    LLVM::StoreOp::create(b, zero, addBytes(b, kernel.shared, offset), piece);
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void sm::populateBoxes(const TypeConverter &converter, KernelState &state,
                       RewritePatternSet &patterns) {
  patterns.add<CopyBoxesLowering, ZeroRowsLowering>(
      converter, patterns.getContext(), state);
}
