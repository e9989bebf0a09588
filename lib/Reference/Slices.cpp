//===- Slices.cpp - Ranks that are run one coordinate at a time -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The textbook form keeps whole score matrices. A request, a head or a row does
// not see the others, so the cascade may run for one of them after the other;
// an intermediate then needs the memory of one.
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace attn;
using namespace attn::reference;

static SmallVector<int64_t> ranksOfMap(AffineMap map) {
  SmallVector<int64_t> ranks;
  for (AffineExpr expr : map.getResults()) {
    ranks.push_back(cast<AffineDimExpr>(expr).getPosition());
  }
  return ranks;
}

std::optional<SmallVector<int64_t>> reference::ranksOf(Value value,
                                                       CascadeOp cascade) {
  Operation *owner = isa<BlockArgument>(value)
                         ? cast<BlockArgument>(value).getOwner()->getParentOp()
                         : value.getDefiningOp();
  if (owner == cascade || !cascade->isAncestor(owner)) {
    return std::nullopt;
  }
  if (auto einsum = dyn_cast<EinsumOp>(owner)) {
    if (isa<OpResult>(value)) {
      return ranksOfMap(einsum.getResultMap());
    }
  }
  if (auto select = dyn_cast<SelectOp>(owner)) {
    return ranksOfMap(select.getResultMap());
  }
  if (auto fold = dyn_cast<FoldOp>(owner)) {
    unsigned number =
        isa<BlockArgument>(value)
            ? cast<BlockArgument>(value).getArgNumber() % fold.getNumStates()
            : cast<OpResult>(value).getResultNumber();
    return ranksOfMap(fold.getStateMap(number));
  }
  return std::nullopt;
}

llvm::SmallBitVector
reference::chooseSlices(CascadeOp cascade, const Space &ranks, int64_t limit) {
  llvm::SmallBitVector allowed(ranks.extents.size(), true);
  llvm::SmallBitVector folded(ranks.extents.size());
  // A value read elsewhere than at its own coordinate of a rank forbids it.
  auto restrict = [&](Value value, AffineMap map) {
    std::optional<SmallVector<int64_t>> axes = ranksOf(value, cascade);
    if (!axes) {
      return;
    }
    for (auto [axis, rank] : llvm::enumerate(*axes)) {
      AffineExpr own = getAffineDimExpr(rank, map.getContext());
      if (axis >= map.getNumResults() || map.getResult(axis) != own) {
        allowed.reset(rank);
      }
    }
  };
  SmallVector<SmallVector<int64_t>> intermediates;
  cascade.getBody().walk([&](Operation *op) {
    if (auto einsum = dyn_cast<EinsumOp>(op)) {
      allowed.reset(einsum.getReducedRanks());
      for (auto [i, value] : llvm::enumerate(einsum.getInputs())) {
        restrict(value, einsum.getInputMap(i));
      }
      for (auto [i, value] : llvm::enumerate(einsum.getSymbols())) {
        restrict(value, einsum.getSymbolMap(i));
      }
      for (auto [i, value] : llvm::enumerate(einsum.getPresence())) {
        restrict(value, einsum.getPresenceMap(i));
      }
      if (Value selection = einsum.getSelection()) {
        restrict(selection, *einsum.getSelectionMap());
      }
      intermediates.push_back(ranksOfMap(einsum.getResultMap()));
    } else if (auto fold = dyn_cast<FoldOp>(op)) {
      allowed.reset(fold.getRank());
      folded.set(fold.getRank());
    } else if (auto select = dyn_cast<SelectOp>(op)) {
      for (auto [i, value] : llvm::enumerate(select.getInputs())) {
        restrict(value, select.getInputMap(i));
      }
      if (select.getOver()) {
        allowed.reset(*select.getOver());
      }
    } else if (isa<tensor::ExtractOp, memref::LoadOp>(op) &&
               ranksOf(op->getOperand(0), cascade)) {
      allowed.reset();
    }
  });
  llvm::SmallBitVector sliced(ranks.extents.size());
  auto largest = [&] {
    int64_t most = 0;
    for (ArrayRef<int64_t> axes : intermediates) {
      double count = 1;
      for (int64_t rank : axes) {
        count *= sliced.test(rank) ? 1 : double(ranks.extents[rank]);
      }
      most = std::max(most, int64_t(std::min(count, 0x1p60)));
    }
    return most;
  };
  for (unsigned rank : allowed.set_bits()) {
    if (largest() <= limit) {
      break;
    }
    bool used = llvm::any_of(intermediates, [&](ArrayRef<int64_t> axes) {
      return llvm::is_contained(axes, int64_t(rank));
    });
    if (used && ranks.extents[rank] > 1) {
      sliced.set(rank);
    }
  }
  return sliced;
}
