//===- TileCost.cpp - Which tile a fold is compiled with ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/TileCost.h"

#include "attn/TargetModel/DotCost.h"

#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace attn;

namespace {

/// Vector operations per score between the dots.
constexpr double elementwiseOps = 12;
/// Cycles that a tile costs before its first point: its class, its addresses,
/// the start of each loop nest.
constexpr double tileOverhead = 300;
/// Rows and columns that stand for "many", and the largest tiles looked at:
/// what a work item may hold.
constexpr int64_t typicalColumns = 2048;
constexpr int64_t maxRows = 256;
/// A matrix unit has multiplied before the columns are packed: more rows share
/// what that costs.
constexpr int64_t maxMatrixRows = 512;
constexpr int64_t maxCols = 512;
constexpr int64_t f32Bytes = 4;

} // namespace

static bool usesMatrixUnit(const TargetModel &model,
                           const TileProblem &problem) {
  return problem.isBF16 && model.matrixRate > 0;
}

double attn::getVisitedPoints(const TileProblem &problem, double rows,
                              double cols) {
  double length = problem.columns ? problem.columns : typicalColumns;
  double visited = problem.masked ? 1 + (rows + cols) / 2 / length : 1;
  if (problem.rowBlock) {
    // Items begin at multiples of their rows: blocks that one meets, on
    // average.
    int64_t whole = std::max<int64_t>(1, int64_t(rows));
    int64_t common = std::gcd(whole, problem.rowBlock);
    visited *= double(whole + problem.rowBlock - common) / problem.rowBlock;
  }
  return visited;
}

double attn::getTileCost(const TargetModel &model, const TileProblem &problem,
                         TileSizes tile) {
  RegisterBlock block = model.getRegisterBlock();
  double lanes = model.getLanes(f32Bytes);
  double channels = problem.scoreChannels + problem.valueChannels;
  // The last tile of an item may have fewer rows.
  double usefulRows = tile.rows;
  if (problem.packedRows) {
    usefulRows = double(problem.packedRows) /
                 llvm::divideCeil(problem.packedRows, tile.rows);
  }
  double blockRows = llvm::alignTo(tile.rows, block.rows);
  double blockCols = llvm::alignTo(tile.cols, unsigned(lanes));
  double points = double(tile.rows) * tile.cols;

  // A block of fewer rows loads as many vectors and has as few chains.
  double dots = blockRows * blockCols * channels / (lanes * model.numFmaUnits);
  if (usesMatrixUnit(model, problem)) {
    dots = llvm::alignTo(tile.rows, kMatrixRows) *
           double(llvm::alignTo(tile.cols, kMatrixDepth)) * channels /
           model.matrixRate;
  }
  double elementwise = elementwiseOps * points / lanes;
  double columnElements = channels * tile.cols;
  double columns =
      columnElements * problem.elementBytes / model.memoryBytesPerCycle +
      2 * columnElements / lanes;
  double state = 2.0 * tile.rows * problem.valueChannels / lanes;

  // Each block of rows streams the columns' operand of a dot again; from the
  // second level where it does not stay in the first. Half of that hides.
  double spill = 0;
  for (int64_t dotChannels : {problem.scoreChannels, problem.valueChannels}) {
    double operand = double(dotChannels) * tile.cols * f32Bytes;
    if (!usesMatrixUnit(model, problem) && operand > 0.75 * model.l1Bytes) {
      spill += 0.5 * blockRows / block.rows * operand / model.l2BytesPerCycle;
    }
  }
  // Columns as f32, rows and accumulator, scores of each pair of dots.
  double scores = points * f32Bytes * std::max<int64_t>(problem.numDots / 2, 1);
  double workingSet =
      (columnElements + channels * tile.rows) * f32Bytes + scores;
  if (workingSet > model.l2Bytes / 2) {
    spill += 4 * (workingSet - model.l2Bytes / 2) / model.memoryBytesPerCycle;
  }
  double cycles = dots + elementwise + columns + state + spill + tileOverhead;
  return cycles * getVisitedPoints(problem, usefulRows, tile.cols) /
         (usefulRows * tile.cols);
}

TileSizes attn::chooseTiles(const TargetModel &model,
                            const TileProblem &problem) {
  RegisterBlock block = model.getRegisterBlock();
  SmallVector<int64_t> rows, cols;
  bool matrix = usesMatrixUnit(model, problem);
  int64_t rowStep = matrix ? 2 * kMatrixRows : block.rows;
  int64_t mostRows = matrix ? maxMatrixRows : maxRows;
  for (int64_t r = rowStep; r <= mostRows; r += rowStep) {
    if (!problem.packedRows || r < problem.packedRows) {
      rows.push_back(r);
    }
  }
  if (problem.packedRows && problem.packedRows <= mostRows) {
    rows.push_back(problem.packedRows);
  }
  // A block of rows that select the same, or an even part of one.
  for (int64_t r = problem.rowBlock; r > 0; r = r % 2 ? 0 : r / 2) {
    if (r <= mostRows && (!problem.packedRows || r < problem.packedRows)) {
      rows.push_back(r);
    }
  }
  if (problem.fixedCols) {
    cols.push_back(problem.fixedCols);
  } else {
    int64_t least = model.getLanes(f32Bytes);
    int64_t most =
        problem.columns
            ? std::max<int64_t>(least, llvm::PowerOf2Ceil(problem.columns))
            : maxCols;
    for (int64_t c = least; c <= std::min(most, maxCols); c *= 2) {
      if (problem.columnBlock % c == 0) {
        cols.push_back(c);
      }
    }
    if (cols.empty()) {
      cols.push_back(problem.columnBlock);
    }
  }
  TileSizes best{rows.front(), cols.front()};
  for (int64_t r : rows) {
    for (int64_t c : cols) {
      if (getTileCost(model, problem, {r, c}) <
          getTileCost(model, problem, best)) {
        best = {r, c};
      }
    }
  }
  return best;
}

std::string attn::validate(const TileProblem &problem) {
  auto wrong = [](const char *what, int64_t value) {
    return std::string("expects ") + what + ", but got " +
           std::to_string(value);
  };
  if (problem.packedRows < 0) {
    return wrong("no negative number of packed rows", problem.packedRows);
  }
  if (problem.rowBlock < 0) {
    return wrong("no negative block of rows", problem.rowBlock);
  }
  if (problem.columnBlock < 0) {
    return wrong("no negative block of columns", problem.columnBlock);
  }
  if (problem.columns < 0 || problem.fixedCols < 0) {
    return wrong("no negative number of columns",
                 std::min(problem.columns, problem.fixedCols));
  }
  if (problem.scoreChannels < 0 || problem.valueChannels < 0) {
    return wrong("no negative number of channels",
                 std::min(problem.scoreChannels, problem.valueChannels));
  }
  if (problem.elementBytes < 1) {
    return wrong("elements of at least one byte", problem.elementBytes);
  }
  if (problem.numDots < 0) {
    return wrong("no negative number of dots", problem.numDots);
  }
  return "";
}
