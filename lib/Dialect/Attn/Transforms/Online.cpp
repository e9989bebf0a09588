//===- Online.cpp - Turns reductions over a rank into one fold ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldBuilder.h"
#include "RankOption.h"

#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNONLINEPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

/// What conditions of `op`'s result name `rank` and no other rank of the group.
static Presence getStepPresence(EinsumOp op, int64_t rank,
                                const einsum::RankSet &group) {
  einsum::RankSet reduced = op.getReducedRanks();
  reduced |= group;
  reduced.reset(rank);
  Presence out;
  for (PresenceTerm &c : dropRanks(pointPresence(op), reduced)) {
    if (c.names(rank)) {
      out.push_back(std::move(c));
    }
  }
  return out;
}

/// A step leaves a component as it was where its sum is absent. If the
/// reference moved there all the same, the component would stay behind.
static LogicalResult checkPresence(const CascadeInfo &info, int64_t rank) {
  std::optional<Presence> first;
  for (const Reduction &z : info.getReductions()) {
    EinsumOp op = z.op;
    Presence conditions = getStepPresence(op, rank, info.getGroup());
    if (!first) {
      first = conditions;
    }
    bool moves = z.law.kind == einsum::LawKind::Mult ||
                 z.law.kind == einsum::LawKind::Add;
    if (moves && conditions != *first) {
      return op.emitRemark() << "no one-pass form: " << getValueName(op)
                             << " (its presence along the fold rank is not "
                                "that of its reference)";
    }
  }
  return success();
}

/// Symbols are constant in a work item, which runs over the whole group.
static LogicalResult checkSymbols(CascadeOp cascade, const CascadeInfo &info) {
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    for (unsigned i = 0; i < op.getSymbols().size(); ++i) {
      einsum::RankSet ranks = getRanks(op.getSymbolMap(i));
      ranks &= info.getGroup();
      if (ranks.any()) {
        return op.emitRemark()
               << "symbol '"
               << cast<StringAttr>(op.getSymbolNames()[i]).getValue()
               << "' is indexed by rank '"
               << cascade.getRankName(ranks.find_first())
               << "', which a fold iterates; write it as presence by data";
      }
    }
  }
  return success();
}

/// In the step, tensors made there have lost the fold rank, and a selection of
/// it has to stand where another operand still has it.
static LogicalResult checkSelections(CascadeOp cascade, const CascadeInfo &info,
                                     int64_t rank) {
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    if (!op.getSelection() || int64_t(*op.getSelectedRank()) != rank) {
      continue;
    }
    bool hasRank = false;
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      hasRank |=
          !info.depends(input) && op.getInputMap(i).isFunctionOfDim(rank);
    }
    if (!hasRank) {
      return op.emitRemark()
             << "no one-pass form: " << getValueName(op.getResult())
             << " (it selects from '" << cascade.getRankName(rank)
             << "' but reads no tensor from outside along it)";
    }
  }
  return success();
}

/// In the step, what the fold makes has values of one point of its rank only.
static LogicalResult checkPoints(CascadeOp cascade, const CascadeInfo &info) {
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    auto check = [&](Value value, AffineMap map) -> LogicalResult {
      if (!info.depends(value) ||
          !readsElsewhere(value, map, info.getGroup())) {
        return success();
      }
      return op.emitRemark()
             << "no one-pass form: " << getValueName(op.getResult())
             << " (it reads " << getValueName(value)
             << " at other points of the fold rank than it is made at)";
    };
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      if (failed(check(input, op.getInputMap(i)))) {
        return failure();
      }
    }
    for (auto [i, operand] : llvm::enumerate(op.getPresence())) {
      if (failed(check(operand, op.getPresenceMap(i)))) {
        return failure();
      }
    }
  }
  return success();
}

static LogicalResult checkLaws(const CascadeInfo &info) {
  const Reduction *z = info.getProblem();
  if (!z) {
    return success();
  }
  EinsumOp op = z->op;
  if (z->law.divisor) {
    op.emitRemark() << "correction divides by '"
                    << info.getLeafName(*z->law.divisor)
                    << "', which may be 0 on a partial set; deferring the "
                       "division instead";
  }
  return op.emitRemark() << "no one-pass form: " << getValueName(op.getResult())
                         << " (" << z->problem << ")";
}

