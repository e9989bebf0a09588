//===- Defer.cpp - Moves factors behind reductions ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "EinsumRewrite.h"
#include "RankOption.h"

#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using einsum::LawKind;

namespace attn {
#define GEN_PASS_DEF_ATTNDEFERPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

namespace {

/// A sum lets factors through, a maximum or minimum lets summands through.
enum class Kind { None, Factors, Summands };

/// One attempt on one rank group; the analysis is stale after a change.
class Defer {
public:
  Defer(CascadeOp cascade, const einsum::RankSet &group)
      : info(cascade, group), cascade(cascade) {}
  bool runOnce();

private:
  /// Whether `x` of the region of `op` can stand behind a reduction whose
  /// result has `ranks`.
  bool isClosed(EinsumOp op, Value x, const einsum::RankSet &ranks);
  bool hasClosedFactor(EinsumOp op, Kind kind, const einsum::RankSet &ranks);
  SmallVector<Factor> getFactors(EinsumOp op, Kind kind);
  void rewrite(EinsumOp op, Kind kind, ArrayRef<Factor> closed,
               ArrayRef<Factor> rest);
  EinsumOp createRest(EinsumOp op, Kind kind, ArrayRef<Factor> rest);

  CascadeInfo info;
  CascadeOp cascade;
};

} // namespace

static Kind getKind(EinsumOp op) {
  Kind kind = Kind::None;
  for (ReduceAttr action : op.getReduceActions()) {
    if (action.getMonoid() == Monoid::mul) {
      return Kind::None;
    }
    Kind k = action.getMonoid() == Monoid::add ? Kind::Factors : Kind::Summands;
    if (kind != Kind::None && k != kind) {
      return Kind::None;
    }
    kind = k;
  }
  return isa<FloatType>(getElementTypeOrSelf(op.getResult().getType()))
             ? kind
             : Kind::None;
}

SmallVector<Factor> Defer::getFactors(EinsumOp op, Kind kind) {
  Block &block = op.getBody().front();
  SmallVector<Factor> factors;
  collectFactors(block.getTerminator()->getOperand(0), &block,
                 kind == Kind::Summands, /*inverse=*/false, factors);
  return factors;
}

/// Inputs of the region that enter `value`.
static void collectInputs(Value value, Block *block,
                          SmallVectorImpl<unsigned> &inputs) {
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    if (arg.getOwner() == block) {
      inputs.push_back(arg.getArgNumber());
    }
    return;
  }
  Operation *def = value.getDefiningOp();
  if (def->getBlock() == block) {
    for (Value x : def->getOperands()) {
      collectInputs(x, block, inputs);
    }
  }
}

bool Defer::isClosed(EinsumOp op, Value x, const einsum::RankSet &ranks) {
  einsum::Law law = info.getLaw(x);
  if (law.kind != LawKind::COnly) {
    return false;
  }
  einsum::RankSet extra = info.getLeafRanks(law.leaf);
  // A tensor can be the same along a rank that it has: it has to be computed
  // in place first.
  SmallVector<unsigned> inputs;
  collectInputs(x, &op.getBody().front(), inputs);
  for (unsigned i : inputs) {
    extra |= getRanks(op.getInputMap(i));
  }
  extra.reset(ranks);
  return extra.none();
}

/// The producer that factor `factor` of `op` reads, if it can be inlined.
static EinsumOp getProducer(EinsumOp op, const Factor &factor) {
  auto arg = dyn_cast<BlockArgument>(factor.value);
  if (!arg || arg.getOwner() != &op.getBody().front() || factor.inverse ||
      !isInlinable(op, arg.getArgNumber())) {
    return {};
  }
  return op.getInputs()[arg.getArgNumber()].getDefiningOp<EinsumOp>();
}

bool Defer::hasClosedFactor(EinsumOp op, Kind kind,
                            const einsum::RankSet &ranks) {
  return llvm::any_of(getFactors(op, kind), [&](const Factor &factor) {
    if (isClosed(op, factor.value, ranks)) {
      return true;
    }
    EinsumOp producer = getProducer(op, factor);
    return producer && info.iterates(producer) &&
           hasClosedFactor(producer, kind, ranks);
  });
}

