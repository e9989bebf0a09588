//===- TileEinsum.cpp - Maps, reductions and products of tiles ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TileEmitter.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn;

TypedAttr attn::getUnit(Monoid monoid, Type element) {
  auto f = dyn_cast<FloatType>(element);
  if (!f) {
    unsigned w = element.getIntOrFloatBitWidth();
    APInt v = monoid == Monoid::max   ? APInt::getSignedMinValue(w)
              : monoid == Monoid::min ? APInt::getSignedMaxValue(w)
                                      : APInt(w, monoid == Monoid::mul);
    return IntegerAttr::get(element, v);
  }
  const llvm::fltSemantics &s = f.getFloatSemantics();
  switch (monoid) {
  case Monoid::add:
    return FloatAttr::get(f, APFloat::getZero(s));
  case Monoid::mul:
    return FloatAttr::get(f, APFloat::getOne(s));
  case Monoid::max:
    return FloatAttr::get(f, APFloat::getInf(s, /*Negative=*/true));
  case Monoid::min:
    return FloatAttr::get(f, APFloat::getInf(s));
  }
  llvm_unreachable("all monoids are covered");
}

StringRef attn::getCombineOp(Monoid monoid, Type element) {
  bool f = isa<FloatType>(element);
  switch (monoid) {
  case Monoid::add:
    return f ? "arith.addf" : "arith.addi";
  case Monoid::mul:
    return f ? "arith.mulf" : "arith.muli";
  case Monoid::max:
    return f ? "arith.maximumf" : "arith.maxsi";
  case Monoid::min:
    return f ? "arith.minimumf" : "arith.minsi";
  }
  llvm_unreachable("all monoids are covered");
}

static vector::CombiningKind combiningKind(Monoid monoid, Type element) {
  bool f = isa<FloatType>(element);
  switch (monoid) {
  case Monoid::add:
    return vector::CombiningKind::ADD;
  case Monoid::mul:
    return vector::CombiningKind::MUL;
  case Monoid::max:
    return f ? vector::CombiningKind::MAXIMUMF : vector::CombiningKind::MAXSI;
  case Monoid::min:
    return f ? vector::CombiningKind::MINIMUMF : vector::CombiningKind::MINSI;
  }
  llvm_unreachable("all monoids are covered");
}
TileValue TileEmitter::extend(TileValue v, Type element) {
  Type from = v.elementType();
  if (from == element) {
    return v;
  }
  bool wider = from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth();
  // Beside the value itself, so that what does not change in a fold is extended
  // once in front of it.
  OpBuilder::InsertionGuard guard(b);
  if (Operation *def = v.value.getDefiningOp()) {
    b.setInsertionPointAfter(def);
  } else {
    b.setInsertionPointToStart(cast<BlockArgument>(v.value).getOwner());
  }
  for (Operation *user : v.value.getUsers()) {
    if (isa<arith::ExtFOp>(user) && user->getBlock() == b.getInsertionBlock() &&
        getElementTypeOrSelf(user->getResult(0).getType()) == element) {
      return {user->getResult(0), v.axes};
    }
  }
  return t.op(wider ? "arith.extf" : "arith.truncf", {v}, element);
}

FailureOr<TileValue> TileEmitter::product(EinsumOp e,
                                          ArrayRef<TileValue> operands) {
  Type element = e.getResult().getType().getElementType();
  TileValue result;
  // Narrow factors first, so that a scalar or a row statistic is not spread
  // before it must be.
  SmallVector<TileValue> factors;
  for (TileValue v : operands) {
    if (isa<FloatType>(v.elementType()) && isa<FloatType>(element)) {
      v = extend(v, element);
    }
    factors.push_back(v);
  }
  llvm::stable_sort(factors, [](const TileValue &x, const TileValue &y) {
    return x.axes.size() < y.axes.size();
  });
  for (TileValue v : factors) {
    result = result
                 ? t.op(isa<FloatType>(element) ? "arith.mulf" : "arith.muli",
                        {result, v})
                 : v;
  }
  return result;
}

