//===- Emit.cpp - Loops, buffers and small things -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

static int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

void KernelLowering::fail(Operation *op, const Twine &message) {
  if (!failed) {
    op->emitOpError() << message.str();
  }
  failed = true;
}

/// Constants live at the top of the function, one of each.
Value KernelLowering::constant(TypedAttr attr) {
  Value &v = constants[attr];
  if (!v) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&func.getBody().front());
    v = arith::ConstantOp::create(b, attr);
  }
  return v;
}

Value KernelLowering::zeroOf(Type type) {
  return constant(cast<TypedAttr>(b.getZeroAttr(type)));
}

Value KernelLowering::addIndex(Value base, int64_t offset) {
  if (offset == 0) {
    return base;
  }
  Value sum = arith::AddIOp::create(b, base, index(offset));
  indexLevel[sum] = levels.empty() ? 0 : levels.size() - 1;
  return sum;
}

Value KernelLowering::toI64(Value index) {
  return arith::IndexCastOp::create(b, b.getI64Type(), index);
}

Value KernelLowering::scratch(ArrayRef<int64_t> shape, Type element) {
  int64_t bytes = element.isIndex() ? 8 : element.getIntOrFloatBitWidth() / 8;
  for (int64_t d : shape) {
    bytes *= d;
  }
  int64_t offset = scratchBytes;
  scratchBytes = roundUp(scratchBytes + bytes, 64);
  OpBuilder::InsertionGuard guard(b);
  Value at = index(offset);
  b.setInsertionPoint(prologueEnd);
  return memref::ViewOp::create(b, MemRefType::get(shape, element), scratchBase,
                                at, ValueRange());
}

/// The last axis has room for whole registers, the first for whole row blocks,
/// the lanes of dots along rows and the rows of matrix tiles.
Buffer KernelLowering::makeBuffer(ArrayRef<int64_t> shape, Type element) {
  Type stored = element.isInteger(1) ? b.getI8Type() : element;
  SmallVector<int64_t> padded(shape);
  if (padded.empty()) {
    padded.push_back(1);
  } else {
    int64_t block = shape.size() > 1 ? 8 : rowBlock;
    if (target.tilesBF16 && padded.front() > kMatrixRows / 2) {
      block = kMatrixRows;
    }
    padded.front() = roundUp(padded.front(), block);
    padded.back() = roundUp(padded.back(), target.lanes);
  }
  return {scratch(padded, stored), SmallVector<int64_t>(shape), element};
}

Value KernelLowering::broadcast(Value scalar, int64_t width) {
  if (width == 1) {
    return scalar;
  }
  if (auto c = scalar.getDefiningOp<arith::ConstantOp>()) {
    auto type = VectorType::get({width}, scalar.getType());
    return constant(DenseElementsAttr::get(type, Attribute(c.getValue())));
  }
  return vector::BroadcastOp::create(
      b, VectorType::get({width}, scalar.getType()), scalar);
}

Value KernelLowering::loadBuffer(const Buffer &buffer, const Point &p) {
  SmallVector<Value> idx(p.idx);
  if (idx.empty()) {
    idx.push_back(index(0));
  }
  Type stored = cast<MemRefType>(buffer.memref.getType()).getElementType();
  Value v;
  if (p.lane < 0) {
    v = memref::LoadOp::create(b, buffer.memref, idx);
  } else {
    v = vector::LoadOp::create(b, VectorType::get({p.width}, stored),
                               buffer.memref, idx);
  }
  if (stored != buffer.element) {
    v = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, v,
                              zeroOf(v.getType()));
  }
  return v;
}

void KernelLowering::storeBuffer(Value v, const Buffer &buffer,
                                 const Point &p) {
  SmallVector<Value> idx(p.idx);
  if (idx.empty()) {
    idx.push_back(index(0));
  }
  Type stored = cast<MemRefType>(buffer.memref.getType()).getElementType();
  auto vec = dyn_cast<VectorType>(v.getType());
  if (stored != getElementTypeOrSelf(v.getType())) {
    Type wide = vec ? Type(vec.clone(stored)) : stored;
    v = arith::ExtUIOp::create(b, wide, v);
  }
  if (vec) {
    vector::StoreOp::create(b, v, buffer.memref, idx);
  } else {
    memref::StoreOp::create(b, v, buffer.memref, idx);
  }
}

void KernelLowering::nest(function_ref<void()> body) {
  std::vector<Level> outer;
  outer.swap(levels);
  levels.emplace_back();
  body();
  levels.swap(outer);
}

SmallVector<Value>
KernelLowering::loop(Value lo, Value hi, int64_t step, ValueRange init,
                     function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, lo, hi, index(step), init);
  // Loops of the kernel itself, outside of all nests, have no levels.
  bool inNest = !levels.empty();
  if (inNest) {
    levels.back().child = op;
    levels.emplace_back();
    indexLevel[op.getInductionVar()] = levels.size() - 1;
  }
  Block *inside = op.getBody();
  if (!inside->empty() && inside->back().hasTrait<OpTrait::IsTerminator>()) {
    inside->back().erase();
  }
  b.setInsertionPointToEnd(inside);
  SmallVector<Value> carried =
      body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(b, carried);
  if (inNest) {
    levels.pop_back();
  }
  b.setInsertionPointAfter(op);
  return SmallVector<Value>(op.getResults());
}

void KernelLowering::loop(Value lo, Value hi, int64_t step,
                          function_ref<void(Value)> body) {
  loop(lo, hi, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value>
KernelLowering::branch(Value cond, TypeRange types,
                       function_ref<SmallVector<Value>()> then,
                       function_ref<SmallVector<Value>()> otherwise) {
  bool hasElse = otherwise || !types.empty();
  auto op = scf::IfOp::create(b, types, cond, /*addThenBlock=*/true,
                              /*addElseBlock=*/hasElse);
  bool inNest = !levels.empty();
  if (inNest) {
    levels.back().child = op;
  }
  auto arm = [&](Block *block, function_ref<SmallVector<Value>()> body) {
    if (!block->empty()) {
      block->back().erase();
    }
    if (inNest) {
      levels.emplace_back();
    }
    b.setInsertionPointToEnd(block);
    SmallVector<Value> values = body ? body() : SmallVector<Value>();
    scf::YieldOp::create(b, values);
    if (inNest) {
      levels.pop_back();
    }
  };
  arm(op.thenBlock(), then);
  if (hasElse) {
    arm(op.elseBlock(), otherwise);
  }
  b.setInsertionPointAfter(op);
  return SmallVector<Value>(op.getResults());
}
