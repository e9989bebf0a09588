//===- Reductions.cpp - In a thread, over lanes, over warps ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SharedAddress.h"

#include "attn/Dialect/SM/IR/Monoid.h"
#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;
using namespace attn::sm;

/// What another lane holds; at most 32 bits are moved at a time.
static Value shuffle(ImplicitLocOpBuilder &b, Value value, int64_t mask) {
  Type type = value.getType(), i32 = b.getI32Type();
  auto move = [&](Value v) -> Value {
    return NVVM::ShflOp::create(b, v.getType(), constantI32(b, -1), v,
                                constantI32(b, mask), constantI32(b, 31),
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  if (type.isF32() || type == i32) {
    return move(value);
  }
  unsigned bits = type.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  if (type != integer) {
    value = arith::BitcastOp::create(b, integer, value);
  }
  if (bits < 32) {
    value = move(arith::ExtUIOp::create(b, i32, value));
    value = arith::TruncIOp::create(b, integer, value);
  } else {
    auto halves = VectorType::get({2}, i32);
    value = vector::BitCastOp::create(
        b, halves,
        vector::BroadcastOp::create(b, VectorType::get({1}, integer), value));
    SmallVector<Value> parts = unpack(b, value);
    value = pack(b, {move(parts[0]), move(parts[1])});
    value = vector::BitCastOp::create(b, VectorType::get({1}, integer), value);
    value = unpack(b, value)[0];
  }
  return type == integer ? value
                         : arith::BitcastOp::create(b, type, value).getResult();
}

namespace {
class ReduceLowering : public Lowering<ReduceOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ReduceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FragmentLayout from = getLayout(op.getSource().getType());
    SmallVector<Value> source = unpack(b, adaptor.getSource()), elements;
    for (ArrayRef<int64_t> group : from.groupsAlong(int(op.getAxis()))) {
      SmallVector<Value> level;
      for (int64_t element : group) {
        level.push_back(source[element]);
      }
      // As a tree: each half waits for half as many before it.
      while (level.size() > 1) {
        size_t half = (level.size() + 1) / 2;
        for (size_t i = 0; i + half < level.size(); ++i) {
          level[i] = combine(b, op.getKind(), level[i], level[i + half]);
        }
        level.resize(half);
      }
      elements.push_back(level.front());
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};

class CompleteLowering : public Lowering<CompleteOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(CompleteOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast<RankedTensorType>(op.getSource().getType());
    FragmentLayout layout = getLayout(type);
    auto masks = layout.getPartialLaneMasks();
    bool isOverWarps = layout.isPartialOverWarps();
    if (!masks || (isOverWarps && !op.getThrough())) {
      return op.emitOpError("expects parts in the lanes of one warp, or room "
                            "for those of several to meet, but got ")
             << type;
    }
    Kind kind = cast<PartialAttr>(type.getEncoding()).getKind();
    SmallVector<Value> elements = unpack(b, adaptor.getSource());
    for (int64_t mask : *masks) {
      for (Value &element : elements) {
        element = combine(b, kind, element, shuffle(b, element, mask));
      }
    }
    if (isOverWarps) {
      meet(b, layout, kind, adaptor.getThrough(),
           getSharedLayout(cast<SlotType>(op.getThrough().getType())),
           kernelOf(op), elements);
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }

private:
  /// Each warp writes its parts, and reads those of all.
  void meet(ImplicitLocOpBuilder &b, const FragmentLayout &layout, Kind kind,
            Value slot, const SharedLayout &room, const KernelValues &kernel,
            SmallVector<Value> &elements) const {
    Type type = elements.front().getType();
    int64_t bytes = getMemoryBytes(type), parts = layout.getNumPartialWarps();
    SmallVector<BlockPlace> own, begins;
    for (int64_t warp = 0, e = layout.getNumWarps(); warp < e; ++warp) {
      for (int64_t lane = 0; lane < FragmentLayout::kLanes; ++lane) {
        int64_t row = layout.locateThread(warp, lane)[0];
        begins.push_back({row, 0});
        for (int64_t part = 0; part < parts; ++part) {
          own.push_back({row, part * bytes});
        }
      }
    }
    Value row = kernel.thread.locate(b, layout, 0);
    Value byte = arith::MulIOp::create(b, kernel.thread.getPart(b, layout),
                                       constantI32(b, bytes));
    SharedAddress to(b, kernel, room, slot, row, byte, own);
    // What it held in an earlier round of a loop has been read by all.
    synchronise(b, kernel);
    {
      // Lanes that held parts have the same by now.
      FragmentLayout whole = layout.complete();
      FragmentLayout ofWarps(layout.getRank(),
                             FragmentLayout::Digits(layout.getRegisters()),
                             FragmentLayout::Digits(whole.getLanes()),
                             FragmentLayout::Digits(layout.getWarps()));
      OpBuilder::InsertionGuard guard(b);
      if (Value first = kernel.thread.isFirstReplica(b, ofWarps)) {
        auto branch = scf::IfOp::create(b, first, /*withElseRegion=*/false);
        b.setInsertionPointToStart(branch.thenBlock());
      }
      for (auto [i, element] : llvm::enumerate(elements)) {
        int64_t row = layout.locateRegister(i)[0];
        LLVM::StoreOp::create(b, element, to.get({row, 0}), bytes);
      }
    }
    synchronise(b, kernel);
    SharedAddress from(b, kernel, room, slot, row, constantI32(b, 0), begins);
    for (auto [i, element] : llvm::enumerate(elements)) {
      for (int64_t part = 0; part < parts; ++part) {
        // LLVM would read three as four, of which one was not written.
        Value value = LLVM::LoadOp::create(
            b, type, from.get({layout.locateRegister(i)[0], part * bytes}),
            bytes, /*isVolatile=*/!llvm::isPowerOf2_64(uint64_t(parts)));
        element = part ? combine(b, kind, element, value) : value;
      }
    }
  }
};
} // namespace

void sm::populateReductions(const TypeConverter &converter, KernelState &state,
                            RewritePatternSet &patterns) {
  patterns.add<ReduceLowering, CompleteLowering>(converter,
                                                 patterns.getContext(), state);
}
