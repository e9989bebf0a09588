//===- SplitSums.cpp - Splits sums that move by different corrections -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "EinsumRewrite.h"
#include "RankOption.h"

#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using einsum::LawKind;

namespace attn {
#define GEN_PASS_DEF_ATTNSPLITSUMSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

/// A sum or difference whose terms have a law each, but not together.
static bool isSplittable(Operation *op, const CascadeInfo &info) {
  if (!op || !isa<arith::AddFOp, arith::SubFOp>(op)) {
    return false;
  }
  auto hasLaw = [&](Value x) { return info.getLaw(x).kind != LawKind::None; };
  return !hasLaw(op->getResult(0)) && hasLaw(op->getOperand(0)) &&
         hasLaw(op->getOperand(1));
}

static SmallVector<Factor> getFactors(EinsumOp op) {
  Block &block = op.getBody().front();
  SmallVector<Factor> factors;
  collectFactors(block.getTerminator()->getOperand(0), &block,
                 /*additive=*/false, /*inverse=*/false, factors);
  return factors;
}

/// The input of `op` that `factor` is and whose producer holds a sum to split,
/// or -1.
static int getSplittableInput(EinsumOp op, const Factor &factor,
                              const CascadeInfo &info);

static bool isSplittable(EinsumOp op, const Factor &factor,
                         const CascadeInfo &info) {
  if (factor.inverse) {
    return false;
  }
  Operation *def = factor.value.getDefiningOp();
  return (def && def->getBlock() == &op.getBody().front() &&
          isSplittable(def, info)) ||
         getSplittableInput(op, factor, info) >= 0;
}

static int getSplittableInput(EinsumOp op, const Factor &factor,
                              const CascadeInfo &info) {
  auto arg = dyn_cast<BlockArgument>(factor.value);
  if (!arg || arg.getOwner() != &op.getBody().front() ||
      !isInlinable(op, arg.getArgNumber())) {
    return -1;
  }
  auto producer = op.getInputs()[arg.getArgNumber()].getDefiningOp<EinsumOp>();
  bool found = llvm::any_of(getFactors(producer), [&](const Factor &inner) {
    return isSplittable(producer, inner, info);
  });
  return found ? int(arg.getArgNumber()) : -1;
}

/// The reduction of `op` with term `side` of `sum` in the place of the sum.
static EinsumOp createTerm(EinsumOp op, Operation *sum, unsigned side) {
  OpBuilder b(op);
  EinsumOp term = EinsumSpec(op).create(b);
  Block &from = op.getBody().front(), &to = addBody(term);
  llvm::DenseMap<Value, Value> mapping;
  for (auto [x, y] : llvm::zip(from.getArguments(), to.getArguments())) {
    mapping[x] = y;
  }
  OpBuilder inside = OpBuilder::atBlockEnd(&to);
  mapping[sum->getResult(0)] =
      cloneSlice(sum->getOperand(side), &from, inside, mapping);
  yieldFrom(term, cloneSlice(from.getTerminator()->getOperand(0), &from, inside,
                             mapping));
  // The sum is taken where both terms are present: what the term no longer
  // reads still decides that.
  return dropUnusedInputs(term);
}

static void split(EinsumOp op, Operation *sum) {
  EinsumOp terms[2] = {createTerm(op, sum, 0), createTerm(op, sum, 1)};
  EinsumSpec spec(op.getLoc());
  spec.type = cast<RankedTensorType>(op.getResult().getType());
  spec.resultMap = op.getResultMap();
  for (EinsumOp term : terms) {
    spec.inputs.push_back(term.getResult());
    spec.maps.push_back(spec.resultMap);
  }
  OpBuilder b(op);
  EinsumOp join = spec.create(b);
  Block &body = addBody(join);
  OpBuilder inside = OpBuilder::atBlockEnd(&body);
  yieldFrom(join,
            createScalar(inside, op.getLoc(), sum->getName().getStringRef(),
                         body.getArguments()));
  op.getResult().replaceAllUsesWith(join.getResult());
  op.erase();
}

/// One step; false if there is nothing to split.
static bool splitOnce(CascadeOp cascade, const einsum::RankSet &group) {
  CascadeInfo info(cascade, group);
  for (const Reduction &reduction : info.getReductions()) {
    EinsumOp op = reduction.op;
    auto isSum = [](ReduceAttr a) { return a.getMonoid() == Monoid::add; };
    if (reduction.problem.empty() ||
        !llvm::all_of(op.getReduceActions(), isSum)) {
      continue;
    }
    for (const Factor &factor : getFactors(op)) {
      if (!isSplittable(op, factor, info)) {
        continue;
      }
      int input = getSplittableInput(op, factor, info);
      if (input < 0) {
        split(op, factor.value.getDefiningOp());
        return true;
      }
      if (inlineProducer(op, input)) {
        return true;
      }
    }
  }
  return false;
}

LogicalResult attn::splitSums(CascadeOp cascade, int64_t rank) {
  einsum::RankSet group = getRankGroup(cascade, rank);
  if (!CascadeInfo(cascade, group).getProblem()) {
    return failure();
  }
  materialiseAll(cascade);
  bool changed = false;
  while (splitOnce(cascade, group)) {
    eraseDead(cascade.getBody().front());
    changed = true;
  }
  tidy(cascade);
  return success(changed);
}

namespace {
struct SplitSums : attn::impl::AttnSplitSumsPassBase<SplitSums> {
  using AttnSplitSumsPassBase::AttnSplitSumsPassBase;
  void runOnOperation() override {
    forEachRank(getOperation(), rank, [](CascadeOp cascade, int64_t r) {
      (void)splitSums(cascade, r);
    });
  }
};
} // namespace