/// The factors of a value of a region: products that serve nothing else are
/// taken apart and go to `products`.
static void collectFactors(Value value, SmallVectorImpl<Value> &factors,
                           llvm::SmallPtrSetImpl<Operation *> &products) {
  auto product = value.getDefiningOp<arith::MulFOp>();
  if (!product || !product->hasOneUse()) {
    factors.push_back(value);
    return;
  }
  products.insert(product);
  collectFactors(product.getLhs(), factors, products);
  collectFactors(product.getRhs(), factors, products);
}

FailureOr<TileValue> TileEmitter::region(EinsumOp e,
                                         ArrayRef<TileValue> operands,
                                         SmallVectorImpl<TileValue> *factors) {
  Block &block = e.getBody().front();
  Value yielded = cast<YieldOp>(block.getTerminator()).getValues()[0];
  SmallVector<Value> leaves;
  llvm::SmallPtrSet<Operation *, 4> products;
  if (factors) {
    collectFactors(yielded, leaves, products);
  }
  DenseMap<Value, TileValue> local;
  for (auto [arg, v] : llvm::zip(block.getArguments(), operands)) {
    local[arg] = v;
  }
  auto get = [&](Value v) -> FailureOr<TileValue> {
    if (auto it = local.find(v); it != local.end()) {
      return it->second;
    }
    FailureOr<Value> scalar = program.getScalar(kernel, v);
    if (failed(scalar)) {
      return failure();
    }
    return TileValue{*scalar, {}};
  };
  for (Operation &op : block.without_terminator()) {
    if (products.contains(&op)) {
      continue;
    }
    if (auto coord = dyn_cast<CoordOp>(op)) {
      TileValue c = coordsOf(ofSegment)[coord.getRank()];
      if (!c) {
        return FailureOr<TileValue>(
            unsupported(&op, "the coordinate is not known here"));
      }
      local[coord.getResult()] = c;
      continue;
    }
    if (auto cst = dyn_cast<arith::ConstantOp>(op)) {
      local[cst.getResult()] = t.constant(cast<TypedAttr>(cst.getValue()), {});
      continue;
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      if (!program.lookup(extract.getTensor())) {
        return op.emitOpError("reads a tensor that has no storage");
      }
      Value memory = program.getMemory(kernel, extract.getTensor());
      SmallVector<TileValue> indices;
      for (Value i : extract.getIndices()) {
        FailureOr<TileValue> v = get(i);
        if (failed(v)) {
          return failure();
        }
        indices.push_back(t.cast(*v, v->isScalar() ? Type(b.getIndexType())
                                                   : Type(b.getI32Type())));
      }
      SmallVector<int64_t, 3> axes = TileBuilder::join(indices);
      Type element = extract.getType();
      if (!axes.empty()) {
        local[extract.getResult()] = gather(memory, indices, element);
        continue;
      }
      SmallVector<Value> values;
      for (const TileValue &i : indices) {
        values.push_back(i.value);
      }
      local[extract.getResult()] = {
          tile::LoadOp::create(b, t.loc, element, memory, values, Value(),
                               Value(), axisNumbers(indices, axes), 0),
          axes};
      continue;
    }
    if (op.getNumRegions() || op.getNumResults() != 1 ||
        !isMemoryEffectFree(&op)) {
      return op.emitOpError("cannot be computed on a tile");
    }
    SmallVector<TileValue> values;
    for (Value v : op.getOperands()) {
      FailureOr<TileValue> x = get(v);
      if (failed(x)) {
        return failure();
      }
      values.push_back(*x);
    }
    Type result = op.getResult(0).getType();
    bool vector =
        llvm::any_of(values, [](const TileValue &v) { return !v.isScalar(); });
    // Coordinates are i32 in vectors: index operands follow.
    if (vector) {
      if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
        local[op.getResult(0)] =
            t.cast(values[0], result.isIndex() ? Type(b.getI32Type()) : result);
        continue;
      }
      for (auto [v, o] : llvm::zip(values, op.getOperands())) {
        if (o.getType().isIndex()) {
          v = t.cast(v, b.getI32Type());
        }
      }
      if (result.isIndex()) {
        result = b.getI32Type();
      }
    }
    local[op.getResult(0)] =
        t.op(op.getName().getStringRef(), values, result, op.getAttrs());
  }
  for (Value leaf : leaves) {
    FailureOr<TileValue> v = get(leaf);
    if (failed(v)) {
      return failure();
    }
    factors->push_back(*v);
  }
  return factors ? FailureOr<TileValue>(TileValue()) : get(yielded);
}

