//===- DotCost.h - In which form a core computes a dot ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// C[rows, columns] += A[rows, depth] B[depth, columns] with one broadcast
// operand and one whose elements fill the lanes of registers. What the lanes
// run along decides what must be moved before:
//
//   packed    lanes along the columns, B copied to panels of one register block
//             (converted, and transposed if its columns lie along the depth):
//             paid once per tile, so it wants many rows;
//   direct    lanes along the columns, B read where it lies, once per block of
//             rows: for few rows, where B's rows lie along the columns;
//   rowLanes  lanes along the rows, B's elements broadcast from where they lie:
//             for few rows, where B's columns lie along the depth. A is packed,
//             C turned in registers;
//   tiles     a matrix unit multiplies: A where it lies, B in panels of one
//             tile's columns. Faster than the others with any number of rows.
//
// Costs count operations on whole registers; they serve to compare forms and
// mean nothing outside. Multiplying pairs, an instruction takes two elements of
// 16 bits that are neighbours along the depth, of both operands, per lane.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_DOTCOST_H
#define ATTN_TARGETMODEL_DOTCOST_H

#include <cstdint>

namespace attn {

/// A tile of a matrix unit: rows, f32 columns, terms of a sum, and the bytes of
/// a row of any operand. (AMX. A unit of other tiles would make this a member
/// of what is known of the target.)
constexpr int64_t kMatrixRows = 16, kMatrixColumns = 16, kMatrixDepth = 32,
                  kMatrixRowBytes = 64;
/// Rows whose products on it take as long as packing their columns.
constexpr int64_t kMatrixRowsOfPacking = 64;
/// Bytes of panels that stay in the first level of its core's caches beside
/// rows and sums.
constexpr int64_t kMatrixPanelBytes = 16 * 1024;

/// turnedTiles: of few rows on a matrix unit, where B's columns lie along the
/// depth. They are its rows as they lie, and the sums are turned.
enum class DotForm { packed, direct, rowLanes, tiles, turnedTiles };

struct DotProblem {
  /// Columns and the contracted extent; rows are asked about one by one.
  int64_t columns = 1, depth = 1;
  /// B's columns lie along the depth in memory, else its rows along the
  /// columns.
  bool columnsLieAlongDepth = false;
  /// B's elements are not of the type that is multiplied.
  bool converts = false;
  /// The instruction multiplies pairs.
  bool multipliesPairs = false;
  /// A matrix unit multiplies such pairs.
  bool hasMatrixUnit = false;
  /// f32 lanes and number of registers.
  int64_t lanes = 16, registers = 32;
};

/// Rows of a block in rowLanes: more lanes would idle with few rows, and a
/// register of eight is as wide as any but the widest.
int64_t getRowLanes(const DotProblem &problem);
/// Columns whose accumulators rowLanes holds at the same time.
int64_t getRowLanesColumns(const DotProblem &problem);
/// Rows of a block in the direct form; it is two registers wide.
int64_t getDirectRows(const DotProblem &problem);

/// The form for as many rows as there can be: packed or tiles.
DotForm chooseManyRows(const DotProblem &problem);

/// Of a form without a matrix unit.
double getDotCost(const DotProblem &problem, DotForm form, int64_t rows);

/// The form that does not pack B, and up to how many rows it is the cheaper
/// one; 0 rows: never, or the sizes do not divide into its blocks.
struct FewRows {
  DotForm form = DotForm::packed;
  int64_t rows = 0;
};
FewRows chooseFewRows(const DotProblem &problem, int64_t mostRows,
                      int64_t rowStep);

} // namespace attn

#endif // ATTN_TARGETMODEL_DOTCOST_H
