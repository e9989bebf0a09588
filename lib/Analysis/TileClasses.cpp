//===- TileClasses.cpp - Empty, partial and full tiles --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileClasses.h"
#include "attn/Analysis/IntegerProjection.h"

#include "mlir/Analysis/FlatLinearValueConstraints.h"
#include "mlir/Analysis/Presburger/PresburgerRelation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;
using namespace mlir::presburger;
using llvm::DynamicAPInt;

namespace {

using Row = SmallVector<DynamicAPInt, 8>;

/// A constraint over the columns of a System: parameters, places inside the
/// tile, divisions, constant.
struct Literal {
  Row row;
  bool isEq;
};
using Conjunct = SmallVector<Literal>;
using Union = SmallVector<Conjunct>;

/// What every set of the classification shares: the columns, the box and the
/// definitions of all divisions of the mask.
struct System {
  TileParams params;
  IntegerPolyhedron box{PresburgerSpace::getSetSpace(0)};
  /// Assumptions about the parameters alone.
  IntegerPolyhedron context{PresburgerSpace::getSetSpace(0)};
  SmallVector<Union> terms;
};

//===----------------------------------------------------------------------===//
// From integer sets to rows
//===----------------------------------------------------------------------===//

bool isSupported(AffineExpr expr) {
  if (!expr.isPureAffine()) {
    return false;
  }
  bool positive = true;
  expr.walk([&](AffineExpr part) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(part);
    if (!binary || binary.getKind() == AffineExprKind::Add ||
        binary.getKind() == AffineExprKind::Mul) {
      return;
    }
    auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    positive &= divisor && divisor.getValue() > 0;
  });
  return positive;
}

bool areValidAxes(ArrayRef<TileAxis> axes, unsigned numDims) {
  llvm::SmallBitVector seen(numDims);
  for (const TileAxis &axis : axes) {
    if (axis.dim >= numDims || seen[axis.dim] ||
        (!axis.dynamicSize && axis.size < 1)) {
      return false;
    }
    seen.set(axis.dim);
  }
  return true;
}

/// Rewrites a flattened row (dims, symbols, divisions, constant) to the columns
/// of the system; dim x of axis a is lo_a plus its place in the tile.
Row mapRow(ArrayRef<DynamicAPInt> flat, unsigned numDims, unsigned numSymbols,
           ArrayRef<TileAxis> axes, const TileParams &params) {
  unsigned numDivisions = flat.size() - numDims - numSymbols - 1;
  unsigned placesAt = params.numParams;
  unsigned divisionsAt = placesAt + axes.size();
  Row row(divisionsAt + numDivisions + 1, DynamicAPInt(0));
  row.back() = flat.back();
  for (unsigned d = 0; d < numDims; ++d) {
    if (params.dimParam[d] >= 0) {
      row[params.dimParam[d]] += flat[d];
    }
  }
  for (auto [a, axis] : llvm::enumerate(axes)) {
    const DynamicAPInt &coeff = flat[axis.dim];
    row[placesAt + a] += coeff;
    if (axis.lo) {
      row.back() += coeff * DynamicAPInt(*axis.lo);
    } else {
      row[params.loParam[a]] += coeff;
    }
  }
  for (unsigned s = 0; s < numSymbols; ++s) {
    row[params.symbolParam[s]] += flat[numDims + s];
  }
  for (unsigned q = 0; q < numDivisions; ++q) {
    row[divisionsAt + q] += flat[numDims + numSymbols + q];
  }
  return row;
}

/// In the big integers of the library.
Row toRow(ArrayRef<int64_t> values) {
  return llvm::map_to_vector<8>(values,
                                [](int64_t v) { return DynamicAPInt(v); });
}

