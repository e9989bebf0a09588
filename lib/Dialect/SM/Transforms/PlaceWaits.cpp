//===- PlaceWaits.cpp - sm-place-waits ------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread's copies complete in the order of their groups, and so do products;
// a wait names how many of the newest groups of its kind may still be under
// way. So it must be told how many groups begin between the one that it waits
// for and itself, on every path at least. What is counted is a lower bound:
// fewer waits longer, and is right as well. Boxes that a tensor map brings are
// no groups: barriers in memory count them.
//
// The other way round, what a copy overwrites must have been read by all. Waits
// make threads meet as well, and often one stands between; where none does, the
// copy is marked.
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/Transforms/Passes.h"
#include "attn/Dialect/SM/Transforms/SharedPlacement.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace attn {
#define GEN_PASS_DEF_SMPLACEWAITSPASS
#include "attn/Dialect/SM/Transforms/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

/// More groups than any kernel begins: the bound of a path that nothing takes.
static constexpr int64_t kNever = 1 << 20;

namespace {
enum class GroupKind { Copies, Products };
} // namespace

static bool beginsGroup(Operation *op, GroupKind kind) {
  return kind == GroupKind::Copies ? isa<CopyOp, FillOp>(op)
                                   : isa<GemmAsyncOp>(op);
}

static int64_t countGroups(Block &block, GroupKind kind);

/// Groups that the op begins, at least.
static int64_t countGroups(Operation *op, GroupKind kind) {
  if (beginsGroup(op, kind)) {
    return 1;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    if (branch.getElseRegion().empty()) {
      return 0;
    }
    return std::min(countGroups(branch.getThenRegion().front(), kind),
                    countGroups(branch.getElseRegion().front(), kind));
  }
  // A loop may run not at all.
  return 0;
}

/// From an op of the block, none: from its begin, up to another, none: its end.
static int64_t countGroups(Block &block, Operation *after, Operation *before,
                           GroupKind kind) {
  int64_t count = 0;
  Operation *op = after ? after->getNextNode() : &block.front();
  for (; op && op != before; op = op->getNextNode()) {
    count += countGroups(op, kind);
  }
  return count;
}

static int64_t countGroups(Block &block, GroupKind kind) {
  return countGroups(block, nullptr, nullptr, kind);
}

namespace {
/// Follows a token, or a product, back to the group that it stands for.
class Distance {
public:
  explicit Distance(GroupKind kind) : kind(kind) {}

  /// Groups that begin behind the token's own and before `at`, which stands in
  /// the block that sees the token.
  int64_t get(Value token, Operation *at) {
    Block *block = at->getBlock();
    int64_t begun = 0;
    // A wait deeper in, under loops and branches: what is in front of it there
    // counts as well, as does what is in front of those.
    while (token.getParentBlock() != block) {
      begun += countGroups(*block, nullptr, at, kind);
      at = block->getParentOp();
      block = at ? at->getBlock() : nullptr;
      if (!block) {
        return 0;
      }
    }
    return begun + inBlock(token, at);
  }

private:
  int64_t inBlock(Value token, Operation *at) {
    Block *block = token.getParentBlock();
    if (auto argument = dyn_cast<BlockArgument>(token)) {
      return carried(argument) + countGroups(*block, nullptr, at, kind);
    }
    Operation *op = token.getDefiningOp();
    int64_t behind = countGroups(*block, op, at, kind);
    if (beginsGroup(op, kind)) {
      return behind;
    }
    unsigned number = cast<OpResult>(token).getResultNumber();
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      return behind + entering(loop.getRegionIterArgs()[number],
                               loop.getInitArgs()[number], op,
                               loop.getBody()->getTerminator(), number);
    }
    if (auto items = dyn_cast<ItemsOp>(op)) {
      Block &body = items.getBody().front();
      return behind + entering(body.getArgument(number + 1),
                               items.getInit()[number], op,
                               body.getTerminator(), number);
    }
    // Nothing is known of it: everything is waited for.
    return 0;
  }

