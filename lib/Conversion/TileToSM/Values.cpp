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

/// What the sizes of a block in a layout are multiples of: rows of accumulators
/// and of left operands are those of a warp's blocks, all else is shared by the
/// warps beside each other.
static std::pair<int64_t, int64_t> getSteps(Attribute layout, int64_t step) {
  if (auto acc = dyn_cast<sm::AccAttr>(layout)) {
    return {16 * acc.getRowWarps(), step};
  }
  if (auto lhs = dyn_cast<sm::LhsAttr>(layout)) {
    return {16 * lhs.getRowWarps(), step};
  }
  return {step, step};
}

int64_t KernelConversion::getStep() const { return tile.getStep(); }

RankedTensorType KernelConversion::getType(Type vector, Attribute layout) {
  auto type = cast<VectorType>(vector);
  SmallVector<int64_t> shape(type.getShape());
  if (auto partial = dyn_cast<sm::PartialAttr>(layout)) {
    layout = sm::SliceAttr::get(b.getContext(), partial.getAxis(),
                                partial.getParent());
    return getType(vector, layout).cloneWithEncoding(partial);
  }
  if (auto slice = dyn_cast<sm::SliceAttr>(layout);
      slice && shape.size() == 1) {
    auto steps = getSteps(slice.getParent(), getStep());
    shape[0] = llvm::alignTo(shape[0],
                             slice.getAxis() == 0 ? steps.second : steps.first);
  } else if (isa<sm::MoverAttr>(layout) && shape.size() == 1) {
    shape[0] = copiedRows;
  } else if (sm::isBlockLayout(layout) && shape.size() == 2) {
    auto [rows, columns] = getSteps(layout, getStep());
    shape = {int64_t(llvm::alignTo(shape[0], rows)),
             int64_t(llvm::alignTo(shape[1], columns))};
  }
  return RankedTensorType::get(shape, type.getElementType(), layout);
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
    return sm::RowsOp::create(b, type, item, scalar(o.getFirst())).getCount();
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
  if (isa<tile::TileDialect>(op->getDialect()) ||
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

/// The layout that the op behind a value gives it, if it has no choice.
static Attribute getOwnLayout(Value value, Attribute block, Attribute rows) {
  Operation *op = value.getDefiningOp();
  if (op && !isa<tile::DotOp, tile::LoadStateOp, tile::FoldOp>(op)) {
    return {};
  }
  return cast<VectorType>(value.getType()).getRank() == 2 ? block : rows;
}

Value KernelConversion::fragment(Value value, Attribute layout) {
  FragmentKey key(value, layout);
  if (Value known = scopeOf(value).fragments.lookup(key)) {
    return known;
  }
  if (failed) {
    return value;
  }
  if (Value parts = findKnownParts(value, layout)) {
    Value whole = atDefinition(
        value, [&] { return complete(parts, layout, value.getType()); });
    return scopeOf(value).fragments[key] = whole;
  }
  Attribute own = isa<sm::PartialAttr>(layout)
                      ? Attribute()
                      : getOwnLayout(value, this->layout, getRowLayout());
  if (own && own != layout) {
    Value known = fragment(value, own);
    Value made = failed ? value : convert(known, layout, value.getType());
    // Where it is asked for: its own scope may be closed to new code.
    return made;
  }
  if (own &&
      !isa_and_nonnull<tile::DotOp, tile::LoadStateOp>(value.getDefiningOp())) {
    fail(source, "expects a carried value to be known where it is used");
    return value;
  }
  Value made = atDefinition(value, [&] { return makeFragment(value, layout); });
  scopeOf(value).fragments[key] = made;
  return made;
}

Value KernelConversion::makeFragment(Value value, Attribute layout) {
  if (auto partial = dyn_cast<sm::PartialAttr>(layout)) {
    return makeParts(value, partial);
  }
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
    auto rows =
        sm::RowsOp::create(b, type, item, scalar(o.getFirst()), o.getAgain());
    return value == o.getCoord()   ? rows.getCoord()
           : value == o.getMinor() ? rows.getMinor()
                                   : rows.getSym();
  }
  if (auto o = dyn_cast<tile::ExpandOp>(op)) {
    if (type.getRank() == 2 && o.getDims().size() == 1) {
      int64_t along = 1 - o.getDims()[0];
      auto from = sm::SliceAttr::get(b.getContext(), along, layout);
      Value source = fragment(o.getSource(), from);
      return failed ? value : sm::ExpandOp::create(b, type, source, along);
    }
  }
  if (auto o = dyn_cast<tile::LoadOp>(op)) {
    return loadFragment(o, layout);
  }
  if (auto o = dyn_cast<tile::GatherOp>(op)) {
    return gather(o, layout);
  }
  if (auto o = dyn_cast<tile::LoadStateOp>(op)) {
    return loadState(o, cast<OpResult>(value).getResultNumber());
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
  std::optional<sm::Kind> kind = getKind(reduction.getKind());
  if (!kind || from.getRank() != 2 || dims.size() != 1 ||
      !isa<FloatType>(from.getElementType())) {
    fail(op, "expects a reduction of a block by add, mul, maximum or minimum "
             "along one of its two axes");
    return reduction.getResult();
  }
  auto own = sm::SliceAttr::get(b.getContext(), dims[0], this->layout);
  Value parts = reduceInThreads(reduction, *kind);
  if (failed) {
    return reduction.getResult();
  }
  Value result = complete(parts, own, reduction.getType());
  if (!sm::isUnit(reduction.getAcc(), *kind)) {
    result = sm::combine(b, *kind, result, fragment(reduction.getAcc(), own));
  }
  return layout == own ? result : convert(result, layout, reduction.getType());
}

Value KernelConversion::fillPadding(Value fragment, VectorType vector,
                                    int64_t axis, TypedAttr fill) {
  auto type = cast<RankedTensorType>(fragment.getType());
  int64_t size = vector.getDimSize(axis);
  if (type.getDimSize(axis) == size) {
    return fragment;
  }
  MLIRContext *context = b.getContext();
  auto slice = sm::SliceAttr::get(context, 1 - axis, type.getEncoding());
  auto numbers =
      RankedTensorType::get(type.getDimSize(axis), b.getI32Type(), slice);
  auto flags = numbers.clone(b.getI1Type());
  auto splat = [](RankedTensorType type, Attribute value) {
    return SplatElementsAttr::get(type, value);
  };
  Value limit = arith::ConstantOp::create(
      b, numbers, splat(numbers, b.getI32IntegerAttr(size)));
  Value inside =
      arith::CmpIOp::create(b, flags, arith::CmpIPredicate::slt,
                            sm::CoordOp::create(b, numbers, index(0)), limit);
  Value mask =
      sm::ExpandOp::create(b, type.clone(b.getI1Type()), inside, 1 - axis);
  Value others = arith::ConstantOp::create(b, type, splat(type, fill));
  return arith::SelectOp::create(b, mask, fragment, others);
}

Value KernelConversion::convert(Value value, Attribute layout, Type vector) {
  auto from = cast<RankedTensorType>(value.getType());
  RankedTensorType to = getType(vector, layout).clone(from.getElementType());
  bool isBlock = from.getRank() == 2;
  // Each layout rounds up sizes of its own.
  sm::BufType buf =
      getBuffer(std::max(from.getDimSize(0), to.getDimSize(0)),
                isBlock ? std::max(from.getDimSize(1), to.getDimSize(1)) : 1,
                from.getElementType());
  Value stored = sm::StoreSharedOp::create(b, buf, value, makeRoom(buf));
  return sm::LoadSharedOp::create(b, to, stored);
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
