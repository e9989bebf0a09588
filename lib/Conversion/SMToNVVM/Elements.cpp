//===- Elements.cpp - Vectors of a thread as its registers ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a thread holds of a fragment is a vector for the lowerings, and one
// register for each element, or each pair, for the hardware. LLVM would find
// that out by itself, in twice as many instructions and most of them to take
// vectors apart and put them together; so it is done here, in one walk.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <map>

using namespace attn;
using namespace attn::sm;

namespace {

/// What a vector consists of, where it was split or anybody has asked for it.
struct Parts {
  SmallVector<Value> elements, pairs;
  Value whole;
  /// What is still missing is made behind this op, or if there is none at the
  /// start of the block: in front of all that uses it.
  Operation *behind = nullptr;
  Block *block = nullptr;
};

class Splitter {
public:
  Splitter(MLIRContext *context, bool packsF32)
      : builder(UnknownLoc::get(context), context), packsF32(packsF32) {}

  void splitRegion(Region &region);
  /// The vectors that nobody asks for any more.
  void eraseDead();

private:
  void split(Operation *op);
  void splitElementwise(Operation *op);
  void splitBitcast(vector::BitCastOp op);
  void splitLoop(scf::ForOp op);
  void splitBranch(scf::IfOp op);
  /// What a loop or branch carries, by what the split one does: `made` are its
  /// arguments or results, in the order of `old`.
  void adopt(ValueRange old, ValueRange made, Operation *behind,
             Block *block = nullptr);
  /// Of a loop or branch that has been split: `carried` are the old types.
  void splitYield(Region &region, TypeRange carried);

  /// How many elements share a register when they are worked on, and when they
  /// are carried around a loop: 1 or 2.
  int64_t getWidth(Operation *op) const;
  int64_t getCarriedWidth(VectorType type) const;
  SmallVector<Value> getParts(Value vector, int64_t width);
  ArrayRef<Value> getElements(Value vector);
  ArrayRef<Value> getPairs(Value vector);
  Value getWhole(Value vector);
  /// Of a vector that goes; what is made of the parts comes behind that.
  void setParts(Value vector, int64_t width, SmallVector<Value> values,
                Operation *behind, Block *block = nullptr);
  /// The entry of a vector, with the builder where its parts are made.
  Parts &enter(Value vector);

  ImplicitLocOpBuilder builder;
  bool packsF32;
  llvm::DenseMap<Value, Parts> known;
  SmallVector<Operation *> replaced;
};

} // namespace

static bool isVector(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getRank() == 1 && !vector.isScalable();
}

static bool isHalf(Type element) { return element.isF16() || element.isBF16(); }

/// The type of a part of `width` elements.
static Type getPartType(Type element, int64_t width) {
  return width == 1 ? element : VectorType::get({width}, element);
}

//===--- Values -----------------------------------------------------------===//

int64_t Splitter::getCarriedWidth(VectorType type) const {
  return isHalf(type.getElementType()) && type.getNumElements() % 2 == 0 ? 2
                                                                         : 1;
}

int64_t Splitter::getWidth(Operation *op) const {
  auto type = cast<VectorType>(op->getResult(0).getType());
  if (type.getNumElements() % 2) {
    return 1;
  }
  auto isAll = [&](function_ref<bool(Type)> holds) {
    auto holdsOf = [&](Type type) { return holds(getElementTypeOrSelf(type)); };
    return llvm::all_of(op->getOperandTypes(), holdsOf) &&
           holds(type.getElementType());
  };
  if (isAll(isHalf)) {
    return 2;
  }
  bool isPacked =
      packsF32 &&
      isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, math::FmaOp>(op);
  return isPacked && isAll([](Type type) { return type.isF32(); }) ? 2 : 1;
}

Parts &Splitter::enter(Value vector) {
  auto [it, isNew] = known.try_emplace(vector);
  Parts &parts = it->second;
  if (isNew) {
    parts.behind = vector.getDefiningOp();
    parts.block = vector.getParentBlock();
    parts.whole = vector;
  }
  if (parts.behind) {
    builder.setInsertionPointAfter(parts.behind);
  } else {
    builder.setInsertionPointToStart(parts.block);
  }
  builder.setLoc(vector.getLoc());
  return parts;
}

void Splitter::setParts(Value vector, int64_t width, SmallVector<Value> values,
                        Operation *behind, Block *block) {
  Parts &parts = known[vector];
  (width == 2 ? parts.pairs : parts.elements) = std::move(values);
  parts.behind = behind;
  parts.block = block;
}

ArrayRef<Value> Splitter::getElements(Value vector) {
  Parts &parts = enter(vector);
  if (parts.elements.empty()) {
    SmallVector<Value> sources = parts.pairs;
    if (sources.empty()) {
      sources.push_back(vector);
    }
    for (Value source : sources) {
      llvm::append_range(parts.elements, unpack(builder, source));
    }
    parts.behind = parts.elements.back().getDefiningOp();
  }
  return parts.elements;
}

