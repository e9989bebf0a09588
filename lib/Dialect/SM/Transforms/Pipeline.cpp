//===- Pipeline.cpp - sm-pipeline -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop that fills the places of rings and takes them in the same turn waits
// for memory in each. Here fills move as many turns ahead as there are places
// but one, and what they look up in tables one turn more: a warp goes through
// its instructions in order, so that it would stand still between a page's
// number and the copy of that page.
//
// What both a fill and the products need, such as the tile's coordinates, is
// computed for each of them: cheaper than a register for every turn between
// them. So each stage first gets what it is computed from as its own, and only
// what is read from memory crosses stages.
//
// The turn itself is built by scf::pipelineForLoop. The last turns are not
// peeled off: their fills are switched off by `when`, and their look-ups by a
// branch. Waits are counted afterwards (sm-place-waits).
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace attn {
#define GEN_PASS_DEF_SMPIPELINEPASS
#include "attn/Dialect/SM/Transforms/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

using Schedule = std::vector<std::pair<Operation *, unsigned>>;

namespace {
/// The ops of a loop's body by stage.
class LoopSchedule {
public:
  explicit LoopSchedule(scf::ForOp loop) : body(*loop.getBody()) {}

  /// False: nothing to move.
  bool build() {
    int64_t places = 0;
    for (auto fill : body.getOps<FillOp>()) {
      int64_t slots = cast<RingType>(fill.getRing().getType()).getSlots();
      places = places ? std::min(places, slots) : slots;
      fills.push_back(fill);
    }
    if (places < 2) {
      return false;
    }
    llvm::SetVector<Operation *> needed = sliceOf(fills);
    for (Operation &op : body.without_terminator()) {
      if (needed.contains(&op) && !isMemoryEffectFree(&op)) {
        lookUps.push_back(&op);
      }
    }
    // Nothing stands for what a look-up that is switched off would give. Such a
    // loop runs as it is.
    Builder b(body.getParentOp()->getContext());
    auto hasZero = [&](Type type) { return bool(b.getZeroAttr(type)); };
    if (!llvm::all_of(lookUps, [&](Operation *op) {
          return llvm::is_contained(fills, op) ||
                 llvm::all_of(op->getResultTypes(), hasZero);
        })) {
      return false;
    }
    if (!lookUps.empty()) {
      stages.push_back(privatise(lookUps));
    }
    stages.push_back(privatise(fills));
    fillStage = unsigned(stages.size()) - 1;
    lastStage = fillStage + unsigned(places) - 1;
    return true;
  }

  Schedule getOrder() {
    DenseMap<Operation *, unsigned> early;
    for (auto [stage, ops] : llvm::enumerate(stages)) {
      for (Operation *op : ops) {
        early[op] = unsigned(stage);
      }
    }
    // Behind the first wait of a turn all threads have left the turn before,
    // and the place that it has read is free.
    Operation *first = nullptr;
    for (auto take : body.getOps<TakeOp>()) {
      first = take;
      break;
    }
    Schedule order;
    auto addLate = [&](bool before) {
      for (Operation &op : body.without_terminator()) {
        bool isBefore = first && (&op == first || op.isBeforeInBlock(first));
        if (!early.contains(&op) && isBefore == before) {
          order.push_back({&op, lastStage});
        }
      }
    };
    addLate(/*before=*/true);
    // What is looked up for the turn after the next comes behind the copies of
    // the next.
    for (unsigned stage = fillStage + 1; stage-- > 0;) {
      for (Operation &op : body.without_terminator()) {
        auto found = early.find(&op);
        if (found != early.end() && found->second == stage) {
          order.push_back({&op, stage});
        }
      }
    }
    addLate(/*before=*/false);
    return order;
  }

private:
  /// A value that the loop carries comes from what the turn before yields.
  Value getSource(Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == &body && argument.getArgNumber()
               ? body.getTerminator()->getOperand(argument.getArgNumber() - 1)
               : value;
  }

  /// The ops of the body that some are computed from, themselves included, as
  /// far as a filter lets through.
  llvm::SetVector<Operation *> sliceOf(
      ArrayRef<Operation *> roots, function_ref<bool(Operation *)> filter =
                                       [](Operation *) { return true; }) {
    llvm::SetVector<Operation *> slice;
    SmallVector<Operation *> open(roots.begin(), roots.end());
    while (!open.empty()) {
      Operation *op = open.pop_back_val();
      if (!filter(op) || !slice.insert(op)) {
        continue;
      }
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          Operation *def = getSource(operand).getDefiningOp();
          if (def && def->getBlock() == &body) {
            open.push_back(def);
          }
        }
      });
    }
    return slice;
  }

  /// Gives ops what they are computed from, up to what is read from memory, as
  /// their own. All of it, the ops included.
  llvm::SetVector<Operation *> privatise(ArrayRef<Operation *> roots) {
    // What the loop carries exists once, and follows who needs it first.
    auto isRoot = [&](Operation *op) {
      return llvm::is_contained(roots, op) ||
             llvm::any_of(
                 body.getTerminator()->getOperands(),
                 [&](Value value) { return value.getDefiningOp() == op; });
    };
    llvm::SetVector<Operation *> wanted = sliceOf(roots, [&](Operation *op) {
      return isRoot(op) || isMemoryEffectFree(op);
    });
    llvm::SetVector<Operation *> stage;
    IRMapping map;
    SmallVector<Operation *> inOrder;
    for (Operation &op : body.without_terminator()) {
      if (wanted.contains(&op)) {
        inOrder.push_back(&op);
      }
    }
    for (Operation *op : inOrder) {
      if (isRoot(op)) {
        op->walk([&](Operation *inner) {
          for (OpOperand &operand : inner->getOpOperands()) {
            operand.set(map.lookupOrDefault(operand.get()));
          }
        });
        stage.insert(op);
        continue;
      }
      OpBuilder b(op);
      stage.insert(b.clone(*op, map));
    }
    return stage;
  }

  Block &body;
  SmallVector<Operation *> fills, lookUps;
  SmallVector<llvm::SetVector<Operation *>> stages;
  unsigned fillStage = 0, lastStage = 0;
};

