//===- TileClasses.h - Empty, partial and full tiles ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decides for a mask which tiles hold no point, some points or only points, as
// sets over the position of the tile and the mask's symbols. Nothing is
// enumerated, so lengths and offsets may be unknown.
//
// A tile is a box: for each axis a, the mask's dim x_a runs over
// [lo_a, lo_a + size_a). With B the points of the box,
//
//   some  = { parameters : B intersects the mask }           = project(B and
//   mask) holes = { parameters : B holds a point outside the mask } = project(B
//   - mask)
//
// and a tile is empty outside `some`, full outside `holes`, else partial. (The
// complement of `holes` is not formed: as a union it can be exponentially
// larger, and a test of it is the same test negated.) The
// projection is exact over the integers (IntegerProjection.h).
//
// All functions are pure and thread-safe.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_TILECLASSES_H
#define ATTN_ANALYSIS_TILECLASSES_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/IntegerSet.h"
#include <optional>

namespace attn {

/// One axis of a tile: dim `dim` of the mask lies in [lo, lo + size).
struct TileAxis {
  unsigned dim = 0;
  /// The size is a parameter (>= 1), e.g. that of a run of query rows.
  bool dynamicSize = false;
  /// The size, >= 1, unless it is dynamic.
  int64_t size = 1;
  /// A start that is known, e.g. 0 for the inner rank of a partition; without
  /// it the start is a parameter.
  std::optional<int64_t> lo = std::nullopt;
};

/// Numbers of the parameters, in this order: the start of each axis that has no
/// known one, the size of each axis with a dynamic one, every dim of the mask
/// that is on no axis, the mask's symbols. -1 where there is no parameter.
struct TileParams {
  SmallVector<int> loParam, sizeParam; // per axis
  SmallVector<int> dimParam;           // per dim of the mask
  SmallVector<int> symbolParam;        // per symbol of the mask
  unsigned numParams = 0;
};
TileParams getTileParams(unsigned numDims, unsigned numSymbols,
                         ArrayRef<TileAxis> axes);

/// A conjunction of linear constraints over variables: first the parameters,
/// then the divisions. All coefficient lists have one entry per variable; a
/// division uses parameters and earlier divisions only.
/// Coefficients are below 2^24 in magnitude and constants below 2^55, so with
/// parameters below 2^31 in magnitude nothing overflows 64 bits.
struct LinearSet {
  /// floor((sum of coeffs * variable + constant) / divisor), divisor >= 1.
  struct Division {
    SmallVector<int64_t> coeffs;
    int64_t constant = 0;
    int64_t divisor = 1;
  };
  /// sum of coeffs * variable + constant >= 0, or == 0.
  struct Constraint {
    SmallVector<int64_t> coeffs;
    int64_t constant = 0;
    bool isEq = false;
  };
  SmallVector<Division> divisions;
  SmallVector<Constraint> constraints;

  bool contains(ArrayRef<int64_t> params) const;
};

enum class TileClass { Empty, Partial, Full };

/// Unions of sets over the parameters; members may overlap. They say what they
/// say for parameters that meet the assumptions they were made under (dynamic
/// sizes >= 1, `nonNegative`).
struct TileClasses {
  unsigned numParams = 0;
  /// A tile is empty if no member of `some` contains its parameters, else full
  /// if no member of `holes` does, else partial.
  SmallVector<LinearSet> some, holes;
  /// False: the exact sets were too large, and `some` and `holes` are
  /// supersets. This is always sound: tiles without a point may be visited, and
  /// full tiles may count as partial.
  bool exact = true;

  TileClass classify(ArrayRef<int64_t> params) const;
};

struct TileClassOptions {
  /// Numbers of parameters that are never negative. Nothing else is assumed
  /// about the sign of a parameter; more assumptions give smaller sets.
  SmallVector<unsigned> nonNegative;
  /// More disjuncts than this, in any intermediate union, give up on exactness.
  unsigned maxDisjuncts = 64;
};

/// Classes of the tiles of a mask that is a conjunction of unions of sets, all
/// over `numDims` dims and `numSymbols` symbols. A union without a set, like a
/// conjunction without a union, holds everything. Fails if a set has another
/// number of dims or symbols, is not pure affine or divides by something else
/// than a positive constant, or if an axis names a dim that is not there or
/// already has an axis, or has a size below 1.
FailureOr<TileClasses>
classifyConjunction(ArrayRef<SmallVector<IntegerSet>> conjunction,
                    unsigned numDims, unsigned numSymbols,
                    ArrayRef<TileAxis> axes,
                    const TileClassOptions &options = {});

/// The same for one union.
FailureOr<TileClasses> classifyTiles(ArrayRef<IntegerSet> mask,
                                     unsigned numDims, unsigned numSymbols,
                                     ArrayRef<TileAxis> axes,
                                     const TileClassOptions &options = {});

/// Prints `set` as constraints joined by "and", divisions as `floordiv`, with
/// one name per parameter; the set of everything prints as "true".
void printLinearSet(const LinearSet &set, ArrayRef<std::string> names,
                    raw_ostream &os);

} // namespace attn

#endif // ATTN_ANALYSIS_TILECLASSES_H
