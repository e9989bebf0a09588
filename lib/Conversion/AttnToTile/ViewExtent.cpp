//===- ViewExtent.cpp - Extent of an axis of a view ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A '?' axis of a view reaches one past the largest coordinate in its domain,
// by the rule of docs/attn-spec.md (attn.view): which axes are bounded by the
// domain and which by what they index, and in which order, is decided here.
//
// For every disjunct of the domain the kernel walks the axes that the bound
// depends on (those that index its symbols, or stand in it), looks the symbols
// up and takes the least of the upper bounds; the extent is the largest of all.
// Divisions are relaxed to linear bounds, and the coordinates up to the bound
// are tried.
//
//===----------------------------------------------------------------------===//
#include "Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

static Value cst(OpBuilder &b, Location loc, int64_t v) {
  return arith::ConstantIndexOp::create(b, loc, v);
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

namespace {
/// scale * e <= coeffs . (dims, symbols, 1), for a scale of at least 1.
struct Bound {
  SmallVector<int64_t> coeffs;
  int64_t scale = 1;
};
} // namespace

/// An upper bound of sign * e, exact where nothing divides.
static Bound relax(AffineExpr e, int64_t sign, unsigned numDims,
                   unsigned numInputs) {
  Bound r{SmallVector<int64_t>(numInputs + 1, 0)};
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    r.coeffs[d.getPosition()] = sign;
    return r;
  }
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    r.coeffs[numDims + s.getPosition()] = sign;
    return r;
  }
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    r.coeffs.back() = sign * c.getValue();
    return r;
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  AffineExpr lhs = binary.getLHS();
  if (e.getKind() == AffineExprKind::Add) {
    Bound x = relax(lhs, sign, numDims, numInputs);
    Bound y = relax(binary.getRHS(), sign, numDims, numInputs);
    r.scale = x.scale * y.scale;
    for (unsigned i = 0; i <= numInputs; ++i) {
      r.coeffs[i] = x.coeffs[i] * y.scale + y.coeffs[i] * x.scale;
    }
    return r;
  }
  int64_t c = cast<AffineConstantExpr>(binary.getRHS()).getValue();
  if (e.getKind() == AffineExprKind::Mul) {
    r = relax(lhs, c < 0 ? -sign : sign, numDims, numInputs);
    for (int64_t &x : r.coeffs) {
      x *= std::abs(c);
    }
    return r;
  }
  if (e.getKind() == AffineExprKind::Mod) {
    r.coeffs.back() = sign > 0 ? c - 1 : 0;
    return r;
  }
  // (x - c + 1) / c <= x floordiv c <= x / c <= x ceildiv c <= (x + c - 1) / c
  r = relax(lhs, sign, numDims, numInputs);
  bool up = e.getKind() == AffineExprKind::CeilDiv;
  if (up == (sign > 0)) {
    r.coeffs.back() += (c - 1) * r.scale;
  }
  r.scale *= c;
  return r;
}

/// How `e` goes as an axis grows: 1 up, -1 down, 0 not at all; none if it is
/// not monotone for sure. Symbols are taken as fixed.
static std::optional<int> growth(AffineExpr e, int64_t axis) {
  if (!e.isFunctionOfDim(axis)) {
    return 0;
  }
  if (isa<AffineDimExpr>(e)) {
    return 1;
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  std::optional<int> left = growth(binary.getLHS(), axis);
  if (!left || e.getKind() == AffineExprKind::Mod) {
    return std::nullopt;
  }
  if (e.getKind() == AffineExprKind::Add) {
    std::optional<int> right = growth(binary.getRHS(), axis);
    if (!right || *left * *right < 0) {
      return std::nullopt;
    }
    return *left ? *left : *right;
  }
  // A factor, or a positive divisor.
  bool flips = cast<AffineConstantExpr>(binary.getRHS()).getValue() < 0;
  return flips ? -*left : *left;
}

static bool divides(AffineExpr e) {
  bool found = false;
  e.walk([&](AffineExpr x) {
    found |= x.getKind() == AffineExprKind::FloorDiv ||
             x.getKind() == AffineExprKind::CeilDiv ||
             x.getKind() == AffineExprKind::Mod;
  });
  return found;
}

static Value emitExpr(OpBuilder &b, Location loc, AffineExpr e,
                      ArrayRef<Value> dims, ArrayRef<Value> symbols) {
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    return dims[d.getPosition()];
  }
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    return symbols[s.getPosition()];
  }
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    return cst(b, loc, c.getValue());
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  Value x = emitExpr(b, loc, binary.getLHS(), dims, symbols);
  Value y = emitExpr(b, loc, binary.getRHS(), dims, symbols);
  switch (e.getKind()) {
  case AffineExprKind::Add:
    return arith::AddIOp::create(b, loc, x, y);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(b, loc, x, y);
  case AffineExprKind::FloorDiv:
    return arith::FloorDivSIOp::create(b, loc, x, y);
  case AffineExprKind::CeilDiv:
    return arith::CeilDivSIOp::create(b, loc, x, y);
  default: {
    // mod: the divisor is positive, the result never negative.
    Value q = arith::FloorDivSIOp::create(b, loc, x, y);
    return arith::SubIOp::create(b, loc, x,
                                 arith::MulIOp::create(b, loc, q, y));
  }
  }
}

