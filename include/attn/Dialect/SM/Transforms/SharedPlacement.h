//===- SharedPlacement.h - Where blocks lie in shared memory ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_TRANSFORMS_SHAREDPLACEMENT_H
#define ATTN_DIALECT_SM_TRANSFORMS_SHAREDPLACEMENT_H

#include "attn/Dialect/SM/IR/SM.h"
#include "attn/Layout/SharedLayout.h"

namespace attn::sm {

/// Attributes that the passes leave for the lowering.
constexpr llvm::StringLiteral kOffsetAttr = "offset";
constexpr llvm::StringLiteral kSharedBytesAttr = "shared_bytes";
constexpr llvm::StringLiteral kPendingAttr = "pending";
constexpr llvm::StringLiteral kBarriersAttr = "barriers";

/// The barriers of a ring's place, each in memory of its own: the copies that
/// its filler waits for have landed; it is full; it is empty.
enum class RingBarrier { Landed, Full, Empty };
constexpr int64_t kBarrierBytes = 8, kBarriersPerPlace = 3;
/// From the first barrier of a ring with so many places.
int64_t getBarrierOffset(int64_t places, RingBarrier barrier);
/// On a fill or a copy: all threads must meet before it, as some may still read
/// what it overwrites.
constexpr llvm::StringLiteral kMeetAttr = "meet";

/// How the bytes of a block lie; its type verifies, so there is one.
SharedLayout getSharedLayout(SlotType slot);
SharedLayout getSharedLayout(BufType buffer);

/// The buffers of a ring's place, and the places.
struct RingPlacement {
  /// From the first byte of a place.
  llvm::SmallVector<int64_t> offsets;
  /// From one place to the next.
  int64_t stride;
  int64_t alignment;

  static RingPlacement get(RingType ring);
};

} // namespace attn::sm

#endif // ATTN_DIALECT_SM_TRANSFORMS_SHAREDPLACEMENT_H