FailureOr<System> buildSystem(ArrayRef<SmallVector<IntegerSet>> conjunction,
                              unsigned numDims, unsigned numSymbols,
                              ArrayRef<TileAxis> axes,
                              const TileClassOptions &options) {
  if (!areValidAxes(axes, numDims)) {
    return failure();
  }
  SmallVector<AffineExpr> exprs;
  for (ArrayRef<IntegerSet> sets : conjunction) {
    for (IntegerSet set : sets) {
      if (!set || set.getNumDims() != numDims ||
          set.getNumSymbols() != numSymbols ||
          !llvm::all_of(set.getConstraints(), isSupported)) {
        return failure();
      }
      llvm::append_range(exprs, set.getConstraints());
    }
  }
  System system;
  system.params = getTileParams(numDims, numSymbols, axes);
  const TileParams &params = system.params;
  // All constraints are flattened together, so that equal divisions are shared
  // and a negated constraint keeps the definition of its divisions.
  std::vector<SmallVector<int64_t, 8>> flat;
  mlir::FlatLinearConstraints divisions(numDims, numSymbols);
  if (!exprs.empty()) {
    auto map =
        AffineMap::get(numDims, numSymbols, exprs, exprs[0].getContext());
    if (failed(mlir::getFlattenedAffineExprs(map, &flat, &divisions))) {
      return failure();
    }
  }
  unsigned numPlaces = axes.size();
  unsigned numDivisions = divisions.getNumLocalVars();
  system.box = IntegerPolyhedron(PresburgerSpace::getSetSpace(
      params.numParams, /*numSymbols=*/0, numPlaces + numDivisions));
  system.context =
      IntegerPolyhedron(PresburgerSpace::getSetSpace(params.numParams));
  for (unsigned i = 0; i < divisions.getNumInequalities(); ++i) {
    system.box.addInequality(
        mapRow(divisions.getInequality(i), numDims, numSymbols, axes, params));
  }
  for (auto [a, axis] : llvm::enumerate(axes)) {
    unsigned place = params.numParams + a;
    system.box.addBound(BoundType::LB, place, 0);
    if (!axis.dynamicSize) {
      system.box.addBound(BoundType::UB, place, axis.size - 1);
      continue;
    }
    SmallVector<int64_t> row(system.box.getNumCols(), 0);
    row[params.sizeParam[a]] = 1;
    row[place] = -1;
    row.back() = -1;
    system.box.addInequality(row);
    system.context.addBound(BoundType::LB, params.sizeParam[a], 1);
  }
  for (unsigned param : options.nonNegative) {
    if (param >= params.numParams) {
      return failure();
    }
    system.context.addBound(BoundType::LB, param, 0);
  }
  for (unsigned i = 0; i < system.context.getNumInequalities(); ++i) {
    Row row(system.context.getInequality(i));
    row.insert(row.end() - 1, numPlaces + numDivisions, DynamicAPInt(0));
    system.box.addInequality(row);
  }
  unsigned next = 0;
  for (ArrayRef<IntegerSet> sets : conjunction) {
    Union disjuncts;
    for (IntegerSet set : sets) {
      Conjunct conjunct;
      for (unsigned c = 0; c < set.getNumConstraints(); ++c) {
        conjunct.push_back(
            {mapRow(toRow(flat[next++]), numDims, numSymbols, axes, params),
             set.isEq(c)});
      }
      disjuncts.push_back(std::move(conjunct));
    }
    // A set without a constraint holds everything, and so does its union.
    if (!disjuncts.empty() &&
        llvm::none_of(disjuncts, [](auto &d) { return d.empty(); })) {
      system.terms.push_back(std::move(disjuncts));
    }
  }
  return system;
}

//===----------------------------------------------------------------------===//
// The two projections
//===----------------------------------------------------------------------===//

void addLiteral(IntegerPolyhedron &poly, const Literal &literal) {
  if (literal.isEq) {
    poly.addEquality(literal.row);
  } else {
    poly.addInequality(literal.row);
  }
}