//===----------------------------------------------------------------------===//
// The axes of one view
//===----------------------------------------------------------------------===//

namespace {
class ViewAxes {
public:
  ViewAxes(OpBuilder &b, Program &program, Kernel &host, ViewOp view,
           function_ref<Value(Value, int64_t)> dim)
      : b(b), program(program), host(host), view(view), dim(dim),
        loc(view.getLoc()), numDims(view.getDims().size()),
        sets(view.getWhereSets()) {}

  Value emit(int64_t axis);

private:
  struct Constraint {
    AffineExpr expr;
    bool isEq;
  };
  using Disjunct = SmallVector<Constraint>;

  /// The axes that an expression depends on, through its symbols as well.
  llvm::SmallBitVector axesOf(AffineExpr e);
  bool isBareBound(int64_t axis);
  bool inDomain(int64_t axis);
  /// What a constraint that is monotone in `axis` bounds it by from above.
  SmallVector<Bound> upperBounds(const Constraint &c, int64_t axis);
  SmallVector<Bound> relaxations(const Constraint &c);
  /// The constraints that name no open axis but `axis`.
  Disjunct usable(IntegerSet set, int64_t axis);
  bool isBounded(int64_t axis);

  Value emitBare(int64_t axis);
  Value emitDisjunct(int64_t axis, const Disjunct &constraints,
                     ArrayRef<int64_t> walked, SmallVector<Value> coords);
  Value emitInner(int64_t axis, const Disjunct &constraints,
                  SmallVector<Value> coords);
  Value emitSymbol(unsigned s, ArrayRef<Value> coords);
  Value emitRest(const Bound &r, int64_t axis, ArrayRef<Value> coords,
                 ArrayRef<Value> symbols);

  OpBuilder &b;
  Program &program;
  Kernel &host;
  ViewOp view;
  function_ref<Value(Value, int64_t)> dim;
  Location loc;
  unsigned numDims;
  SmallVector<IntegerSet> sets;
  llvm::SmallBitVector open; // axes whose extent is not known yet
};
} // namespace

llvm::SmallBitVector ViewAxes::axesOf(AffineExpr e) {
  llvm::SmallBitVector axes(numDims);
  e.walk([&](AffineExpr x) {
    if (auto d = dyn_cast<AffineDimExpr>(x)) {
      axes.set(d.getPosition());
    } else if (auto s = dyn_cast<AffineSymbolExpr>(x)) {
      AffineMap map = view.getSymbolMap(s.getPosition());
      for (unsigned d = 0; d < numDims; ++d) {
        if (map.isFunctionOfDim(d)) {
          axes.set(d);
        }
      }
    }
  });
  return axes;
}

bool ViewAxes::inDomain(int64_t axis) {
  return llvm::any_of(sets, [&](IntegerSet set) {
    return llvm::any_of(set.getConstraints(),
                        [&](AffineExpr e) { return e.isFunctionOfDim(axis); });
  });
}

