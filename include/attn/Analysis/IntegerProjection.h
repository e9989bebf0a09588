//===- IntegerProjection.h - Exact integer projection -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Removes existential variables from an integer polyhedron, exactly over the
// integers, by the Omega test (Pugh, "The Omega test: a fast and practical
// integer programming algorithm for dependence analysis", 1991). A variable x
// with lower bounds a x >= L and upper bounds b x <= U goes, in this order of
// preference:
//
//   1. by an equality in which its coefficient is 1 or -1;
//   2. by Fourier-Motzkin, where all a or all b are 1: the real shadow is
//   exact;
//   3. where every L with a > 1 (or every U with b > 1) is a form of the
//      parameters: with the division c = ceil(L / a), x >= c has coefficient 1,
//      then as 2. The result stays one conjunction;
//   4. by an equality a x = L: unimodular column steps (Euclid) until one
//      variable is left in it, which then is a division of the parameters;
//   5. as the dark shadow a U - b L >= (a - 1)(b - 1) together with the
//      splinters a x = L + c, 0 <= c <= (a bmax - a - bmax) / bmax.
//
// Symbolic lexicographic minimisation, which gives the same sets, took minutes
// on masks with two divisions by unequal constants; this takes milliseconds.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_INTEGERPROJECTION_H
#define ATTN_ANALYSIS_INTEGERPROJECTION_H

#include "attn/Support/LLVM.h"
#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include <vector>

namespace attn {

/// One disjunct of a projection: a polyhedron whose set dims are the parameters
/// and then the divisions, without locals. Division i is
/// floor((coefficients * (parameters, divisions before i) + constant) /
/// divisor).
struct ProjectedPiece {
  struct Division {
    SmallVector<llvm::DynamicAPInt, 8> dividend; // parameters, divisions, 1
    llvm::DynamicAPInt divisor;
  };
  mlir::presburger::IntegerPolyhedron poly;
  std::vector<Division> divisions;
};

/// Appends to `pieces` the union of the parameters (set dims of `poly`) for
/// which some values of its locals meet its constraints. Members may overlap.
/// With more than `maxPieces` of them it falls back to real shadows, and with
/// more than 16 locals to the constraints that read none: the union then is a
/// superset, and the result is false.
bool projectLocals(const mlir::presburger::IntegerPolyhedron &poly,
                   unsigned maxPieces, std::vector<ProjectedPiece> &pieces);

/// True if `poly` holds no rational point or an equality has no integer one.
bool isPlainlyEmpty(const mlir::presburger::IntegerPolyhedron &poly);

} // namespace attn

#endif // ATTN_ANALYSIS_INTEGERPROJECTION_H
