//===- Values.cpp - Tile values in the layouts that are asked for ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace attn;

Value KernelConversion::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}

RankedTensorType KernelConversion::getType(Type vector, Attribute layout) {
  auto type = cast<VectorType>(vector);
  return RankedTensorType::get(type.getShape(), type.getElementType(), layout);
}

Attribute KernelConversion::getRowLayout() {
  return sm::SliceAttr::get(b.getContext(), 1, layout);
}

Attribute KernelConversion::getColumnLayout() {
  return sm::SliceAttr::get(b.getContext(), 0, layout);
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value KernelConversion::scalar(Value value) {
  Scope &scope = scopeOf(value);
  if (Value known = scope.scalars.lookup(value)) {
    return known;
  }
  if (isa<BlockArgument>(value)) {
    fail(source, "expects block arguments to be known");
    return value;
  }
  Value made = atDefinition(value, [&] { return makeScalar(value); });
  // The table of scopes may have grown and shrunk.
  scopeOf(value).scalars[value] = made;
  return made;
}

Value KernelConversion::makeScalar(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto o = dyn_cast<tile::ItemOp>(op)) {
    return sm::FieldOp::create(b, item, stringifyField(o.getField()));
  }
  if (auto o = dyn_cast<tile::RowsOp>(op)) {
    auto type = getType(o.getCoord().getType(), getRowLayout());
    return sm::RowsOp::create(b, type, type, b.getIndexType(), item,
                              scalar(o.getFirst()))
        .getCount();
  }
  if (auto o = dyn_cast<tile::LoadOp>(op)) {
    return loadScalar(o);
  }
  IRMapping map;
  Operation *made = cloneScalarCode(op, map);
  return made ? made->getResult(cast<OpResult>(value).getResultNumber())
              : Value(arith::ConstantOp::create(
                    b, b.getZeroAttr(value.getType())));
}

Operation *KernelConversion::cloneScalarCode(Operation *op, IRMapping &map) {
  auto isScalar = [](Type type) {
    return !isa<VectorType, tile::ViewType>(type);
  };
  bool isLoad = isa<tile::LoadOp>(op);
  if ((isa<tile::TileDialect>(op->getDialect()) && !isLoad) ||
      !llvm::all_of(op->getOperandTypes(), isScalar) ||
      !llvm::all_of(op->getResultTypes(), isScalar)) {
    fail(op, "has no form in a kernel for an SM");
    return nullptr;
  }
  for (Value operand : op->getOperands()) {
    if (!map.contains(operand)) {
      map.map(operand, scalar(operand));
    }
  }
  if (failed) {
    return nullptr;
  }
  if (isLoad) {
    auto load = cast<tile::LoadOp>(op);
    SmallVector<Value> indices;
    for (Value index : load.getIndices()) {
      indices.push_back(map.lookup(index));
    }
    Operation *made =
        memref::LoadOp::create(b, map.lookup(load.getSource()), indices);
    map.map(load.getResult(), made->getResult(0));
    return made;
  }
  Operation *made = op->cloneWithoutRegions(map);
  b.insert(made);
  for (auto [from, to] :
       llvm::zip_equal(op->getRegions(), made->getRegions())) {
    for (Block &block : from) {
      Block *copy = new Block;
      to.push_back(copy);
      for (BlockArgument argument : block.getArguments()) {
        map.map(argument,
                copy->addArgument(argument.getType(), argument.getLoc()));
      }
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(copy);
      for (Operation &inner : block) {
        if (!cloneScalarCode(&inner, map)) {
          return nullptr;
        }
      }
    }
  }
  return made;
}

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

Value KernelConversion::fragment(Value value, Attribute layout) {
  FragmentKey key(value, layout);
  if (Value known = scopeOf(value).fragments.lookup(key)) {
    return known;
  }
  if (failed) {
    return value;
  }
  if (isa<BlockArgument>(value)) {
    fail(source, "expects a carried value in the layout that it has");
    return value;
  }
  Value made = atDefinition(value, [&] { return makeFragment(value, layout); });
  scopeOf(value).fragments[key] = made;
  return made;
}

