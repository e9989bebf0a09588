//===- TileEmitter.cpp - Einsums on tile values -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TileEmitter.h"

#include "SetMask.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

LogicalResult TileEmitter::unsupported(Operation *op, const Twine &why) {
  return op->emitError("no tile kernel: ") << why;
}

void TileEmitter::addAxis(int64_t rank, int64_t size) {
  sizes[rank] = size;
  auto type = VectorType::get({size}, b.getI32Type());
  Value zero = arith::ConstantIndexOp::create(b, t.loc, 0);
  coords[rank] = {tile::CoordOp::create(b, t.loc, type, zero), {rank}};
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

FailureOr<Value> TileEmitter::getView(Operation *op) {
  if (Value view = views.lookup(op)) {
    return view;
  }
  bool place = isa<PlaceOp>(op);
  Value storage =
      place ? cast<PlaceOp>(op).getStorage() : cast<ViewOp>(op).getStorage();
  ValueRange symbols =
      place ? cast<PlaceOp>(op).getSymbols() : cast<ViewOp>(op).getSymbols();
  ArrayAttr symbolMaps = place ? cast<PlaceOp>(op).getSymbolMaps()
                               : cast<ViewOp>(op).getSymbolMaps();
  AffineMap address =
      place ? cast<PlaceOp>(op).getAddress() : cast<ViewOp>(op).getAddress();
  SmallVector<IntegerSet> where = place ? cast<PlaceOp>(op).getWhereSets()
                                        : cast<ViewOp>(op).getWhereSets();
  if (!program.lookup(storage)) {
    return op->emitOpError("storage is not an argument or a result");
  }
  SmallVector<Value> operands;
  for (Value s : symbols) {
    if (isa<ShapedType>(s.getType())) {
      if (!program.lookup(s)) {
        return op->emitOpError("a symbol is not an argument");
      }
      operands.push_back(program.getMemory(kernel, s));
      continue;
    }
    FailureOr<Value> scalar = program.getScalar(kernel, s);
    if (failed(scalar)) {
      return failure();
    }
    operands.push_back(*scalar);
  }
  Value memory = program.getMemory(kernel, storage);
  auto type =
      tile::ViewType::get(op->getContext(), address.getNumDims(),
                          cast<ShapedType>(storage.getType()).getElementType());
  OpBuilder top(op->getContext());
  if (kernel.lastScalar) {
    top.setInsertionPointAfter(kernel.lastScalar);
  } else {
    top.setInsertionPointToStart(kernel.body);
  }
  SmallVector<Attribute> sets;
  for (IntegerSet s : where) {
    sets.push_back(IntegerSetAttr::get(s));
  }
  auto view = tile::ViewOp::create(top, op->getLoc(), type, memory, operands,
                                   symbolMaps, top.getArrayAttr(sets), address);
  kernel.lastScalar = view;
  views[op] = view;
  return view.getResult();
}

/// e = (coeff * axis + rest) floordiv divisor, with the value of `rest` found
/// by putting 0 for the axis. Only such forms tell how far an axis may go.
static bool matchStep(AffineExpr e, unsigned dim, int64_t &coeff,
                      int64_t &divisor, AffineExpr &inner) {
  divisor = 1;
  inner = e;
  if (auto bin = dyn_cast<AffineBinaryOpExpr>(e);
      bin && e.getKind() == AffineExprKind::FloorDiv) {
    divisor = cast<AffineConstantExpr>(bin.getRHS()).getValue();
    inner = bin.getLHS();
  }
  coeff = 0;
  SmallVector<AffineExpr> terms{inner};
  while (!terms.empty()) {
    AffineExpr x = terms.pop_back_val();
    auto bin = dyn_cast<AffineBinaryOpExpr>(x);
    if (bin && x.getKind() == AffineExprKind::Add) {
      terms.append({bin.getLHS(), bin.getRHS()});
    } else if (x == getAffineDimExpr(dim, e.getContext())) {
      coeff += 1;
    } else if (bin && x.getKind() == AffineExprKind::Mul &&
               bin.getLHS() == getAffineDimExpr(dim, e.getContext())) {
      coeff += cast<AffineConstantExpr>(bin.getRHS()).getValue();
    } else if (x.isFunctionOfDim(dim)) {
      return false;
    }
  }
  return coeff > 0;
}

/// Streamed along the fold, and the same for all rows.
bool TileEmitter::isOfSegment(const llvm::SmallBitVector &ranks) const {
  return !segmentCoords.empty() && ranks.anyCommon(foldRanks) &&
         !ranks.anyCommon(rowRanks);
}

SmallVector<TileValue> TileEmitter::coordsOf(bool segment) const {
  SmallVector<TileValue> at(coords);
  if (segment) {
    for (auto &[rank, value] : segmentCoords) {
      at[rank] = value;
    }
  }
  return at;
}

LogicalResult TileEmitter::accessIndices(Operation *where, Value memory,
                                         AffineMap map, ArrayRef<TileValue> at,
                                         bool checkBounds,
                                         SmallVector<TileValue> &indices,
                                         SmallVector<int64_t, 3> &axes,
                                         int64_t &liveAxis, Value &liveEnd) {
  for (auto [j, e] : llvm::enumerate(map.getResults())) {
    TileValue index = t.affine(e, at, {});
    if (!index || index.axes.size() > 1) {
      return unsupported(where, "an index varies along two axes of the tile or "
                                "names a rank without a coordinate");
    }
    index = t.cast(index, index.isScalar() ? Type(b.getIndexType())
                                           : Type(b.getI32Type()));
    indices.push_back(index);
    if (index.isScalar() || !checkBounds || index.axes[0] == kRowAxis) {
      continue;
    }
    int64_t axis = index.axes[0];
    auto type = cast<MemRefType>(memory.getType());
    if (e == getAffineDimExpr(axis, b.getContext()) &&
        type.getDimSize(j) == t.size(axis)) {
      continue; // the whole axis
    }
    int64_t coeff, divisor;
    AffineExpr inner;
    if (!matchStep(e, axis, coeff, divisor, inner)) {
      return unsupported(where, "cannot tell where an index leaves the tensor");
    }
    SmallVector<TileValue> start(at);
    start[axis] = t.index(0);
    TileValue base = t.affine(inner, start, {});
    if (!base || !base.isScalar()) {
      return unsupported(where, "an index starts differently for each row");
    }
    Value dim =
        type.isDynamicDim(j)
            ? memref::DimOp::create(b, t.loc, memory, j).getResult()
            : arith::ConstantIndexOp::create(b, t.loc, type.getDimSize(j))
                  .getResult();
    TileValue end = t.subi(t.muli({dim, {}}, t.index(divisor)), base);
    if (coeff != 1) {
      end = t.floordiv(t.addi(end, t.index(coeff - 1)), coeff);
    }
    if (liveEnd && liveAxis != axis) {
      return unsupported(where, "two axes may leave the tensor");
    }
    liveAxis = axis;
    liveEnd =
        liveEnd
            ? arith::MinSIOp::create(b, t.loc, liveEnd, end.value).getResult()
            : end.value;
  }
  axes = TileBuilder::join(indices);
  return success();
}

SmallVector<int64_t> attn::axisNumbers(ArrayRef<TileValue> indices,
                                       ArrayRef<int64_t> axes) {
  SmallVector<int64_t> numbers;
  for (const TileValue &i : indices) {
    numbers.push_back(
        i.isScalar() ? -1 : llvm::find(axes, i.axes[0]) - axes.begin());
  }
  return numbers;
}

static llvm::SmallBitVector ranksOf(AffineMap map) {
  llvm::SmallBitVector ranks(map.getNumDims());
  for (unsigned d = 0; d < map.getNumDims(); ++d) {
    ranks[d] = map.isFunctionOfDim(d);
  }
  return ranks;
}

FailureOr<TileValue> TileEmitter::load(Value source, AffineMap map, Side side) {
  if (auto it = env.find(source); it != env.end()) {
    return it->second;
  }
  bool isSegments =
      ofSegment || (side == Side::data && isOfSegment(ranksOf(map)));
  auto key = std::make_tuple(source, map, unsigned(isSegments));
  if (auto it = loads.find(key); it != loads.end()) {
    return it->second;
  }
  // A selection is read through its membership table.
  bool table = isa<CoordsType>(source.getType());
  auto shaped = dyn_cast<ShapedType>(source.getType());
  if (!shaped && !table) {
    FailureOr<Value> scalar = program.getScalar(kernel, source);
    if (failed(scalar)) {
      return failure();
    }
    return TileValue{*scalar, {}};
  }
  auto view = source.getDefiningOp<attn::ViewOp>();
  Value memory;
  if (view) {
    FailureOr<Value> v = getView(view);
    if (failed(v)) {
      return failure();
    }
    memory = *v;
  } else {
    if (!program.lookup(source)) {
      return cascade.emitOpError("reads a value that has no storage");
    }
    memory = program.getMemory(kernel, source);
  }
  SmallVector<TileValue> indices;
  SmallVector<int64_t, 3> axes;
  int64_t liveAxis = 0;
  Value liveEnd, liveBegin;
  if (failed(accessIndices(cascade, memory, map, coordsOf(isSegments), !view,
                           indices, axes, liveAxis, liveEnd))) {
    return failure();
  }
  Type element = table ? Type(b.getI1Type()) : shaped.getElementType();
  Type type = axes.empty() ? element : Type(t.vectorType(axes, element));
  if (liveEnd) {
    liveBegin = arith::ConstantIndexOp::create(b, t.loc, 0);
    liveAxis = llvm::find(axes, liveAxis) - axes.begin();
  }
  SmallVector<Value> values;
  for (const TileValue &i : indices) {
    values.push_back(i.value);
  }
  TileValue result{tile::LoadOp::create(b, t.loc, type, memory, values,
                                        liveBegin, liveEnd,
                                        axisNumbers(indices, axes), liveAxis),
                   axes};
  loads[key] = result;
  return result;
}

static LogicalResult storeAt(TileEmitter &em, TileValue v, Value memory,
                             ArrayRef<TileValue> indices,
                             ArrayRef<int64_t> axes, Value liveCount) {
  if (v.axes.size() > axes.size()) {
    return em.cascade.emitError(
        "no tile kernel: a result has fewer axes than its value");
  }
  v = axes.empty() ? v : em.t.spread(v, axes);
  SmallVector<Value> values;
  for (const TileValue &i : indices) {
    values.push_back(i.value);
  }
  Value liveBegin;
  bool rows = !axes.empty() && axes[0] == kRowAxis && liveCount;
  if (rows) {
    liveBegin = arith::ConstantIndexOp::create(em.b, em.t.loc, 0);
  }
  tile::StoreOp::create(em.b, em.t.loc, v.value, memory, values, liveBegin,
                        rows ? liveCount : Value(), axisNumbers(indices, axes),
                        /*liveAxis=*/0);
  return success();
}

LogicalResult TileEmitter::store(TileValue v, Value memory, AffineMap map,
                                 Value liveCount) {
  SmallVector<TileValue> indices;
  SmallVector<int64_t, 3> axes;
  int64_t liveAxis = 0;
  Value liveEnd;
  if (failed(accessIndices(cascade, memory, map, coords, false, indices, axes,
                           liveAxis, liveEnd))) {
    return failure();
  }
  // A fold without rows has items of one: any index may stand for it.
  if (v.has(kRowAxis) && !llvm::is_contained(axes, kRowAxis) &&
      sizes.lookup(kRowAxis) == 1 && !indices.empty() &&
      indices.front().isScalar()) {
    indices.front() = t.spread(indices.front(), {kRowAxis});
    axes = TileBuilder::join(indices);
  }
  return storeAt(*this, v, memory, indices, axes, liveCount);
}

LogicalResult TileEmitter::storeView(TileValue v, Value view, AffineMap map,
                                     Value liveCount) {
  return store(v, view, map, liveCount);
}

//===----------------------------------------------------------------------===//
// Presence
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<TileValue>>
TileEmitter::symbols(const PresenceTerm &term) {
  SmallVector<TileValue> values;
  for (auto [symbol, map] : llvm::zip(term.symbols, term.symbolMaps)) {
    FailureOr<TileValue> v = load(symbol, map, Side::rows);
    if (failed(v)) {
      return failure();
    }
    OpBuilder::InsertionGuard guard(b);
    if (outside.isSet() && v->value.getParentBlock() == outside.getBlock()) {
      b.restoreInsertionPoint(outside);
      TileValue &known = integers[v->value];
      if (!known) {
        known = t.cast(*v, b.getIndexType());
      }
      values.push_back(known);
      continue;
    }
    values.push_back(t.cast(*v, b.getIndexType()));
  }
  return values;
}

FailureOr<TileValue> TileEmitter::setMask(ArrayRef<PresenceTerm> terms) {
  SmallVector<TileValue> at = coordsOf(ofSegment);
  SetMask sets(t, at, outside);
  for (const PresenceTerm &term : terms) {
    if (term.sets.empty()) {
      continue;
    }
    FailureOr<SmallVector<TileValue>> values = symbols(term);
    if (failed(values)) {
      return failure();
    }
    if (failed(sets.add(term.sets, *values))) {
      return FailureOr<TileValue>(
          unsupported(cascade, "a mask names a rank without a coordinate"));
    }
  }
  return sets.emit();
}

FailureOr<TileValue> TileEmitter::mask(ArrayRef<PresenceTerm> terms,
                                       ArrayRef<int64_t> within) {
  TileValue all;
  if (llvm::any_of(terms,
                   [](const PresenceTerm &p) { return !p.sets.empty(); })) {
    if (partial) {
      // Full tiles evaluate no mask.
      Block *block = new Block;
      Loads saved = loads;
      TileValue inner;
      {
        OpBuilder::InsertionGuard guard(b);
        // The block gets its place when the type is known; a home keeps the
        // parent chain intact meanwhile.
        auto home = scf::ExecuteRegionOp::create(b, t.loc, TypeRange());
        home.getRegion().push_back(block);
        b.setInsertionPointToEnd(block);
        FailureOr<TileValue> m = setMask(terms);
        if (failed(m)) {
          home.erase();
          return failure();
        }
        inner = *m;
        if (inner.axes.size() == 1 && inner.axes[0] != kRowAxis &&
            llvm::is_contained(within, kRowAxis)) {
          inner = t.spread(inner, {kRowAxis, inner.axes[0]});
        }
        b.setInsertionPoint(home);
        auto choice =
            scf::IfOp::create(b, t.loc, inner.value.getType(), partial,
                              /*withElseRegion=*/true);
        Block &then = choice.getThenRegion().front();
        then.getOperations().splice(then.end(), block->getOperations());
        b.setInsertionPointToEnd(&then);
        scf::YieldOp::create(b, t.loc, inner.value);
        b.setInsertionPointToEnd(&choice.getElseRegion().front());
        scf::YieldOp::create(b, t.loc,
                             t.constant(b.getBoolAttr(true), inner.axes).value);
        home.erase();
        all = {choice.getResult(0), inner.axes};
      }
      loads = std::move(saved);
    } else {
      FailureOr<TileValue> m = setMask(terms);
      if (failed(m)) {
        return failure();
      }
      all = *m;
    }
  }
  auto join = [&](TileValue v) { all = all ? t.andi(all, v) : v; };
  for (const PresenceTerm &term : terms) {
    if (term.data) {
      FailureOr<TileValue> v = load(term.data, term.dataMap, Side::rows);
      if (failed(v)) {
        return failure();
      }
      if (term.data2) {
        FailureOr<TileValue> w = load(term.data2, term.data2Map, Side::rows);
        if (failed(w)) {
          return failure();
        }
        join(t.op("arith.cmpi", {*v, *w}, b.getI1Type(),
                  b.getNamedAttr("predicate", arith::CmpIPredicateAttr::get(
                                                  b.getContext(),
                                                  arith::CmpIPredicate::eq))));
      } else {
        join(*v);
      }
    }
    if (term.selection) {
      // The membership table that the stage of the select wrote.
      int64_t block = cast<CoordsType>(term.selection.getType()).getBlock();
      SmallVector<AffineExpr> at(term.selectionMap.getResults());
      AffineExpr n = term.selectedCoordinate;
      at.push_back(block == 1 ? n : n.floorDiv(block));
      FailureOr<TileValue> v = load(
          term.selection,
          AffineMap::get(term.selectionMap.getNumDims(), 0, at, b.getContext()),
          Side::rows);
      if (failed(v)) {
        return failure();
      }
      join(*v);
    }
  }
  return all;
}
