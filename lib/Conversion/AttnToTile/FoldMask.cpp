//===- FoldMask.cpp - Tile classes of a fold, as code -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldMask.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

/// sum of coeffs * values + constant; null values have coefficient 0.
static Value linear(OpBuilder &b, Location loc, ArrayRef<int64_t> coeffs,
                    int64_t constant, ArrayRef<Value> values) {
  Value sum;
  for (auto [c, v] : llvm::zip(coeffs, values)) {
    if (c == 0) {
      continue;
    }
    assert(v && "a used parameter has no value");
    Value term = v;
    if (c != 1) {
      term = arith::MulIOp::create(b, loc, v, constantIndex(b, loc, c));
    }
    sum = sum ? arith::AddIOp::create(b, loc, sum, term).getResult() : term;
  }
  if (!sum) {
    return constantIndex(b, loc, constant);
  }
  return constant ? arith::AddIOp::create(b, loc, sum,
                                          constantIndex(b, loc, constant))
                        .getResult()
                  : sum;
}

/// Appends the values of divisions to those of the parameters.
static SmallVector<Value> withDivisions(OpBuilder &b, Location loc,
                                        ArrayRef<LinearSet::Division> divisions,
                                        ArrayRef<Value> params) {
  SmallVector<Value> values(params);
  for (const LinearSet::Division &d : divisions) {
    Value v = linear(b, loc, ArrayRef(d.coeffs).take_front(values.size()),
                     d.constant, values);
    values.push_back(arith::FloorDivSIOp::create(
        b, loc, v, constantIndex(b, loc, d.divisor)));
  }
  return values;
}

static Value conjunction(OpBuilder &b, Location loc,
                         ArrayRef<LinearSet::Constraint> constraints,
                         ArrayRef<Value> values) {
  Value all;
  for (const LinearSet::Constraint &c : constraints) {
    Value ok = arith::CmpIOp::create(
        b, loc, c.isEq ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge,
        linear(b, loc, c.coeffs, c.constant, values), constantIndex(b, loc, 0));
    all = all ? arith::AndIOp::create(b, loc, all, ok).getResult() : ok;
  }
  return all ? all : arith::ConstantIntOp::create(b, loc, 1, 1).getResult();
}

static Value contains(OpBuilder &b, Location loc, ArrayRef<LinearSet> sets,
                      ArrayRef<Value> params) {
  Value any;
  for (const LinearSet &s : sets) {
    Value in = conjunction(b, loc, s.constraints,
                           withDivisions(b, loc, s.divisions, params));
    any = any ? arith::OrIOp::create(b, loc, any, in).getResult() : in;
  }
  return any ? any : arith::ConstantIntOp::create(b, loc, 0, 1).getResult();
}

FailureOr<FoldMask> FoldMask::create(Program &program, CascadeOp cascade,
                                     const RankBinding &binding,
                                     ArrayRef<Presence> presences) {
  FoldMask mask;
  mask.binding = &binding;
  mask.cascade = cascade;
  unsigned numDims = cascade.getNumRanks();
  llvm::SmallBitVector varying(numDims, true);
  for (int64_t r :
       llvm::concat<const int64_t>(binding.segments, binding.heads)) {
    varying.reset(r);
  }
  SmallVector<TileAxis> axes;
  if (binding.row >= 0) {
    axes.push_back({unsigned(binding.row), /*dynamicSize=*/true});
  }
  for (int64_t r : llvm::concat<const int64_t>(binding.subs, binding.axes)) {
    axes.push_back(
        {unsigned(r), false, program.getStaticExtent(cascade, r), 0});
  }
  for (const Presence &presence : presences) {
    Class c;
    for (const PresenceTerm &term : presence) {
      if (term.selection) {
        c.selections.push_back(term);
      }
    }
    // A symbol that varies inside an item is left out with its constraints, and
    // the tiles are partial.
    PresenceSets sets = collectSets(presence, numDims);
    dropVaryingSymbols(sets, varying);
    c.alwaysPartial = sets.hasOtherTerms;
    c.symbols.symbols = sets.symbols;
    c.symbols.symbolMaps = sets.symbolMaps;
    unsigned numSymbols = sets.symbols.size();
    c.params = getTileParams(numDims, numSymbols, axes);
    TileClassOptions options;
    for (int p : llvm::concat<const int>(c.params.loParam, c.params.dimParam)) {
      if (p >= 0) {
        options.nonNegative.push_back(p);
      }
    }
    FailureOr<TileClasses> classes = classifyConjunction(
        sets.conjunction, numDims, numSymbols, axes, options);
    if (failed(classes)) {
      return cascade.emitOpError("has a mask whose tiles cannot be classified");
    }
    c.classes = std::move(*classes);
    c.intervals =
        foldIntervals(c.classes, c.params.dimParam[binding.fold], /*step=*/1);
    TileClasses holes = c.classes;
    holes.some = holes.holes;
    c.holes = foldIntervals(holes, c.params.dimParam[binding.fold], /*step=*/1);
    if (binding.row >= 0) {
      c.rows = foldIntervals(c.classes, c.params.loParam[0], /*step=*/1);
    }
    mask.all.push_back(std::move(c));
  }
  return mask;
}

