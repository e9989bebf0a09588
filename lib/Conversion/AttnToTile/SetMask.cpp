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
  TileValue value = t.affine(e, dims, symbols);
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

/// factor * (the sum without some terms), added up on as few axes as possible.
TileValue SetMask::total(const Constraint &sum, int64_t factor,
                         ArrayRef<const Term *> without) {
  SmallVector<Term> terms;
  for (const Term &term : sum.terms) {
    if (!llvm::is_contained(without, &term)) {
      terms.push_back({factor * term.factor, term.value});
    }
  }
  // Scalars first, and what is subtracted behind what it is subtracted from.
  llvm::stable_sort(terms, [](const Term &x, const Term &y) {
    return std::make_pair(x.value.axes.size(), x.factor < 0) <
           std::make_pair(y.value.axes.size(), y.factor < 0);
  });
  int64_t constant = factor * sum.constant;
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

/// The term that says where the tile begins, if it is one by itself. It counts
/// like the coordinate: below 0 there is nothing then either.
const SetMask::Term *SetMask::findBase(const Constraint &c,
                                       const Term &coordinate) {
  const Term *found = llvm::find_if(c.terms, [&](const Term &term) {
    auto argument = dyn_cast<BlockArgument>(term.value.value);
    return argument && term.value.isScalar() &&
           (term.factor < 0) == (coordinate.factor < 0) &&
           isa<tile::FoldOp>(argument.getOwner()->getParentOp());
  });
  return found == c.terms.end() ? nullptr : found;
}

TileValue SetMask::tightest(StringRef op, SmallVector<TileValue> bounds) {
  llvm::stable_sort(bounds, [](const TileValue &x, const TileValue &y) {
    return x.axes.size() < y.axes.size();
  });
  TileValue result;
  for (const TileValue &bound : bounds) {
    result = result ? t.integer(op, result, bound) : bound;
  }
  return result;
}

SetMask::Reduced SetMask::reduce(ArrayRef<Constraint> all) {
  using P = arith::CmpIPredicate;
  Reduced result;
  SmallVector<Bounds> bounds;
  for (const Constraint &c : all) {
    const Term *term = findCoordinate(c);
    if (!term) {
      result.conditions.push_back(
          t.cmpi(c.isEq ? P::eq : P::sge, total(c, 1, {}), t.index(0)));
      continue;
    }
    // Bounds of a coordinate do not move with the tile: they are computed once.
    const Term *baseTerm = findBase(c, *term);
    Term base;
    if (baseTerm) {
      base = {term->factor * baseTerm->factor, baseTerm->value};
    }
    Bounds *known = llvm::find_if(bounds, [&](const Bounds &b) {
      return b.coordinate.value == term->value.value && b.base == base;
    });
    if (known == bounds.end()) {
      known = &bounds.emplace_back();
      known->coordinate = term->value;
      known->base = base;
    }
    if (term->factor > 0) {
      known->lower.push_back(total(c, -1, {term, baseTerm}));
    } else {
      known->upper.push_back(total(c, 1, {term, baseTerm}));
    }
  }
  auto add = [&](Comparison c) {
    if (!c.bound) {
      return;
    }
    if (isOfTile(c) || TileBuilder::join({c.coordinate, c.bound}).size() > 1) {
      result.comparisons.push_back(c);
    } else {
      result.conditions.push_back(compare(c));
    }
  };
  for (const Bounds &b : bounds) {
    add({b.coordinate, b.base, tightest("arith.maxsi", b.lower),
         /*isUpper=*/false});
    add({b.coordinate, b.base, tightest("arith.minsi", b.upper),
         /*isUpper=*/true});
  }
  return result;
}

// No coordinate in a tile is below 0, nor is one the largest integer.
static constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();

/// The bound, or where `condition` does not hold one that nothing is within.
TileValue SetMask::boundWhere(TileValue condition, const Comparison &c) {
  // A bound is of 32 bits where coordinates are, else an index.
  Type type = c.bound.elementType();
  auto constant = [&](int32_t value) {
    return t.constant(t.b.getIntegerAttr(type, value), condition.axes);
  };
  if (ArrayRef(condition.axes) == ArrayRef(c.bound.axes)) {
    return t.select(condition, c.bound, constant(c.isUpper ? -1 : kLargest));
  }
  TileValue limit = c.isUpper
                        ? t.select(condition, constant(kLargest), constant(-1))
                        : t.select(condition, constant(0), constant(kLargest));
  return t.integer(c.isUpper ? "arith.minsi" : "arith.maxsi", limit, c.bound);
}

bool SetMask::isOfTile(const Comparison &c) {
  return static_cast<bool>(c.coordinate.value.getDefiningOp<tile::CoordOp>());
}

TileValue SetMask::compare(const Comparison &c) {
  using P = arith::CmpIPredicate;
  TileValue bound = c.bound;
  if (c.base.value) {
    bound = t.subi(bound, t.muli(c.base.value, t.index(c.base.factor)));
  }
  return t.cmpi(c.isUpper ? P::sle : P::sge, c.coordinate, bound);
}

TileValue SetMask::emitAll(Reduced all) {
  // Conditions of rows join a bound of the same rows.
  for (Comparison &c : all.comparisons) {
    llvm::erase_if(all.conditions, [&](const TileValue &condition) {
      bool isInBound = isOfTile(c) && c.bound.elementType().isInteger(32) &&
                       !c.bound.isScalar() &&
                       ArrayRef(condition.axes) == ArrayRef(c.bound.axes);
      if (isInBound) {
        c.bound = boundWhere(condition, c);
      }
      return isInBound;
    });
  }
  // Comparisons of blocks first.
  llvm::stable_sort(all.comparisons,
                    [](const Comparison &x, const Comparison &y) {
                      return TileBuilder::join({x.coordinate, x.bound}).size() >
                             TileBuilder::join({y.coordinate, y.bound}).size();
                    });
  TileValue result;
  auto join = [&](TileValue v) { result = result ? t.andi(result, v) : v; };
  for (const Comparison &c : all.comparisons) {
    join(compare(c));
  }
  for (const TileValue &condition : all.conditions) {
    join(condition);
  }
  return result ? result : t.constant(t.b.getBoolAttr(true), {});
}

/// Whether one comparison, with conditions that join its bound, says all.
bool SetMask::isOne(const Reduced &all) {
  return all.comparisons.size() == 1 && isOfTile(all.comparisons.front()) &&
         llvm::none_of(all.conditions, [&](const TileValue &condition) {
           return condition.has(all.comparisons.front().coordinate.axes[0]);
         });
}

SetMask::Comparison SetMask::asOne(const Reduced &all) {
  Comparison one = all.comparisons.front();
  for (const TileValue &condition : all.conditions) {
    one.bound = boundWhere(condition, one);
  }
  return one;
}

TileValue SetMask::emitAny(ArrayRef<Conjunction> any) {
  SmallVector<Reduced> all;
  for (const Conjunction &each : any) {
    all.push_back(reduce(each));
  }
  // What is bounded on one side by several is bounded by the loosest.
  auto shareSide = [&](const Reduced &x, const Reduced &y) {
    return isOne(x) && isOne(y) &&
           x.comparisons[0].coordinate.value ==
               y.comparisons[0].coordinate.value &&
           x.comparisons[0].base == y.comparisons[0].base &&
           x.comparisons[0].isUpper == y.comparisons[0].isUpper;
  };
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size();) {
      if (!shareSide(all[i], all[j])) {
        ++j;
        continue;
      }
      Comparison x = asOne(all[i]), y = asOne(all[j]);
      x.bound = t.integer(x.isUpper ? "arith.maxsi" : "arith.minsi", x.bound,
                          y.bound);
      all[i] = {{x}, {}};
      all.erase(all.begin() + j);
    }
  }
  TileValue result;
  for (Reduced &each : all) {
    TileValue v = emitAll(std::move(each));
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
