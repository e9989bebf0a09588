//===- DotCost.cpp - In which form a core computes a dot ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/DotCost.h"

#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace attn;

/// Of an operation on half a register or less, with a broadcast from memory:
/// the units are as many, the loads decide.
static constexpr double narrowOperation = 0.6;
/// A store moves half a register in a cycle.
static constexpr double storeOperation = 2;

int64_t attn::getRowLanes(const DotProblem &problem) {
  return std::min<int64_t>(8, problem.lanes);
}

int64_t attn::getRowLanesColumns(const DotProblem &problem) {
  int64_t lanes = getRowLanes(problem);
  return problem.registers >= 32 ? 2 * lanes : lanes;
}

int64_t attn::getDirectRows(const DotProblem &problem) {
  return problem.registers >= 32 ? 8 : 4;
}

double attn::getDotCost(const DotProblem &problem, DotForm form, int64_t rows) {
  double perOperation = double(problem.lanes) * (1 + problem.multipliesPairs);
  double operands = double(problem.columns) * problem.depth / perOperation;
  double load = 1, change = problem.converts || problem.multipliesPairs;
  switch (form) {
  case DotForm::packed: {
    double turn =
        problem.columnsLieAlongDepth ? llvm::Log2_64(problem.lanes) : 0;
    if (problem.columnsLieAlongDepth && problem.multipliesPairs) {
      change = 0; // pairs lie side by side already
    }
    return operands * (load + change + turn + storeOperation + load + rows);
  }
  case DotForm::direct: {
    double blocks = llvm::divideCeil(rows, getDirectRows(problem));
    return operands * (blocks * (load + change) + rows);
  }
  case DotForm::tiles:
  case DotForm::turnedTiles:
    break;
  case DotForm::rowLanes: {
    double copy = problem.converts ? load + 1 + storeOperation : 0;
    int64_t lanes = getRowLanes(problem);
    double blocks = llvm::divideCeil(rows, lanes);
    double one = lanes < problem.lanes ? narrowOperation : 1;
    return operands * (copy + blocks * problem.lanes * one);
  }
  }
  return 0;
}

DotForm attn::chooseManyRows(const DotProblem &problem) {
  bool fits = problem.multipliesPairs && problem.depth % kMatrixDepth == 0 &&
              problem.columns % kMatrixColumns == 0;
  return problem.hasMatrixUnit && fits ? DotForm::tiles : DotForm::packed;
}

FewRows attn::chooseFewRows(const DotProblem &problem, int64_t mostRows,
                            int64_t rowStep) {
  if (chooseManyRows(problem) == DotForm::tiles) {
    if (!problem.columnsLieAlongDepth) {
      return {};
    }
    // Squares of words are turned: the sums of each group of rows, or B once.
    int64_t groups = std::max<int64_t>(problem.depth / kMatrixDepth - 1, 1);
    return {DotForm::turnedTiles, std::min(groups * kMatrixRows, mostRows)};
  }
  FewRows few;
  few.form = problem.columnsLieAlongDepth ? DotForm::rowLanes : DotForm::direct;
  int64_t pair = 1 + problem.multipliesPairs;
  bool divides = few.form == DotForm::rowLanes
                     ? problem.columns % getRowLanes(problem) == 0 &&
                           problem.depth % pair == 0
                     : problem.columns % (2 * problem.lanes) == 0 &&
                           problem.depth % pair == 0;
  if (!divides) {
    return {};
  }
  for (int64_t rows = rowStep; rows < mostRows + rowStep; rows += rowStep) {
    // A block that is not full may cost as much; larger counts decide.
    if (getDotCost(problem, few.form, rows) <=
        getDotCost(problem, DotForm::packed, rows)) {
      few.rows = rows;
    }
  }
  return few;
}
