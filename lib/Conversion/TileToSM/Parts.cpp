//===- Parts.cpp - Sums that threads hold parts of ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Parts.h"

#include "KernelConversion.h"

#include "mlir/Analysis/SliceAnalysis.h"

using namespace attn;

static constexpr sm::Kind kKinds[] = {sm::Kind::add, sm::Kind::mul,
                                      sm::Kind::maximum, sm::Kind::minimum};

std::optional<sm::Kind> attn::getKind(vector::CombiningKind kind) {
  switch (kind) {
  case vector::CombiningKind::ADD:
    return sm::Kind::add;
  case vector::CombiningKind::MUL:
    return sm::Kind::mul;
  case vector::CombiningKind::MAXIMUMF:
    return sm::Kind::maximum;
  case vector::CombiningKind::MINIMUMF:
    return sm::Kind::minimum;
  default:
    return std::nullopt;
  }
}

PartsAnalysis::PartsAnalysis(Value carried, sm::Kind kind)
    : carried(carried), kind(kind) {
  for (Operation *user : carried.getUsers()) {
    dependent.insert(user);
    getForwardSlice(user, &dependent);
  }
}

bool PartsAnalysis::depends(Value value) const {
  Operation *op = value.getDefiningOp();
  return value == carried || (op && dependent.contains(op));
}

/// Whether parts of both operands give parts of the result.
static bool isLinear(Operation *op, sm::Kind kind) {
  switch (kind) {
  case sm::Kind::add:
    return isa<arith::AddFOp, arith::SubFOp>(op);
  case sm::Kind::mul:
    return isa<arith::MulFOp>(op);
  case sm::Kind::maximum:
    return isa<arith::MaximumFOp>(op);
  case sm::Kind::minimum:
    return isa<arith::MinimumFOp>(op);
  }
  llvm_unreachable("a kind");
}

int PartsAnalysis::getFactor(Operation *op) const {
  if (isa<arith::SelectOp>(op)) {
    return depends(op->getOperand(0)) ? -1 : 0;
  }
  if (kind != sm::Kind::add || !isa<arith::MulFOp, arith::DivFOp>(op)) {
    return -1;
  }
  Value x = op->getOperand(0), y = op->getOperand(1);
  if (!depends(y) && canBeParts(x)) {
    return 1;
  }
  return isa<arith::MulFOp>(op) && !depends(x) && canBeParts(y) ? 0 : -1;
}

bool PartsAnalysis::canBeParts(Value value) const {
  if (value == carried || sm::isUnit(value, kind)) {
    return true;
  }
  Operation *op = value.getDefiningOp();
  if (!op || !isa<VectorType>(value.getType())) {
    return false;
  }
  if (isLinear(op, kind)) {
    return canBeParts(op->getOperand(0)) && canBeParts(op->getOperand(1));
  }
  if (isa<arith::SelectOp>(op)) {
    return getFactor(op) == 0 && canBeParts(op->getOperand(1)) &&
           canBeParts(op->getOperand(2));
  }
  if (auto reduction = dyn_cast<vector::MultiDimReductionOp>(op)) {
    return attn::getKind(reduction.getKind()) == kind &&
           reduction.getReductionDims() == ArrayRef<int64_t>(1) &&
           !depends(reduction.getSource()) && canBeParts(reduction.getAcc());
  }
  return getFactor(op) >= 0;
}

std::optional<sm::Kind> KernelConversion::findParts(tile::FoldOp op,
                                                    unsigned component) {
  Block &step = op.getStep().front();
  Value argument = step.getArgument(2 + component);
  auto yield = cast<tile::YieldOp>(step.getTerminator());
  for (sm::Kind kind : kKinds) {
    if (!sm::isUnit(op.getInit()[component], kind) ||
        !getPartsLayout(argument.getType(), kind)) {
      continue;
    }
    PartsAnalysis analysis(argument, kind);
    // Parts serve nobody who wants to know the whole in every step.
    bool isWanted = false;
    for (auto [i, value] : llvm::enumerate(yield.getValues())) {
      isWanted |= i != component && analysis.depends(value);
    }
    if (!isWanted && analysis.canBeParts(yield.getValues()[component])) {
      return kind;
    }
  }
  return std::nullopt;
}