ArrayRef<Value> Splitter::getPairs(Value vector) {
  if (known.lookup(vector).pairs.empty()) {
    SmallVector<Value> elements(getElements(vector));
    Parts &parts = enter(vector);
    for (size_t i = 0; i < elements.size(); i += 2) {
      parts.pairs.push_back(pack(builder, {elements[i], elements[i + 1]}));
    }
    parts.behind = parts.pairs.back().getDefiningOp();
  }
  return known[vector].pairs;
}

SmallVector<Value> Splitter::getParts(Value value, int64_t width) {
  return SmallVector<Value>(width == 2 ? getPairs(value) : getElements(value));
}

Value Splitter::getWhole(Value vector) {
  auto it = known.find(vector);
  if (it == known.end()) {
    return vector;
  }
  if (!it->second.whole) {
    SmallVector<Value> elements(getElements(vector));
    Parts &parts = enter(vector);
    parts.whole = pack(builder, elements);
    parts.behind = parts.whole.getDefiningOp();
  }
  return known[vector].whole;
}

//===--- Ops --------------------------------------------------------------===//

void Splitter::splitElementwise(Operation *op) {
  int64_t width = getWidth(op);
  auto type = cast<VectorType>(op->getResult(0).getType());
  int64_t count = type.getNumElements() / width;
  SmallVector<SmallVector<Value>> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(isVector(operand.getType())
                           ? getParts(operand, width)
                           : SmallVector<Value>(count, operand));
  }
  builder.setInsertionPoint(op);
  builder.setLoc(op->getLoc());
  // What is spread along rows or columns is equal many times.
  std::map<SmallVector<const void *>, Value> made;
  SmallVector<Value> parts;
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<const void *> key;
    SmallVector<Value> part;
    for (ArrayRef<Value> operand : operands) {
      part.push_back(operand[i]);
      key.push_back(operand[i].getAsOpaquePointer());
    }
    Value &result = made[key];
    if (!result) {
      OperationState state(op->getLoc(), op->getName(), part,
                           getPartType(type.getElementType(), width),
                           op->getAttrs());
      result = builder.create(state)->getResult(0);
    }
    parts.push_back(result);
  }
  setParts(op->getResult(0), width, std::move(parts), op);
  replaced.push_back(op);
}

/// Words as pairs of 16 bits, each by itself.
void Splitter::splitBitcast(vector::BitCastOp op) {
  SmallVector<Value> parts(getElements(op.getSource()));
  builder.setInsertionPoint(op);
  builder.setLoc(op.getLoc());
  Type pair = getPartType(op.getResultVectorType().getElementType(), 2);
  for (Value &part : parts) {
    part = LLVM::BitcastOp::create(builder, pair, part);
  }
  setParts(op.getResult(), 2, std::move(parts), op);
  replaced.push_back(op);
}

void Splitter::adopt(ValueRange old, ValueRange made, Operation *behind,
                     Block *block) {
  unsigned next = 0;
  for (Value value : old) {
    if (!isVector(value.getType())) {
      value.replaceAllUsesWith(made[next++]);
      continue;
    }
    auto vector = cast<VectorType>(value.getType());
    int64_t width = getCarriedWidth(vector);
    int64_t count = vector.getNumElements() / width;
    setParts(value, width, SmallVector<Value>(made.slice(next, count)), behind,
             block);
    next += count;
  }
}

void Splitter::splitYield(Region &region, TypeRange carried) {
  Operation *yield = region.front().getTerminator();
  SmallVector<Value> operands;
  for (auto [operand, type] :
       llvm::zip_equal(SmallVector<Value>(yield->getOperands()), carried)) {
    if (isVector(type)) {
      llvm::append_range(
          operands, getParts(operand, getCarriedWidth(cast<VectorType>(type))));
    } else {
      operands.push_back(operand);
    }
  }
  yield->setOperands(operands);
}

void Splitter::splitLoop(scf::ForOp op) {
  SmallVector<Type> carried(op.getResultTypes());
  SmallVector<Value> inits;
  for (Value init : op.getInitArgs()) {
    if (isVector(init.getType())) {
      llvm::append_range(
          inits,
          getParts(init, getCarriedWidth(cast<VectorType>(init.getType()))));
    } else {
      inits.push_back(init);
    }
  }
  builder.setInsertionPoint(op);
  builder.setLoc(op.getLoc());
  auto loop = scf::ForOp::create(builder, op.getLowerBound(),
                                 op.getUpperBound(), op.getStep(), inits);
  loop->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  Block &body = op.getRegion().front(), &into = loop.getRegion().front();
  if (Operation *yield = into.empty() ? nullptr : &into.back()) {
    yield->erase();
  }
  body.getArgument(0).replaceAllUsesWith(loop.getInductionVar());
  adopt(body.getArguments().drop_front(), loop.getRegionIterArgs(), nullptr,
        &into);
  adopt(op.getResults(), loop.getResults(), loop);
  // The old arguments stay with the old block, as keys of what they are now.
  into.getOperations().splice(into.end(), body.getOperations());
  replaced.push_back(op);
  splitRegion(loop.getRegion());
  splitYield(loop.getRegion(), carried);
}

