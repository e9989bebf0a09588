//===- TileCost.h - Which tile a fold is compiled with ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of R rows and C columns of a fold with D dots over channels of E
// values costs, in cycles of one core,
//
//   dots        R' C' E / (lanes * FMA units), with R', C' rounded up to the
//               register block; of bf16, on a matrix unit, at its rate and
//               rounded up to its tiles;
//   elementwise about 12 vector operations per score (scale, mask, maximum,
//               exponential, sum);
//   columns     E C elements read from memory and extended to f32, once per
//               tile, whatever R is;
//   state       reads and writes of the R x F accumulator, once per tile;
//   spill       what does not fit half of the second-level cache is moved from
//               there once more per pass over it, the rest from the first
//               level;
//   overhead    a constant per tile,
//
// divided by R * C useful points. The edge of a mask wastes about
// (R + C) / 2 columns of each row's run; `typicalColumns` says how long that
// is. It is a model for comparing tiles: its unit means nothing outside.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_TILECOST_H
#define ATTN_TARGETMODEL_TILECOST_H

#include "attn/TargetModel/TargetModel.h"

namespace attn {

struct TileProblem {
  /// Rows that one item can hold (query rows times heads of a group); 0 if that
  /// is known only at run time, then taken as many.
  int64_t packedRows = 0;
  /// Columns of the fold; 0 if known only at run time.
  int64_t columns = 0;
  /// A given number of columns in a tile, or 0 to choose.
  int64_t fixedCols = 0;
  /// What a tile's columns must divide, as they are selected in such blocks; 0:
  /// nothing.
  int64_t columnBlock = 0;
  /// Packed rows one behind the other that select the same columns, from a
  /// multiple of them on; 0: all do, or none selects.
  int64_t rowBlock = 0;
  /// Channels over which the scores contract (e) and of the values (f), summed
  /// over all dots of that kind.
  int64_t scoreChannels = 64;
  int64_t valueChannels = 64;
  /// Bytes of an element of the columns' operands in memory.
  int64_t elementBytes = 2;
  /// Every operand of a dot that lies in memory is of bf16.
  bool isBF16 = false;
  /// 16-bit operands that the matrix unit is given for one of the columns: 0
  /// where it takes what is in memory, else they are computed (of an f32
  /// three).
  int64_t computedParts = 0;
  /// Dots per tile, and those of them that make scores.
  int64_t numDots = 2;
  int64_t numScoreDots = 1;
  /// Affine sets decide which points are present.
  bool masked = false;
  /// Values that each point of rows and columns looks up for itself: flags,
  /// entries of tables.
  int64_t pointReads = 0;
};

/// What `computedParts` is for columns of such elements: matrix units multiply
/// 16-bit floats, and a float of 24 bits is three of them.
inline int64_t countComputedParts(bool isFloat, unsigned bits) {
  if (isFloat && bits == 16) {
    return 0;
  }
  return isFloat && bits > 16 ? 3 : 1;
}

struct TileSizes {
  int64_t rows = 1;
  int64_t cols = 1;
};

/// Points of the tiles that an item of so many rows visits, per point that its
/// rows want. Where rows select columns, one block of rows selects what no
/// other does.
double getVisitedPoints(const TileProblem &problem, double rows, double cols);

/// Cycles per point of a tile, for comparison. The model must be valid.
double getTileCost(const TargetModel &model, const TileProblem &problem,
                   TileSizes tile);

/// The cheapest tile among those whose rows are a multiple of the register
/// block's (or all packed rows, if these are fewer) and whose columns are a
/// power of two of at least one register block.
TileSizes chooseTiles(const TargetModel &model, const TileProblem &problem);

/// Empty if the problem can be solved, else what is wrong with it.
std::string validate(const TileProblem &problem);

} // namespace attn

#endif // ATTN_TARGETMODEL_TILECOST_H