Value KernelConversion::makeFragment(Value value, Attribute layout) {
  Operation *op = value.getDefiningOp();
  RankedTensorType type = getType(value.getType(), layout);
  if (!sm::isFragment(type)) {
    std::string why;
    sm::getLayout(layout, type.getShape(), &why);
    fail(op, why);
    return value;
  }
  if (auto o = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<SplatElementsAttr>(o.getValue());
    if (dense) {
      return arith::ConstantOp::create(
          b, type,
          SplatElementsAttr::get(type, dense.getSplatValue<Attribute>()));
    }
    fail(op, "expects a constant with one value in a kernel for an SM");
    return value;
  }
  if (auto o = dyn_cast<vector::BroadcastOp>(op)) {
    if (!isa<VectorType>(o.getSource().getType())) {
      return sm::SplatOp::create(b, type, scalar(o.getSource()));
    }
  }
  if (auto o = dyn_cast<tile::CoordOp>(op)) {
    return sm::CoordOp::create(b, type, scalar(o.getBase()));
  }
  if (auto o = dyn_cast<tile::RowsOp>(op)) {
    auto rows = sm::RowsOp::create(b, type, type, b.getIndexType(), item,
                                   scalar(o.getFirst()));
    return value == o.getCoord() ? rows.getCoord() : rows.getMinor();
  }
  if (auto o = dyn_cast<tile::ExpandOp>(op)) {
    if (type.getRank() == 2 && o.getDims().size() == 1) {
      int64_t along = 1 - o.getDims()[0];
      return sm::ExpandOp::create(
          b, type,
          fragment(o.getSource(),
                   along == 1 ? getRowLayout() : getColumnLayout()),
          along);
    }
  }
  if (auto o = dyn_cast<tile::LoadOp>(op)) {
    return loadFragment(o, layout);
  }
  if (auto o = dyn_cast<tile::LoadStateOp>(op)) {
    Attribute own = type.getRank() == 2 ? this->layout : getRowLayout();
    if (layout == own) {
      return loadState(o, cast<OpResult>(value).getResultNumber());
    }
  }
  if (auto o = dyn_cast<tile::DotOp>(op)) {
    return dot(o, layout);
  }
  if (isa<vector::MultiDimReductionOp>(op)) {
    return reduce(op, layout);
  }
  if (auto o = dyn_cast<scf::IfOp>(op)) {
    return branch(o, cast<OpResult>(value).getResultNumber(), layout);
  }
  if (OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(isa<VectorType>(operand.getType())
                             ? fragment(operand, layout)
                             : scalar(operand));
    }
    if (failed) {
      return value;
    }
    OperationState state(op->getLoc(), op->getName(), operands, type,
                         op->getAttrs());
    return b.create(state)->getResult(0);
  }
  fail(op, "has no form in a kernel for an SM");
  return value;
}

