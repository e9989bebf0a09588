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
    if (isAlone && op->getParentOfType<scf::ForOp>()) {
      // Nothing says that the slot is empty: somebody may still read what an
      // earlier record left there.
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
    // A row that is not live reads nothing, but from an address that exists.
    Value harmless = LLVM::PtrToIntOp::create(b, b.getI64Type(), kernel.plan);
    SmallVector<Value> addresses = unpack(b, adaptor.getAddresses());
    SmallVector<Value> live = unpack(b, adaptor.getLive());
    int64_t pieces = layout.getRowBytes() / kPieceBytes / threads;
    for (auto [row, address] : llvm::enumerate(addresses)) {
      int64_t number = mover.locateRegister(row)[0];
      Value begin = arith::AddIOp::create(b, address, byte64);
      begin = arith::SelectOp::create(b, live[row], begin, harmless);
      Value size = arith::SelectOp::create(
          b, live[row], constantI32(b, kPieceBytes), constantI32(b, 0));
      Value from =
          LLVM::IntToPtrOp::create(b, globalPointer(b.getContext()), begin);
      for (int64_t i = 0; i < pieces; ++i) {
        int64_t step = i * threads * kPieceBytes;
        NVVM::CpAsyncOp::create(b, to.get({number, step}),
                                addBytes(b, from, step), kPieceBytes,
                                NVVM::LoadCacheModifierKind::CG, size);
      }
    }
    if (isAlone) {
      NVVM::CpAsyncCommitGroupOp::create(b);
    }
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }
};
} // namespace

void sm::populateCopies(const TypeConverter &converter, KernelState &state,
                        RewritePatternSet &patterns) {
  patterns.add<CopyLowering>(converter, patterns.getContext(), state);
}
