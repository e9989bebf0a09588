//===- Layouts.cpp - Ops that only layouts explain ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace attn;
using namespace attn::sm;

static Value combine(ImplicitLocOpBuilder &b, Kind kind, Value x, Value y) {
  bool isFloat = isa<FloatType>(x.getType());
  switch (kind) {
  case Kind::add:
    return isFloat ? arith::AddFOp::create(b, x, y).getResult()
                   : arith::AddIOp::create(b, x, y).getResult();
  case Kind::mul:
    return isFloat ? arith::MulFOp::create(b, x, y).getResult()
                   : arith::MulIOp::create(b, x, y).getResult();
  case Kind::maximum:
    return isFloat ? arith::MaximumFOp::create(b, x, y).getResult()
                   : arith::MaxSIOp::create(b, x, y).getResult();
  case Kind::minimum:
    return isFloat ? arith::MinimumFOp::create(b, x, y).getResult()
                   : arith::MinSIOp::create(b, x, y).getResult();
  }
  llvm_unreachable("a kind");
}

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

/// A thread has the parts and the factors of the same elements.
class ScaleLowering : public Lowering<ScaleOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(ScaleOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, adaptor.getSource(),
                                               adaptor.getFactor());
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
    if (!masks || layout.isPartialOverWarps()) {
      return op.emitOpError("expects parts in the lanes of one warp, but got ")
             << type << ": nothing takes them from warp to warp yet";
    }
    Kind kind = cast<PartialAttr>(type.getEncoding()).getKind();
    SmallVector<Value> elements = unpack(b, adaptor.getSource());
    for (int64_t mask : *masks) {
      for (Value &element : elements) {
        element = combine(b, kind, element, shuffle(b, element, mask));
      }
    }
    rewriter.replaceOp(op, pack(b, elements));
    return success();
  }
};
} // namespace

void sm::populateLayouts(const TypeConverter &converter, KernelState &state,
                         RewritePatternSet &patterns) {
  patterns.add<SplatLowering, CoordLowering, ScaleLowering, ExpandLowering,
               ReduceLowering, CompleteLowering>(converter,
                                                 patterns.getContext(), state);
}
