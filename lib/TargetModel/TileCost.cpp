//===- TileCost.cpp - Which tile a fold is compiled with ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/TileCost.h"

#include "llvm/Support/MathExtras.h"

using namespace attn;

namespace {

/// Vector operations per score between the dots.
constexpr double elementwiseOps = 12;
/// Cycles that a tile costs before its first point: its class, its addresses,
/// the start of each loop nest.
constexpr double tileOverhead = 300;
/// Rows and columns that stand for "many", and the largest tiles looked at:
/// what a work item may hold.
constexpr int64_t typicalColumns = 4096;
constexpr int64_t maxRows = 256;
constexpr int64_t maxCols = 512;
constexpr int64_t f32Bytes = 4;

} // namespace

double attn::getTileCost(const TargetModel &model, const TileProblem &problem,
                         TileSizes tile) {
  RegisterBlock block = model.getRegisterBlock();
  double lanes = model.getLanes(f32Bytes);
  double channels = problem.scoreChannels + problem.valueChannels;
  double usefulRows =
      problem.packedRows ? std::min(tile.rows, problem.packedRows) : tile.rows;
  double blockRows = llvm::alignTo(tile.rows, block.rows);
  double blockCols = llvm::alignTo(tile.cols, unsigned(lanes));
  double points = double(tile.rows) * tile.cols;

  // A block of fewer rows loads as many vectors and has as few chains.
  double dots = blockRows * blockCols * channels / (lanes * model.numFmaUnits);
  double elementwise = elementwiseOps * points / lanes;
  double columnElements = channels * tile.cols;
  double columns =
      columnElements * problem.elementBytes / model.memoryBytesPerCycle +
      2 * columnElements / lanes;
  double state = 2.0 * tile.rows * problem.valueChannels / lanes;

  // Columns as f32, scores of each dot pair, rows and accumulator.
  double scores = points * f32Bytes * std::max<int64_t>(problem.numDots / 2, 1);
  double workingSet =
      (columnElements + channels * tile.rows) * f32Bytes + scores;
  double moved = workingSet * (tile.rows / double(block.rows) > 1 ? 2 : 1);
  double spill = 0;
  if (workingSet > model.l1Bytes) {
    spill += moved / model.l2BytesPerCycle;
  }
  if (workingSet > model.l2Bytes / 2) {
    spill += 4 * (workingSet - model.l2Bytes / 2) / model.memoryBytesPerCycle;
  }
  double cycles = dots + elementwise + columns + state + spill + tileOverhead;
  double length = problem.columns ? problem.columns : typicalColumns;
  double waste = 1 + (usefulRows + tile.cols) / 2 / length;
  return cycles * waste / (usefulRows * tile.cols);
}

TileSizes attn::chooseTiles(const TargetModel &model,
                            const TileProblem &problem) {
  RegisterBlock block = model.getRegisterBlock();
  SmallVector<int64_t> rows, cols;
  for (int64_t r = block.rows; r <= maxRows; r += block.rows) {
    if (!problem.packedRows || r < problem.packedRows) {
      rows.push_back(r);
    }
  }
  if (problem.packedRows && problem.packedRows <= maxRows) {
    rows.push_back(problem.packedRows);
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
      cols.push_back(c);
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
