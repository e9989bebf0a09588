//===- SharedFragments.cpp - Fragments in shared memory -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Fragments go to shared memory and come from there by ldmatrix where their
// layout is made of its matrices, and by each thread for itself elsewhere:
// neighbours of a row that are neighbours in the thread move together.
//
//===----------------------------------------------------------------------===//
#include "MatrixLoader.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace attn;
using namespace attn::sm;

namespace {
/// Elements from `first` on that lie side by side from `place` on.
struct Run {
  int64_t first, size;
  BlockPlace place;
};

/// How a thread goes through its elements of a part of a block.
class Walk {
public:
  Walk(ImplicitLocOpBuilder &b, const KernelValues &kernel,
       const FragmentLayout &layout, const BlockPart &part, Type element)
      : b(b), layout(layout), part(part), element(element),
        bytes(getMemoryBytes(element)), rowAxis(part.transposed ? 1 : 0) {
    SmallVector<BlockPlace> places;
    for (int64_t warp = 0, e = layout.getNumWarps(); warp < e; ++warp) {
      for (int64_t lane = 0; lane < FragmentLayout::kLanes; ++lane) {
        places.push_back(toPlace(layout.locateThread(warp, lane)));
      }
    }
    Value row = kernel.thread.locate(b, layout, rowAxis);
    Value byte = constantI32(b, 0);
    if (layout.getRank() == 2) {
      byte =
          arith::MulIOp::create(b, kernel.thread.locate(b, layout, 1 - rowAxis),
                                constantI32(b, bytes));
    }
    address = std::make_unique<SharedAddress>(b, kernel, part.layout,
                                              part.buffer, row, byte, places);
    for (int64_t i = 0, e = layout.getNumRegisters(); i < e;) {
      Run run{i, 1, toPlace(layout.locateRegister(i))};
      while (canDouble(run, places)) {
        run.size *= 2;
      }
      runs.push_back(run);
      i += run.size;
    }
  }

  ArrayRef<Run> getRuns() const { return runs; }
  Value getPointer(const Run &run) {
    return address->get(
        {run.place.row + part.row, run.place.byte + part.column * bytes});
  }
  Type getType(const Run &run) const {
    Type type = getMemoryType(element);
    return run.size == 1 ? type : VectorType::get({run.size}, type);
  }
  unsigned getAlignment(const Run &run) const { return run.size * bytes; }

private:
  /// Elements of one axis stand in the first column.
  BlockPlace toPlace(ArrayRef<int64_t> coord) const {
    return {coord[rowAxis], coord.size() == 1 ? 0 : coord[1 - rowAxis] * bytes};
  }

  /// As long as it stays inside of a chunk, aligned to its size in all threads.
  bool canDouble(const Run &run, ArrayRef<BlockPlace> places) const {
    int64_t size = 2 * run.size;
    if (run.first + size > layout.getNumRegisters() ||
        size * bytes > SharedLayout::kChunkBytes) {
      return false;
    }
    for (int64_t i = run.size; i < size; ++i) {
      BlockPlace place = toPlace(layout.locateRegister(run.first + i));
      if (place.row != run.place.row ||
          place.byte != run.place.byte + i * bytes) {
        return false;
      }
    }
    int64_t base = run.place.byte + part.column * bytes;
    return llvm::all_of(places, [&](BlockPlace place) {
      return (place.byte + base) % (size * bytes) == 0;
    });
  }

  ImplicitLocOpBuilder &b;
  const FragmentLayout &layout;
  BlockPart part;
  Type element;
  int64_t bytes;
  int rowAxis;
  std::unique_ptr<SharedAddress> address;
  SmallVector<Run> runs;
};

class LoadSharedLowering : public Lowering<LoadSharedOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(LoadSharedOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type type = op.getResult().getType();
    Type element = getElementTypeOrSelf(type);
    FragmentLayout layout = getLayout(type);
    BlockPart part{adaptor.getFrom(),
                   getSharedLayout(cast<BufType>(op.getFrom().getType())),
                   int64_t(op.getRow()), int64_t(op.getColumn()),
                   op.getTransposed()};
    std::unique_ptr<MatrixLoader> loader;
    if (element.getIntOrFloatBitWidth() == 16) {
      loader = MatrixLoader::get(b, kernel, layout, part);
    }
    if (loader) {
      SmallVector<Value> pairs;
      for (int64_t i = 0, e = layout.getNumRegisters() / 2; i < e; ++i) {
        pairs.push_back(loader->getPair(i));
      }
      rewriter.replaceOpWithNewOp<vector::BitCastOp>(
          op, getTypeConverter()->convertType(type), pack(b, pairs));
      return success();
    }
    Walk walk(b, kernel, layout, part, element);
    SmallVector<Value> elements;
    for (const Run &run : walk.getRuns()) {
      Value value = LLVM::LoadOp::create(
          b, walk.getType(run), walk.getPointer(run), walk.getAlignment(run));
      SmallVector<Value> each{value};
      if (run.size > 1) {
        each = unpack(b, value);
      }
      for (Value x : each) {
        elements.push_back(fromMemory(b, x, element));
      }
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

class StoreSharedLowering : public Lowering<StoreSharedOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(StoreSharedOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    const KernelValues &kernel = kernelOf(op);
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout layout = getLayout(op.getValue().getType());
    BlockPart part{adaptor.getTo(),
                   getSharedLayout(cast<SlotType>(op.getTo().getType()))};
    Walk walk(b, kernel, layout, part,
              getElementTypeOrSelf(op.getValue().getType()));
    SmallVector<Value> elements = unpack(b, adaptor.getValue());
    // What it held in an earlier round of a loop has been read by all.
    synchronise(b, kernel);
    {
      OpBuilder::InsertionGuard guard(b);
      if (Value first = kernel.thread.isFirstReplica(b, layout)) {
        auto branch = scf::IfOp::create(b, first, /*withElseRegion=*/false);
        b.setInsertionPointToStart(branch.thenBlock());
      }
      for (const Run &run : walk.getRuns()) {
        ArrayRef<Value> part =
            ArrayRef<Value>(elements).slice(run.first, run.size);
        Value value = toMemory(b, run.size == 1 ? part[0] : pack(b, part));
        LLVM::StoreOp::create(b, value, walk.getPointer(run),
                              walk.getAlignment(run));
      }
    }
    synchronise(b, kernel);
    rewriter.replaceOp(op, adaptor.getTo());
    return success();
  }
};
} // namespace

void sm::populateSharedFragments(const TypeConverter &converter,
                                 KernelState &state,
                                 RewritePatternSet &patterns) {
  patterns.add<LoadSharedLowering, StoreSharedLowering>(
      converter, patterns.getContext(), state);
}
