//===- ThreadPosition.h - Which thread this is ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layouts say in digits where a warp and a lane are; this computes those digits
// of the thread that runs.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_SMTONVVM_THREADPOSITION_H
#define ATTN_CONVERSION_SMTONVVM_THREADPOSITION_H

#include "attn/Layout/FragmentLayout.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace attn::sm {

class ThreadPosition {
public:
  ThreadPosition() = default;
  /// Reads the number of the thread where the builder stands.
  explicit ThreadPosition(ImplicitLocOpBuilder &b);
  /// A thread whose numbers (i32) are known.
  ThreadPosition(Value lane, Value warp) : lane(lane), warp(warp) {}

  Value getLane() const { return lane; }
  Value getWarp() const { return warp; }

  /// The part of a coordinate that the thread makes (locateThread), as i32.
  Value locate(ImplicitLocOpBuilder &b, const FragmentLayout &layout,
               int axis) const;
  /// The part that the warp makes.
  Value locateWarp(ImplicitLocOpBuilder &b, const FragmentLayout &layout,
                   int axis) const;
  /// The number of the lane among those of its warp that hold the same.
  Value getReplica(ImplicitLocOpBuilder &b, const FragmentLayout &layout) const;
  /// How many lanes of a warp hold the same.
  static int64_t countReplicas(const FragmentLayout &layout);
  /// The number of the thread among those that hold the same
  /// (attn::getReplica).
  Value getThreadReplica(ImplicitLocOpBuilder &b,
                         const FragmentLayout &layout) const;
  /// Whether this is the first of the threads that hold the same; none where
  /// no two do.
  Value isFirstReplica(ImplicitLocOpBuilder &b,
                       const FragmentLayout &layout) const;

  /// The number of the warp among those that hold parts of one value.
  Value getPart(ImplicitLocOpBuilder &b, const FragmentLayout &layout) const;

private:
  Value lane, warp; // i32
};

} // namespace attn::sm

#endif // ATTN_CONVERSION_SMTONVVM_THREADPOSITION_H
