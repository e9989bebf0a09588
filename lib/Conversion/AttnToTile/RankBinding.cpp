//===- RankBinding.cpp - What each rank of a fold becomes ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RankBinding.h"

using namespace attn;

static llvm::SmallBitVector ranksOf(AffineMap map) {
  llvm::SmallBitVector bits(map.getNumDims());
  for (unsigned d = 0; d < map.getNumDims(); ++d) {
    if (map.isFunctionOfDim(d)) {
      bits.set(d);
    }
  }
  return bits;
}

/// T of an index `fold * T + inner`, else 1.
static int64_t tileOf(AffineExpr e, AffineExpr fold) {
  int64_t found = 1;
  e.walk([&](AffineExpr x) {
    auto mul = dyn_cast<AffineBinaryOpExpr>(x);
    if (mul && x.getKind() == AffineExprKind::Mul && mul.getLHS() == fold) {
      found = cast<AffineConstantExpr>(mul.getRHS()).getValue();
    }
  });
  return found;
}

void attn::findSharing(RankBinding &binding, ArrayRef<Presence> points) {
  binding.shares = binding.row >= 0;
  auto namesAny = [](ArrayRef<AffineExpr> exprs, ArrayRef<int64_t> ranks) {
    return llvm::any_of(exprs, [&](AffineExpr e) {
      return llvm::any_of(ranks,
                          [&](int64_t r) { return e.isFunctionOfDim(r); });
    });
  };
  SmallVector<int64_t> rows(binding.subs);
  rows.push_back(binding.row);
  auto look = [&](ArrayRef<AffineExpr> at) {
    if (namesAny(at, binding.segments) && namesAny(at, binding.axes) &&
        !namesAny(at, rows)) {
      binding.shares = false;
    }
  };
  for (const Presence &presence : points) {
    for (const PresenceTerm &term : presence) {
      if (term.data) {
        look(term.dataMap.getResults());
      }
      if (term.data2) {
        look(term.data2Map.getResults());
      }
      if (term.selection) {
        SmallVector<AffineExpr> at(term.selectionMap.getResults());
        int64_t block = cast<CoordsType>(term.selection.getType()).getBlock();
        AffineExpr n = term.selectedCoordinate;
        at.push_back(block == 1 ? n : n.floorDiv(block));
        look(at);
      }
      for (AffineMap map : term.symbolMaps) {
        look(map.getResults());
      }
    }
  }
}