bool FoldMask::dependsOn(int64_t r) const {
  for (const Class &c : all) {
    for (AffineMap m : c.symbols.symbolMaps) {
      if (m.isFunctionOfDim(r)) {
        return true;
      }
    }
    int p = c.params.dimParam[r];
    if (p < 0) {
      continue;
    }
    for (const LinearSet &s : c.classes.some) {
      for (auto &k : s.constraints) {
        if (k.coeffs[p]) {
          return true;
        }
      }
      for (auto &d : s.divisions) {
        if (d.coeffs[p]) {
          return true;
        }
      }
    }
  }
  return false;
}

LogicalResult FoldMask::prepare(TileEmitter &em, Value rowFirst,
                                Value rowCount) {
  for (Class &c : all) {
    c.values.assign(c.params.numParams, Value());
    unsigned axis = 0;
    if (binding->row >= 0) {
      if (int p = c.params.loParam[axis]; p >= 0) {
        c.values[p] = rowFirst;
      }
      if (int p = c.params.sizeParam[axis]; p >= 0) {
        c.values[p] = rowCount;
      }
    }
    for (auto [d, p] : llvm::enumerate(c.params.dimParam)) {
      if (p >= 0 && (int64_t)d != binding->fold) {
        TileValue v = em.coords[d];
        c.values[p] =
            v && v.isScalar() ? v.value : constantIndex(em.b, em.t.loc, 0);
      }
    }
    FailureOr<SmallVector<TileValue>> symbols = em.symbols(c.symbols);
    if (failed(symbols)) {
      return failure();
    }
    for (auto [v, p] : llvm::zip(*symbols, c.params.symbolParam)) {
      c.values[p] = v.value;
    }
  }
  return success();
}

FoldMask::Bounds FoldMask::bounds(OpBuilder &b, Location loc,
                                  const FoldInterval &part,
                                  ArrayRef<Value> params, Value begin,
                                  Value end) {
  Value one = constantIndex(b, loc, 1);
  SmallVector<Value> values = withDivisions(b, loc, part.divisions, params);
  Value lower = begin, upper = end;
  for (const auto &f : part.lower) {
    Value v = linear(b, loc, f.coeffs, f.constant, values);
    if (f.divisor != 1) {
      v = arith::CeilDivSIOp::create(b, loc, v,
                                     constantIndex(b, loc, f.divisor));
    }
    lower = arith::MaxSIOp::create(b, loc, lower, v);
  }
  for (const auto &f : part.upper) {
    Value v = linear(b, loc, f.coeffs, f.constant, values);
    if (f.divisor != 1) {
      v = arith::FloorDivSIOp::create(b, loc, v,
                                      constantIndex(b, loc, f.divisor));
    }
    upper = arith::MinSIOp::create(b, loc, upper,
                                   arith::AddIOp::create(b, loc, v, one));
  }
  if (part.conditions.empty()) {
    return {lower, upper};
  }
  Value ok = conjunction(b, loc, part.conditions, values);
  // The border that is there gives way.
  if (part.upper.empty()) {
    return {arith::SelectOp::create(b, loc, ok, lower, end), upper};
  }
  return {lower, arith::SelectOp::create(b, loc, ok, upper, lower)};
}

SmallVector<FoldMask::Bounds> FoldMask::bounds(OpBuilder &b, Location loc,
                                               Value begin, Value end) {
  SmallVector<Bounds> result;
  for (Class &c : all) {
    for (const FoldInterval &part : c.intervals.parts) {
      result.push_back(bounds(b, loc, part, c.values, begin, end));
    }
  }
  return result;
}

void FoldMask::cuts(OpBuilder &b, Location loc, Value begin, Value end,
                    Value isRun) {
  this->isRun = isRun;
  for (Class &c : all) {
    c.from = c.to = {};
    c.between.clear();
    c.hasCuts = !c.alwaysPartial && c.holes.exact;
    if (!c.hasCuts) {
      continue;
    }
    for (const FoldInterval &part : c.holes.parts) {
      Bounds cut = bounds(b, loc, part, c.values, begin, end);
      if (part.upper.empty()) {
        c.from =
            c.from
                ? arith::MinSIOp::create(b, loc, c.from, cut.first).getResult()
                : cut.first;
      } else if (part.lower.empty()) {
        c.to =
            c.to ? arith::MaxSIOp::create(b, loc, c.to, cut.second).getResult()
                 : cut.second;
      } else {
        c.between.push_back(cut);
      }
    }
    if (!isRun) {
      continue;
    }
    auto choose = [&](Value run, Value other) -> Value {
      return arith::SelectOp::create(b, loc, isRun, run, other);
    };
    if (c.to && !c.from) {
      c.to = choose(c.to, end);
    } else {
      c.from = choose(c.from ? c.from : end, begin);
    }
  }
  // They stand in registers while the fold runs, and numbers of tiles fit 32
  // bits.
  auto narrow = [&](Value &v) {
    v = v ? arith::IndexCastOp::create(b, loc, b.getI32Type(), v).getResult()
          : v;
  };
  for (Class &c : all) {
    narrow(c.from);
    narrow(c.to);
    for (Bounds &cut : c.between) {
      narrow(cut.first);
      narrow(cut.second);
    }
  }
}

