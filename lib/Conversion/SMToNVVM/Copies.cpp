//===- Copies.cpp - Copies of rows by cp.async ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SharedAddress.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace attn;
using namespace attn::sm;

static constexpr int64_t kPieceBytes = SharedLayout::kChunkBytes;

/// The threads of a row have its pieces in turn.
static SmallVector<BlockPlace> getPlaces(const FragmentLayout &mover) {
  SmallVector<BlockPlace> places;
  for (int64_t warp = 0, e = mover.getNumWarps(); warp < e; ++warp) {
    for (int64_t lane = 0; lane < FragmentLayout::kLanes; ++lane) {
      places.push_back({mover.locateThread(warp, lane)[0],
                        ThreadPosition::getReplica(mover, lane) * kPieceBytes});
    }
  }
  return places;
}

namespace {
class CopyLowering : public Lowering<CopyOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(CopyOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    bool isAlone = op.getTo().getDefiningOp<AllocOp>();
    if (op->hasAttr(kMeetAttr)) {
      synchronise(b, kernel);
    }
    auto type = cast<RankedTensorType>(op.getAddresses().getType());
    int64_t threads = cast<MoverAttr>(type.getEncoding()).getThreads();
    FragmentLayout mover = getLayout(type);
    SharedLayout layout = getSharedLayout(cast<SlotType>(op.getTo().getType()));
    Value piece = kernel.thread.getReplica(b, mover);
    Value byte = arith::MulIOp::create(b, piece, constantI32(b, kPieceBytes));
    SharedAddress to(b, kernel, layout, adaptor.getTo(),
                     kernel.thread.locate(b, mover, 0), byte, getPlaces(mover));
    Value byte64 = arith::ExtUIOp::create(b, b.getI64Type(), byte);
    int64_t rowBytes = layout.getRowBytes();
    if (std::optional<int64_t> columns = op.getColumns()) {
      auto slot = cast<SlotType>(op.getTo().getType());
      rowBytes = *columns * slot.getElementType().getIntOrFloatBitWidth() / 8;
    }
    // A row that is not live reads nothing, but from an address that exists.
    Value harmless = LLVM::PtrToIntOp::create(b, b.getI64Type(), kernel.plan);
    SmallVector<Value> addresses = unpack(b, adaptor.getAddresses());
    SmallVector<Value> live = unpack(b, adaptor.getLive());
    int64_t pieces = layout.getRowBytes() / kPieceBytes / threads;
    for (auto [row, address] : llvm::enumerate(addresses)) {
      int64_t number = mover.locateRegister(row)[0];
      Value begin = arith::AddIOp::create(b, address, byte64);
      begin = arith::SelectOp::create(b, live[row], begin, harmless);
      // What is left of the row behind the thread's first byte.
      Value left = arith::SubIOp::create(b, constantI32(b, rowBytes), byte);
      left = arith::SelectOp::create(b, live[row], left, constantI32(b, 0));
      Value whole = arith::SelectOp::create(
          b, live[row], constantI32(b, op.getAlignment()), constantI32(b, 0));
      Value from =
          LLVM::IntToPtrOp::create(b, globalPointer(b.getContext()), begin);
      for (int64_t i = 0; i < pieces; ++i) {
        for (int64_t in = 0; in < kPieceBytes; in += op.getAlignment()) {
          int64_t step = i * threads * kPieceBytes + in;
          int64_t last = step + (threads - 1) * kPieceBytes;
          bool isInside = last + int64_t(op.getAlignment()) <= rowBytes;
          copy(b, addBytes(b, to.get({number, step - in}), in),
               addBytes(b, from, step), op.getAlignment(),
               isInside ? whole : limit(b, left, step, op.getAlignment()));
        }
      }
    }
    if (isAlone) {
      NVVM::CpAsyncCommitGroupOp::create(b);
    }
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }

private:
  /// Bytes to read of `size` from `step` on, where `left` are left in all.
  static Value limit(ImplicitLocOpBuilder &b, Value left, int64_t step,
                     int64_t size) {
    left = arith::SubIOp::create(b, left, constantI32(b, step));
    left = arith::MinSIOp::create(b, left, constantI32(b, size));
    return arith::MaxSIOp::create(b, left, constantI32(b, 0));
  }

  static void copy(ImplicitLocOpBuilder &b, Value to, Value from, int64_t size,
                   Value read) {
    // Only whole pieces can pass the first cache by.
    auto kind = size == kPieceBytes ? NVVM::LoadCacheModifierKind::CG
                                    : NVVM::LoadCacheModifierKind::CA;
    NVVM::CpAsyncOp::create(b, to, from, size, kind, read);
  }
};
} // namespace

void sm::populateCopies(const TypeConverter &converter, KernelState &state,
                        RewritePatternSet &patterns) {
  patterns.add<CopyLowering>(converter, patterns.getContext(), state);
}
