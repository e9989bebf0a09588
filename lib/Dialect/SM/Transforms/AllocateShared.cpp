//===- AllocateShared.cpp - sm-allocate-shared ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/Transforms/Passes.h"
#include "attn/Dialect/SM/Transforms/SharedPlacement.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

namespace attn {
#define GEN_PASS_DEF_SMALLOCATESHAREDPASS
#include "attn/Dialect/SM/Transforms/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

SharedLayout sm::getSharedLayout(SlotType slot) {
  int64_t bits = slot.getElementType().getIntOrFloatBitWidth();
  return *SharedLayout::get(slot.getRows(), slot.getColumns() * bits / 8);
}

SharedLayout sm::getSharedLayout(BufType buffer) {
  return getSharedLayout(buffer.getSlot());
}

RingPlacement RingPlacement::get(RingType ring) {
  RingPlacement result{{}, 0, 1};
  for (BufType buffer : ring.getBuffers()) {
    SharedLayout layout = getSharedLayout(buffer);
    int64_t offset = llvm::alignTo(result.stride, layout.getAlignment());
    result.offsets.push_back(offset);
    result.stride = offset + layout.getBytes();
    result.alignment = std::max(result.alignment, layout.getAlignment());
  }
  result.stride = llvm::alignTo(result.stride, result.alignment);
  return result;
}

int64_t sm::getBarrierOffset(int64_t places, RingBarrier barrier) {
  return int64_t(barrier) * places * kBarrierBytes;
}

namespace {
struct SMAllocateShared
    : attn::impl::SMAllocateSharedPassBase<SMAllocateShared> {
  void runOnOperation() override {
    getOperation()->walk([](KernelOp kernel) {
      Builder b(kernel.getContext());
      int64_t used = 0;
      auto place = [&](Operation *op, int64_t bytes, int64_t alignment) {
        used = llvm::alignTo(used, alignment);
        op->setAttr(kOffsetAttr, b.getI64IntegerAttr(used));
        used += bytes;
      };
      kernel.walk([&](Operation *op) {
        if (auto alloc = dyn_cast<AllocOp>(op)) {
          SharedLayout layout =
              getSharedLayout(cast<SlotType>(alloc.getResult().getType()));
          place(op, layout.getBytes(), layout.getAlignment());
        } else if (auto ring = dyn_cast<RingOp>(op)) {
          auto type = cast<RingType>(ring.getResult().getType());
          RingPlacement placement = RingPlacement::get(type);
          place(op, type.getSlots() * placement.stride, placement.alignment);
        }
      });
      auto roles = kernel.getBody().getOps<RolesOp>();
      if (!roles.empty() && (*roles.begin()).getBodies().size() > 1) {
        for (auto ring : kernel.getBody().getOps<RingOp>()) {
          int64_t places =
              cast<RingType>(ring.getResult().getType()).getSlots();
          used = llvm::alignTo(used, kBarrierBytes);
          ring->setAttr(kBarriersAttr, b.getI64IntegerAttr(used));
          used += places * kBarriersPerPlace * kBarrierBytes;
        }
      }
      kernel->setAttr(kSharedBytesAttr, b.getI64IntegerAttr(used));
    });
  }
};
} // namespace