FailureOr<RankBinding> attn::bindRanks(Program &program, CascadeOp cascade,
                                       FoldOp fold) {
  int64_t n = cascade.getNumRanks();
  RankBinding binding;
  binding.fold = fold.getRank();
  AffineExpr foldDim = getAffineDimExpr(binding.fold, cascade.getContext());

  llvm::SmallBitVector parallel(n, true), inStep(n), streamedRanks(n),
      otherInputs(n), lookup(n), inMasks(n);
  for (unsigned i = 0; i < fold.getNumStates(); ++i) {
    parallel &= ranksOf(fold.getStateMap(i));
    inStep |= ranksOf(fold.getStateMap(i));
  }
  SmallVector<llvm::SmallBitVector> streamed;
  auto lookups = [&](ArrayAttr maps) {
    for (Attribute m : maps) {
      lookup |= ranksOf(cast<AffineMapAttr>(m).getValue());
    }
  };
  fold.getStep().walk([&](EinsumOp e) {
    inStep |= e.getIterationRanks();
    for (IntegerSet set : e.getWhereSets()) {
      for (AffineExpr c : set.getConstraints()) {
        for (int64_t r = 0; r < n; ++r) {
          if (c.isFunctionOfDim(r)) {
            inMasks.set(r);
          }
        }
      }
    }
    lookups(e.getSymbolMaps());
    for (auto [i, input] : llvm::enumerate(e.getInputs())) {
      if (fold.getStep().isAncestor(input.getParentRegion())) {
        continue;
      }
      AffineMap map = e.getInputMap(i);
      for (AffineExpr x : map.getResults()) {
        binding.tile = std::max(binding.tile, tileOf(x, foldDim));
      }
      llvm::SmallBitVector ranks = ranksOf(map);
      // A view's axes are looked up with what the cascade indexes them by.
      if (auto view = input.getDefiningOp<ViewOp>()) {
        for (unsigned s = 0; s < view.getSymbols().size(); ++s) {
          AffineMap symbolMap = view.getSymbolMap(s);
          for (unsigned d = 0; d < symbolMap.getNumDims(); ++d) {
            if (symbolMap.isFunctionOfDim(d)) {
              for (int64_t r = 0; r < n; ++r) {
                if (map.getResult(d).isFunctionOfDim(r)) {
                  lookup.set(r);
                }
              }
            }
          }
        }
      }
      if (ranks.test(binding.fold)) {
        streamed.push_back(ranks);
        streamedRanks |= ranks;
      } else {
        otherInputs |= ranks;
      }
    }
  });
  parallel.reset(binding.fold);

  llvm::SmallBitVector everywhere(n, true);
  bool anyMatrix = false;
  for (const llvm::SmallBitVector &ranks : streamed) {
    llvm::SmallBitVector inner = ranks;
    inner.reset(parallel);
    inner.reset(binding.fold);
    // The ranks of the group itself do not make a matrix.
    for (int r : inner.set_bits()) {
      bool group = true;
      for (const llvm::SmallBitVector &other : streamed) {
        group &= other.test(r);
      }
      if (group && streamed.size() > 1) {
        inner.reset(r);
      }
    }
    if (inner.any()) {
      everywhere &= ranks;
      anyMatrix = true;
    }
  }
  if (!anyMatrix) {
    for (const llvm::SmallBitVector &ranks : streamed) {
      everywhere &= ranks;
    }
  }

  SmallVector<int64_t> bound, rows;
  for (int r : parallel.set_bits()) {
    if (!streamed.empty() && everywhere.test(r)) {
      bound.push_back(r);
    } else if (streamedRanks.test(r) && !otherInputs.test(r) &&
               program.getStaticExtent(cascade, r) != ShapedType::kDynamic) {
      continue; // an axis of the state
    } else {
      rows.push_back(r);
    }
  }
  bool anyLookup =
      llvm::any_of(bound, [&](int64_t r) { return lookup.test(r); });
  for (auto [i, r] : llvm::enumerate(bound)) {
    // Without a table the outermost rank is the segment, so that the number of
    // heads stays small.
    bool segment = anyLookup ? lookup.test(r) : i == 0;
    (segment ? binding.segments : binding.heads).push_back(r);
  }
  auto weight = [&](int64_t r) {
    int64_t size = program.getStaticExtent(cascade, r);
    return std::make_tuple(size == ShapedType::kDynamic, inMasks.test(r), size);
  };
  for (int64_t r : rows) {
    if (binding.row < 0 || weight(r) > weight(binding.row)) {
      binding.row = r;
    }
  }
  for (int64_t r : rows) {
    if (r == binding.row) {
      continue;
    }
    if (program.getStaticExtent(cascade, r) != ShapedType::kDynamic) {
      binding.subs.push_back(r);
      continue;
    }
    // Packed rows count along one dynamic rank. Another one is bound to the
    // item: what is streamed is read again for each of its coordinates.
    (binding.segments.empty() ? binding.segments : binding.heads).push_back(r);
  }
  inStep.reset(binding.fold);
  for (int64_t r : llvm::concat<int64_t>(bound, rows)) {
    inStep.reset(r);
  }
  // Together in one index, or in everything that is streamed.
  llvm::SmallBitVector group(n);
  fold.getStep().walk([&](EinsumOp e) {
    for (unsigned i = 0; i < e.getInputs().size(); ++i) {
      for (AffineExpr x : e.getInputMap(i).getResults()) {
        for (int64_t r = 0; r < n; ++r) {
          if (x.isFunctionOfDim(binding.fold) && x.isFunctionOfDim(r)) {
            group.set(r);
          }
        }
      }
    }
  });
  if (streamed.size() > 1) {
    llvm::SmallBitVector common(n, true);
    for (const llvm::SmallBitVector &ranks : streamed) {
      common &= ranks;
    }
    group |= common;
  }
  for (int r : inStep.set_bits()) {
    if (group.test(r)) {
      binding.group.push_back(r);
    }
    if (program.getStaticExtent(cascade, r) == ShapedType::kDynamic) {
      return fold.emitRemark()
                 << "no tile kernel: rank '" << cascade.getRankName(r)
                 << "' lies inside the tile but is dynamic",
             failure();
    }
    binding.axes.push_back(r);
  }
  return binding;
}