/// The extent of `rank`, or null after a remark. Of a rank that was not
/// partitioned it is read off an operand that has it bare.
static Value findExtent(CascadeOp cascade, int64_t rank) {
  if (Value given = cascade.getGivenExtent(rank)) {
    return given;
  }
  OpBuilder b(cascade);
  AffineExpr bare = b.getAffineDimExpr(rank);
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      if (isComputed(cascade, input)) {
        continue;
      }
      for (auto [j, x] : llvm::enumerate(op.getInputMap(i).getResults())) {
        if (x != bare) {
          continue;
        }
        auto type = cast<RankedTensorType>(input.getType());
        if (!type.isDynamicDim(j)) {
          return arith::ConstantIndexOp::create(b, cascade.getLoc(),
                                                type.getDimSize(j));
        }
        return tensor::DimOp::create(b, cascade.getLoc(), input, j);
      }
    }
  }
  cascade.emitRemark() << "no one-pass form: rank '"
                       << cascade.getRankName(rank) << "' has no extent";
  return {};
}

/// Without `rank`: the fold has it now.
static void dropExtent(CascadeOp cascade, int64_t rank) {
  SmallVector<int64_t> ranks;
  SmallVector<Value> extents;
  for (auto [r, extent] :
       llvm::zip(cascade.getExtentRanks(), cascade.getExtents())) {
    if (r != rank) {
      ranks.push_back(r);
      extents.push_back(extent);
    }
  }
  cascade.getExtentsMutable().assign(extents);
  cascade.setExtentRanksAttr(
      DenseI64ArrayAttr::get(cascade.getContext(), ranks));
}

FailureOr<FoldOp> attn::makeFold(CascadeOp cascade, int64_t rank) {
  // A rank that a fold iterates is done.
  if (getFoldedRanks(cascade).test(rank)) {
    return failure();
  }
  einsum::RankSet group = getRankGroup(cascade, rank);
  {
    CascadeInfo info(cascade, group);
    if (info.getReductions().empty() || failed(checkLaws(info)) ||
        failed(checkSymbols(cascade, info)) ||
        failed(checkSelections(cascade, info, rank)) ||
        failed(checkPoints(cascade, info)) ||
        failed(checkPresence(info, rank))) {
      return failure();
    }
    for (const Reduction &z : info.getReductions()) {
      if (!isa<FloatType>(getElementTypeOrSelf(EinsumOp(z.op).getType()))) {
        return EinsumOp(z.op).emitRemark()
               << "no one-pass form: expects a float state";
      }
      if (z.law.approx) {
        EinsumOp(z.op).emitRemark()
            << "the correction of " << getValueName(EinsumOp(z.op).getResult())
            << " holds up to the rounding on its way";
      }
    }
  }
  Value extent = findExtent(cascade, rank);
  if (!extent) {
    return failure();
  }
  materialiseAll(cascade);
  CascadeInfo info(cascade, group);
  FoldOp fold = FoldBuilder(cascade, rank, info).build(extent);
  dropExtent(cascade, rank);
  tidy(cascade);
  return fold;
}

/// The tile count if the group of `rank` was partitioned.
static int64_t getFoldRank(CascadeOp cascade, int64_t rank) {
  einsum::RankSet group = getRankGroup(cascade, rank);
  for (unsigned r : group.set_bits()) {
    if (cascade.getGivenExtent(r)) {
      return r;
    }
  }
  return rank;
}

namespace {
struct Online : attn::impl::AttnOnlinePassBase<Online> {
  using AttnOnlinePassBase::AttnOnlinePassBase;
  void runOnOperation() override {
    forEachRank(getOperation(), rank, [&](CascadeOp cascade, int64_t r) {
      (void)makeFold(cascade, rank.empty() ? getFoldRank(cascade, r) : r);
    });
  }
};
} // namespace
