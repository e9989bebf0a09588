//===- Copies.cpp - Copies of rows by cp.async ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SharedAddress.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "attn/Layout/RowCopy.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;
using namespace attn::sm;

/// The threads of a row have its pieces in turn. Threads without a piece in any
/// turn are left out.
static SmallVector<BlockPlace> getPlaces(const FragmentLayout &mover,
                                         int64_t rowBytes, int64_t size) {
  SmallVector<BlockPlace> places;
  for (int64_t warp = 0, e = mover.getNumWarps(); warp < e; ++warp) {
    for (int64_t lane = 0; lane < FragmentLayout::kLanes; ++lane) {
      int64_t byte = attn::getReplica(mover, warp, lane) * size;
      if (byte < rowBytes) {
        places.push_back({mover.locateThread(warp, lane)[0], byte});
      }
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
    auto encoding = cast<MoverAttr>(type.getEncoding());
    int64_t threads = encoding.getThreads() * encoding.getColumnWarps();
    FragmentLayout mover = getLayout(type);
    SharedLayout layout = getSharedLayout(cast<SlotType>(op.getTo().getType()));
    // Neighbours move neighbouring pieces, however small, so that a warp reads
    // whole sectors at once.
    int64_t size = op.getAlignment();
    Value piece = kernel.thread.getThreadReplica(b, mover);
    Value byte = arith::MulIOp::create(b, piece, constantI32(b, size));
    SharedAddress to(b, kernel, layout, adaptor.getTo(),
                     kernel.thread.locate(b, mover, 0), byte,
                     getPlaces(mover, layout.getRowBytes(), size));
    Value byte64 = arith::ExtUIOp::create(b, b.getI64Type(), byte);
    int64_t rowBytes = layout.getRowBytes();
    if (std::optional<int64_t> columns = op.getColumns()) {
      auto slot = cast<SlotType>(op.getTo().getType());
      rowBytes = *columns * slot.getElementType().getIntOrFloatBitWidth() / 8;
    }
    // A row that is not live reads nothing, but from an address that exists.
    Value harmless = LLVM::PtrToIntOp::create(b, b.getI64Type(), kernel.plan);
    SmallVector<Row> rows;
    for (auto [row, address, live] : llvm::enumerate(
             unpack(b, adaptor.getAddresses()), unpack(b, adaptor.getLive()))) {
      Value begin = arith::AddIOp::create(b, address, byte64);
      begin = arith::SelectOp::create(b, live, begin, harmless);
      // What is left of the row behind the thread's first byte.
      Value left = arith::SubIOp::create(b, constantI32(b, rowBytes), byte);
      left = arith::SelectOp::create(b, live, left, constantI32(b, 0));
      Value whole = arith::SelectOp::create(b, live, constantI32(b, size),
                                            constantI32(b, 0));
      Value from =
          LLVM::IntToPtrOp::create(b, globalPointer(b.getContext()), begin);
      rows.push_back({mover.locateRegister(row)[0], from, left, whole});
    }
    int64_t pieces = layout.getRowBytes() / size;
    for (int64_t first = 0; first < pieces; first += threads) {
      // The last piece of the row that a thread moves in this turn.
      int64_t last = std::min(first + threads, pieces) - 1;
      OpBuilder::InsertionGuard guard(b);
      // Only the last turn can be short, so what it computes in a branch is
      // wanted nowhere else.
      if (last < first + threads - 1) {
        Value hasPiece =
            arith::CmpIOp::create(b, arith::CmpIPredicate::ult, piece,
                                  constantI32(b, pieces - first));
        auto branch = scf::IfOp::create(b, hasPiece, /*withElseRegion=*/false);
        b.setInsertionPointToStart(branch.thenBlock());
      }
      int64_t step = first * size;
      bool isInside = (last + 1) * size <= rowBytes;
      for (const Row &row : rows) {
        copy(b, to.get({row.number, step}), addBytes(b, row.from, step), size,
             isInside ? row.whole : limit(b, row.left, step, size));
      }
    }
    if (isAlone) {
      NVVM::CpAsyncCommitGroupOp::create(b);
    }
    rewriter.replaceOp(op, constantI32(b, 0));
    return success();
  }

private:
  /// A row that the thread moves pieces of: its number behind the thread's
  /// first row, where the thread's first piece comes from, and how many bytes
  /// are left from there on and are read at a time (i32; 0 where the row is not
  /// live).
  struct Row {
    int64_t number;
    Value from, left, whole;
  };

  /// Bytes to read of `size` from `step` on, where `left` are left in all.
  static Value limit(ImplicitLocOpBuilder &b, Value left, int64_t step,
                     int64_t size) {
    left = arith::SubIOp::create(b, left, constantI32(b, step));
    left = arith::MinSIOp::create(b, left, constantI32(b, size));
    return arith::MaxSIOp::create(b, left, constantI32(b, 0));
  }

  static void copy(ImplicitLocOpBuilder &b, Value to, Value from, int64_t size,
                   Value read) {
    // Only pieces of 16 bytes can pass the first cache by.
    auto kind = size == SharedLayout::kChunkBytes
                    ? NVVM::LoadCacheModifierKind::CG
                    : NVVM::LoadCacheModifierKind::CA;
    NVVM::CpAsyncOp::create(b, to, from, size, kind, read);
  }
};
} // namespace

void sm::populateCopies(const TypeConverter &converter, KernelState &state,
                        RewritePatternSet &patterns) {
  patterns.add<CopyLowering>(converter, patterns.getContext(), state);
}
