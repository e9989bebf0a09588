//===- HeldValues.cpp - Values of a cascade that lie in memory ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "HeldValues.h"

#include "attn/Analysis/CascadeInfo.h"

using namespace attn;

/// Ranks along which a shaped value is dynamic.
static llvm::SmallBitVector dynamicRanks(Value value, AffineMap map) {
  llvm::SmallBitVector ranks(map.getNumDims());
  auto type = dyn_cast<ShapedType>(value.getType());
  for (unsigned axis = 0; type && axis < map.getNumResults(); ++axis) {
    for (unsigned r = 0; type.isDynamicDim(axis) && r < ranks.size(); ++r) {
      ranks[r] = ranks[r] || map.getResult(axis).isFunctionOfDim(r);
    }
  }
  return ranks;
}

void attn::warnIfLarge(CascadeOp cascade, Value value, AffineMap map) {
  llvm::SmallBitVector ranks = dynamicRanks(value, map);
  bool isCovered = ranks.count() < 2;
  auto cover = [&](Value other, AffineMap where) {
    llvm::SmallBitVector rest = ranks;
    rest.reset(dynamicRanks(other, where));
    isCovered |= rest.none();
  };
  Block *body = &cascade.getBody().front();
  cascade.walk([&](EinsumOp e) {
    for (auto [i, input] : llvm::enumerate(e.getInputs())) {
      if (!isComputed(cascade, input)) {
        cover(input, e.getInputMap(i));
      }
    }
  });
  for (Value yielded : body->getTerminator()->getOperands()) {
    if (auto e = yielded.getDefiningOp<EinsumOp>()) {
      cover(yielded, e.getResultMap());
    } else if (auto fold = yielded.getDefiningOp<FoldOp>()) {
      cover(yielded,
            fold.getStateMap(cast<OpResult>(yielded).getResultNumber()));
    }
  }
  if (isCovered) {
    return;
  }
  auto type = cast<ShapedType>(value.getType());
  int64_t bytes =
      llvm::divideCeil(type.getElementType().getIntOrFloatBitWidth(), 8);
  SmallVector<StringRef> names, lengths;
  for (auto [axis, e] : llvm::enumerate(map.getResults())) {
    names.push_back(cascade.getRankName(cast<AffineDimExpr>(e).getPosition()));
    if (type.isDynamicDim(axis)) {
      lengths.push_back(names.back());
    } else {
      bytes *= type.getDimSize(axis);
    }
  }
  value.getDefiningOp()->emitWarning()
      << "value '" << getValueName(value) << "' [" << llvm::join(names, ", ")
      << "] is held in memory as a whole: " << llvm::join(lengths, " * ")
      << " * " << bytes
      << " bytes, which no operand and no result of the cascade has";
}
