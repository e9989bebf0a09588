//===- SplitLoops.cpp - sm-split-loops ------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop that applies a mask in a branch pays for the branch in each turn, and
// the scheduler of a chip's assembler cannot move instructions across it. Here
// the turns before the first one that needs the mask are a loop of their own
// without it. Which turns those are is counted by a loop of scalars: whatever
// the mask is, its branch asks for something that is known of a turn.
//
// Tiles of a causal mask are whole until the diagonal; a window that begins
// with a tile in part has no such turns and stays one loop.
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace attn {
#define GEN_PASS_DEF_SMSPLITLOOPSPASS
#include "attn/Dialect/SM/Transforms/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

namespace {
class LoopSplit {
public:
  explicit LoopSplit(scf::ForOp loop) : loop(loop), body(*loop.getBody()) {}

  /// False: no turn of the loop is known to be one without a mask.
  bool find() {
    loop.walk([&](scf::IfOp branch) {
      if (leavesBlocks(branch)) {
        conditions.insert(branch.getCondition());
      }
    });
    conditions.remove_if([&](Value condition) { return !addSlice(condition); });
    return !conditions.empty();
  }

  void split() {
    OpBuilder b(loop);
    Value first = countPlain(b);
    Value no = arith::ConstantIntOp::create(b, loop.getLoc(), 0, 1);
    IRMapping map;
    auto plain = cast<scf::ForOp>(b.clone(*loop, map));
    plain.setUpperBound(first);
    plain.walk([&](scf::IfOp branch) {
      if (llvm::any_of(conditions, [&](Value condition) {
            return map.lookupOrDefault(condition) == branch.getCondition();
          })) {
        branch.getConditionMutable().assign(no);
      }
    });
    loop.setLowerBound(first);
    loop.getInitArgsMutable().assign(plain.getResults());
  }

private:
  /// Whether blocks stay what they are in this turn where the condition is
  /// false: what a branch does for a mask.
  bool leavesBlocks(scf::IfOp branch) {
    if (!branch.getNumResults() || !branch.elseBlock() ||
        branch.elseBlock()->getOperations().size() != 1) {
      return false;
    }
    return llvm::all_of(branch.elseYield().getOperands(), [&](Value value) {
      Operation *op = value.getDefiningOp();
      auto type = dyn_cast<RankedTensorType>(value.getType());
      return op && loop->isProperAncestor(op) && type && type.getRank() == 2;
    });
  }

  /// Notes what `condition` is computed from; false if that is more than the
  /// number of the turn and what is known before the loop.
  bool addSlice(Value condition) {
    llvm::SetVector<Operation *> found;
    SmallVector<Value> open{condition};
    while (!open.empty()) {
      Value value = open.pop_back_val();
      if (loop.isDefinedOutsideOfLoop(value) ||
          value == loop.getInductionVar()) {
        continue;
      }
      Operation *op = value.getDefiningOp();
      if (!op || op->getBlock() != &body || op->getNumRegions() ||
          !isMemoryEffectFree(op)) {
        return false;
      }
      found.insert(op);
      llvm::append_range(open, op->getOperands());
    }
    slice.insert(found.begin(), found.end());
    return true;
  }

  /// The first turn that needs the mask, or the end of the loop.
  Value countPlain(OpBuilder &b) {
    Location loc = loop.getLoc();
    auto yes = arith::ConstantIntOp::create(b, loc, 1, 1);
    auto count = scf::ForOp::create(b, loc, loop.getLowerBound(),
                                    loop.getUpperBound(), loop.getStep(),
                                    ValueRange{loop.getLowerBound(), yes});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(count.getBody());
    IRMapping map;
    map.map(loop.getInductionVar(), count.getInductionVar());
    for (Operation &op : body) {
      if (slice.contains(&op)) {
        b.clone(op, map);
      }
    }
    Value isPlain = count.getRegionIterArg(1);
    for (Value condition : conditions) {
      Value isNot =
          arith::XOrIOp::create(b, loc, map.lookupOrDefault(condition), yes);
      isPlain = arith::AndIOp::create(b, loc, isPlain, isNot);
    }
    Value next =
        arith::AddIOp::create(b, loc, count.getInductionVar(), loop.getStep());
    Value end = arith::SelectOp::create(b, loc, isPlain, next,
                                        count.getRegionIterArg(0));
    scf::YieldOp::create(b, loc, ValueRange{end, isPlain});
    return count.getResult(0);
  }

  scf::ForOp loop;
  Block &body;
  llvm::SetVector<Value> conditions;
  llvm::SetVector<Operation *> slice;
};

struct SMSplitLoops : attn::impl::SMSplitLoopsPassBase<SMSplitLoops> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation()->walk([&](scf::ForOp loop) {
      if (!loop.getBody()->getOps<TakeOp>().empty()) {
        loops.push_back(loop);
      }
    });
    for (scf::ForOp loop : loops) {
      LoopSplit split(loop);
      if (split.find()) {
        split.split();
      }
    }
  }
};
} // namespace
