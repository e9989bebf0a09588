//===- ViewExtent.cpp - Extent of an axis of a view ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A '?' axis of a view reaches one past the largest coordinate in its domain.
// For every disjunct of the domain the kernel walks the axes that the bound
// depends on (those that index its symbols, or stand in it), looks the symbols
// up and takes the least of the upper bounds; the extent is the largest of all.
// An axis without an upper bound is as long as every lookup that uses it bare
// allows: the least of (size - constant) over `axis + constant`.
//
//===----------------------------------------------------------------------===//
#include "Program.h"

#include "mlir/Analysis/FlatLinearValueConstraints.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

namespace {
/// One constraint of a domain as coefficients over dims, symbols, constant.
struct Row {
  SmallVector<int64_t> coeffs;
  bool isEq;
};
} // namespace

/// Rows of `set` without divisions; a constraint that divides is left out, so
/// the bound found may be larger than the domain, never smaller.
static SmallVector<Row> linearRows(IntegerSet set) {
  SmallVector<Row> rows;
  for (auto [i, e] : llvm::enumerate(set.getConstraints())) {
    SmallVector<int64_t> flat;
    if (succeeded(getFlattenedAffineExpr(e, set.getNumDims(),
                                         set.getNumSymbols(), &flat)) &&
        flat.size() == set.getNumInputs() + 1) {
      rows.push_back({flat, set.isEq(i)});
    }
  }
  return rows;
}

static Value cst(OpBuilder &b, Location loc, int64_t v) {
  return arith::ConstantIndexOp::create(b, loc, v);
}

/// `axis + c` with c constant: c, else nullopt.
static std::optional<int64_t> bareOffset(AffineExpr e, int64_t axis) {
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    return d.getPosition() == axis ? std::optional<int64_t>(0) : std::nullopt;
  }
  auto sum = dyn_cast<AffineBinaryOpExpr>(e);
  if (sum && sum.getKind() == AffineExprKind::Add) {
    auto c = dyn_cast<AffineConstantExpr>(sum.getRHS());
    auto d = dyn_cast<AffineDimExpr>(sum.getLHS());
    if (c && d && d.getPosition() == axis) {
      return c.getValue();
    }
  }
  return std::nullopt;
}

static Value emitBareExtent(OpBuilder &b, ViewOp view, int64_t axis,
                            function_ref<Value(Value, int64_t)> dim) {
  Location loc = view.getLoc();
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
  if (!least) {
    view.emitOpError("axis '") << view.getDimName(axis)
                               << "' has no bound in the domain and indexes "
                                  "nothing bare: give its size in the type";
    return {};
  }
  return arith::MaxSIOp::create(b, loc, least, cst(b, loc, 0));
}

