//===- Address.cpp - Views and places in the interpreter ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A view is not copied: a request of 33,001 tokens beside one of a single token
// would be padded to the same length. Its readers substitute their coordinates
// into its address.
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

#include "llvm/ADT/BitVector.h"

using namespace attn;
using namespace attn::reference;

template <typename Op>
LogicalResult Machine::addressParts(Op op, Tensor &tensor, Space &space) {
  unsigned axes = op.getDims().size();
  space.resize(axes);
  for (unsigned axis = 0; axis < axes; ++axis) {
    space.names[axis] = op.getDimName(axis).str();
  }
  for (auto [i, symbol] : llvm::enumerate(op.getSymbols())) {
    Tensor *source = tensorOf(symbol);
    if (!source || !source->isKnown()) {
      return failure();
    }
    StringRef name = cast<StringAttr>(op.getSymbolNames()[i]).getValue();
    ArrayRef<AffineExpr> at = op.getSymbolMap(i).getResults();
    tensor.presence.lookups.push_back(
        {source, SmallVector<AffineExpr, 4>(at), name.str()});
  }
  Condition domain;
  for (IntegerSet set : op.getWhereSets()) {
    auto &disjunct = domain.anyOf.emplace_back();
    for (unsigned i = 0; i < set.getNumConstraints(); ++i) {
      disjunct.push_back({set.getConstraint(i), set.isEq(i)});
    }
  }
  if (!domain.anyOf.empty()) {
    tensor.presence.allOf.push_back(domain);
  }
  ArrayRef<AffineExpr> address = op.getAddress().getResults();
  tensor.address.assign(address.begin(), address.end());
  return success();
}

LogicalResult Machine::runView(ViewOp op) {
  Tensor *storage = tensorOf(op.getStorage());
  Tensor &view = newTensor({}, describe(op));
  Space space;
  if (!storage || failed(addressParts(op, view, space))) {
    return checkOnly ? success()
                     : fail(op, "expects storage and symbols that are known");
  }
  view.storage = storage;
  if (failed(findAxisExtents(op, view, space))) {
    return failure();
  }
  view.shape.assign(space.extents.begin(), space.extents.end());
  if (failed(checkAddresses(op, view, space, /*unique=*/false))) {
    return failure();
  }
  tensors[op.getResult()] = &view;
  return success();
}

LogicalResult Machine::checkAddresses(Operation *op, const Tensor &view,
                                      const Space &space, bool unique) {
  if (llvm::is_contained(space.extents, 0)) {
    return success();
  }
  // An axis that is one coordinate of the address and nothing else cannot
  // collide or depend on data; one of its points stands for all.
  SmallVector<AffineExpr> dims;
  SmallVector<int64_t> loops;
  for (int64_t axis = 0; axis < int64_t(space.extents.size()); ++axis) {
    dims.push_back(getAffineDimExpr(axis, context));
  }
  for (int64_t axis = 0; axis < int64_t(space.extents.size()); ++axis) {
    unsigned uses = 0;
    bool plain = true;
    for (auto [i, expr] : llvm::enumerate(view.address)) {
      if (view.presence.names(expr, axis)) {
        ++uses;
        plain &=
            expr == dims[axis] && space.extents[axis] <= view.storage->shape[i];
      }
    }
    for (const Condition &condition : view.presence.allOf) {
      for (const auto &disjunct : condition.anyOf) {
        plain &= llvm::none_of(disjunct, [&](const Constraint &constraint) {
          return view.presence.names(constraint.expr, axis);
        });
      }
    }
    if (!plain || uses != 1) {
      loops.push_back(axis);
    }
  }
  LoopNest nest(context, space, error);
  unsigned operand = nest.addOperand(view, dims);
  if (!nest.isKnown()) {
    return success();
  }
  nest.compile(loops);
  const HostArray &array = nest.getBase(operand).array;
  llvm::BitVector used;
  if (unique) {
    int64_t last = 0;
    for (auto [extent, stride] : llvm::zip(array.shape(), array.strides())) {
      last += (extent - 1) * stride;
    }
    used.resize(std::max<int64_t>(last + 1, 0));
  }
  LogicalResult done = nest.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t count = std::min(LoopNest::kChunk, end - x);
      const int64_t *positions = nest.locate(operand, x, count);
      if (!positions) {
        return failure();
      }
      for (int64_t i = 0; unique && i < count; ++i) {
        if (used.test(positions[i])) {
          error = "places two points on one address, element " +
                  std::to_string(positions[i]) + " of " + view.storage->label;
          return failure();
        }
        used.set(positions[i]);
      }
    }
    return success();
  });
  return failed(done) ? fail(op, error) : success();
}

LogicalResult Machine::runPlace(PlaceOp op) {
  Tensor *source = tensorOf(op.getSource());
  Tensor *storage = tensorOf(op.getStorage());
  // The source seen through its destination's address.
  Tensor &placed = newTensor({}, "the destination");
  Space space;
  if (!source || !storage || failed(addressParts(op, placed, space))) {
    return checkOnly ? success()
                     : fail(op, "expects a source, storage and symbols that "
                                "are known");
  }
  placed.shape = source->shape;
  space.extents.assign(source->shape.begin(), source->shape.end());
  Tensor *target = storage;
  bool inPlace = isa<BaseMemRefType>(op.getStorage().getType());
  if (!inPlace) {
    target = &newTensor(storage->shape, describe(op));
    target->known = !checkOnly;
    if (checkOnly) {
      target->array = target->array.withLayout(storage->shape,
                                               rowMajorStrides(storage->shape));
    } else {
      FailureOr<HostArray> copy = materialize(op, *storage);
      if (failed(copy)) {
        return failure();
      }
      target->array = *copy;
    }
    tensors[op.getResult()] = target;
  }
  placed.storage = target;
  if (failed(checkAddresses(op, placed, space, /*unique=*/true))) {
    return failure();
  }
  if (checkOnly) {
    return success();
  }

  SmallVector<AffineExpr> dims;
  SmallVector<int64_t> loops;
  for (unsigned axis = 0; axis < source->shape.size(); ++axis) {
    dims.push_back(getAffineDimExpr(axis, context));
    loops.push_back(axis);
  }
  LoopNest nest(context, space, error);
  unsigned from = nest.addOperand(*source, dims);
  unsigned to = nest.addOperand(placed, dims);
  nest.compile(loops);
  LogicalResult done = nest.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t count = std::min(LoopNest::kChunk, end - x);
      const double *values = nest.load(from, x, count);
      const int64_t *positions = nest.locate(to, x, count);
      if (!values || !positions) {
        return failure();
      }
      for (int64_t i = 0; i < count; ++i) {
        target->array.setDouble(positions[i], values[i]);
      }
    }
    return success();
  });
  return failed(done) ? fail(op, error) : success();
}
