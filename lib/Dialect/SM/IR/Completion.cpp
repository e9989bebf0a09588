//===- Completion.cpp - Nothing is read before it is there ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A buffer comes of a wait for tokens, and a token stands for a copy or a fill.
// Which one is followed through what loops carry; what a branch or a select has
// chosen may be any, and nothing is said of it. So what is refused is wrong,
// and what is not may still be: the simulator sees the rest.
//
// A cursor is a number of places from another one. Of a fill and a take whose
// token and cursor a loop carries side by side, it is enough that both are so
// far apart when they enter the loop and when they come around.
//
//===----------------------------------------------------------------------===//
#include "Completion.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include <set>
#include <tuple>

using namespace attn;
using namespace attn::sm;

namespace {
/// What a value of a loop is: what enters, and what comes around.
struct Carried {
  Operation *loop = nullptr;
  Value init, yielded;
  /// Whether it is the value behind the loop.
  bool isResult = false;
};
} // namespace

/// Without a loop: the value is none of one.
static Carried getCarried(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  Operation *loop =
      argument ? argument.getOwner()->getParentOp() : value.getDefiningOp();
  // Both kinds have one argument in front of those that they carry.
  unsigned number = argument ? argument.getArgNumber() - 1
                             : cast<OpResult>(value).getResultNumber();
  if (argument && argument.getArgNumber() == 0) {
    return {};
  }
  if (auto each = dyn_cast_or_null<scf::ForOp>(loop)) {
    return {loop, each.getInitArgs()[number],
            each.getBody()->getTerminator()->getOperand(number), !argument};
  }
  if (auto items = dyn_cast_or_null<ItemsOp>(loop)) {
    return {loop, items.getInit()[number],
            items.getBody().front().getTerminator()->getOperand(number),
            !argument};
  }
  return {};
}