/// not (row >= 0) is -row - 1 >= 0; not (row == 0) is that or row - 1 >= 0.
SmallVector<Row, 2> negate(const Literal &literal) {
  Row below;
  for (const DynamicAPInt &coeff : literal.row) {
    below.push_back(-coeff);
  }
  below.back() -= DynamicAPInt(1);
  SmallVector<Row, 2> rows{std::move(below)};
  if (literal.isEq) {
    Row above = literal.row;
    above.back() -= DynamicAPInt(1);
    rows.push_back(std::move(above));
  }
  return rows;
}

/// Intersects each of `polys` with each alternative; false if there are too
/// many. What is empty already over the rationals is left out.
bool multiply(std::vector<IntegerPolyhedron> &polys,
              ArrayRef<Conjunct> alternatives, unsigned maxDisjuncts) {
  std::vector<IntegerPolyhedron> product;
  for (const IntegerPolyhedron &poly : polys) {
    for (const Conjunct &alternative : alternatives) {
      IntegerPolyhedron next = poly;
      for (const Literal &literal : alternative) {
        addLiteral(next, literal);
      }
      if (isPlainlyEmpty(next)) {
        continue;
      }
      if (product.size() == maxDisjuncts) {
        return false;
      }
      product.push_back(std::move(next));
    }
  }
  polys = std::move(product);
  return true;
}

using Pieces = std::vector<ProjectedPiece>;

/// Projects each of `polys`; false if the union became a superset.
bool projectAll(ArrayRef<IntegerPolyhedron> polys, unsigned maxDisjuncts,
                Pieces &pieces) {
  bool exact = true;
  for (const IntegerPolyhedron &poly : polys) {
    exact &= projectLocals(poly, maxDisjuncts, pieces);
  }
  return exact;
}

/// some: the box cut with a disjunct of each term.
bool projectMask(const System &system, unsigned maxDisjuncts, Pieces &some,
                 bool &exact) {
  std::vector<IntegerPolyhedron> polys{system.box};
  for (const Union &term : system.terms) {
    if (!multiply(polys, term, maxDisjuncts)) {
      return false;
    }
  }
  exact &= projectAll(polys, maxDisjuncts, some);
  return some.size() <= maxDisjuncts;
}

/// The parameters whose box has a point outside of some term: for that, each
/// disjunct of the term fails in some constraint.
bool projectHoles(const System &system, unsigned maxDisjuncts, Pieces &holes,
                  bool &exact) {
  for (const Union &term : system.terms) {
    std::vector<IntegerPolyhedron> polys{system.box};
    for (const Conjunct &conjunct : term) {
      SmallVector<Conjunct> failures;
      for (const Literal &literal : conjunct) {
        for (Row &row : negate(literal)) {
          failures.push_back({Literal{std::move(row), /*isEq=*/false}});
        }
      }
      if (!multiply(polys, failures, maxDisjuncts)) {
        return false;
      }
    }
    exact &= projectAll(polys, maxDisjuncts, holes);
  }
  return holes.size() <= maxDisjuncts;
}

//===----------------------------------------------------------------------===//
// From relations to linear sets
//===----------------------------------------------------------------------===//

constexpr int64_t maxCoeff = int64_t(1) << 24;
constexpr int64_t maxConstant = int64_t(1) << 55;

bool fits(const DynamicAPInt &value, int64_t limit) {
  return value < DynamicAPInt(limit) && value > DynamicAPInt(-limit);
}

/// Converts a row to 64 bits, with zeros up to `numVars` variables.
bool convertRow(ArrayRef<DynamicAPInt> from, unsigned numVars,
                SmallVector<int64_t> &coeffs, int64_t &constant) {
  for (const DynamicAPInt &coeff : from.drop_back()) {
    if (!fits(coeff, maxCoeff)) {
      return false;
    }
    coeffs.push_back(int64_t(coeff));
  }
  coeffs.resize(numVars, 0);
  if (!fits(from.back(), maxConstant)) {
    return false;
  }
  constant = int64_t(from.back());
  return true;
}

