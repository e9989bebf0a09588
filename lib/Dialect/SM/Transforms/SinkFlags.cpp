//===- SinkFlags.cpp - Masks are applied where they are computed ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The flags of a block are as many as its elements, and a thread has seven
// predicates: flags that live from a branch to the products behind it take a
// register each, and tiles without a mask choose between equal things for every
// element. So what uses them moves into a branch of its own that computes them
// again; the other side of it is mostly nothing.
//
//===----------------------------------------------------------------------===//
#include "Simplify.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace attn;
using namespace attn::sm;

static bool isBlock(Type type) {
  auto fragment = dyn_cast<RankedTensorType>(type);
  return fragment && isFragment(type) && fragment.getRank() == 2;
}

static bool isFlags(Type type) {
  return isBlock(type) && getElementTypeOrSelf(type).isInteger(1);
}

/// Whether all that a value decides is chosen by the flags. `but`: a use that
/// does not count.
static bool isSeenThrough(Value value, Value flags, Operation *but) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    if (user == but) {
      return true;
    }
    auto select = dyn_cast<arith::SelectOp>(user);
    if (select && select.getCondition() == flags) {
      return select.getTrueValue() == value && select.getFalseValue() != value;
    }
    return user->getBlock() == but->getBlock() && but->isBeforeInBlock(user) &&
           user->hasTrait<OpTrait::Elementwise>() && isMemoryEffectFree(user) &&
           user->getNumResults() == 1 &&
           isBlock(user->getResult(0).getType()) &&
           isSeenThrough(user->getResult(0), flags, but);
  });
}

namespace {
/// What is computed from a block for the sake of the same elements that a mask
/// leaves of it can be computed from these: else both blocks live behind the
/// branch that applies the mask. (Without a branch they do not: the masked
/// block is then chosen where it is used.)
struct UseMasked : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::SelectOp select,
                                PatternRewriter &rewriter) const override {
    Value value = select.getTrueValue(), flags = select.getCondition();
    if (!isFlags(flags.getType()) || !flags.getDefiningOp<scf::IfOp>() ||
        value.hasOneUse() || select.getFalseValue() == value) {
      return failure();
    }
    bool areLater = llvm::all_of(value.getUsers(), [&](Operation *user) {
      return user == select || (user->getBlock() == select->getBlock() &&
                                select->isBeforeInBlock(user));
    });
    if (!areLater || !isSeenThrough(value, flags, select)) {
      return failure();
    }
    rewriter.replaceUsesWithIf(value, select, [&](OpOperand &use) {
      return use.getOwner() != select;
    });
    return success();
  }
};

struct SinkFlags : OpRewritePattern<scf::IfOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(scf::IfOp branch,
                                PatternRewriter &rewriter) const override {
    if (branch.getElseRegion().empty() || !isMemoryEffectFree(branch)) {
      return failure();
    }
    for (OpResult flags : branch.getResults()) {
      if (!isFlags(flags.getType()) || flags.use_empty() ||
          !llvm::all_of(flags.getUsers(),
                        [&](Operation *user) { return fits(branch, user); })) {
        continue;
      }
      for (Operation *user : llvm::make_early_inc_range(flags.getUsers())) {
        sink(branch, flags, user, rewriter);
      }
      return success();
    }
    return failure();
  }

private:
  /// One block from blocks, and nothing else.
  static bool fits(scf::IfOp branch, Operation *user) {
    return user->getBlock() == branch->getBlock() &&
           user->hasTrait<OpTrait::Elementwise>() && isMemoryEffectFree(user) &&
           user->getNumResults() == 1 && isBlock(user->getResult(0).getType());
  }

  static void sink(scf::IfOp branch, OpResult flags, Operation *user,
                   PatternRewriter &rewriter) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(user);
    auto made = scf::IfOp::create(rewriter, user->getLoc(),
                                  user->getResultTypes(), branch.getCondition(),
                                  /*withElseRegion=*/true);
    for (auto [from, to] :
         llvm::zip_equal(branch->getRegions(), made->getRegions())) {
      rewriter.setInsertionPointToStart(&to.front());
      IRMapping map;
      for (Operation &op : from.front().without_terminator()) {
        rewriter.clone(op, map);
      }
      Operation *end = from.front().getTerminator();
      map.map(flags,
              map.lookupOrDefault(end->getOperand(flags.getResultNumber())));
      Operation *used = rewriter.clone(*user, map);
      scf::YieldOp::create(rewriter, user->getLoc(), used->getResults());
    }
    rewriter.replaceOp(user, made);
  }
};
} // namespace

void sm::populateUseMaskedPatterns(RewritePatternSet &patterns) {
  patterns.add<UseMasked>(patterns.getContext());
}

void sm::populateSinkFlagsPatterns(RewritePatternSet &patterns) {
  patterns.add<SinkFlags>(patterns.getContext());
}