/// The sweep of FoldIntervals.h, one round per part.
static void sweep(OpBuilder &b, Location loc,
                  ArrayRef<std::pair<Value, Value>> parts, Value begin,
                  Value end, SmallVector<Value> &begins,
                  SmallVector<Value> &ends) {
  if (parts.size() <= 1) {
    begins.push_back(parts.empty() ? begin : parts[0].first);
    ends.push_back(parts.empty() ? begin : parts[0].second);
    return;
  }
  Value at = begin, none = end;
  using P = arith::CmpIPredicate;
  for (unsigned round = 0; round < parts.size(); ++round) {
    Value start = none;
    for (auto [lower, upper] : parts) {
      Value s = arith::MaxSIOp::create(b, loc, lower, at);
      Value open = arith::CmpIOp::create(b, loc, P::slt, s, upper);
      s = arith::SelectOp::create(b, loc, open, s, none);
      start = arith::MinSIOp::create(b, loc, start, s);
    }
    Value stop = start;
    for (auto [lower, upper] : parts) {
      Value in = arith::AndIOp::create(
          b, loc, arith::CmpIOp::create(b, loc, P::sle, lower, start),
          arith::CmpIOp::create(b, loc, P::slt, start, upper));
      Value u = arith::SelectOp::create(b, loc, in, upper, start);
      stop = arith::MaxSIOp::create(b, loc, stop, u);
    }
    begins.push_back(start);
    ends.push_back(stop);
    at = stop;
  }
}

void FoldMask::intervals(OpBuilder &b, Location loc, Value begin, Value end,
                         SmallVector<Value> &begins, SmallVector<Value> &ends) {
  sweep(b, loc, bounds(b, loc, begin, end), begin, end, begins, ends);
}

std::pair<Value, Value> FoldMask::hull(OpBuilder &b, Location loc, Value begin,
                                       Value end) {
  Value lo = end, hi = begin;
  for (Bounds p : bounds(b, loc, begin, end)) {
    Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                      p.first, p.second);
    lo = arith::MinSIOp::create(
        b, loc, lo, arith::SelectOp::create(b, loc, any, p.first, end));
    hi = arith::MaxSIOp::create(
        b, loc, hi, arith::SelectOp::create(b, loc, any, p.second, begin));
  }
  return {lo, hi};
}

void FoldMask::widen(OpBuilder &b, Location loc, Value isRun, Value begin,
                     Value end, SmallVector<Value> &begins,
                     SmallVector<Value> &ends) {
  auto choose = [&](Value run, Value other) -> Value {
    return arith::SelectOp::create(b, loc, isRun, run, other);
  };
  begins[0] = choose(begins[0], begin);
  ends[0] = choose(ends[0], end);
  // The others begin behind what has been visited.
  for (unsigned i = 1; i < ends.size(); ++i) {
    ends[i] = choose(ends[i], begin);
  }
}

/// Whether the points that a selection is asked for are the same for all that a
/// row of an item holds and for all of a tile's columns.
static bool isOfTiles(const RankBinding &binding, const PresenceTerm &term) {
  auto isInside = [&](AffineExpr e) {
    return llvm::any_of(llvm::concat<const int64_t>(binding.subs, binding.axes),
                        [&](int64_t r) { return e.isFunctionOfDim(r); });
  };
  return !isInside(term.selectedCoordinate) &&
         llvm::none_of(term.selectionMap.getResults(), isInside);
}

