//===- IntegerProjection.cpp - Exact integer projection -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/IntegerProjection.h"

#include "mlir/Analysis/Presburger/Simplex.h"
#include "llvm/ADT/STLExtras.h"
#include <optional>

using namespace attn;
using namespace mlir::presburger;
using llvm::DynamicAPInt;

namespace {

using Row = SmallVector<DynamicAPInt, 8>;
const DynamicAPInt zero(0), one(1);

/// With more locals than any mask has, coefficients grow to thousands of bits.
constexpr unsigned kMostLocals = 16;

/// a * x + b * y, column by column.
Row combine(const DynamicAPInt &a, ArrayRef<DynamicAPInt> x,
            const DynamicAPInt &b, ArrayRef<DynamicAPInt> y) {
  Row row;
  for (auto [u, v] : llvm::zip_equal(x, y)) {
    row.push_back(a * u + b * v);
  }
  return row;
}

bool isUnit(const DynamicAPInt &value) { return value == one || value == -one; }

/// The constraints on one local.
struct Bounds {
  SmallVector<unsigned> equalities, lower, upper;
  bool unitLower = true, unitUpper = true;
};

/// A polyhedron whose locals are still to be removed.
class Projector {
public:
  Projector(unsigned maxPieces, std::vector<ProjectedPiece> &pieces)
      : pieces(pieces), maxPieces(pieces.size() + maxPieces) {}

  void run(ProjectedPiece piece);

  bool exact = true;

private:
  Bounds getBounds(const IntegerPolyhedron &poly, unsigned var);
  bool readsLocals(const IntegerPolyhedron &poly, ArrayRef<DynamicAPInt> row,
                   unsigned except);
  bool eliminateExactly(ProjectedPiece &piece);
  bool eliminateByDivision(ProjectedPiece &piece);
  bool eliminateByEquality(ProjectedPiece &piece);
  void splinter(const ProjectedPiece &piece);
  void dropLocals(IntegerPolyhedron &poly);
  unsigned addDivision(ProjectedPiece &piece, Row dividend,
                       const DynamicAPInt &divisor);

