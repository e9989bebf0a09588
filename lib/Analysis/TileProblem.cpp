//===- TileProblem.cpp - What a cascade asks of a tile --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileProblem.h"
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/TileGrid.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace attn;
using llvm::SmallBitVector;

static bool isDot(EinsumOp einsum) {
  unsigned tensors = llvm::count_if(einsum.getInputs(), [](Value input) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    return type && isa<FloatType>(type.getElementType());
  });
  auto actions = einsum.getReduceActions();
  return tensors >= 2 && !actions.empty() &&
         llvm::all_of(actions, [](ReduceAttr action) {
           return action.getMonoid() == Monoid::add;
         });
}

/// Einsums outside of folds and in steps; merges work on states only.
static SmallVector<EinsumOp> getWorkingEinsums(CascadeOp cascade) {
  SmallVector<EinsumOp> einsums;
  cascade->walk([&](EinsumOp einsum) {
    auto fold = einsum->getParentOfType<FoldOp>();
    if (!fold || fold.getStep().isAncestor(einsum->getParentRegion())) {
      einsums.push_back(einsum);
    }
  });
  return einsums;
}

llvm::SmallBitVector attn::getColumns(CascadeOp cascade, int64_t rank) {
  SmallVector<EinsumOp> einsums = getWorkingEinsums(cascade);
  SmallBitVector columns = getRankGroup(cascade, rank);
  // Ranks of a row may stand beside the fold's in an index (`%t[p - m]`): only
  // what is reduced is a column.
  SmallBitVector reduced(columns.size());
  for (EinsumOp einsum : einsums) {
    reduced |= einsum.getReducedRanks();
  }
  for (EinsumOp einsum : einsums) {
    if (einsum->getParentOfType<FoldOp>() && !isDot(einsum)) {
      columns |= einsum.getReducedRanks();
    }
    for (unsigned i = 0; i < einsum.getInputs().size(); ++i) {
      for (AffineExpr expr : einsum.getInputMap(i).getResults()) {
        for (unsigned r = 0; expr.isFunctionOfDim(rank) && r < columns.size();
             ++r) {
          if (reduced.test(r) && expr.isFunctionOfDim(r)) {
            columns.set(r);
          }
        }
      }
    }
  }
  return columns;
}

/// Points of `ranks`; 0 if an extent is not known.
static int64_t countPoints(CascadeOp cascade, const SmallBitVector &ranks) {
  int64_t points = 1;
  for (unsigned rank : ranks.set_bits()) {
    int64_t extent = getStaticExtent(cascade, rank);
    if (ShapedType::isDynamic(extent) ||
        llvm::MulOverflow(points, extent, points)) {
      return 0;
    }
  }
  return points;
}

/// Rows one behind the other that `einsum` gives the same selection; 0: all.
/// Where `p floordiv b` finds it, that is b points of p, and all packed rows
/// that no index of the selection names.
static int64_t countSelectingRows(CascadeOp cascade, EinsumOp einsum,
                                  const SmallBitVector &rows) {
  SmallBitVector shared = rows;
  int64_t block = 0;
  for (AffineExpr expr : einsum.getSelectionMap()->getResults()) {
    for (unsigned rank : rows.set_bits()) {
      if (!expr.isFunctionOfDim(rank)) {
        continue;
      }
      shared.reset(rank);
      auto quotient = dyn_cast<AffineBinaryOpExpr>(expr);
      bool isBlock = quotient &&
                     quotient.getKind() == AffineExprKind::FloorDiv &&
                     isa<AffineConstantExpr>(quotient.getRHS());
      int64_t points =
          isBlock ? cast<AffineConstantExpr>(quotient.getRHS()).getValue() : 1;
      block = std::gcd(block, points);
    }
  }
  return block * std::max<int64_t>(countPoints(cascade, shared), 1);
}

/// Flags and entries of tables that an einsum looks up at each point of rows
/// and columns: one for all rows stays where it is from tile to tile of rows.
static int64_t countPointReads(EinsumOp einsum, const SmallBitVector &rows,
                               const SmallBitVector &columns) {
  auto isOfPoints = [&](const SmallBitVector &ranks) {
    return ranks.anyCommon(rows) && ranks.anyCommon(columns);
  };
  int64_t count = 0;
  for (unsigned i = 0; i < einsum.getPresence().size(); ++i) {
    count += isOfPoints(getRanks(einsum.getPresenceMap(i)));
  }
  if (isOfPoints(einsum.getIterationRanks())) {
    einsum.getBody().walk([&](tensor::ExtractOp) { ++count; });
  }
  return count;
}

