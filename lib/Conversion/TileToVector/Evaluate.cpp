//===- Evaluate.cpp - A tile value at one point ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

/// Emits at the level of a loop outside of the innermost one: before its child.
struct KernelLowering::AtLevel {
  AtLevel(KernelLowering &k, unsigned level) : guard(k.b) {
    if (level + 1 < k.levels.size()) {
      k.b.setInsertionPoint(k.levels[level].child);
    }
  }
  OpBuilder::InsertionGuard guard;
};

int64_t KernelLowering::lanesFor(int64_t size) {
  int64_t w = 1;
  while (w < target.lanes && size % (2 * w) == 0) {
    w *= 2;
  }
  return w;
}

unsigned KernelLowering::levelOf(const Point &p) {
  unsigned level = 0;
  for (Value v : p.idx) {
    level = std::max(level, indexLevel.lookup(v));
  }
  return level;
}

/// A scalar of the kernel. Those inside the arms of a mask are not emitted with
/// their block but here, in front of the nest that needs them.
Value KernelLowering::scalar(Value v) {
  if (isa<MemRefType>(v.getType())) {
    return memrefOf(v);
  }
  if (Value known = scalars.lookupOrNull(v)) {
    return known;
  }
  Operation *op = v.getDefiningOp();
  if (auto c = dyn_cast_or_null<arith::ConstantOp>(op)) {
    return constant(c.getValue());
  }
  if (!op || op->getNumRegions() || levels.empty()) {
    fail(op ? op : current, "expects scalars that are computed before use");
    return zeroOf(v.getType());
  }
  Value &memo = levels[0].memo[{v.getAsOpaquePointer()}];
  if (memo) {
    return memo;
  }
  AtLevel outside(*this, 0);
  IRMapping local;
  for (Value operand : op->getOperands()) {
    local.map(operand, scalar(operand));
  }
  Operation *copy = b.clone(*op, local);
  return levels[0].memo[{v.getAsOpaquePointer()}] =
             copy->getResult(cast<OpResult>(v).getResultNumber());
}

Value KernelLowering::at(Value v, Point p) {
  if (!isa<VectorType>(v.getType())) {
    return scalar(v);
  }
  if (p.width == 1) {
    p.lane = -1;
  }
  std::vector<const void *> key{v.getAsOpaquePointer(), (void *)p.lane,
                                (void *)p.width};
  for (Value i : p.idx) {
    key.push_back(i.getAsOpaquePointer());
  }
  unsigned level = levelOf(p);
  assert(level < levels.size() && "an index of a loop that has ended");
  auto it = levels[level].memo.find(key);
  if (it != levels[level].memo.end()) {
    return it->second;
  }
  Value result;
  {
    AtLevel there(*this, level);
    result = compute(v, p);
  }
  return levels[level].memo[key] = result;
}

/// One scalar per lane: for runs of lanes along an axis that is not contiguous.
Value KernelLowering::lanesFromScalars(Value v, const Point &p) {
  SmallVector<Value> lanes;
  for (int64_t i = 0; i < p.width; ++i) {
    Point q = p;
    q.idx[p.lane] = addIndex(p.idx[p.lane], i);
    // The first one is the index itself, which may be of a loop further out.
    if (i > 0) {
      indexLevel[q.idx[p.lane]] = levelOf(p);
    }
    q.lane = -1;
    q.width = 1;
    lanes.push_back(at(v, q));
  }
  auto type = VectorType::get({p.width}, lanes[0].getType());
  return vector::FromElementsOp::create(b, type, lanes);
}

/// The address of a row of a lazy load, read in the loop over rows.
Value KernelLowering::tableAt(LoadOp op, const Point &row) {
  std::vector<const void *> key{op.getOperation()};
  for (Value i : row.idx) {
    key.push_back(i.getAsOpaquePointer());
  }
  unsigned level = levelOf(row);
  auto it = levels[level].memo.find(key);
  if (it != levels[level].memo.end()) {
    return it->second;
  }
  AtLevel there(*this, level);
  Value address = loadBuffer(tables[op], row);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value p = LLVM::IntToPtrOp::create(b, ptr, address);
  return levels[level].memo[key] = p;
}

/// A constant that is no splat, written once per call.
Buffer KernelLowering::denseBuffer(DenseElementsAttr dense) {
  Buffer buffer =
      makeBuffer(dense.getType().getShape(), dense.getElementType());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(prologueEnd);
  for (auto [i, x] : llvm::enumerate(dense.getValues<Attribute>())) {
    storeBuffer(constant(cast<TypedAttr>(x)), buffer, Point{{index(i)}});
  }
  return buffer;
}