FailureOr<SmallVector<TileValue>> TileEmitter::loadInputs(EinsumOp e) {
  SmallVector<TileValue> operands;
  for (unsigned i = 0; i < e.getInputs().size(); ++i) {
    FailureOr<TileValue> v = load(e.getInputs()[i], e.getInputMap(i));
    if (failed(v)) {
      return failure();
    }
    operands.push_back(*v);
  }
  return operands;
}

FailureOr<TileValue> TileEmitter::mapInputs(EinsumOp e,
                                            ArrayRef<TileValue> operands) {
  return e.hasRegion() ? region(e, operands) : product(e, operands);
}

FailureOr<TileValue> TileEmitter::mapPart(EinsumOp e) {
  FailureOr<SmallVector<TileValue>> operands = loadInputs(e);
  return failed(operands) ? FailureOr<TileValue>(failure())
                          : mapInputs(e, *operands);
}

/// A sum of products is a dot where its factors along `reduced` fall into those
/// with one further axis and those with another; the factors without `reduced`
/// multiply its result (products distribute over sums). Factors with no other
/// axis go to the side of the rows, which is the smaller one: so a scale per
/// token multiplies weights, and what is read for all rows stays as it is.
FailureOr<TileValue> TileEmitter::dot(EinsumOp e, ArrayRef<TileValue> factors,
                                      int64_t reduced, TileValue mask) {
  SmallVector<TileValue> sides[2], alone, outer;
  SmallVector<int64_t, 2> others;
  for (const TileValue &v : factors) {
    if (!v.has(reduced)) {
      outer.push_back(v);
      continue;
    }
    if (v.axes.size() == 1) {
      alone.push_back(v);
      continue;
    }
    if (v.axes.size() != 2) {
      return TileValue();
    }
    int64_t other = v.axes[0] == reduced ? v.axes[1] : v.axes[0];
    auto *known = llvm::find(others, other);
    if (known == others.end()) {
      if (others.size() == 2) {
        return TileValue();
      }
      others.push_back(other);
      known = &others.back();
    }
    sides[known - others.begin()].push_back(v);
  }
  if (others.size() != 2) {
    return TileValue();
  }
  if (others[1] == kRowAxis) {
    std::swap(others[0], others[1]);
    std::swap(sides[0], sides[1]);
  }
  Type element = e.getResult().getType().getElementType();
  llvm::append_range(sides[0], alone);
  auto multiply = [&](ArrayRef<TileValue> values) {
    TileValue result = extend(values.front(), element);
    for (TileValue v : values.drop_front()) {
      result = t.op("arith.mulf", {result, extend(v, element)});
    }
    return result;
  };
  auto fits = [&](int64_t other) {
    return llvm::all_of(mask.axes,
                        [&](int64_t x) { return x == reduced || x == other; });
  };
  if (mask && !fits(others[0]) && !fits(others[1])) {
    return TileValue();
  }
  TileValue a = multiply(sides[0]), c = multiply(sides[1]);
  if (mask) {
    // The mask goes to the factor that has its axes.
    TileValue &masked = fits(others[0]) ? a : c;
    masked =
        t.select(mask, masked, t.constant(getUnit(Monoid::add, element), {}));
  }
  SmallVector<int64_t, 3> axes{others[0], others[1]};
  TileValue r{tile::DotOp::create(b, t.loc, t.vectorType(axes, element),
                                  a.value, c.value, /*acc=*/Value(),
                                  /*transposeA=*/a.axes[0] == reduced,
                                  /*transposeB=*/c.axes[1] == reduced),
              axes};
  for (TileValue v : outer) {
    r = t.op("arith.mulf", {r, extend(v, element)});
  }
  return r;
}