SmallVector<Bound> ViewAxes::relaxations(const Constraint &c) {
  unsigned numInputs = numDims + view.getSymbols().size();
  SmallVector<Bound> result{relax(c.expr, 1, numDims, numInputs)};
  if (c.isEq) {
    result.push_back(relax(c.expr, -1, numDims, numInputs));
  }
  return result;
}

SmallVector<Bound> ViewAxes::upperBounds(const Constraint &c, int64_t axis) {
  SmallVector<Bound> result;
  if (!growth(c.expr, axis)) {
    return result;
  }
  for (unsigned s = 0; s < view.getSymbols().size(); ++s) {
    if (c.expr.isFunctionOfSymbol(s) &&
        view.getSymbolMap(s).isFunctionOfDim(axis)) {
      return result;
    }
  }
  for (Bound &r : relaxations(c)) {
    if (r.coeffs[axis] < 0) {
      result.push_back(r);
    }
  }
  return result;
}

ViewAxes::Disjunct ViewAxes::usable(IntegerSet set, int64_t axis) {
  Disjunct result;
  for (auto [i, e] : llvm::enumerate(set.getConstraints())) {
    llvm::SmallBitVector axes = axesOf(e);
    axes &= open;
    axes.reset(axis);
    if (axes.none()) {
      result.push_back({e, set.isEq(i)});
    }
  }
  return result;
}

bool ViewAxes::isBounded(int64_t axis) {
  return llvm::all_of(sets, [&](IntegerSet set) {
    return llvm::any_of(usable(set, axis), [&](const Constraint &c) {
      return !upperBounds(c, axis).empty();
    });
  });
}

/// `axis + c` with a constant c of at least 0: c, else nullopt.
static std::optional<int64_t> bareOffset(AffineExpr e, int64_t axis) {
  auto offset =
      dyn_cast<AffineConstantExpr>(e - getAffineDimExpr(axis, e.getContext()));
  return offset && offset.getValue() >= 0
             ? std::optional<int64_t>(offset.getValue())
             : std::nullopt;
}

bool ViewAxes::isBareBound(int64_t axis) {
  auto uses = [&](AffineMap map) {
    return llvm::any_of(map.getResults(), [&](AffineExpr e) {
      return bareOffset(e, axis).has_value();
    });
  };
  bool found = uses(view.getAddress());
  for (unsigned s = 0; s < view.getSymbols().size(); ++s) {
    found |= uses(view.getSymbolMap(s));
  }
  return found;
}

Value ViewAxes::emitBare(int64_t axis) {
  // Tensors that disagree are refused with the arguments.
  Value least;
  auto use = [&](Value shaped, AffineMap map) {
    for (auto [j, e] : llvm::enumerate(map.getResults())) {
      std::optional<int64_t> offset = bareOffset(e, axis);
      if (!offset) {
        continue;
      }
      Value size = dim(shaped, j);
      size = arith::SubIOp::create(b, loc, size, cst(b, loc, *offset));
      least = least ? arith::MinSIOp::create(b, loc, least, size) : size;
    }
  };
  for (unsigned s = 0; s < view.getSymbols().size(); ++s) {
    if (isa<ShapedType>(view.getSymbols()[s].getType())) {
      use(view.getSymbols()[s], view.getSymbolMap(s));
    }
  }
  use(view.getStorage(), view.getAddress());
  return arith::MaxSIOp::create(b, loc, least, cst(b, loc, 0));
}

/// The value of a symbol; null and a diagnostic where it cannot be looked up.
Value ViewAxes::emitSymbol(unsigned s, ArrayRef<Value> coords) {
  Value symbol = view.getSymbols()[s], v;
  if (isa<ShapedType>(symbol.getType())) {
    SmallVector<Value> index;
    for (AffineExpr e : view.getSymbolMap(s).getResults()) {
      if (divides(e)) {
        view.emitOpError("symbol '")
            << cast<StringAttr>(view.getSymbolNames()[s]).getValue()
            << "' bounds an axis but is looked up with a division";
        return {};
      }
      index.push_back(emitExpr(b, loc, e, coords, {}));
    }
    if (!program.lookup(symbol)) {
      view.emitOpError("a symbol is not an argument");
      return {};
    }
    v = memref::LoadOp::create(b, loc, program.getMemory(host, symbol), index);
  } else {
    FailureOr<Value> scalar = program.getScalar(host, symbol);
    if (failed(scalar)) {
      return {};
    }
    v = *scalar;
  }
  return v.getType().isIndex()
             ? v
             : arith::IndexCastOp::create(b, loc, b.getIndexType(), v)
                   .getResult();
}

