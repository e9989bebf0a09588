//===- RankSpace.cpp - Extents and bound ranks of a cascade ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/Attn/IR/RankSpace.h"

#include "mlir/IR/Matchers.h"

using namespace attn;

namespace {
class ExtentCollector {
public:
  ExtentCollector(CascadeOp cascade, bool presence)
      : cascade(cascade), presence(presence) {}

  SmallVector<RankExtent> collect();

private:
  void addIndex(int64_t rank, Value value, Operation *user);
  void addTensor(Value tensor, AffineMap map, Operation *user);
  bool isComputed(Value value);

  CascadeOp cascade;
  bool presence;
  SmallVector<RankExtent> uses;
};
} // namespace

void ExtentCollector::addIndex(int64_t rank, Value value, Operation *user) {
  RankExtent extent{rank, ShapedType::kDynamic, value, -1, user};
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant))) {
    extent.size = constant.getSExtValue();
  }
  uses.push_back(extent);
}

bool ExtentCollector::isComputed(Value value) {
  if (Operation *def = value.getDefiningOp()) {
    return isa<EinsumOp, FoldOp>(def) && cascade->isProperAncestor(def);
  }
  return isa<FoldOp>(value.getParentBlock()->getParentOp());
}

void ExtentCollector::addTensor(Value tensor, AffineMap map, Operation *user) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (!type) {
    return;
  }
  // A listed select's list has one axis more than its map names.
  for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (dim && (!type.isDynamicDim(axis) || !isComputed(tensor))) {
      uses.push_back({dim.getPosition(), type.getDimSize(axis), tensor,
                      static_cast<int64_t>(axis), user});
    }
  }
}

SmallVector<RankExtent> ExtentCollector::collect() {
  for (auto [rank, value] :
       llvm::zip_equal(cascade.getExtentRanks(), cascade.getExtents())) {
    addIndex(rank, value, cascade);
  }
  cascade.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto fold = dyn_cast<FoldOp>(op)) {
      addIndex(fold.getRank(), fold.getExtent(), fold);
      for (auto [i, result] : llvm::enumerate(fold.getResults())) {
        addTensor(result, fold.getStateMap(i), fold);
      }
    } else if (auto select = dyn_cast<SelectOp>(op)) {
      for (auto [i, input] : llvm::enumerate(select.getInputs())) {
        addTensor(input, select.getInputMap(i), select);
      }
    } else if (auto einsum = dyn_cast<EinsumOp>(op)) {
      for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
        addTensor(input, einsum.getInputMap(i), einsum);
      }
      addTensor(einsum.getResult(), einsum.getResultMap(), einsum);
      for (auto [i, operand] : llvm::enumerate(einsum.getPresence())) {
        if (presence) {
          addTensor(operand, einsum.getPresenceMap(i), einsum);
        }
      }
    }
  });
  return std::move(uses);
}

SmallVector<RankExtent> attn::getExtentUses(CascadeOp cascade) {
  return ExtentCollector(cascade, /*presence=*/false).collect();
}

SmallVector<RankExtent> attn::getRankExtents(CascadeOp cascade) {
  SmallVector<RankExtent> extents(cascade.getNumRanks());
  for (bool presence : {false, true}) {
    for (RankExtent &use : ExtentCollector(cascade, presence).collect()) {
      RankExtent &known = extents[use.rank];
      bool better = !ShapedType::isDynamic(use.size) &&
                    ShapedType::isDynamic(known.size) && !presence;
      if (!known || better) {
        known = use;
      }
    }
  }
  for (auto [rank, extent] : llvm::enumerate(extents)) {
    extent.rank = rank;
  }
  return extents;
}

llvm::SmallBitVector attn::getBoundRanks(Operation *op) {
  llvm::SmallBitVector bound;
  auto cascade = op->getParentOfType<CascadeOp>();
  if (!cascade) {
    return bound;
  }
  bound.resize(cascade.getNumRanks());
  for (Operation *parent = op->getParentOp(); parent != cascade;
       parent = parent->getParentOp()) {
    auto fold = dyn_cast<FoldOp>(parent);
    if (fold && fold.getRank() < bound.size()) {
      bound.set(fold.getRank());
    }
  }
  return bound;
}
