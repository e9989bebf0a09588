//===- SetMask.cpp - Affine sets as a mask of a tile ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SetMask.h"

#include "attn/Dialect/Tile/IR/Tile.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn;

/// Intersections are multiplied out up to here: bounds of a set that stands
/// alone then join those of each set of a union.
constexpr size_t kMostConjunctions = 4;

bool SetMask::collect(AffineExpr e, int64_t factor, ArrayRef<TileValue> symbols,
                      Constraint &into) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    into.constant += factor * c.getValue();
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (binary && e.getKind() == AffineExprKind::Add) {
    return collect(binary.getLHS(), factor, symbols, into) &&
           collect(binary.getRHS(), factor, symbols, into);
  }
  if (binary && e.getKind() == AffineExprKind::Mul) {
    if (auto c = dyn_cast<AffineConstantExpr>(binary.getRHS())) {
      return collect(binary.getLHS(), factor * c.getValue(), symbols, into);
    }
  }
  TileValue value;
  {
    OpBuilder::InsertionGuard guard(t.b);
    if (isOutside(e, symbols)) {
      t.b.restoreInsertionPoint(outside);
    }
    value = t.affine(e, dims, symbols);
  }
  if (!value) {
    return false;
  }
  auto add = [&](TileValue v) {
    for (Term &term : into.terms) {
      if (term.value.value == v.value) {
        term.factor += factor;
        return;
      }
    }
    into.terms.push_back({factor, v});
  };
  // Where the tile begins is the same for all of its points.
  auto coord = value.value.getDefiningOp<tile::CoordOp>();
  if (coord && !isConstantIntValue(coord.getBase(), 0)) {
    add({coord.getBase(), {}});
    Value &lanes = fromZero[coord];
    if (!lanes) {
      lanes =
          tile::CoordOp::create(t.b, t.loc, coord.getType(), t.index(0).value);
    }
    value.value = lanes;
  }
  add(value);
  return true;
}

LogicalResult SetMask::add(ArrayRef<IntegerSet> sets,
                           ArrayRef<TileValue> symbols) {
  SmallVector<Conjunction> any;
  for (IntegerSet set : sets) {
    Conjunction &all = any.emplace_back();
    for (auto [i, e] : llvm::enumerate(set.getConstraints())) {
      Constraint &c = all.emplace_back();
      c.isEq = set.isEq(i);
      if (!collect(e, 1, symbols, c)) {
        return failure();
      }
      llvm::erase_if(c.terms, [](const Term &term) { return !term.factor; });
    }
  }
  for (SmallVector<Conjunction> &known : unions) {
    if (known.size() * any.size() > kMostConjunctions) {
      continue;
    }
    SmallVector<Conjunction> product;
    for (const Conjunction &x : known) {
      for (const Conjunction &y : any) {
        product.push_back(x);
        llvm::append_range(product.back(), y);
      }
    }
    known = std::move(product);
    return success();
  }
  unions.push_back(std::move(any));
  return success();
}

/// Known in front of the loop.
bool SetMask::isOutside(TileValue value) const {
  return outside.isSet() && value.value.getParentBlock() == outside.getBlock();
}

bool SetMask::isOutside(AffineExpr e, ArrayRef<TileValue> symbols) const {
  if (!outside.isSet()) {
    return false;
  }
  bool all = true;
  e.walk([&](AffineExpr x) {
    if (auto d = dyn_cast<AffineDimExpr>(x)) {
      all &= d.getPosition() < dims.size() && dims[d.getPosition()] &&
             isOutside(dims[d.getPosition()]);
    } else if (auto s = dyn_cast<AffineSymbolExpr>(x)) {
      all &= s.getPosition() < symbols.size() &&
             isOutside(symbols[s.getPosition()]);
    }
  });
  return all;
}

/// A sum, added up on as few axes as possible.
TileValue SetMask::total(ArrayRef<Term> given, int64_t constant) {
  SmallVector<Term> terms(given);
  // Scalars first, and what is subtracted behind what it is subtracted from.
  llvm::stable_sort(terms, [](const Term &x, const Term &y) {
    return std::make_pair(x.value.axes.size(), x.factor < 0) <
           std::make_pair(y.value.axes.size(), y.factor < 0);
  });
  TileValue result;
  if (constant || terms.empty() || terms.front().factor < 0) {
    result = t.index(constant);
  }
  for (const Term &term : terms) {
    TileValue v = term.value;
    int64_t count = std::abs(term.factor);
    if (count != 1) {
      v = t.muli(v, t.index(count));
    }
    result = !result           ? v
             : term.factor < 0 ? t.subi(result, v)
                               : t.addi(result, v);
  }
  return result;
}