TileProblem attn::getTileProblem(CascadeOp cascade, int64_t rank) {
  SmallVector<EinsumOp> einsums = getWorkingEinsums(cascade);
  SmallBitVector columns = getColumns(cascade, rank);
  SmallBitVector rows(columns.size());
  TileProblem problem;
  problem.scoreChannels = problem.valueChannels = problem.numDots = 0;
  problem.elementBytes = 1;
  problem.isBF16 = true;
  problem.numScoreDots = 0;
  problem.masked = !findTileGrids(cascade).empty();
  // Channels that are known only at run time count as the usual 64.
  auto addChannels = [&](const SmallBitVector &ranks, int64_t &channels) {
    int64_t count = countPoints(cascade, ranks);
    channels += count ? count : 64;
    ++problem.numDots;
  };
  SmallVector<EinsumOp> valueDots;
  for (EinsumOp einsum : einsums) {
    SmallBitVector result = getRanks(einsum.getResultMap());
    SmallBitVector iterated = einsum.getIterationRanks();
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      auto type = dyn_cast<RankedTensorType>(input.getType());
      if (type && !isComputed(cascade, input) &&
          getRanks(einsum.getInputMap(i)).anyCommon(columns)) {
        problem.elementBytes = std::max<int64_t>(
            problem.elementBytes,
            llvm::divideCeil(type.getElementTypeBitWidth(), 8));
      }
    }
    if (!isDot(einsum) || !iterated.anyCommon(columns)) {
      continue;
    }
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      auto type = dyn_cast<RankedTensorType>(input.getType());
      SmallBitVector ranks = getRanks(einsum.getInputMap(i));
      bool isRead = type && !isComputed(cascade, input);
      problem.isBF16 &= !isRead || type.getElementType().isBF16();
      if (isRead && ranks.anyCommon(columns) && ranks.test(columns)) {
        problem.computedParts =
            std::max(problem.computedParts,
                     countComputedParts(isa<FloatType>(type.getElementType()),
                                        type.getElementTypeBitWidth()));
      }
    }
    if (!result.anyCommon(columns)) {
      valueDots.push_back(einsum);
      continue;
    }
    addChannels(einsum.getReducedRanks(), problem.scoreChannels);
    ++problem.numScoreDots;
    SmallBitVector own = result;
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      SmallBitVector ranks = getRanks(einsum.getInputMap(i));
      if (ranks.anyCommon(columns)) {
        own.reset(ranks);
      }
    }
    rows |= own;
  }
  for (EinsumOp einsum : valueDots) {
    SmallBitVector seen(columns.size()), repeated(columns.size());
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      if (isa<RankedTensorType>(input.getType())) {
        SmallBitVector ranks = getRanks(einsum.getInputMap(i));
        repeated |= SmallBitVector(seen) &= ranks;
        seen |= ranks;
      }
    }
    SmallBitVector channels = getRanks(einsum.getResultMap());
    channels.reset(rows);
    channels.reset(repeated);
    addChannels(channels, problem.valueChannels);
  }
  for (EinsumOp einsum : einsums) {
    problem.pointReads += countPointReads(einsum, rows, columns);
    if (einsum.getSelection() && int64_t(*einsum.getSelectedRank()) == rank) {
      auto type = cast<CoordsType>(einsum.getSelection().getType());
      problem.columnBlock = std::gcd(problem.columnBlock, type.getBlock());
      if (int64_t block = countSelectingRows(cascade, einsum, rows)) {
        problem.rowBlock = std::gcd(problem.rowBlock, block);
      }
    }
  }
  problem.packedRows = countPoints(cascade, rows);
  problem.columns = countPoints(cascade, columns);
  bool hasFold = false;
  cascade->walk(
      [&](FoldOp fold) { hasFold |= int64_t(fold.getRank()) == rank; });
  if (hasFold) {
    columns.reset(rank);
    problem.fixedCols = countPoints(cascade, columns);
  }
  return problem;
}
