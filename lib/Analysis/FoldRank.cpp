//===- FoldRank.cpp - Which rank of a cascade is folded -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/TileGrid.h"

#include "llvm/ADT/STLExtras.h"

using namespace attn;
using einsum::RankSet;

std::optional<int64_t> attn::chooseRank(CascadeOp cascade) {
  if (!cascade.getBody().getOps<FoldOp>().empty()) {
    return std::nullopt;
  }
  RankSet reduced(cascade.getNumRanks());
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    reduced |= op.getReducedRanks();
  }
  std::optional<int64_t> best;
  // Four points for a pass, two for a small state, and of equal ranks those
  // whose extent nobody knows: one that is known can lie inside of a tile. One
  // pass alone is no gain.
  unsigned bestScore = 5;
  for (unsigned rank : reduced.set_bits()) {
    RankSet group = getRankGroup(cascade, rank);
    CascadeInfo info(cascade, group);
    if (info.getReductions().empty()) {
      continue;
    }
    RankSet elsewhere = reduced;
    elsewhere.reset(group);
    bool isSmall =
        llvm::none_of(info.getReductions(), [&](const Reduction &reduction) {
          EinsumOp op = reduction.op;
          return getRanks(op.getResultMap()).anyCommon(elsewhere);
        });
    unsigned score = 4 * countPasses(cascade, rank).passes + 2 * isSmall +
                     ShapedType::isDynamic(getStaticExtent(cascade, rank));
    if (score > bestScore) {
      bestScore = score;
      best = rank;
    }
  }
  if (!best) {
    return best;
  }
  // Lists of coordinates are walked by the fold.
  RankSet group = getRankGroup(cascade, *best);
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    if (op.getSelection() && group.test(*op.getSelectedRank())) {
      return *op.getSelectedRank();
    }
  }
  return best;
}

std::optional<int64_t> attn::getFoldRank(CascadeOp cascade) {
  std::optional<int64_t> rank;
  cascade->walk([&](FoldOp fold) {
    if (!rank) {
      rank = fold.getRank();
    }
  });
  return rank ? rank : chooseRank(cascade);
}

std::optional<int64_t> attn::countMostPasses(Operation *root) {
  std::optional<int64_t> most;
  root->walk([&](CascadeOp cascade) {
    if (std::optional<int64_t> rank = getFoldRank(cascade)) {
      most = std::max<int64_t>(most.value_or(0),
                               countPasses(cascade, *rank).passes);
    }
  });
  return most;
}