/// A bound without its term in `axis`.
Value ViewAxes::emitRest(const Bound &r, int64_t axis, ArrayRef<Value> coords,
                         ArrayRef<Value> symbols) {
  Value rest = cst(b, loc, r.coeffs.back());
  for (unsigned i = 0; i + 1 < r.coeffs.size(); ++i) {
    if (r.coeffs[i] == 0 || int64_t(i) == axis) {
      continue;
    }
    Value v = i < numDims ? coords[i] : symbols[i - numDims];
    rest = arith::AddIOp::create(
        b, loc, rest,
        arith::MulIOp::create(b, loc, v, cst(b, loc, r.coeffs[i])));
  }
  return rest;
}

/// The extent that one disjunct gives `axis` at given other coordinates.
Value ViewAxes::emitInner(int64_t axis, const Disjunct &constraints,
                          SmallVector<Value> coords) {
  Value zero = cst(b, loc, 0), one = cst(b, loc, 1);
  // Symbols that the axis itself looks up are read where it is tried.
  SmallVector<Value> symbols(view.getSymbols().size());
  llvm::SmallBitVector late(symbols.size());
  for (unsigned s = 0; s < symbols.size(); ++s) {
    bool used = llvm::any_of(constraints, [&](const Constraint &c) {
      return c.expr.isFunctionOfSymbol(s);
    });
    if (used && view.getSymbolMap(s).isFunctionOfDim(axis)) {
      late.set(s);
    } else if (used && !(symbols[s] = emitSymbol(s, coords))) {
      return {};
    }
  }
  auto holds = [&](const Constraint &c) -> Value {
    Value v = emitExpr(b, loc, c.expr, coords, symbols);
    return arith::CmpIOp::create(
        b, loc, c.isEq ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge,
        v, zero);
  };
  Value low = zero, high, all;
  Disjunct tried;
  for (const Constraint &c : constraints) {
    if (!axesOf(c.expr).test(axis)) {
      Value ok = holds(c);
      all = all ? arith::AndIOp::create(b, loc, all, ok).getResult() : ok;
      continue;
    }
    for (const Bound &r : upperBounds(c, axis)) {
      // coefficient * x + rest >= 0
      Value top = arith::FloorDivSIOp::create(
          b, loc, emitRest(r, axis, coords, symbols),
          cst(b, loc, -r.coeffs[axis]));
      high = high ? arith::MinSIOp::create(b, loc, high, top) : top;
    }
    bool linear = !divides(c.expr);
    for (int s : late.set_bits()) {
      linear &= !c.expr.isFunctionOfSymbol(s);
    }
    if (!linear) {
      tried.push_back(c);
      continue;
    }
    for (const Bound &r : relaxations(c)) {
      if (r.coeffs[axis] > 0) {
        Value bottom = arith::CeilDivSIOp::create(
            b, loc,
            arith::SubIOp::create(b, loc, zero,
                                  emitRest(r, axis, coords, symbols)),
            cst(b, loc, r.coeffs[axis]));
        low = arith::MaxSIOp::create(b, loc, low, bottom);
      }
    }
  }
  Value end = arith::AddIOp::create(b, loc, high, one);
  Value any =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, low, end);
  if (all) {
    any = arith::AndIOp::create(b, loc, any, all);
  }
  end = arith::SelectOp::create(b, loc, any, end, zero);
  if (tried.empty()) {
    return end;
  }
  for (int s : late.set_bits()) {
    for (auto [j, e] : llvm::enumerate(view.getSymbolMap(s).getResults())) {
      if (std::optional<int64_t> offset = bareOffset(e, axis)) {
        Value size = arith::SubIOp::create(b, loc, dim(view.getSymbols()[s], j),
                                           cst(b, loc, *offset));
        end = arith::MinSIOp::create(b, loc, end, size);
      }
    }
  }
  auto loop = scf::ForOp::create(b, loc, low, end, one, ValueRange{zero});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  coords[axis] = loop.getInductionVar();
  for (int s : late.set_bits()) {
    if (!(symbols[s] = emitSymbol(s, coords))) {
      return {};
    }
  }
  Value in;
  for (const Constraint &c : tried) {
    Value ok = holds(c);
    in = in ? arith::AndIOp::create(b, loc, in, ok).getResult() : ok;
  }
  Value next = arith::AddIOp::create(b, loc, coords[axis], one);
  Value last =
      arith::SelectOp::create(b, loc, in, next, loop.getRegionIterArgs()[0]);
  scf::YieldOp::create(b, loc, last);
  return loop.getResult(0);
}