/// Whether a row of the item selects a block that tile `k` touches and may see
/// points of it. Null where blocks do not hold whole tiles: then it is visited.
FailureOr<Value> FoldMask::isSelected(TileEmitter &em, const Class &c, Value k,
                                      Value rowFirst, Value rowCount) {
  if (c.selections.empty()) {
    return Value();
  }
  OpBuilder &b = em.b;
  Location loc = em.t.loc;
  SmallVector<Value> begins{rowFirst};
  SmallVector<Value> ends{arith::AddIOp::create(b, loc, rowFirst, rowCount)};
  if (isRun) {
    // Rows of several segments are no run of coordinates.
    ends[0] = arith::SelectOp::create(b, loc, isRun, ends[0], rowFirst);
  }
  if (binding->row >= 0) {
    SmallVector<Value> values = c.values;
    values[c.params.dimParam[binding->fold]] = k;
    values[c.params.loParam[0]] = {};
    values[c.params.sizeParam[0]] = constantIndex(b, loc, 1);
    SmallVector<Bounds> parts;
    for (const FoldInterval &part : c.rows.parts) {
      parts.push_back(bounds(b, loc, part, values, begins[0], ends[0]));
    }
    Value begin = begins[0], end = ends[0];
    begins.clear();
    ends.clear();
    sweep(b, loc, parts, begin, end, begins, ends);
  }
  Value all;
  for (const PresenceTerm &term : c.selections) {
    if (!isOfTiles(*binding, term)) {
      continue;
    }
    int64_t block = cast<CoordsType>(term.selection.getType()).getBlock();
    SmallVector<AffineExpr> at(term.selectionMap.getResults());
    AffineExpr n = term.selectedCoordinate;
    at.push_back(block == 1 ? n : n.floorDiv(block));
    Value any = arith::ConstantIntOp::create(b, loc, 0, 1);
    for (auto [begin, end] : llvm::zip_equal(begins, ends)) {
      auto loop = scf::ForOp::create(b, loc, begin, end,
                                     constantIndex(b, loc, 1), ValueRange{any});
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      SmallVector<TileValue> saved = em.coords;
      TileEmitter::Loads loads = em.loads;
      em.coords[binding->fold] = {k, {}};
      if (binding->row >= 0) {
        em.coords[binding->row] = {loop.getInductionVar(), {}};
      }
      FailureOr<TileValue> in = em.load(
          term.selection,
          AffineMap::get(term.selectionMap.getNumDims(), 0, at, b.getContext()),
          Side::rows);
      em.coords = saved;
      em.loads = std::move(loads);
      if (failed(in)) {
        return failure();
      }
      any =
          arith::OrIOp::create(b, loc, loop.getRegionIterArgs()[0], in->value);
      scf::YieldOp::create(b, loc, any);
      any = loop.getResult(0);
    }
    all = all ? arith::AndIOp::create(b, loc, all, any).getResult() : any;
  }
  return all;
}

Value FoldMask::isCut(OpBuilder &b, Location loc, const Class &c, Value k) {
  using P = arith::CmpIPredicate;
  k = arith::IndexCastOp::create(b, loc, b.getI32Type(), k);
  auto compare = [&](P predicate, Value border) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, k, border);
  };
  Value any;
  auto join = [&](Value v) {
    any = any ? arith::OrIOp::create(b, loc, any, v).getResult() : v;
  };
  if (c.from) {
    join(compare(P::sge, c.from));
  }
  if (c.to) {
    join(compare(P::slt, c.to));
  }
  for (Bounds cut : c.between) {
    join(arith::AndIOp::create(b, loc, compare(P::sge, cut.first),
                               compare(P::slt, cut.second)));
  }
  return any ? any : arith::ConstantIntOp::create(b, loc, 0, 1).getResult();
}

FailureOr<std::pair<Value, Value>>
FoldMask::classify(TileEmitter &em, Value k, Value rowFirst, Value rowCount) {
  OpBuilder &b = em.b;
  Location loc = em.t.loc;
  Value visit, partial;
  for (Class &c : all) {
    SmallVector<Value> values = c.values;
    values[c.params.dimParam[binding->fold]] = k;
    // Intervals that are exact, of one presence, hold no empty tile.
    Value in = all.size() == 1 && c.intervals.exact
                   ? arith::ConstantIntOp::create(b, loc, 1, 1).getResult()
                   : contains(b, loc, c.classes.some, values);
    FailureOr<Value> selected = isSelected(em, c, k, rowFirst, rowCount);
    if (failed(selected)) {
      return failure();
    }
    if (*selected) {
      in = arith::AndIOp::create(b, loc, in, *selected);
    }
    Value part;
    if (c.alwaysPartial) {
      part = arith::ConstantIntOp::create(b, loc, 1, 1);
    } else if (c.hasCuts) {
      part = isCut(b, loc, c, k);
    } else {
      part = contains(b, loc, c.classes.holes, values);
      if (isRun) {
        Value other = arith::XOrIOp::create(
            b, loc, isRun, arith::ConstantIntOp::create(b, loc, 1, 1));
        part = arith::OrIOp::create(b, loc, part, other);
      }
    }
    visit = visit ? arith::OrIOp::create(b, loc, visit, in).getResult() : in;
    partial = partial ? arith::OrIOp::create(b, loc, partial, part).getResult()
                      : part;
  }
  return std::make_pair(visit, partial);
}