struct SMPipeline : attn::impl::SMPipelinePassBase<SMPipeline> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation()->walk([&](scf::ForOp loop) {
      if (!loop.getBody()->getOps<FillOp>().empty()) {
        loops.push_back(loop);
      }
    });
    for (scf::ForOp loop : loops) {
      if (failed(pipeline(loop))) {
        return signalPassFailure();
      }
    }
  }

private:
  static Operation *predicate(RewriterBase &rewriter, Operation *op,
                              Value isDone) {
    if (isMemoryEffectFree(op)) {
      return op;
    }
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    Location loc = op->getLoc();
    if (auto fill = dyn_cast<FillOp>(op)) {
      Value when = fill.getWhen();
      if (when) {
        isDone = arith::AndIOp::create(rewriter, loc, when, isDone);
      }
      rewriter.modifyOpInPlace(fill,
                               [&] { fill.getWhenMutable().assign(isDone); });
      return fill;
    }
    auto branch = scf::IfOp::create(rewriter, loc, op->getResultTypes(), isDone,
                                    /*withElseRegion=*/true);
    rewriter.setInsertionPointToStart(branch.elseBlock());
    SmallVector<Value> zeros;
    for (Type type : op->getResultTypes()) {
      TypedAttr zero = rewriter.getZeroAttr(type);
      if (!zero) {
        return nullptr;
      }
      zeros.push_back(arith::ConstantOp::create(rewriter, loc, zero));
    }
    scf::YieldOp::create(rewriter, loc, zeros);
    rewriter.setInsertionPointToStart(branch.thenBlock());
    auto yield = scf::YieldOp::create(rewriter, loc, op->getResults());
    rewriter.moveOpBefore(op, yield);
    return branch;
  }

  static LogicalResult pipeline(scf::ForOp loop) {
    LoopSchedule schedule(loop);
    if (!schedule.build()) {
      return success();
    }
    // What was given away is of no use where it stood.
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(*loop.getBody()))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
      }
    }
    scf::PipeliningOption options;
    options.getScheduleFn = [&](scf::ForOp, Schedule &order) {
      order = schedule.getOrder();
    };
    options.supportDynamicLoops = true;
    options.peelEpilogue = false;
    options.predicateFn = predicate;
    IRRewriter rewriter(loop.getContext());
    rewriter.setInsertionPoint(loop);
    if (failed(scf::pipelineForLoop(rewriter, loop, options))) {
      return loop.emitError(
          "cannot be pipelined: something that its fills need "
          "has no form that can be switched off");
    }
    return success();
  }
};
} // namespace