/// Walks the axes that the bound depends on; the largest extent of all.
Value ViewAxes::emitDisjunct(int64_t axis, const Disjunct &constraints,
                             ArrayRef<int64_t> walked,
                             SmallVector<Value> coords) {
  if (walked.empty()) {
    return emitInner(axis, constraints, coords);
  }
  Value zero = cst(b, loc, 0);
  Value size = dim(view.getResult(), walked.front());
  if (!size) {
    return {};
  }
  auto loop =
      scf::ForOp::create(b, loc, zero, size, cst(b, loc, 1), ValueRange{zero});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  coords[walked.front()] = loop.getInductionVar();
  Value inner = emitDisjunct(axis, constraints, walked.drop_front(), coords);
  if (!inner) {
    return {};
  }
  Value best =
      arith::MaxSIOp::create(b, loc, loop.getRegionIterArgs()[0], inner);
  scf::YieldOp::create(b, loc, best);
  return loop.getResult(0);
}

Value ViewAxes::emit(int64_t axis) {
  // The order in which the axes become known, up to this one.
  auto type = cast<RankedTensorType>(view.getResult().getType());
  open = llvm::SmallBitVector(numDims);
  for (unsigned d = 0; d < numDims; ++d) {
    if (type.isDynamicDim(d)) {
      open.set(d);
    }
  }
  bool byDomain = false;
  auto take = [&](int64_t d, bool bounded) {
    if (d == axis) {
      byDomain = bounded;
      return true;
    }
    open.reset(d);
    return false;
  };
  bool found = false;
  for (unsigned d : SmallVector<unsigned>(open.set_bits())) {
    found = found || (!inDomain(d) && isBareBound(d) && take(d, false));
  }
  for (bool progress = true; progress && !found;) {
    progress = false;
    for (unsigned d : SmallVector<unsigned>(open.set_bits())) {
      if (!found && inDomain(d) && isBounded(d)) {
        found = take(d, true);
        progress = true;
      }
    }
    for (unsigned d : SmallVector<unsigned>(open.set_bits())) {
      if (!found && !progress && isBareBound(d)) {
        found = take(d, false);
        progress = true;
      }
    }
  }
  if (!found) {
    view.emitOpError("axis '") << view.getDimName(axis)
                               << "' has no bound in the domain and indexes "
                                  "nothing bare: give its size in the type";
    return {};
  }
  if (!byDomain) {
    return emitBare(axis);
  }
  Value largest;
  for (IntegerSet set : sets) {
    Disjunct constraints = usable(set, axis);
    llvm::SmallBitVector involved(numDims);
    for (const Constraint &c : constraints) {
      involved |= axesOf(c.expr);
    }
    involved.reset(axis);
    SmallVector<int64_t> walked(involved.set_bits());
    Value extent = emitDisjunct(axis, constraints, walked,
                                SmallVector<Value>(numDims, Value()));
    if (!extent) {
      return {};
    }
    largest =
        largest ? arith::MaxSIOp::create(b, loc, largest, extent) : extent;
  }
  return largest;
}

Value attn::emitViewExtent(OpBuilder &b, Program &program, Kernel &host,
                           ViewOp view, int64_t axis,
                           function_ref<Value(Value, int64_t)> dim) {
  return ViewAxes(b, program, host, view, dim).emit(axis);
}