/// True if the definition of the division in column `local` alone implies
/// row >= 0: 0 <= dividend - divisor * local <= divisor - 1.
bool isImplied(ArrayRef<DynamicAPInt> row,
               const ProjectedPiece::Division &division, unsigned local) {
  if (row[local] == DynamicAPInt(0)) {
    return false;
  }
  Row dividend = division.dividend;
  dividend.insert(dividend.end() - 1, row.size() - dividend.size(),
                  DynamicAPInt(0));
  const DynamicAPInt &divisor = division.divisor;
  // Rows come divided by their common factor, so compare up to one.
  DynamicAPInt sign =
      row[local] < DynamicAPInt(0) ? DynamicAPInt(1) : DynamicAPInt(-1);
  DynamicAPInt scale = row[local] * -sign;
  for (unsigned c = 0; c + 1 < row.size(); ++c) {
    DynamicAPInt wanted = c == local ? -divisor : dividend[c];
    if (row[c] * divisor != wanted * sign * scale) {
      return false;
    }
  }
  DynamicAPInt slack = row.back() * divisor - dividend.back() * sign * scale;
  return sign > DynamicAPInt(0) ? slack >= DynamicAPInt(0)
                                : slack >= (divisor - DynamicAPInt(1)) * scale;
}

/// Removes the divisions that nothing reads.
void dropUnusedDivisions(LinearSet &set, unsigned numParams) {
  for (unsigned i = set.divisions.size(); i-- > 0;) {
    unsigned column = numParams + i;
    auto reads = [&](const auto &row) { return row.coeffs[column] != 0; };
    if (llvm::any_of(set.constraints, reads) ||
        llvm::any_of(set.divisions, reads)) {
      continue;
    }
    set.divisions.erase(set.divisions.begin() + i);
    for (auto &constraint : set.constraints) {
      constraint.coeffs.erase(constraint.coeffs.begin() + column);
    }
    for (auto &division : set.divisions) {
      division.coeffs.erase(division.coeffs.begin() + column);
    }
  }
}

/// Nothing if a coefficient is too large. Constraints that follow from the
/// context or from a division's definition are left out.
std::optional<LinearSet> toLinearSet(const ProjectedPiece &piece,
                                     const IntegerPolyhedron &context) {
  unsigned numParams = context.getNumVars();
  unsigned numVars = numParams + piece.divisions.size();
  IntegerPolyhedron poly = piece.poly;
  SmallVector<Row> assumed;
  for (unsigned i = 0; i < context.getNumInequalities(); ++i) {
    Row row(context.getInequality(i));
    row.insert(row.end() - 1, piece.divisions.size(), DynamicAPInt(0));
    poly.addInequality(row);
    assumed.push_back(std::move(row));
  }
  poly.removeRedundantConstraints();
  LinearSet set;
  for (const ProjectedPiece::Division &from : piece.divisions) {
    LinearSet::Division division;
    if (!convertRow(from.dividend, numVars, division.coeffs,
                    division.constant) ||
        !fits(from.divisor, maxCoeff)) {
      return std::nullopt;
    }
    division.divisor = int64_t(from.divisor);
    set.divisions.push_back(std::move(division));
  }
  auto addConstraint = [&](ArrayRef<DynamicAPInt> row, bool isEq) {
    LinearSet::Constraint constraint;
    constraint.isEq = isEq;
    if (!convertRow(row, numVars, constraint.coeffs, constraint.constant)) {
      return false;
    }
    set.constraints.push_back(std::move(constraint));
    return true;
  };
  for (unsigned e = 0; e < poly.getNumEqualities(); ++e) {
    if (!addConstraint(poly.getEquality(e), /*isEq=*/true)) {
      return std::nullopt;
    }
  }
  for (unsigned i = 0; i < poly.getNumInequalities(); ++i) {
    ArrayRef<DynamicAPInt> row = poly.getInequality(i);
    bool implied = llvm::is_contained(assumed, Row(row));
    for (auto [d, division] : llvm::enumerate(piece.divisions)) {
      implied |= isImplied(row, division, numParams + d);
    }
    if (!implied && !addConstraint(row, /*isEq=*/false)) {
      return std::nullopt;
    }
  }
  dropUnusedDivisions(set, numParams);
  return set;
}