  /// Of a loop's argument, where its block begins.
  int64_t carried(BlockArgument argument) {
    Operation *op = argument.getOwner()->getParentOp();
    unsigned number = argument.getArgNumber();
    if (auto loop = dyn_cast_or_null<scf::ForOp>(op); loop && number) {
      return entering(argument, loop.getInitArgs()[number - 1], op,
                      loop.getBody()->getTerminator(), number - 1);
    }
    if (auto items = dyn_cast_or_null<ItemsOp>(op); items && number) {
      return entering(argument, items.getInit()[number - 1], op,
                      argument.getOwner()->getTerminator(), number - 1);
    }
    return -kNever;
  }

  /// The nearer of what comes from outside and what comes around.
  int64_t entering(BlockArgument argument, Value init, Operation *loop,
                   Operation *yield, unsigned number) {
    if (!visited.insert(argument).second) {
      // Around and around it only moves away.
      return kNever;
    }
    int64_t outside = get(init, loop);
    int64_t around = get(yield->getOperand(number), yield);
    visited.erase(argument);
    return std::min(outside, around);
  }

  GroupKind kind;
  llvm::SmallPtrSet<Value, 4> visited;
};

/// Whether some thread may still read shared memory when another gets to an op:
/// nobody has made them meet since. A read is a read, whatever of: rings and
/// room for single blocks are told apart by nothing that would save a barrier.
class Readers {
public:
  explicit Readers(Operation *at) : start(at) {}

  bool mayReadBefore(Operation *at) {
    for (Operation *op = at->getPrevNode(); op; op = op->getPrevNode()) {
      // Around all the way: what is in front was seen.
      if (isBarrier(op) || op == start) {
        return false;
      }
      if (reads(op)) {
        return true;
      }
    }
    Operation *parent = at->getParentOp();
    if (isa<scf::ForOp, ItemsOp>(parent) && visited.insert(parent).second &&
        mayReadBefore(at->getBlock()->getTerminator())) {
      return true;
    }
    // What is in front of a role has run once, before anything was written.
    return !isa<RolesOp>(parent) && mayReadBefore(parent);
  }

private:
  static bool isBarrier(Operation *op) {
    if (auto complete = dyn_cast<CompleteOp>(op)) {
      return getLayout(complete.getSource().getType()).isPartialOverWarps();
    }
    if (auto wait = dyn_cast<WaitOp>(op)) {
      return isa<SlotType>(wait.getSource().getType());
    }
    return isa<TakeOp, StoreSharedOp>(op) || op->hasAttr(kMeetAttr);
  }

  static bool reads(Operation *op) {
    return op
        ->walk([](Operation *inner) {
          bool isReader = llvm::any_of(inner->getOperandTypes(), [](Type type) {
            return isa<BufType>(type);
          });
          return isReader ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  }

  Operation *start;
  llvm::SmallPtrSet<Operation *, 4> visited;
};

struct SMPlaceWaits : attn::impl::SMPlaceWaitsPassBase<SMPlaceWaits> {
  void runOnOperation() override {
    getOperation()->walk<WalkOrder::PreOrder>([](Operation *op) {
      bool isCopy = isa<CopyOp>(op) && !isa<FillOp>(op->getParentOp());
      // Several roles have barriers of their own for that.
      auto roles = op->getParentOfType<RolesOp>();
      if ((isCopy || isa<FillOp>(op)) && roles &&
          roles.getBodies().size() == 1 && Readers(op).mayReadBefore(op)) {
        op->setAttr(kMeetAttr, UnitAttr::get(op->getContext()));
      }
      if (!isa<WaitOp, TakeOp>(op)) {
        return;
      }
      int64_t pending = kNever;
      bool any = false;
      for (Value operand : op->getOperands()) {
        bool isProduct = isa<InflightType>(operand.getType());
        if (isProduct || isa<TokenType>(operand.getType())) {
          Distance distance(isProduct ? GroupKind::Products
                                      : GroupKind::Copies);
          pending = std::min(pending, distance.get(operand, op));
          any = true;
        }
      }
      pending = any && pending < kNever ? std::max<int64_t>(pending, 0) : 0;
      op->setAttr(kPendingAttr, Builder(op).getI64IntegerAttr(pending));
    });
  }
};
} // namespace