EinsumOp Defer::createRest(EinsumOp op, Kind kind, ArrayRef<Factor> rest) {
  bool additive = kind == Kind::Summands;
  OpBuilder b(op);
  EinsumOp sum = EinsumSpec(op).create(b);
  Block &from = op.getBody().front(), &to = addBody(sum);
  llvm::DenseMap<Value, Value> mapping;
  for (auto [x, y] : llvm::zip(from.getArguments(), to.getArguments())) {
    mapping[x] = y;
  }
  OpBuilder inside = OpBuilder::atBlockEnd(&to);
  Location loc = op.getLoc();
  Value v;
  for (bool inverse : {false, true}) {
    for (const Factor &factor : rest) {
      if (factor.inverse != inverse) {
        continue;
      }
      Value x = cloneSlice(factor.value, &from, inside, mapping);
      if (!v && inverse) {
        v = additive ? createFloat(inside, loc, x.getType(), 0.0)
                     : createFloat(inside, loc, x.getType(), 1.0);
      }
      StringRef name = additive ? (inverse ? "arith.subf" : "arith.addf")
                                : (inverse ? "arith.divf" : "arith.mulf");
      v = v ? createScalar(inside, loc, name, {v, x}) : x;
    }
  }
  yieldFrom(sum, v);
  return dropUnusedInputs(sum);
}

void Defer::rewrite(EinsumOp op, Kind kind, ArrayRef<Factor> closed,
                    ArrayRef<Factor> rest) {
  bool additive = kind == Kind::Summands;
  Location loc = op.getLoc();
  Block &from = op.getBody().front();
  EinsumOp sum = createRest(op, kind, rest);
  EinsumSpec spec(loc);
  spec.type = cast<RankedTensorType>(op.getResult().getType());
  spec.resultMap = op.getResultMap();
  spec.addInput(sum.getResult(), spec.resultMap);
  SmallVector<unsigned> used;
  for (const Factor &factor : closed) {
    collectInputs(factor.value, &from, used);
  }
  llvm::DenseMap<unsigned, unsigned> at;
  for (unsigned i : used) {
    at[i] = spec.addInput(op.getInputs()[i], op.getInputMap(i));
  }
  OpBuilder b(op);
  EinsumOp after = spec.create(b);
  Block &to = addBody(after);
  llvm::DenseMap<Value, Value> mapping;
  for (auto [i, k] : at) {
    mapping[from.getArgument(i)] = to.getArgument(k);
  }
  OpBuilder inside = OpBuilder::atBlockEnd(&to);
  Value sumValue = to.getArgument(0), v = sumValue;
  for (const Factor &factor : closed) {
    Value x = cloneSlice(factor.value, &from, inside, mapping);
    StringRef name = additive ? (factor.inverse ? "arith.subf" : "arith.addf")
                              : (factor.inverse ? "arith.divf" : "arith.mulf");
    v = createScalar(inside, loc, name, {v, x});
  }
  // Over no point the text gives the unit, because there is nothing to join;
  // here it would be 0 / 0, 0 * inf or -inf + inf. The guard is on what was
  // joined and not on the factor: with points and a factor of 0 the text
  // divides by 0, and so does this.
  einsum::Monoid monoid = getMonoid(op.getReduceActions().front());
  Value unit = createFloat(inside, loc, v.getType(), einsum::getUnit(monoid));
  Value isUnit = arith::CmpFOp::create(inside, loc, arith::CmpFPredicate::OEQ,
                                       sumValue, unit);
  yieldFrom(after, arith::SelectOp::create(inside, loc, isUnit, sumValue, v));
  op.getResult().replaceAllUsesWith(after.getResult());
  op.erase();
}

bool Defer::runOnce() {
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    Kind kind = getKind(op);
    einsum::RankSet ranks = getRanks(op.getResultMap());
    if (kind == Kind::None || !info.iterates(op) ||
        !hasClosedFactor(op, kind, ranks)) {
      continue;
    }
    SmallVector<Factor> closed, rest;
    for (const Factor &factor : getFactors(op, kind)) {
      (isClosed(op, factor.value, ranks) ? closed : rest).push_back(factor);
    }
    if (!closed.empty() && !rest.empty()) {
      rewrite(op, kind, closed, rest);
      return true;
    }
    for (const Factor &factor : rest) {
      EinsumOp producer = getProducer(op, factor);
      if (producer && info.iterates(producer) &&
          hasClosedFactor(producer, kind, ranks) &&
          inlineProducer(op,
                         cast<BlockArgument>(factor.value).getArgNumber())) {
        return true;
      }
    }
  }
  return false;
}

LogicalResult attn::deferFactors(CascadeOp cascade, int64_t rank) {
  einsum::RankSet group = getRankGroup(cascade, rank);
  materialiseAll(cascade);
  bool changed = false;
  while (Defer(cascade, group).runOnce()) {
    sortTopologically(&cascade.getBody().front());
    eraseDead(cascade.getBody().front());
    changed = true;
  }
  tidy(cascade);
  return success(changed);
}

namespace {
struct DeferPass : attn::impl::AttnDeferPassBase<DeferPass> {
  using AttnDeferPassBase::AttnDeferPassBase;
  void runOnOperation() override {
    forEachRank(getOperation(), rank, [](CascadeOp cascade, int64_t r) {
      (void)deferFactors(cascade, r);
    });
  }
};
} // namespace