/// The term that all others bound. Columns come before rows, which know what
/// threads have in common.
const SetMask::Term *SetMask::findCoordinate(const Constraint &c) {
  const Term *best = nullptr;
  for (const Term &term : c.terms) {
    if (c.isEq || std::abs(term.factor) != 1 || term.value.axes.size() != 1) {
      continue;
    }
    SmallVector<TileValue> others;
    for (const Term &other : c.terms) {
      if (&other != &term) {
        others.push_back(other.value);
      }
    }
    SmallVector<int64_t, 3> axes = TileBuilder::join(others);
    if (axes.size() <= 1 && !llvm::is_contained(axes, term.value.axes[0]) &&
        (!best || best->value.axes[0] == kRowAxis)) {
      best = &term;
    }
  }
  return best;
}

TileValue SetMask::tightest(bool isLower, SmallVector<TileValue> bounds) {
  llvm::stable_sort(bounds, [](const TileValue &x, const TileValue &y) {
    return x.axes.size() < y.axes.size();
  });
  TileValue result;
  for (const TileValue &bound : bounds) {
    result = result ? t.integer(isLower ? "arith.maxsi" : "arith.minsi", result,
                                bound)
                    : bound;
  }
  return result;
}

// No coordinate in a tile is below 0, nor is one the largest integer.
int32_t SetMask::Comparison::never() const {
  return isLower ? std::numeric_limits<int32_t>::max() : -1;
}

/// A rank's value itself, which is not negative.
bool SetMask::isCoordinate(const Term &term) const {
  return llvm::any_of(
      dims, [&](const TileValue &d) { return d.value == term.value.value; });
}

/// Whether what moves is the tile's place alone, which is subtracted.
bool SetMask::isBehindTile(ArrayRef<Term> moving) const {
  return llvm::all_of(moving, [&](const Term &term) {
    return term.factor < 0 && isCoordinate(term);
  });
}

// Data may hold what stands for no bound, the largest integer say, and sums
// with it fit no 32 bits.

/// A sum in 64 bits; `least` or `most` where it is outside of these.
TileValue SetMask::wideTotal(ArrayRef<Term> terms, int64_t constant,
                             int64_t least, int64_t most) {
  auto literal = [&](int64_t v) {
    return t.constant(t.b.getI64IntegerAttr(v), {});
  };
  SmallVector<Term> sorted(terms);
  llvm::stable_sort(sorted, [](const Term &x, const Term &y) {
    return x.value.axes.size() < y.value.axes.size();
  });
  TileValue sum = literal(constant);
  for (const Term &term : sorted) {
    TileValue v = t.cast(term.value, t.b.getI64Type());
    if (term.factor != 1) {
      v = t.op("arith.muli", {v, literal(term.factor)});
    }
    sum = t.op("arith.addi", {sum, v});
  }
  sum = t.op("arith.maxsi", {sum, literal(least)});
  sum = t.op("arith.minsi", {sum, literal(most)});
  return t.cast(sum, sum.isScalar() ? Type(t.b.getIndexType())
                                    : Type(t.b.getI32Type()));
}

/// A magnitude that sums of coordinates and their factors stay below.
static constexpr int64_t kFar = int64_t(1) << 30;

/// The sum, as far as it matters for a coordinate: all below 0 is alike, and so
/// is all past 31 bits.
TileValue SetMask::boundOf(ArrayRef<Term> fixed, ArrayRef<Term> moving,
                           int64_t constant) {
  bool fits = std::abs(constant) <= kFar && fixed.size() <= 1 &&
              llvm::all_of(fixed, [&](const Term &term) {
                return std::abs(term.factor) == 1 && isCoordinate(term);
              });
  if (fits || !isBehindTile(moving)) {
    return total(fixed, constant);
  }
  return wideTotal(fixed, constant, -1, std::numeric_limits<int32_t>::max());
}

/// The sum of each point, as far as its sign goes.
TileValue SetMask::sumOfPoints(ArrayRef<Term> terms, int64_t constant) {
  SmallVector<Term> scalars, others;
  for (const Term &term : terms) {
    (term.value.isScalar() ? scalars : others).push_back(term);
  }
  bool fits = std::abs(constant) <= kFar &&
              llvm::all_of(scalars, [&](auto &x) { return isCoordinate(x); });
  if (fits || others.empty()) {
    return total(terms, constant);
  }
  others.push_back({1, wideTotal(scalars, constant, -kFar, kFar)});
  return total(others, 0);
}