Value KernelLowering::compute(Value v, const Point &p) {
  auto type = cast<VectorType>(v.getType());
  Type element = type.getElementType();
  auto known = buffers.find(v);
  if (known != buffers.end()) {
    if (p.lane >= 0 && p.lane != type.getRank() - 1) {
      return lanesFromScalars(v, p);
    }
    return loadBuffer(known->second, p);
  }
  Operation *op = v.getDefiningOp();
  // The value of `source` at a point that lacks the lanes is spread over them.
  auto from = [&](Value source, Point q) {
    Value x = at(source, q);
    return p.lane >= 0 && !isa<VectorType>(x.getType()) ? broadcast(x, p.width)
                                                        : x;
  };
  if (auto c = dyn_cast_or_null<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseElementsAttr>(c.getValue());
    if (dense && dense.isSplat()) {
      Value x = constant(cast<TypedAttr>(dense.getSplatValue<Attribute>()));
      return p.lane >= 0 ? broadcast(x, p.width) : x;
    }
    if (dense && type.getRank() == 1) {
      buffers[v] = denseBuffer(dense);
      return compute(v, p);
    }
  }
  if (auto expand = dyn_cast_or_null<ExpandOp>(op)) {
    Point q;
    q.width = p.width;
    for (auto [j, d] : llvm::enumerate(expand.getDims())) {
      q.idx.push_back(p.idx[d]);
      if (d == p.lane) {
        q.lane = j;
      }
    }
    if (q.lane < 0) {
      q.width = 1;
    }
    return from(expand.getSource(), q);
  }
  if (auto transpose = dyn_cast_or_null<vector::TransposeOp>(op)) {
    Point q = p;
    for (auto [j, d] : llvm::enumerate(transpose.getPermutation())) {
      q.idx[d] = p.idx[j];
      if (int64_t(j) == p.lane) {
        q.lane = d;
      }
    }
    return at(transpose.getVector(), q);
  }
  if (auto spread = dyn_cast_or_null<vector::BroadcastOp>(op)) {
    auto source = dyn_cast<VectorType>(spread.getSourceType());
    if (!source) {
      Value x = scalar(spread.getSource());
      return p.lane >= 0 ? broadcast(x, p.width) : x;
    }
    int64_t lead = type.getRank() - source.getRank();
    Point q;
    q.width = p.width;
    for (int64_t j = 0; j < source.getRank(); ++j) {
      bool stretched =
          source.getDimSize(j) == 1 && type.getDimSize(lead + j) != 1;
      q.idx.push_back(stretched ? index(0) : p.idx[lead + j]);
      if (p.lane == lead + j && !stretched) {
        q.lane = j;
      }
    }
    if (q.lane < 0) {
      q.width = 1;
    }
    return from(spread.getSource(), q);
  }
  if (auto cast = dyn_cast_or_null<vector::ShapeCastOp>(op)) {
    // Only unit axes come or go.
    VectorType source = cast.getSourceVectorType();
    SmallVector<int64_t> kept;
    for (int64_t j = 0; j < type.getRank(); ++j) {
      if (type.getDimSize(j) != 1) {
        kept.push_back(j);
      }
    }
    Point q;
    q.width = p.width;
    size_t next = 0;
    for (int64_t j = 0; j < source.getRank(); ++j) {
      if (source.getDimSize(j) == 1) {
        q.idx.push_back(index(0));
        continue;
      }
      if (next == kept.size() ||
          type.getDimSize(kept[next]) != source.getDimSize(j)) {
        fail(op, "expects a shape cast that only adds or drops unit axes");
        return p.lane >= 0 ? broadcast(zeroOf(element), p.width)
                           : zeroOf(element);
      }
      if (kept[next] == p.lane) {
        q.lane = j;
      }
      q.idx.push_back(p.idx[kept[next++]]);
    }
    if (q.lane < 0) {
      q.width = 1;
    }
    return from(cast.getSource(), q);
  }
  if (auto coord = dyn_cast_or_null<CoordOp>(op)) {
    Value first = arith::AddIOp::create(b, scalar(coord.getBase()), p.idx[0]);
    Value i = arith::IndexCastOp::create(b, b.getI32Type(), first);
    if (p.lane < 0) {
      return i;
    }
    SmallVector<int32_t> steps;
    for (int64_t k = 0; k < p.width; ++k) {
      steps.push_back(k);
    }
    Value iota = constant(DenseIntElementsAttr::get(
        VectorType::get({p.width}, b.getI32Type()), steps));
    return arith::AddIOp::create(b, broadcast(i, p.width), iota);
  }
  if (auto load = dyn_cast_or_null<LoadOp>(op)) {
    return loadAt(load, p);
  }
  if (auto gather = dyn_cast_or_null<GatherOp>(op)) {
    return gatherAt(gather, p);
  }
  if (auto branch = dyn_cast_or_null<scf::IfOp>(op)) {
    auto arm = decided.find(op);
    if (arm != decided.end()) {
      unsigned k = cast<OpResult>(v).getResultNumber();
      scf::YieldOp yield =
          arm->second ? branch.thenYield() : branch.elseYield();
      return from(yield.getOperand(k), p);
    }
  }
  if (op &&
      (OpTrait::hasElementwiseMappableTraits(op) || isa<vector::FMAOp>(op))) {
    SmallVector<Value> operands;
    for (Value x : op->getOperands()) {
      operands.push_back(at(x, p));
    }
    bool divides =
        isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
            arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op);
    if (divides) {
      // Rows that are not live hold anything; a zero divisor must not trap.
      Value zero = zeroOf(operands[1].getType());
      Value one = constant(b.getIntegerAttr(element, 1));
      one = p.lane >= 0 ? broadcast(one, p.width) : one;
      Value bad =
          arith::CmpIOp::create(b, arith::CmpIPredicate::eq, operands[1], zero);
      operands[1] = arith::SelectOp::create(b, bad, one, operands[1]);
    }
    if (isa<vector::FMAOp>(op) && p.lane < 0) {
      Value product = arith::MulFOp::create(b, operands[0], operands[1]);
      return arith::AddFOp::create(b, product, operands[2]);
    }
    Type result =
        p.lane >= 0 ? Type(VectorType::get({p.width}, element)) : element;
    OperationState state(op->getLoc(), op->getName(), operands, {result},
                         op->getAttrs());
    Operation *made = b.create(state);
    SmallVector<Value> folded;
    if (succeeded(b.tryFold(made, folded)) && folded.size() == 1) {
      made->erase();
      return folded[0];
    }
    return made->getResult(0);
  }
  fail(op ? op : current, "cannot be lowered to vectors");
  return p.lane >= 0 ? broadcast(zeroOf(element), p.width) : zeroOf(element);
}