/// vector.multi_reduction along the columns: each thread its own, then all.
Value KernelConversion::reduce(Operation *op, Attribute layout) {
  auto reduction = cast<vector::MultiDimReductionOp>(op);
  auto from = reduction.getSourceVectorType();
  ArrayRef<int64_t> dims = reduction.getReductionDims();
  std::optional<sm::Kind> kind;
  switch (reduction.getKind()) {
  case vector::CombiningKind::ADD:
    kind = sm::Kind::add;
    break;
  case vector::CombiningKind::MUL:
    kind = sm::Kind::mul;
    break;
  case vector::CombiningKind::MAXIMUMF:
    kind = sm::Kind::maximum;
    break;
  case vector::CombiningKind::MINIMUMF:
    kind = sm::Kind::minimum;
    break;
  default:
    break;
  }
  auto wanted = dyn_cast<sm::SliceAttr>(layout);
  if (!kind || from.getRank() != 2 || dims.size() != 1 || !wanted ||
      wanted.getParent() != this->layout || wanted.getAxis() != dims[0]) {
    fail(op, "expects a reduction of a block by add, mul, maximum or minimum "
             "to what its rows or columns have");
    return reduction.getResult();
  }
  RankedTensorType type = getType(reduction.getType(), layout);
  auto partial =
      sm::PartialAttr::get(b.getContext(), *kind, dims[0], this->layout);
  Value parts = sm::ReduceOp::create(
      b, type.cloneWithEncoding(partial), *kind,
      fragment(reduction.getSource(), this->layout), dims[0]);
  Value whole = sm::CompleteOp::create(b, type, parts);
  Value start = fragment(reduction.getAcc(), layout);
  switch (*kind) {
  case sm::Kind::add:
    return arith::AddFOp::create(b, whole, start);
  case sm::Kind::mul:
    return arith::MulFOp::create(b, whole, start);
  case sm::Kind::maximum:
    return arith::MaximumFOp::create(b, whole, start);
  case sm::Kind::minimum:
    return arith::MinimumFOp::create(b, whole, start);
  }
  llvm_unreachable("all kinds are handled");
}

/// The load that a 16-bit operand of a product comes from; extensions to f32
/// say nothing more than what the product does itself.
static tile::LoadOp getLoad(Value operand) {
  if (auto extension = operand.getDefiningOp<arith::ExtFOp>()) {
    operand = extension.getIn();
  }
  auto load = operand.getDefiningOp<tile::LoadOp>();
  auto type = dyn_cast<VectorType>(operand.getType());
  bool fits = load && type && type.getRank() == 2 &&
              (type.getElementType().isF16() || type.getElementType().isBF16());
  return fits ? load : tile::LoadOp();
}

Value KernelConversion::dot(tile::DotOp op, Attribute layout) {
  tile::LoadOp right = getLoad(op.getB());
  if (!right || op.getTransposeA()) {
    fail(op, "expects a right operand of f16 or bf16 that is read from memory, "
             "and a left one that is not transposed");
    return op.getResult();
  }
  Type element = cast<VectorType>(right.getResult().getType()).getElementType();
  RankedTensorType type = getType(op.getResult().getType(), layout);
  Value left = op.getA();
  auto leftType = cast<VectorType>(left.getType());
  if (auto extension = left.getDefiningOp<arith::ExtFOp>();
      extension && getElementTypeOrSelf(extension.getIn()) == element) {
    left = fragment(extension.getIn(), layout);
  } else if (leftType.getElementType().isF32()) {
    // The matrix unit wants both operands in one type of 16 bits.
    left = arith::TruncFOp::create(
        b, RankedTensorType::get(leftType.getShape(), element, layout),
        fragment(left, layout));
  } else {
    left = fragment(left, layout);
  }
  Value acc = op.getAcc()
                  ? fragment(op.getAcc(), layout)
                  : arith::ConstantOp::create(b, type, b.getZeroAttr(type));
  Value block = buffer(right);
  if (failed) {
    return op.getResult();
  }
  return sm::GemmOp::create(b, type, left, block, acc, op.getTransposeB());
}

/// One result of a branch that computes values.
Value KernelConversion::branch(scf::IfOp op, unsigned result,
                               Attribute layout) {
  if (!isMemoryEffectFree(op) && failed) {
    return op.getResult(result);
  }
  RankedTensorType type = getType(op.getResult(result).getType(), layout);
  auto made = scf::IfOp::create(b, type, scalar(op.getCondition()),
                                /*withElseRegion=*/true);
  for (auto [from, to] :
       llvm::zip_equal(op->getRegions(), made->getRegions())) {
    if (to.empty()) {
      to.emplaceBlock();
    }
    Block *source = &from.front();
    inScope(made, source, &to.front(), [&, block = &to.front()] {
      Value value = source->getTerminator()->getOperand(result);
      Value converted = fragment(value, layout);
      b.setInsertionPointToEnd(block);
      scf::YieldOp::create(b, converted);
    });
  }
  return made.getResult(0);
}
