//===- FoldMask.cpp - Tile classes of a fold, as code -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldMask.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

static Value constantIndex(OpBuilder &b, Location loc, int64_t v) {
  return arith::ConstantIndexOp::create(b, loc, v);
}

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
  MLIRContext *ctx = cascade.getContext();
  FoldMask mask;
  mask.binding = &binding;
  mask.cascade = cascade;
  unsigned numDims = cascade.getNumRanks();
  llvm::SmallBitVector constant(numDims);
  for (int64_t r :
       llvm::concat<const int64_t>(binding.segments, binding.heads)) {
    constant.set(r);
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
    // One symbol space for all terms; a symbol that varies inside an item is
    // left out with its constraints, and the tiles are partial.
    SmallVector<SmallVector<IntegerSet>> conjunction;
    for (const PresenceTerm &term : presence) {
      if (term.data) {
        c.alwaysPartial = true;
      }
      if (term.selection) {
        c.alwaysPartial = true;
        c.selections.push_back(term);
      }
      if (term.sets.empty()) {
        continue;
      }
      SmallVector<AffineExpr> replacement;
      llvm::SmallBitVector varies(term.symbols.size());
      for (unsigned s = 0; s < term.symbols.size(); ++s) {
        for (unsigned d = 0; d < numDims; ++d) {
          if (term.symbolMaps[s].isFunctionOfDim(d) && !constant.test(d)) {
            varies.set(s);
          }
        }
        unsigned number = 0;
        for (; number < c.symbols.symbols.size(); ++number) {
          if (c.symbols.symbols[number] == term.symbols[s] &&
              c.symbols.symbolMaps[number] == term.symbolMaps[s]) {
            break;
          }
        }
        if (!varies.test(s) && number == c.symbols.symbols.size()) {
          c.symbols.symbols.push_back(term.symbols[s]);
          c.symbols.symbolMaps.push_back(term.symbolMaps[s]);
        }
        replacement.push_back(getAffineSymbolExpr(number, ctx));
      }
      SmallVector<IntegerSet> sets;
      for (IntegerSet set : term.sets) {
        SmallVector<AffineExpr> constraints;
        SmallVector<bool> eq;
        for (auto [i, e] : llvm::enumerate(set.getConstraints())) {
          bool drop = false;
          for (int s : varies.set_bits()) {
            drop |= e.isFunctionOfSymbol(s);
          }
          if (drop) {
            c.alwaysPartial = true;
            continue;
          }
          constraints.push_back(e.replaceSymbols(replacement));
          eq.push_back(set.isEq(i));
        }
        if (constraints.empty()) {
          // 0 >= 0: everything, as far as the sets know.
          constraints.push_back(getAffineConstantExpr(0, ctx));
          eq.push_back(false);
        }
        sets.push_back(
            IntegerSet::get(numDims, /*symbolCount=*/1 << 10, constraints, eq));
      }
      conjunction.push_back(std::move(sets));
    }
    unsigned numSymbols = c.symbols.symbols.size();
    for (SmallVector<IntegerSet> &sets : conjunction) {
      for (IntegerSet &set : sets) {
        set = IntegerSet::get(numDims, numSymbols, set.getConstraints(),
                              set.getEqFlags());
      }
    }
    c.params = getTileParams(numDims, numSymbols, axes);
    TileClassOptions options;
    for (int p : llvm::concat<const int>(c.params.loParam, c.params.dimParam)) {
      if (p >= 0) {
        options.nonNegative.push_back(p);
      }
    }
    FailureOr<TileClasses> classes =
        classifyConjunction(conjunction, numDims, numSymbols, axes, options);
    if (failed(classes)) {
      return cascade.emitOpError("has a mask whose tiles cannot be classified");
    }
    c.classes = std::move(*classes);
    c.intervals =
        foldIntervals(c.classes, c.params.dimParam[binding.fold], /*step=*/1);
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

SmallVector<FoldMask::Bounds> FoldMask::bounds(OpBuilder &b, Location loc,
                                               Value begin, Value end) {
  SmallVector<Bounds> result;
  Value one = constantIndex(b, loc, 1);
  for (Class &c : all) {
    for (const FoldInterval &part : c.intervals.parts) {
      SmallVector<Value> values =
          withDivisions(b, loc, part.divisions, c.values);
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
      if (!part.conditions.empty()) {
        Value ok = conjunction(b, loc, part.conditions, values);
        upper = arith::SelectOp::create(b, loc, ok, upper, lower);
      }
      result.push_back({lower, upper});
    }
  }
  return result;
}

void FoldMask::intervals(OpBuilder &b, Location loc, Value begin, Value end,
                         SmallVector<Value> &begins, SmallVector<Value> &ends) {
  SmallVector<Bounds> parts = bounds(b, loc, begin, end);
  if (parts.size() <= 1) {
    begins.push_back(parts.empty() ? begin : parts[0].lower);
    ends.push_back(parts.empty() ? begin : parts[0].upper);
    return;
  }
  // The sweep of FoldIntervals.h, one round per part.
  Value at = begin, none = end;
  using P = arith::CmpIPredicate;
  for (unsigned round = 0; round < parts.size(); ++round) {
    Value start = none;
    for (Bounds p : parts) {
      Value s = arith::MaxSIOp::create(b, loc, p.lower, at);
      Value open = arith::CmpIOp::create(b, loc, P::slt, s, p.upper);
      s = arith::SelectOp::create(b, loc, open, s, none);
      start = arith::MinSIOp::create(b, loc, start, s);
    }
    Value stop = start;
    for (Bounds p : parts) {
      Value in = arith::AndIOp::create(
          b, loc, arith::CmpIOp::create(b, loc, P::sle, p.lower, start),
          arith::CmpIOp::create(b, loc, P::slt, start, p.upper));
      Value u = arith::SelectOp::create(b, loc, in, p.upper, start);
      stop = arith::MaxSIOp::create(b, loc, stop, u);
    }
    begins.push_back(start);
    ends.push_back(stop);
    at = stop;
  }
}

std::pair<Value, Value> FoldMask::hull(OpBuilder &b, Location loc, Value begin,
                                       Value end) {
  Value lo = end, hi = begin;
  for (Bounds p : bounds(b, loc, begin, end)) {
    Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                      p.lower, p.upper);
    lo = arith::MinSIOp::create(
        b, loc, lo, arith::SelectOp::create(b, loc, any, p.lower, end));
    hi = arith::MaxSIOp::create(
        b, loc, hi, arith::SelectOp::create(b, loc, any, p.upper, begin));
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

/// Whether any row of the item selects a block that tile `k` touches. Only
/// where a block holds whole tiles; else the tile is visited.
static FailureOr<Value> anySelected(TileEmitter &em, const RankBinding &binding,
                                    const PresenceTerm &term, Value k,
                                    Value rowFirst, Value rowCount) {
  OpBuilder &b = em.b;
  Location loc = em.t.loc;
  int64_t block = cast<CoordsType>(term.selection.getType()).getBlock();
  for (int64_t r : llvm::concat<const int64_t>(binding.subs, binding.axes)) {
    if (term.selectedCoordinate.isFunctionOfDim(r)) {
      return Value();
    }
  }
  for (AffineExpr e : term.selectionMap.getResults()) {
    for (int64_t r : llvm::concat<const int64_t>(binding.subs, binding.axes)) {
      if (e.isFunctionOfDim(r)) {
        return Value();
      }
    }
  }
  Value end = arith::AddIOp::create(b, loc, rowFirst, rowCount);
  Value no = arith::ConstantIntOp::create(b, loc, 0, 1);
  auto loop = scf::ForOp::create(b, loc, rowFirst, end,
                                 constantIndex(b, loc, 1), ValueRange{no});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<TileValue> saved = em.coords;
  TileEmitter::Loads loads = em.loads;
  em.coords[binding.fold] = {k, {}};
  if (binding.row >= 0) {
    em.coords[binding.row] = {loop.getInductionVar(), {}};
  }
  SmallVector<AffineExpr> at(term.selectionMap.getResults());
  AffineExpr n = term.selectedCoordinate;
  at.push_back(block == 1 ? n : n.floorDiv(block));
  FailureOr<TileValue> in = em.load(
      term.selection,
      AffineMap::get(term.selectionMap.getNumDims(), 0, at, b.getContext()),
      Side::rows);
  em.coords = saved;
  em.loads = std::move(loads);
  if (failed(in)) {
    return failure();
  }
  Value any =
      arith::OrIOp::create(b, loc, loop.getRegionIterArgs()[0], in->value);
  scf::YieldOp::create(b, loc, any);
  return loop.getResult(0);
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
    for (const PresenceTerm &term : c.selections) {
      FailureOr<Value> any =
          anySelected(em, *binding, term, k, rowFirst, rowCount);
      if (failed(any)) {
        return failure();
      }
      if (*any) {
        in = arith::AndIOp::create(b, loc, in, *any);
      }
    }
    Value part;
    if (c.alwaysPartial) {
      part = arith::ConstantIntOp::create(b, loc, 1, 1);
    } else {
      part = contains(b, loc, c.classes.holes, values);
    }
    visit = visit ? arith::OrIOp::create(b, loc, visit, in).getResult() : in;
    partial = partial ? arith::OrIOp::create(b, loc, partial, part).getResult()
                      : part;
  }
  return std::make_pair(visit, partial);
}
