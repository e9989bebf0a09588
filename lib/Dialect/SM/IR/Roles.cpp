//===- Roles.cpp - What warps of a CTA do side by side --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/IR/SM.h"

using namespace attn;
using namespace attn::sm;

/// Warps that multiply together, and that give and take registers together.
static constexpr int64_t kGroupWarps = 4;

int64_t RolesOp::getFirstWarp(unsigned role) {
  int64_t first = 0;
  for (unsigned i = 0; i < role; ++i) {
    first += getWarps()[i] * getNumInstances(i);
  }
  return first;
}

unsigned RolesOp::getRole(Operation *op) {
  Region *region = op->getParentRegion();
  while (region->getParentOp() != *this) {
    region = region->getParentRegion();
  }
  return region->getRegionNumber();
}

static bool isWholeGroups(RolesOp roles, unsigned role) {
  return roles.getWarps()[role] % kGroupWarps == 0 &&
         roles.getFirstWarp(role) % kGroupWarps == 0;
}

/// Registers move between groups of warps in steps of 8.
static LogicalResult verifyRegisters(RolesOp roles) {
  ArrayRef<int64_t> counts = roles.getRegisters();
  if (llvm::all_of(counts, [](int64_t count) { return count == 0; })) {
    return success();
  }
  for (auto [role, count] : llvm::enumerate(counts)) {
    if (count < 24 || count > 256 || count % 8) {
      return roles.emitOpError("expects a multiple of 8 registers from 24 to "
                               "256 for each role, or 0 for all, but got ")
             << count;
    }
    if (!isWholeGroups(roles, role)) {
      return roles.emitOpError("expects roles with registers of their own to "
                               "be groups of ")
             << kGroupWarps << " warps that begin at a multiple of it, but got "
             << roles.getWarps()[role] << " warps from warp "
             << roles.getFirstWarp(role) << " on";
    }
  }
  return success();
}

/// A value spread over other warps than those of its role is nobody's.
static LogicalResult verifyOps(RolesOp roles, unsigned role) {
  int64_t warps = roles.getWarps()[role];
  WalkResult result = roles.getBodies()[role].walk([&](Operation *op) {
    for (Type type : op->getResultTypes()) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || !isFragment(tensor)) {
        continue;
      }
      int64_t used = getNumWarps(tensor.getEncoding());
      if (used != warps) {
        op->emitOpError("expects a value over the ")
            << warps << " warps of its role, but got one over " << used;
        return WalkResult::interrupt();
      }
    }
    if (isa<GemmAsyncOp>(op) &&
        (warps != kGroupWarps || !isWholeGroups(roles, role))) {
      op->emitOpError("expects a role of ")
          << kGroupWarps << " warps that begins at a multiple of it, but got "
          << warps << " from warp " << roles.getFirstWarp(role) << " on";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Of several roles, one fills a ring and another one takes from it.
static LogicalResult verifyRing(RolesOp roles, RingOp ring) {
  std::optional<unsigned> fills, takes;
  for (Operation *user : ring.getResult().getUsers()) {
    bool isFill = isa<FillOp>(user);
    if (!isFill && !isa<TakeOp, ReleaseOp>(user)) {
      continue;
    }
    std::optional<unsigned> &known = isFill ? fills : takes;
    unsigned role = roles.getRole(user);
    if (known && *known != role) {
      return user->emitOpError("expects one role to ")
             << (isFill ? "fill" : "take from") << " a ring, but got "
             << roles.getNames()[*known] << " and " << roles.getNames()[role];
    }
    known = role;
  }
  if (fills && roles.getNumInstances(*fills) != 1) {
    return ring.emitOpError("expects one instance of the role that fills it, "
                            "but got ")
           << roles.getNumInstances(*fills);
  }
  if (!fills || !takes || *fills == *takes) {
    return ring.emitOpError("expects one role to fill a ring and another to "
                            "take from it");
  }
  return success();
}

LogicalResult RolesOp::verifyRegions() {
  size_t count = getBodies().size();
  if (getNames().size() != count || getWarps().size() != count ||
      getRegisters().size() != count) {
    return emitOpError("expects a name, a number of warps and one of registers "
                       "for each of ")
           << count << " roles, but got " << getNames().size() << ", "
           << getWarps().size() << " and " << getRegisters().size();
  }
  if (getInstances() && getInstances()->size() != count) {
    return emitOpError("expects a number of instances for each of ")
           << count << " roles, but got " << getInstances()->size();
  }
  for (auto [role, body] : llvm::enumerate(getBodies())) {
    if (getWarps()[role] <= 0 || getNumInstances(role) <= 0) {
      return emitOpError("expects at least one warp and one instance for a "
                         "role, but got ")
             << getWarps()[role] << " and " << getNumInstances(role);
    }
    if (body.getNumArguments() > 1 ||
        (body.getNumArguments() == 1 &&
         !body.getArgument(0).getType().isIndex())) {
      return emitOpError("expects a role to take nothing but the number of its "
                         "instance, an index");
    }
    if (failed(verifyOps(*this, role))) {
      return failure();
    }
  }
  if (failed(verifyRegisters(*this))) {
    return failure();
  }
  if (count > 1) {
    for (auto ring : (*this)->getBlock()->getOps<RingOp>()) {
      if (failed(verifyRing(*this, ring))) {
        return failure();
      }
    }
  }
  return success();
}
