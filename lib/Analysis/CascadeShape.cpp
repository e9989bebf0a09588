//===- CascadeShape.cpp - A cascade as steps over ranks -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"

#include "llvm/ADT/STLExtras.h"

using namespace attn;
using einsum::RankSet;

//===----------------------------------------------------------------------===//
// Small questions
//===----------------------------------------------------------------------===//

RankSet attn::getRanks(AffineMap map) {
  RankSet ranks(map.getNumDims());
  map.walkExprs([&](AffineExpr expr) {
    if (auto rank = dyn_cast<AffineDimExpr>(expr)) {
      ranks.set(rank.getPosition());
    }
  });
  return ranks;
}

bool attn::isComputed(CascadeOp cascade, Value value) {
  Operation *owner = value.getDefiningOp();
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    owner = arg.getOwner()->getParentOp();
  }
  return owner && cascade->isProperAncestor(owner);
}

std::string attn::getValueName(Value value) {
  if (auto name = dyn_cast<NameLoc>(value.getLoc())) {
    return name.getName().str();
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  value.printAsOperand(os, OpPrintingFlags());
  return text;
}

einsum::Monoid attn::getMonoid(ReduceAttr action) {
  switch (action.getMonoid()) {
  case Monoid::add:
    return einsum::Monoid::Add;
  case Monoid::mul:
    return einsum::Monoid::Mul;
  case Monoid::max:
    return einsum::Monoid::Max;
  case Monoid::min:
    return einsum::Monoid::Min;
  }
  llvm_unreachable("all monoids are known");
}

RankSet attn::getRankGroup(CascadeOp cascade, int64_t rank) {
  RankSet group(cascade.getNumRanks());
  group.set(rank);
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    for (ReduceAttr action : op.getReduceActions()) {
      if (llvm::is_contained(action.getRanks(), rank)) {
        for (int64_t other : action.getRanks()) {
          group.set(other);
        }
      }
    }
  }
  return group;
}

RankSet attn::getFoldedRanks(CascadeOp cascade) {
  RankSet ranks(cascade.getNumRanks());
  for (FoldOp fold : cascade.getBody().getOps<FoldOp>()) {
    ranks.set(fold.getRank());
    fold.getStep().walk([&](EinsumOp op) { ranks |= op.getReducedRanks(); });
  }
  return ranks;
}

//===----------------------------------------------------------------------===//
// The cascade as steps
//===----------------------------------------------------------------------===//

namespace {

class ShapeBuilder {
public:
  ShapeBuilder(CascadeOp cascade, const RankSet &group)
      : cascade(cascade), group(group) {}
  CascadeShape run() {
    addBlock(cascade.getBody().front());
    return std::move(shape);
  }

private:
  einsum::TensorId getId(Value value) {
    auto [it, isNew] = ids.try_emplace(value, shape.cascade.numTensors);
    if (isNew) {
      shape.cascade.addTensor();
      shape.values.push_back(value);
    }
    return it->second;
  }
  void addBlock(Block &block);
  void addReads(EinsumOp op, einsum::Step &step);
  void addFold(FoldOp fold);
  void finish(einsum::Step step, ValueRange results) {
    for (Value result : results) {
      step.results.push_back(getId(result));
    }
    shape.cascade.steps.push_back(std::move(step));
  }

  CascadeOp cascade;
  RankSet group;
  CascadeShape shape;
  llvm::DenseMap<Value, einsum::TensorId> ids;
};

} // namespace

void ShapeBuilder::addReads(EinsumOp op, einsum::Step &step) {
  RankSet none(cascade.getNumRanks());
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    step.reads.push_back({getId(input), getRanks(op.getInputMap(i))});
  }
  for (auto [i, operand] : llvm::enumerate(op.getPresence())) {
    step.reads.push_back({getId(operand), getRanks(op.getPresenceMap(i))});
  }
  if (Value selection = op.getSelection()) {
    // The list is needed whole, whatever the ranks it is indexed by.
    step.reads.push_back({getId(selection), none});
  }
  op.getBody().walk([&](Operation *inner) {
    for (Value x : inner->getOperands()) {
      Operation *def = x.getDefiningOp();
      if (def && cascade->isProperAncestor(def) && !op->isAncestor(def)) {
        step.reads.push_back({getId(x), none});
      }
    }
  });
}

void ShapeBuilder::addBlock(Block &block) {
  RankSet none(cascade.getNumRanks());
  for (Operation &op : block) {
    if (auto e = dyn_cast<EinsumOp>(op)) {
      einsum::Step step{e.getIterationRanks(), {}, {}};
      addReads(e, step);
      finish(std::move(step), e->getResults());
    } else if (auto select = dyn_cast<SelectOp>(op)) {
      einsum::Step step{none, {}, {}};
      for (auto [i, input] : llvm::enumerate(select.getInputs())) {
        RankSet ranks = getRanks(select.getInputMap(i));
        step.iterates |= ranks;
        step.reads.push_back({getId(input), ranks});
      }
      finish(std::move(step), select->getResults());
    } else if (auto fold = dyn_cast<FoldOp>(op)) {
      addFold(fold);
    }
  }
}

void ShapeBuilder::addFold(FoldOp fold) {
  if (!group.test(fold.getRank())) {
    // The state of the step counts as given: what a generation hands to the
    // next is no barrier.
    addBlock(fold.getStep().front());
    Operation *yield = fold.getStep().front().getTerminator();
    for (auto [from, to] : llvm::zip(yield->getOperands(), fold.getResults())) {
      RankSet none(cascade.getNumRanks());
      finish(einsum::Step{none, {einsum::Read{getId(from), none}}, {}},
             ValueRange(to));
    }
    return;
  }
  einsum::Step all{group, {}, {}};
  fold.getStep().walk([&](EinsumOp op) {
    einsum::Step step;
    addReads(op, step);
    for (einsum::Read &read : step.reads) {
      Value x = shape.values[read.tensor];
      Operation *def = x.getDefiningOp();
      bool inside = isa<BlockArgument>(x)
                        ? fold->isAncestor(x.getParentBlock()->getParentOp())
                        : def && fold->isProperAncestor(def);
      if (!inside) {
        all.reads.push_back(read);
      }
    }
  });
  finish(std::move(all), fold.getResults());
}

CascadeShape attn::getShape(CascadeOp cascade, const RankSet &group) {
  return ShapeBuilder(cascade, group).run();
}

einsum::PassCount attn::countPasses(CascadeOp cascade, int64_t rank) {
  RankSet group(cascade.getNumRanks());
  group.set(rank);
  return einsum::countPasses(getShape(cascade, group).cascade, group);
}