/// Walks the involved axes and returns the largest extent of one disjunct.
static Value emitDisjunct(OpBuilder &b, Program &program, Kernel &host,
                          ViewOp view, int64_t axis, ArrayRef<Row> rows,
                          ArrayRef<int64_t> walked, SmallVector<Value> coords,
                          function_ref<Value(Value, int64_t)> dim) {
  Location loc = view.getLoc();
  Value zero = cst(b, loc, 0), one = cst(b, loc, 1);
  if (!walked.empty()) {
    int64_t d = walked.front();
    Value size = dim(view.getResult(), d);
    if (!size) {
      return {};
    }
    auto loop = scf::ForOp::create(b, loc, zero, size, one, ValueRange{zero});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    coords[d] = loop.getInductionVar();
    Value inner = emitDisjunct(b, program, host, view, axis, rows,
                               walked.drop_front(), coords, dim);
    if (!inner) {
      return {};
    }
    Value best =
        arith::MaxSIOp::create(b, loc, loop.getRegionIterArgs()[0], inner);
    scf::YieldOp::create(b, loc, best);
    return loop.getResult(0);
  }
  unsigned numDims = view.getDims().size();
  SmallVector<Value> values(coords);
  for (unsigned s = 0; s < view.getSymbols().size(); ++s) {
    bool used = llvm::any_of(
        rows, [&](const Row &r) { return r.coeffs[numDims + s] != 0; });
    Value symbol = view.getSymbols()[s], v = zero;
    if (used && isa<ShapedType>(symbol.getType())) {
      SmallVector<Value> index;
      for (AffineExpr e : view.getSymbolMap(s).getResults()) {
        // The walked axes cover every dim of a used symbol's map.
        SmallVector<int64_t> flat;
        (void)getFlattenedAffineExpr(e, numDims, 0, &flat);
        if (flat.size() != numDims + 1) {
          view.emitOpError("symbol '")
              << cast<StringAttr>(view.getSymbolNames()[s]).getValue()
              << "' bounds an axis but is looked up with a division";
          return {};
        }
        Value at = cst(b, loc, flat.back());
        for (unsigned d = 0; d < numDims; ++d) {
          if (flat[d]) {
            at = arith::AddIOp::create(
                b, loc, at,
                arith::MulIOp::create(b, loc, coords[d], cst(b, loc, flat[d])));
          }
        }
        index.push_back(at);
      }
      v = memref::LoadOp::create(b, loc, program.getMemory(host, symbol),
                                 index);
    } else if (used) {
      FailureOr<Value> scalar = program.getScalar(host, symbol);
      if (failed(scalar)) {
        return {};
      }
      v = *scalar;
    }
    if (!v.getType().isIndex()) {
      v = arith::IndexCastOp::create(b, loc, b.getIndexType(), v);
    }
    values.push_back(v);
  }
  Value lo = zero, hi, holds;
  for (const Row &r : rows) {
    Value rest = cst(b, loc, r.coeffs.back());
    for (auto [i, v] : llvm::enumerate(values)) {
      if (r.coeffs[i] && (int64_t)i != axis) {
        rest = arith::AddIOp::create(
            b, loc, rest,
            arith::MulIOp::create(b, loc, v, cst(b, loc, r.coeffs[i])));
      }
    }
    int64_t c = r.coeffs[axis];
    if (c == 0) {
      Value ok = arith::CmpIOp::create(
          b, loc, r.isEq ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge,
          rest, zero);
      holds = holds ? arith::AndIOp::create(b, loc, holds, ok).getResult() : ok;
    }
    // c * x + rest >= 0 bounds x from below (c > 0) or above (c < 0); an
    // equality does both.
    if (c < 0 || (c > 0 && r.isEq)) {
      Value top = c < 0 ? rest : arith::SubIOp::create(b, loc, zero, rest);
      Value bound =
          arith::FloorDivSIOp::create(b, loc, top, cst(b, loc, std::abs(c)));
      hi = hi ? arith::MinSIOp::create(b, loc, hi, bound) : bound;
    }
    if (c > 0 || (c < 0 && r.isEq)) {
      Value low =
          c > 0 ? arith::SubIOp::create(b, loc, zero, rest).getResult() : rest;
      Value bound =
          arith::CeilDivSIOp::create(b, loc, low, cst(b, loc, std::abs(c)));
      lo = arith::MaxSIOp::create(b, loc, lo, bound);
    }
  }
  Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, lo, hi);
  if (holds) {
    any = arith::AndIOp::create(b, loc, any, holds);
  }
  return arith::SelectOp::create(b, loc, any,
                                 arith::AddIOp::create(b, loc, hi, one), zero);
}

Value attn::emitViewExtent(OpBuilder &b, Program &program, Kernel &host,
                           ViewOp view, int64_t axis,
                           function_ref<Value(Value, int64_t)> dim) {
  unsigned numDims = view.getDims().size();
  SmallVector<IntegerSet> sets = view.getWhereSets();
  Value largest;
  for (IntegerSet set : sets) {
    SmallVector<Row> rows = linearRows(set);
    bool bounded = llvm::any_of(rows, [&](const Row &r) {
      return r.coeffs[axis] < 0 || (r.isEq && r.coeffs[axis] != 0);
    });
    if (!bounded) {
      return emitBareExtent(b, view, axis, dim);
    }
    llvm::SmallBitVector involved(numDims);
    for (const Row &r : rows) {
      for (unsigned d = 0; d < numDims; ++d) {
        if (r.coeffs[d]) {
          involved.set(d);
        }
      }
      for (unsigned s = 0; s < view.getSymbols().size(); ++s) {
        if (r.coeffs[numDims + s] == 0) {
          continue;
        }
        for (unsigned d = 0; d < numDims; ++d) {
          if (view.getSymbolMap(s).isFunctionOfDim(d)) {
            involved.set(d);
          }
        }
      }
    }
    involved.reset(axis);
    SmallVector<int64_t> walked;
    for (int d : involved.set_bits()) {
      walked.push_back(d);
    }
    Value extent = emitDisjunct(b, program, host, view, axis, rows, walked,
                                SmallVector<Value>(numDims, Value()), dim);
    if (!extent) {
      return {};
    }
    largest = largest
                  ? arith::MaxSIOp::create(b, view.getLoc(), largest, extent)
                  : extent;
  }
  return largest ? largest : emitBareExtent(b, view, axis, dim);
}
