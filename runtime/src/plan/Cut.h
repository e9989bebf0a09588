//===- Cut.h - Cutting a line of work into even pieces --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Block partition of a line of units. A unit is `tiles` equal tiles and costs
// `item` once, plus `tile` for each of its tiles; a cut inside a unit makes the
// piece behind it pay `item` again. The line may be cut between any two tiles.
//
// Write, for a cut at p behind j tiles of a unit that starts at U,
//   start(p) = U + j * tile               where a piece that begins here begins
//   end(p)   = U + (j > 0) item + j * tile     where one that ends here ends,
// so that the piece p..q costs end(q) - start(p). Both grow with p, in steps of
// at most g = item + largest tile. Fix L and let the pieces cost between L and
// L + g. By induction the cuts reachable after w pieces are exactly those
// between a(w), reached by pieces as short as allowed, and b(w), by pieces as
// long as allowed: from neighbouring cuts p, p' the windows [start(p) + L,
// start(p) + L + g] overlap or touch. The largest L whose a(W) is not behind
// the end of the line has b(W) at or behind it, since a(w) for L + 1 is at most
// b(w) for L. So some L works, and walking back from the end of the line, any
// cut inside the window and [a(w), b(w)] will do.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_CUT_H
#define ATTNRT_SRC_PLAN_CUT_H

#include <cstdint>
#include <vector>

namespace attnrt {

/// Equal units that follow one another.
struct UnitRun {
  int64_t start;   ///< cost of everything before the run
  int64_t unit;    ///< cost of one unit
  int64_t tile;    ///< cost of a tile
  int32_t count;   ///< units
  int32_t tiles;   ///< tiles of a unit
  int32_t rowTile; ///< what the units compute, for the caller
  int32_t first;   ///< number of the first unit among the units of rowTile

  int64_t end() const { return start + unit * count; }
};

/// A place between two tiles; the end of the line is {runs, 0, 0}.
struct CutPoint {
  int32_t run;
  int32_t unit;
  int32_t tile;
};

/// Cuts lines; keeps its memory between calls.
class LineCutter {
public:
  /// Cuts the runs (not empty, all tiles > 0, costs > 0) for `workers` pieces.
  /// Writes workers + 1 cut points in order; equal neighbours are empty pieces.
  /// Piece costs differ by at most item + the largest tile (empty pieces count
  /// as `item`). Throws std::bad_alloc.
  void cut(const std::vector<UnitRun> &runs, int32_t item, int32_t workers,
           std::vector<CutPoint> &out);

private:
  /// a(w) or b(w) of the header as their start(p), one per piece.
  std::vector<int64_t> shortest, longest;
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_CUT_H