  std::vector<ProjectedPiece> &pieces;
  size_t maxPieces;
};

Bounds Projector::getBounds(const IntegerPolyhedron &poly, unsigned var) {
  Bounds bounds;
  for (unsigned e = 0; e < poly.getNumEqualities(); ++e) {
    if (poly.atEq(e, var) != zero) {
      bounds.equalities.push_back(e);
    }
  }
  for (unsigned i = 0; i < poly.getNumInequalities(); ++i) {
    DynamicAPInt coeff = poly.atIneq(i, var);
    if (coeff > zero) {
      bounds.lower.push_back(i);
      bounds.unitLower &= coeff == one;
    } else if (coeff < zero) {
      bounds.upper.push_back(i);
      bounds.unitUpper &= coeff == -one;
    }
  }
  return bounds;
}

bool Projector::readsLocals(const IntegerPolyhedron &poly,
                            ArrayRef<DynamicAPInt> row, unsigned except) {
  return llvm::any_of(poly.iterVarKind(VarKind::Local), [&](unsigned var) {
    return var != except && row[var] != zero;
  });
}

void substitute(IntegerPolyhedron &poly, unsigned var, unsigned equality) {
  Row pivot(poly.getEquality(equality));
  IntegerPolyhedron result(poly.getSpace());
  auto rewrite = [&](ArrayRef<DynamicAPInt> row) {
    // pivot[var] is 1 or -1, its own inverse.
    return combine(one, row, -row[var] * pivot[var], pivot);
  };
  for (unsigned e = 0; e < poly.getNumEqualities(); ++e) {
    if (e != equality) {
      result.addEquality(rewrite(poly.getEquality(e)));
    }
  }
  for (unsigned i = 0; i < poly.getNumInequalities(); ++i) {
    result.addInequality(rewrite(poly.getInequality(i)));
  }
  result.removeVar(var);
  poly = result;
}

/// The shadow of `poly` without `var`, which is in no equality. `dark` keeps
/// only what certainly has an integer above it.
IntegerPolyhedron getShadow(const IntegerPolyhedron &poly, unsigned var,
                            const Bounds &bounds, bool dark) {
  IntegerPolyhedron result(poly.getSpace());
  for (unsigned e = 0; e < poly.getNumEqualities(); ++e) {
    result.addEquality(poly.getEquality(e));
  }
  for (unsigned i = 0; i < poly.getNumInequalities(); ++i) {
    if (poly.atIneq(i, var) == zero) {
      result.addInequality(poly.getInequality(i));
    }
  }
  for (unsigned l : bounds.lower) {
    for (unsigned u : bounds.upper) {
      DynamicAPInt a = poly.atIneq(l, var), b = -poly.atIneq(u, var);
      Row row = combine(b, poly.getInequality(l), a, poly.getInequality(u));
      if (dark) {
        row.back() -= (a - one) * (b - one);
      }
      result.addInequality(row);
    }
  }
  result.removeVar(var);
  return result;
}

/// Rules 1 and 2: the cheapest variable that leaves one polyhedron behind.
bool Projector::eliminateExactly(ProjectedPiece &piece) {
  IntegerPolyhedron &poly = piece.poly;
  std::optional<unsigned> best;
  size_t bestCost = 0;
  for (unsigned var : poly.iterVarKind(VarKind::Local)) {
    Bounds bounds = getBounds(poly, var);
    for (unsigned e : bounds.equalities) {
      if (isUnit(poly.atEq(e, var))) {
        substitute(poly, var, e);
        return true;
      }
    }
    size_t cost = bounds.lower.size() * bounds.upper.size();
    if (bounds.equalities.empty() && (bounds.unitLower || bounds.unitUpper) &&
        (!best || cost < bestCost)) {
      best = var;
      bestCost = cost;
    }
  }
  if (!best) {
    return false;
  }
  poly = getShadow(poly, *best, getBounds(poly, *best), /*dark=*/false);
  return true;
}

/// The column of floor(dividend / divisor), which is added if it is new.
unsigned Projector::addDivision(ProjectedPiece &piece, Row dividend,
                                const DynamicAPInt &divisor) {
  IntegerPolyhedron &poly = piece.poly;
  unsigned numDims = poly.getNumDimVars();
  // Rows have locals behind the dims; a division reads none.
  dividend.erase(dividend.begin() + numDims, dividend.end() - 1);
  unsigned numParams = numDims - piece.divisions.size();
  for (auto [i, division] : llvm::enumerate(piece.divisions)) {
    Row known = division.dividend;
    known.insert(known.end() - 1, numDims + 1 - known.size(), zero);
    if (division.divisor == divisor && known == dividend) {
      return numParams + i;
    }
  }
  unsigned column = poly.insertVar(VarKind::SetDim, numDims);
  Row low(poly.getNumCols(), zero);
  llvm::copy(ArrayRef(dividend).drop_back(), low.begin());
  low.back() = dividend.back();
  low[column] = -divisor;
  Row high;
  for (const DynamicAPInt &value : low) {
    high.push_back(-value);
  }
  high.back() += divisor - one;
  poly.addInequality(low);
  poly.addInequality(high);
  piece.divisions.push_back({std::move(dividend), divisor});
  return column;
}

/// Rule 3.
bool Projector::eliminateByDivision(ProjectedPiece &piece) {
  IntegerPolyhedron &poly = piece.poly;
  for (unsigned var : poly.iterVarKind(VarKind::Local)) {
    Bounds bounds = getBounds(poly, var);
    if (!bounds.equalities.empty()) {
      continue;
    }
    auto isSolvable = [&](unsigned i) {
      return isUnit(poly.atIneq(i, var)) ||
             !readsLocals(poly, poly.getInequality(i), var);
    };
    bool lower = llvm::all_of(bounds.lower, isSolvable);
    if (!lower && !llvm::all_of(bounds.upper, isSolvable)) {
      continue;
    }
    SmallVector<Row> rows;
    auto &side = lower ? bounds.lower : bounds.upper;
    for (unsigned i : llvm::reverse(side)) {
      if (!isUnit(poly.atIneq(i, var))) {
        rows.emplace_back(poly.getInequality(i));
        poly.removeInequality(i);
      }
    }
    unsigned local = var - poly.getNumDimVars();
    for (Row &row : rows) {
      // a x + f >= 0: x >= -floor(f / a).  -b x + f >= 0: x <= floor(f / b).
      DynamicAPInt coeff = row[var];
      row[var] = zero;
      unsigned before = poly.getNumDimVars();
      unsigned division =
          addDivision(piece, row, coeff > zero ? coeff : -coeff);
      if (poly.getNumDimVars() != before) {
        for (Row &other : rows) {
          other.insert(other.begin() + before, zero);
        }
        ++var;
      }
      Row bound(poly.getNumCols(), zero);
      bound[division] = one;
      bound[poly.getNumDimVars() + local] = coeff > zero ? one : -one;
      poly.addInequality(bound);
    }
    return true;
  }
  return false;
}

/// Rule 4.
bool Projector::eliminateByEquality(ProjectedPiece &piece) {
  IntegerPolyhedron &poly = piece.poly;
  for (unsigned e = 0; e < poly.getNumEqualities(); ++e) {
    std::optional<unsigned> least;
    auto magnitude = [&](unsigned var) { return abs(poly.atEq(e, var)); };
    unsigned count = 0;
    for (unsigned var : poly.iterVarKind(VarKind::Local)) {
      if (poly.atEq(e, var) == zero) {
        continue;
      }
      ++count;
      if (!least || magnitude(var) < magnitude(*least)) {
        least = var;
      }
    }
    if (!least) {
      continue;
    }
    if (count == 1) {
      // g x + f == 0: x is floor(-f / g), and g divides f.
      Row dividend(poly.getEquality(e));
      DynamicAPInt g = dividend[*least];
      dividend[*least] = zero;
      if (g > zero) {
        for (DynamicAPInt &value : dividend) {
          value = -value;
        }
      }
      unsigned local = *least - poly.getNumDimVars();
      unsigned division = addDivision(piece, dividend, abs(g));
      unsigned var = poly.getNumDimVars() + local;
      Row same(poly.getNumCols(), zero);
      same[division] = one;
      same[var] = -one;
      poly.addEquality(same);
      substitute(poly, var, poly.getNumEqualities() - 1);
      return true;
    }
    // With x := x - sum of quotient * y the coefficients of the y become
    // remainders; they shrink until one variable is left.
    IntegerPolyhedron result(poly.getSpace());
    DynamicAPInt pivot = poly.atEq(e, *least);
    auto rewrite = [&](ArrayRef<DynamicAPInt> old) {
      Row row(old);
      for (unsigned var : poly.iterVarKind(VarKind::Local)) {
        if (var != *least) {
          row[var] -= floorDiv(poly.atEq(e, var), pivot) * old[*least];
        }
      }
      return row;
    };
    for (unsigned i = 0; i < poly.getNumEqualities(); ++i) {
      result.addEquality(rewrite(poly.getEquality(i)));
    }
    for (unsigned i = 0; i < poly.getNumInequalities(); ++i) {
      result.addInequality(rewrite(poly.getInequality(i)));
    }
    poly = result;
    return true;
  }
  return false;
}

/// Rule 5, for the variable with the fewest splinters. All equalities are gone.
void Projector::splinter(const ProjectedPiece &piece) {
  const IntegerPolyhedron &poly = piece.poly;
  std::optional<unsigned> best;
  DynamicAPInt bestCount;
  auto getLast = [&](const Bounds &bounds, unsigned var, unsigned l) {
    DynamicAPInt b(1);
    for (unsigned u : bounds.upper) {
      b = std::max(b, -poly.atIneq(u, var));
    }
    DynamicAPInt a = poly.atIneq(l, var);
    return a == one ? DynamicAPInt(-1) : floorDiv(a * b - a - b, b);
  };
  for (unsigned var : poly.iterVarKind(VarKind::Local)) {
    Bounds bounds = getBounds(poly, var);
    DynamicAPInt count(1);
    for (unsigned l : bounds.lower) {
      count += getLast(bounds, var, l) + one;
    }
    if (!best || count < bestCount) {
      best = var;
      bestCount = count;
    }
  }
  Bounds bounds = getBounds(poly, *best);
  bool fits = DynamicAPInt(int64_t(pieces.size())) + bestCount <=
              DynamicAPInt(int64_t(maxPieces));
  exact &= fits;
  ProjectedPiece shadow = piece;
  shadow.poly = getShadow(poly, *best, bounds, /*dark=*/fits);
  run(std::move(shadow));
  if (!fits) {
    return;
  }
  for (unsigned l : bounds.lower) {
    int64_t last = int64_t(getLast(bounds, *best, l));
    for (int64_t c = 0; c <= last; ++c) {
      ProjectedPiece part = piece;
      Row row(poly.getInequality(l));
      row.back() -= DynamicAPInt(c);
      part.poly.addEquality(row);
      run(std::move(part));
    }
  }
}

/// The coarsest superset: only what reads no local stays.
void Projector::dropLocals(IntegerPolyhedron &poly) {
  IntegerPolyhedron result(poly.getSpace());
  unsigned none = poly.getNumVars();
  for (unsigned e = 0; e < poly.getNumEqualities(); ++e) {
    if (!readsLocals(poly, poly.getEquality(e), none)) {
      result.addEquality(poly.getEquality(e));
    }
  }
  for (unsigned i = 0; i < poly.getNumInequalities(); ++i) {
    if (!readsLocals(poly, poly.getInequality(i), none)) {
      result.addInequality(poly.getInequality(i));
    }
  }
  result.removeVarRange(VarKind::Local, 0, result.getNumLocalVars());
  poly = result;
  exact = false;
}

void Projector::run(ProjectedPiece piece) {
  if (piece.poly.getNumLocalVars() > kMostLocals) {
    dropLocals(piece.poly);
  }
  while (true) {
    piece.poly.removeRedundantConstraints();
    piece.poly.removeTrivialEqualities();
    if (isPlainlyEmpty(piece.poly)) {
      return;
    }
    if (piece.poly.getNumLocalVars() == 0) {
      pieces.push_back(std::move(piece));
      return;
    }
    if (eliminateExactly(piece) || eliminateByDivision(piece) ||
        eliminateByEquality(piece)) {
      continue;
    }
    splinter(piece);
    return;
  }
}

} // namespace

bool attn::isPlainlyEmpty(const IntegerPolyhedron &poly) {
  return poly.isEmptyByGCDTest() || Simplex(poly).isEmpty();
}

bool attn::projectLocals(const IntegerPolyhedron &poly, unsigned maxPieces,
                         std::vector<ProjectedPiece> &pieces) {
  Projector projector(maxPieces, pieces);
  projector.run({poly, {}});
  return projector.exact;
}