FailureOr<TileValue> TileEmitter::einsum(EinsumOp e,
                                         ArrayRef<PresenceTerm> presence) {
  // Without a rank of the rows a value of the fold may still be one of rows.
  llvm::SaveAndRestore scope(
      ofSegment, rowRanks.any() && !e.getReducedRanks().anyCommon(foldRanks) &&
                     isOfSegment(e.getIterationRanks()));
  FailureOr<SmallVector<TileValue>> operands = loadInputs(e);
  if (failed(operands)) {
    return failure();
  }
  SmallVector<ReduceAttr> actions = e.getReduceActions();
  Type element = e.getResult().getType().getElementType();
  // Masks matter where a reduction must skip absent points; what is handed on
  // is masked by the reader.
  TileValue where;
  if (!actions.empty()) {
    FailureOr<TileValue> m = mask(presence, TileBuilder::join(*operands));
    if (failed(m)) {
      return failure();
    }
    where = *m;
  }
  TileValue v;
  if (actions.size() == 1 && actions[0].getMonoid() == Monoid::add &&
      actions[0].getRanks().size() == 1 && isa<FloatType>(element)) {
    int64_t reduced = actions[0].getRanks()[0];
    // A mask that does not vary along the reduced axis keeps or drops whole
    // results, and is applied by the readers.
    TileValue m = where && where.has(reduced) ? where : TileValue();
    SmallVector<TileValue> factors;
    if (!e.hasRegion()) {
      factors = *operands;
    } else if (failed(region(e, *operands, &factors))) {
      return failure();
    }
    FailureOr<TileValue> d = dot(e, factors, reduced, m);
    if (failed(d)) {
      return failure();
    }
    if (*d) {
      return *d;
    }
  }
  FailureOr<TileValue> mapped = mapInputs(e, *operands);
  if (failed(mapped)) {
    return failure();
  }
  v = *mapped;
  for (auto [n, action] : llvm::enumerate(actions)) {
    TypedAttr unit = getUnit(action.getMonoid(), element);
    // Spread over reduced axes that no operand has (a sum of a constant).
    SmallVector<int64_t, 3> axes = v.axes;
    for (int64_t r : action.getRanks()) {
      if (!v.has(r)) {
        if (!sizes.count(r)) {
          return FailureOr<TileValue>(
              unsupported(e, "a reduced rank is not inside the tile"));
        }
        axes.push_back(r);
      }
    }
    if (n == 0 && where) {
      for (int64_t x : where.axes) {
        if (!llvm::is_contained(axes, x)) {
          axes.push_back(x);
        }
      }
      if (llvm::is_contained(axes, kRowAxis) && axes.front() != kRowAxis) {
        axes.erase(llvm::find(axes, kRowAxis));
        axes.insert(axes.begin(), kRowAxis);
      }
      v = t.spread(v, axes);
      v = t.select(where, v, t.constant(unit, {}));
    } else {
      v = axes.empty() ? v : t.spread(v, axes);
    }
    SmallVector<int64_t> dims;
    SmallVector<int64_t, 3> kept;
    for (auto [i, x] : llvm::enumerate(v.axes)) {
      if (llvm::is_contained(action.getRanks(), x)) {
        dims.push_back(i);
      } else {
        kept.push_back(x);
      }
    }
    TileValue acc = t.constant(unit, kept);
    v = {vector::MultiDimReductionOp::create(
             b, t.loc, combiningKind(action.getMonoid(), element), v.value,
             acc.value, dims),
         kept};
  }
  return v;
}