/// coordinate * factor + rest >= 0, factor 1 or -1.
void SetMask::addBound(const Constraint &c, const Term &coordinate,
                       SmallVectorImpl<Comparison> &comparisons) {
  bool isLower = coordinate.factor > 0;
  auto *known = llvm::find_if(comparisons, [&](const Comparison &x) {
    return x.coordinate.value == coordinate.value.value && x.isLower == isLower;
  });
  if (known == comparisons.end()) {
    comparisons.push_back({coordinate.value, isLower, {}});
    known = &comparisons.back();
  }
  int64_t sign = isLower ? -1 : 1;
  SmallVector<Term> fixed, moving;
  split(c, coordinate, fixed, moving);
  auto *bound = llvm::find_if(
      known->bounds, [&](const Bound &x) { return x.moving == moving; });
  if (bound == known->bounds.end()) {
    known->bounds.push_back({moving, {}});
    bound = &known->bounds.back();
  }
  OpBuilder::InsertionGuard guard(t.b);
  if (outside.isSet()) {
    t.b.restoreInsertionPoint(outside);
  }
  TileValue loosest = boundOf(fixed, moving, sign * c.constant);
  for (const Constraint &other : c.others) {
    SmallVector<Term> fixedToo, movingToo;
    split(other, *findCoordinate(other), fixedToo, movingToo);
    loosest = t.integer(isLower ? "arith.minsi" : "arith.maxsi", loosest,
                        boundOf(fixedToo, movingToo, sign * other.constant));
  }
  bound->fixed.push_back(loosest);
}

/// What a coordinate is compared with, before and in the loop.
void SetMask::split(const Constraint &c, const Term &coordinate,
                    SmallVector<Term> &fixed, SmallVector<Term> &moving) {
  int64_t sign = coordinate.factor > 0 ? -1 : 1;
  for (const Term &term : c.terms) {
    if (&term != &coordinate) {
      bool isFixed = !outside.isSet() || isOutside(term.value);
      (isFixed ? fixed : moving).push_back({sign * term.factor, term.value});
    }
  }
}

/// x or y as x, where they differ in a bound of one coordinate from one side
/// that moves alike.
bool SetMask::unite(Conjunction &x, const Conjunction &y) {
  auto findOwn = [](ArrayRef<Constraint> all, ArrayRef<Constraint> others) {
    SmallVector<size_t> own;
    for (auto [i, c] : llvm::enumerate(all)) {
      if (!llvm::is_contained(others, c)) {
        own.push_back(i);
      }
    }
    return own;
  };
  SmallVector<size_t> ofX = findOwn(x, y), ofY = findOwn(y, x);
  if (ofX.size() != 1 || ofY.size() != 1) {
    return false;
  }
  Constraint &c = x[ofX[0]];
  const Constraint &other = y[ofY[0]];
  const Term *here = findCoordinate(c), *there = findCoordinate(other);
  if (!here || !there || !other.others.empty() || !(*here == *there)) {
    return false;
  }
  SmallVector<Term> fixed, moving, fixedToo, movingToo;
  split(c, *here, fixed, moving);
  split(other, *there, fixedToo, movingToo);
  if (moving != movingToo) {
    return false;
  }
  c.others.push_back(other);
  return true;
}

/// Rows for which `condition` does not hold meet the bound nowhere.
bool SetMask::restrictRows(Comparison &comparison, TileValue condition) {
  if (!comparison.coordinate.value.getDefiningOp<tile::CoordOp>() ||
      condition.axes.size() != 1 ||
      condition.axes == comparison.coordinate.axes) {
    return false;
  }
  bool isFixed = !outside.isSet() || isOutside(condition);
  for (Bound &bound : comparison.bounds) {
    // What moves must not bring the impossible bound back: a tile's place is
    // not negative, and is subtracted.
    bool fits = isFixed && isBehindTile(bound.moving);
    SmallVector<int64_t, 3> axes = TileBuilder::join(bound.fixed);
    if (!fits || (!axes.empty() && axes != condition.axes)) {
      continue;
    }
    OpBuilder::InsertionGuard guard(t.b);
    if (outside.isSet()) {
      t.b.restoreInsertionPoint(outside);
    }
    TileValue tight =
        t.cast(tightest(comparison.isLower, bound.fixed), t.b.getI32Type());
    TileValue never = t.constant(t.b.getI32IntegerAttr(comparison.never()), {});
    bound.fixed.assign(1, t.select(condition, tight, never));
    return true;
  }
  return false;
}

TileValue SetMask::emit(const Comparison &comparison) {
  SmallVector<TileValue> bounds;
  for (const Bound &bound : comparison.bounds) {
    TileValue fixed;
    {
      OpBuilder::InsertionGuard guard(t.b);
      if (outside.isSet()) {
        t.b.restoreInsertionPoint(outside);
      }
      fixed = tightest(comparison.isLower, bound.fixed);
    }
    SmallVector<Term> terms{{1, fixed}};
    llvm::append_range(terms, bound.moving);
    bounds.push_back(bound.moving.empty() ? fixed : total(terms, 0));
  }
  return tightest(comparison.isLower, bounds);
}

