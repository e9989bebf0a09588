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

/// factor * (the sum without a term), added up on as few axes as possible.
TileValue SetMask::total(const Constraint &sum, int64_t factor,
                         const Term *without) {
  SmallVector<Term> terms;
  for (const Term &term : sum.terms) {
    if (&term != without) {
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

TileValue SetMask::emitAll(ArrayRef<Constraint> all) {
  using P = arith::CmpIPredicate;
  SmallVector<Bounds> bounds;
  SmallVector<TileValue> conditions;
  for (const Constraint &c : all) {
    const Term *term = findCoordinate(c);
    if (!term) {
      conditions.push_back(
          t.cmpi(c.isEq ? P::eq : P::sge, total(c, 1, nullptr), t.index(0)));
      continue;
    }
    Bounds *known = llvm::find_if(bounds, [&](const Bounds &b) {
      return b.coordinate.value == term->value.value;
    });
    if (known == bounds.end()) {
      known = &bounds.emplace_back();
      known->coordinate = term->value;
    }
    if (term->factor > 0) {
      known->lower.push_back(total(c, -1, term));
    } else {
      known->upper.push_back(total(c, 1, term));
    }
  }
  struct Comparison {
    TileValue coordinate, bound;
    P predicate;
  };
  SmallVector<Comparison> comparisons;
  for (const Bounds &b : bounds) {
    std::pair<TileValue, P> tight[] = {
        {tightest("arith.maxsi", b.lower), P::sge},
        {tightest("arith.minsi", b.upper), P::sle}};
    for (auto [bound, predicate] : tight) {
      if (!bound) {
        continue;
      }
      if (TileBuilder::join({b.coordinate, bound}).size() < 2) {
        conditions.push_back(t.cmpi(predicate, b.coordinate, bound));
      } else {
        comparisons.push_back({b.coordinate, bound, predicate});
      }
    }
  }
  // No coordinate in a tile is below 0, nor is one the largest integer.
  for (Comparison &c : comparisons) {
    llvm::erase_if(conditions, [&](const TileValue &condition) {
      bool isInBound = c.coordinate.value.getDefiningOp<tile::CoordOp>() &&
                       c.bound.elementType().isInteger(32) &&
                       ArrayRef(condition.axes) == ArrayRef(c.bound.axes);
      if (isInBound) {
        int32_t never =
            c.predicate == P::sle ? -1 : std::numeric_limits<int32_t>::max();
        c.bound =
            t.select(condition, c.bound,
                     t.constant(t.b.getI32IntegerAttr(never), c.bound.axes));
      }
      return isInBound;
    });
  }
  TileValue result;
  auto join = [&](TileValue v) { result = result ? t.andi(result, v) : v; };
  for (const Comparison &c : comparisons) {
    join(t.cmpi(c.predicate, c.coordinate, c.bound));
  }
  for (const TileValue &condition : conditions) {
    join(condition);
  }
  return result ? result : t.constant(t.b.getBoolAttr(true), {});
}

TileValue SetMask::emitAny(ArrayRef<Conjunction> any) {
  TileValue result;
  for (const Conjunction &all : any) {
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