/// Members without divisions are coalesced; the others are kept as they are.
bool toLinearSets(Pieces pieces, const IntegerPolyhedron &context,
                  SmallVector<LinearSet> &sets) {
  PresburgerSet plain = PresburgerSet::getEmpty(context.getSpace());
  for (const ProjectedPiece &piece : pieces) {
    if (piece.divisions.empty()) {
      plain.unionInPlace(piece.poly);
    }
  }
  llvm::erase_if(pieces, [](auto &piece) { return piece.divisions.empty(); });
  plain = plain.coalesce();
  for (const IntegerRelation &disjunct : plain.getAllDisjuncts()) {
    pieces.push_back({IntegerPolyhedron(disjunct), {}});
  }
  for (const ProjectedPiece &piece : pieces) {
    std::optional<LinearSet> set = toLinearSet(piece, context);
    if (!set) {
      return false;
    }
    if (set->constraints.empty()) {
      // Everything; the other members add nothing.
      sets.assign(1, std::move(*set));
      return true;
    }
    sets.push_back(std::move(*set));
  }
  return true;
}

/// False if a set is too large; the classes then hold nothing of use.
bool computeClasses(const System &system, unsigned maxDisjuncts,
                    TileClasses &classes) {
  Pieces some, holes;
  return projectMask(system, maxDisjuncts, some, classes.exact) &&
         projectHoles(system, maxDisjuncts, holes, classes.exact) &&
         toLinearSets(some, system.context, classes.some) &&
         toLinearSets(holes, system.context, classes.holes);
}

} // namespace

//===----------------------------------------------------------------------===//
// Interface
//===----------------------------------------------------------------------===//

TileParams attn::getTileParams(unsigned numDims, unsigned numSymbols,
                               ArrayRef<TileAxis> axes) {
  TileParams params;
  params.dimParam.assign(numDims, 0);
  for (const TileAxis &axis : axes) {
    params.loParam.push_back(axis.lo ? -1 : int(params.numParams++));
    params.dimParam[axis.dim] = -1;
  }
  for (const TileAxis &axis : axes) {
    params.sizeParam.push_back(axis.dynamicSize ? int(params.numParams++) : -1);
  }
  for (int &dim : params.dimParam) {
    if (dim == 0) {
      dim = params.numParams++;
    }
  }
  for (unsigned s = 0; s < numSymbols; ++s) {
    params.symbolParam.push_back(params.numParams++);
  }
  return params;
}

TileClass TileClasses::classify(ArrayRef<int64_t> params) const {
  auto holds = [&](const LinearSet &set) { return set.contains(params); };
  if (llvm::none_of(some, holds)) {
    return TileClass::Empty;
  }
  return llvm::none_of(holes, holds) ? TileClass::Full : TileClass::Partial;
}

FailureOr<TileClasses>
attn::classifyConjunction(ArrayRef<SmallVector<IntegerSet>> conjunction,
                          unsigned numDims, unsigned numSymbols,
                          ArrayRef<TileAxis> axes,
                          const TileClassOptions &options) {
  FailureOr<System> system =
      buildSystem(conjunction, numDims, numSymbols, axes, options);
  if (failed(system)) {
    return failure();
  }
  TileClasses classes;
  classes.numParams = system->params.numParams;
  if (!computeClasses(*system, options.maxDisjuncts, classes)) {
    classes.exact = false;
    classes.some.assign(1, LinearSet());
    classes.holes.assign(1, LinearSet());
  }
  return classes;
}

FailureOr<TileClasses> attn::classifyTiles(ArrayRef<IntegerSet> mask,
                                           unsigned numDims,
                                           unsigned numSymbols,
                                           ArrayRef<TileAxis> axes,
                                           const TileClassOptions &options) {
  SmallVector<IntegerSet> sets(mask);
  return classifyConjunction(sets, numDims, numSymbols, axes, options);
}