TileValue SetMask::emitAll(ArrayRef<Constraint> all) {
  using P = arith::CmpIPredicate;
  SmallVector<Comparison> comparisons;
  SmallVector<TileValue> conditions;
  for (auto [i, c] : llvm::enumerate(all)) {
    // Terms that different values hand on may say the same.
    if (llvm::is_contained(all.take_front(i), c)) {
      continue;
    }
    if (const Term *term = findCoordinate(c)) {
      addBound(c, *term, comparisons);
      continue;
    }
    bool isFixed = llvm::all_of(
        c.terms, [&](const Term &term) { return isOutside(term.value); });
    OpBuilder::InsertionGuard guard(t.b);
    if (isFixed && outside.isSet()) {
      t.b.restoreInsertionPoint(outside);
    }
    conditions.push_back(t.cmpi(c.isEq ? P::eq : P::sge,
                                sumOfPoints(c.terms, c.constant), t.index(0)));
  }
  // A bound that is the same for all is a condition on the coordinate alone.
  auto isOfColumns = [](const Comparison &c) {
    return llvm::all_of(c.bounds, [&](const Bound &bound) {
      return llvm::all_of(bound.fixed,
                          [](const TileValue &v) { return v.isScalar(); }) &&
             llvm::all_of(bound.moving,
                          [](const Term &x) { return x.value.isScalar(); });
    });
  };
  llvm::erase_if(comparisons, [&](const Comparison &c) {
    if (!isOfColumns(c)) {
      return false;
    }
    bool isFixed =
        isOutside(c.coordinate) &&
        llvm::all_of(c.bounds, [](auto &b) { return b.moving.empty(); });
    OpBuilder::InsertionGuard guard(t.b);
    if (isFixed) {
      t.b.restoreInsertionPoint(outside);
    }
    conditions.push_back(
        t.cmpi(c.isLower ? P::sge : P::sle, c.coordinate, emit(c)));
    return true;
  });
  llvm::erase_if(conditions, [&](const TileValue &condition) {
    return llvm::any_of(
        comparisons, [&](Comparison &c) { return restrictRows(c, condition); });
  });
  TileValue result;
  auto join = [&](TileValue v) { result = result ? t.andi(result, v) : v; };
  for (const Comparison &c : comparisons) {
    TileValue coordinate = c.coordinate, bound = emit(c);
    llvm::erase_if(conditions, [&](const TileValue &condition) {
      bool isOfColumn =
          coordinate.value.getDefiningOp() && condition.axes == coordinate.axes;
      if (isOfColumn) {
        // A column of which the condition does not hold meets no bound.
        int32_t never = c.isLower ? std::numeric_limits<int32_t>::min()
                                  : std::numeric_limits<int32_t>::max();
        auto constant = [&](int32_t value) {
          return t.constant(t.b.getI32IntegerAttr(value), {});
        };
        coordinate = t.select(condition, coordinate, constant(never));
        // Data may be that bound. It bounds nothing, nor does the one beside.
        bound = c.isLower
                    ? t.integer("arith.maxsi", bound, constant(never + 1))
                    : t.integer("arith.minsi", bound, constant(never - 1));
      }
      return isOfColumn;
    });
    join(t.cmpi(c.isLower ? P::sge : P::sle, coordinate, bound));
  }
  for (const TileValue &condition : conditions) {
    join(condition);
  }
  return result ? result : t.constant(t.b.getBoolAttr(true), {});
}

TileValue SetMask::emitAny(ArrayRef<Conjunction> any) {
  // A mask that is handed on twice meets itself: what asks for more than
  // another set of the union adds nothing.
  auto isInOther = [&](const Conjunction &all) {
    return llvm::any_of(any, [&](const Conjunction &x) {
      auto isOf = [](const Conjunction &x, const Conjunction &y) {
        return llvm::all_of(
            x, [&](const Constraint &c) { return llvm::is_contained(y, c); });
      };
      return isOf(x, all) && (&x < &all || !isOf(all, x));
    });
  };
  SmallVector<Conjunction> united;
  for (const Conjunction &all : any) {
    if (!isInOther(all) &&
        llvm::none_of(united, [&](Conjunction &x) { return unite(x, all); })) {
      united.push_back(all);
    }
  }
  TileValue result;
  for (const Conjunction &all : united) {
    TileValue v = emitAll(all);
    result = result ? t.ori(result, v) : v;
  }
  return result;
}

TileValue SetMask::emit() {
  TileValue result;
  for (const SmallVector<Conjunction> &any : unions) {
    TileValue v = emitAny(any);
    result = result ? t.andi(result, v) : v;
  }
  return result;
}