void Splitter::splitBranch(scf::IfOp op) {
  SmallVector<Type> carried(op.getResultTypes()), types;
  for (Type type : carried) {
    if (!isVector(type)) {
      types.push_back(type);
      continue;
    }
    auto vector = cast<VectorType>(type);
    int64_t width = getCarriedWidth(vector);
    types.append(vector.getNumElements() / width,
                 getPartType(vector.getElementType(), width));
  }
  builder.setInsertionPoint(op);
  builder.setLoc(op.getLoc());
  auto branch = scf::IfOp::create(builder, types, op.getCondition());
  branch->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  branch.getThenRegion().takeBody(op.getThenRegion());
  branch.getElseRegion().takeBody(op.getElseRegion());
  adopt(op.getResults(), branch.getResults(), branch);
  replaced.push_back(op);
  for (Region *region : {&branch.getThenRegion(), &branch.getElseRegion()}) {
    splitRegion(*region);
    splitYield(*region, carried);
  }
}

void Splitter::split(Operation *op) {
  if (auto make = dyn_cast<vector::FromElementsOp>(op);
      make && isVector(make.getType())) {
    setParts(make, 1, SmallVector<Value>(make.getElements()), op);
    known[make].whole = make;
    replaced.push_back(op);
    return;
  }
  if (auto take = dyn_cast<vector::ToElementsOp>(op);
      take && isVector(take.getSource().getType())) {
    take->replaceAllUsesWith(getParts(take.getSource(), 1));
    replaced.push_back(op);
    return;
  }
  if (auto spread = dyn_cast<vector::BroadcastOp>(op);
      spread && isVector(spread.getType()) &&
      !isa<VectorType>(spread.getSourceType())) {
    int64_t count = cast<VectorType>(spread.getType()).getNumElements();
    setParts(spread, 1, SmallVector<Value>(count, spread.getSource()), op);
    replaced.push_back(op);
    return;
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op);
      constant && isVector(constant.getType())) {
    if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue())) {
      builder.setInsertionPoint(op);
      builder.setLoc(op->getLoc());
      Value element = arith::ConstantOp::create(
          builder, cast<TypedAttr>(splat.getSplatValue<Attribute>()));
      setParts(constant, 1, SmallVector<Value>(splat.getNumElements(), element),
               op);
      known[constant].whole = constant;
      replaced.push_back(op);
    }
    return;
  }
  if (op->hasTrait<OpTrait::Elementwise>() && !op->getNumRegions() &&
      op->getNumResults() == 1 && isVector(op->getResult(0).getType())) {
    return splitElementwise(op);
  }
  if (auto cast = dyn_cast<vector::BitCastOp>(op);
      cast && isVector(cast.getType()) &&
      cast.getSourceVectorType().getElementType().isInteger(32) &&
      isHalf(cast.getResultVectorType().getElementType())) {
    return splitBitcast(cast);
  }
  bool carries = llvm::any_of(op->getResultTypes(), isVector);
  if (auto loop = dyn_cast<scf::ForOp>(op); loop && carries) {
    return splitLoop(loop);
  }
  if (auto branch = dyn_cast<scf::IfOp>(op); branch && carries) {
    return splitBranch(branch);
  }
  // Yields of what was split are its own matter.
  if (!isa<scf::YieldOp>(op) ||
      !isa<scf::ForOp, scf::IfOp>(op->getParentOp())) {
    for (OpOperand &operand : op->getOpOperands()) {
      if (isVector(operand.get().getType())) {
        operand.set(getWhole(operand.get()));
      }
    }
  }
  for (Region &region : op->getRegions()) {
    splitRegion(region);
  }
}

void Splitter::splitRegion(Region &region) {
  for (Block &block : region) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      split(&op);
    }
  }
}

void Splitter::eraseDead() {
  for (Operation *op : llvm::reverse(replaced)) {
    if (op->use_empty()) {
      op->erase();
    }
  }
}

void sm::splitVectors(LLVM::LLVMFuncOp func, bool packsF32) {
  Splitter splitter(func.getContext(), packsF32);
  splitter.splitRegion(func.getBody());
  splitter.eraseDead();
}