static Value getSlot(Operation *copy) {
  if (auto rows = dyn_cast<CopyOp>(copy)) {
    return rows.getTo();
  }
  auto boxes = dyn_cast<CopyBoxesOp>(copy);
  return boxes ? boxes.getTo() : Value();
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

namespace {
/// The ops that a token may stand for.
struct Origins {
  llvm::SmallPtrSet<Operation *, 4> ops;
  bool areAll = true;

  void add(Value token) {
    if (!visited.insert(token).second) {
      return;
    }
    if (Carried carried = getCarried(token); carried.loop) {
      add(carried.init);
      add(carried.yielded);
      return;
    }
    Operation *op = token.getDefiningOp();
    if (isa_and_nonnull<CopyOp, CopyBoxesOp, FillOp>(op)) {
      ops.insert(op);
    } else {
      areAll = false;
    }
  }

private:
  llvm::SmallPtrSet<Value, 4> visited;
};
} // namespace

static LogicalResult verifyWait(WaitOp wait) {
  Value slot = wait.getSource();
  if (!isa<SlotType>(slot.getType())) {
    return success();
  }
  Origins origins;
  for (Value token : wait.getTokens()) {
    origins.add(token);
  }
  if (origins.areAll && llvm::none_of(origins.ops, [&](Operation *op) {
        return getSlot(op) == slot;
      })) {
    return wait.emitOpError("expects the token of a copy into its slot, but "
                            "got none");
  }
  // What has been waited for on the way to here.
  llvm::SmallPtrSet<Operation *, 4> complete = origins.ops;
  bool knowsAll = origins.areAll;
  for (Operation *user : slot.getUsers()) {
    auto other = dyn_cast<WaitOp>(user);
    if (!other || other->getBlock() != wait->getBlock() ||
        !other->isBeforeInBlock(wait)) {
      continue;
    }
    Origins before;
    for (Value token : other.getTokens()) {
      before.add(token);
    }
    complete.insert(before.ops.begin(), before.ops.end());
    knowsAll &= before.areAll;
  }
  for (Operation *copy : slot.getUsers()) {
    if (knowsAll && getSlot(copy) == slot && !complete.contains(copy) &&
        copy->getBlock() == wait->getBlock() && copy->isBeforeInBlock(wait)) {
      InFlightDiagnostic error =
          wait.emitOpError("expects the token of each copy into its slot in "
                           "front of it, but got none of one");
      error.attachNote(copy->getLoc()) << "the copy";
      return error;
    }
  }
  return success();
}

/// Whether an op, or one deeper in it, comes behind another one wherever both
/// run.
static bool isBehind(Operation *op, Operation *other) {
  for (Block *block = other->getBlock(); block;) {
    if (Operation *outer = block->findAncestorOpInBlock(*op)) {
      Operation *first = block->findAncestorOpInBlock(*other);
      return first->isBeforeInBlock(outer);
    }
    Operation *parent = block->getParentOp();
    block = parent ? parent->getBlock() : nullptr;
  }
  return false;
}

/// A buffer is what its slot held when it was waited for.
static LogicalResult verifyCopy(Operation *copy) {
  for (Operation *user : getSlot(copy).getUsers()) {
    auto wait = dyn_cast<WaitOp>(user);
    if (!wait || !isBehind(copy, wait)) {
      continue;
    }
    for (Operation *reader : wait.getResult().getUsers()) {
      if (isBehind(reader, copy)) {
        InFlightDiagnostic error = reader->emitOpError(
            "expects a buffer that no copy has been started into since it was "
            "waited for");
        error.attachNote(copy->getLoc()) << "the copy";
        return error;
      }
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Rings
//===----------------------------------------------------------------------===//

namespace {
/// Follows a token and a cursor to the fill that they must be of.
class TakeCheck {
public:
  explicit TakeCheck(TakeOp take)
      : take(take), slots(cast<RingType>(take.getRing().getType()).getSlots()) {
  }

  /// A fill, or a copy, that the token stands for and that is not of the place;
  /// null: none is known.
  Operation *findOther() {
    return follow(take.getToken(), {take.getCursor(), 0});
  }

private:
  /// `steps` places behind `root`; null: nobody knows.
  struct Place {
    Value root;
    int64_t steps;
  };

  /// All cursors of a ring begin at its first place.
  Place simplify(Place place) {
    while (place.root) {
      auto advance = place.root.getDefiningOp<AdvanceOp>();
      // Rings of as many places may go around with one cursor.
      if (!advance ||
          cast<RingType>(advance.getRing().getType()).getSlots() != slots) {
        break;
      }
      place.root = advance.getCursor();
      place.steps = (place.steps + 1) % slots;
    }
    return place;
  }

  bool differ(Place x, Place y) {
    x = simplify(x);
    y = simplify(y);
    if (!x.root || !y.root) {
      return false;
    }
    bool areFirst =
        x.root.getDefiningOp<CursorOp>() && y.root.getDefiningOp<CursorOp>();
    return (areFirst || x.root == y.root) && x.steps != y.steps;
  }

  Operation *follow(Value token, Place place) {
    place = simplify(place);
    auto key = std::tuple(token.getAsOpaquePointer(),
                          place.root.getAsOpaquePointer(), place.steps);
    if (!visited.insert(key).second) {
      return nullptr;
    }
    Operation *op = token.getDefiningOp();
    if (auto fill = dyn_cast_or_null<FillOp>(op)) {
      bool isOther = fill.getRing() != take.getRing() ||
                     differ({fill.getCursor(), 0}, place);
      return isOther ? op : nullptr;
    }
    if (isa_and_nonnull<CopyOp, CopyBoxesOp>(op)) {
      return op;
    }
    Carried carried = getCarried(token);
    if (!carried.loop) {
      return nullptr;
    }
    Place entering = place, around = place;
    Carried beside = place.root ? getCarried(place.root) : Carried();
    if (beside.loop == carried.loop && beside.isResult == carried.isResult) {
      entering.root = beside.init;
      around.root = beside.yielded;
    } else if (place.root && carried.loop->isAncestor(
                                 place.root.getParentBlock()->getParentOp())) {
      // It is another one in each turn.
      entering.root = around.root = Value();
    }
    if (Operation *other = follow(carried.init, entering)) {
      return other;
    }
    return follow(carried.yielded, around);
  }

  TakeOp take;
  int64_t slots;
  std::set<std::tuple<const void *, const void *, int64_t>> visited;
};
} // namespace

static LogicalResult verifyTake(TakeOp take) {
  // Without a token it waits for everything.
  if (!take.getToken()) {
    return success();
  }
  if (Operation *other = TakeCheck(take).findOther()) {
    InFlightDiagnostic error = take.emitOpError(
        "expects the token of the fill of its place, but got another one");
    error.attachNote(other->getLoc()) << "what it stands for";
    return error;
  }
  return success();
}

static LogicalResult verifyRelease(ReleaseOp release) {
  for (Operation *user : release.getRing().getUsers()) {
    auto take = dyn_cast<TakeOp>(user);
    if (!take || take.getCursor() != release.getCursor() ||
        take->getBlock() != release->getBlock() ||
        !take->isBeforeInBlock(release)) {
      continue;
    }
    for (Value buffer : take.getBuffers()) {
      for (Operation *reader : buffer.getUsers()) {
        if (isBehind(reader, release)) {
          InFlightDiagnostic error = reader->emitOpError(
              "expects a buffer of a place that has not been released");
          error.attachNote(release.getLoc()) << "the release";
          return error;
        }
      }
    }
  }
  return success();
}

LogicalResult sm::verifyCompletion(KernelOp kernel) {
  auto verify = [](Operation *op) {
    return llvm::TypeSwitch<Operation *, LogicalResult>(op)
        .Case(verifyWait)
        .Case(verifyTake)
        .Case(verifyRelease)
        .Case<CopyOp, CopyBoxesOp>([](auto copy) { return verifyCopy(copy); })
        .Default([](Operation *) { return success(); });
  };
  WalkResult result = kernel.walk([&](Operation *op) {
    return failed(verify(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