Attribute KernelConversion::getPartsLayout(Type type, sm::Kind kind) {
  return cast<VectorType>(type).getRank() == 1
             ? sm::PartialAttr::get(b.getContext(), kind, 1, layout)
             : Attribute();
}

Attribute KernelConversion::getWhole(Type type) {
  return cast<VectorType>(type).getRank() == 2 ? layout : getRowLayout();
}

Value KernelConversion::reduceInThreads(vector::MultiDimReductionOp op,
                                        sm::Kind kind) {
  int64_t axis = op.getReductionDims()[0];
  VectorType from = op.getSourceVectorType();
  auto own = sm::SliceAttr::get(b.getContext(), axis, layout);
  auto partial = sm::PartialAttr::get(b.getContext(), kind, axis, layout);
  Value block = fragment(op.getSource(), layout);
  if (failed) {
    return op.getResult();
  }
  block =
      fillPadding(block, from, axis,
                  sm::getUnit(kind, cast<FloatType>(from.getElementType())));
  return sm::ReduceOp::create(
      b, getType(op.getType(), own).cloneWithEncoding(partial), kind, block,
      axis);
}

/// Several warps hold parts of a row, or of a column: they meet in shared
/// memory.
Value KernelConversion::complete(Value parts, Attribute layout, Type vector) {
  auto partial = cast<sm::PartialAttr>(
      cast<RankedTensorType>(parts.getType()).getEncoding());
  RankedTensorType type = getType(vector, layout);
  int64_t numParts = partial.getAxis() == 1 ? columnWarps : rowWarps;
  Value room;
  if (numParts > 1) {
    room = makeRoom(
        getBuffer(type.getDimSize(0), numParts, type.getElementType()));
  }
  return sm::CompleteOp::create(b, type, parts, room);
}

Value KernelConversion::makeParts(Value value, sm::PartialAttr partial) {
  sm::Kind kind = partial.getKind();
  Operation *op = value.getDefiningOp();
  RankedTensorType type = getType(value.getType(), partial);
  if (sm::isUnit(value, kind)) {
    auto splat =
        cast<SplatElementsAttr>(cast<arith::ConstantOp>(op).getValue());
    return arith::ConstantOp::create(
        b, type,
        SplatElementsAttr::get(type, splat.getSplatValue<Attribute>()));
  }
  if (auto reduction = dyn_cast<vector::MultiDimReductionOp>(op)) {
    Value own = reduceInThreads(reduction, kind);
    return failed || sm::isUnit(reduction.getAcc(), kind)
               ? own
               : sm::combine(b, kind, own,
                             fragment(reduction.getAcc(), partial));
  }
  int factor = openParts->getFactor(op);
  SmallVector<Value> operands;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (int(i) != factor) {
      operands.push_back(fragment(operand, partial));
      continue;
    }
    auto vector = dyn_cast<VectorType>(operand.getType());
    operands.push_back(
        vector ? sm::FactorOp::create(b, getType(vector, partial),
                                      fragment(operand, getWhole(vector)))
                     .getResult()
               : scalar(operand));
  }
  if (failed) {
    return value;
  }
  OperationState state(op->getLoc(), op->getName(), operands, type,
                       op->getAttrs());
  return b.create(state)->getResult(0);
}

Value KernelConversion::findKnownParts(Value value, Attribute wanted) {
  auto type = cast<VectorType>(value.getType());
  if (wanted != getWhole(type) || matchPattern(value, m_Constant())) {
    return {};
  }
  for (sm::Kind kind : kKinds) {
    Attribute parts = getPartsLayout(type, kind);
    if (!parts) {
      return {};
    }
    if (Value known = scopeOf(value).fragments.lookup({value, parts})) {
      return known;
    }
  }
  return {};
}
