//===- SharedAddress.h - Addresses inside of a block ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread goes through a block in shared memory from a place of its own by
// steps that are the same for all threads. The swizzle stands in the way of one
// address and constant steps, but not by much: where the bits of step and place
// do not meet, the step inside a line is an exclusive-or, and all others are
// sums that instructions take as constants. Where they meet for some threads
// (warps that begin in the middle of a panel and end in the next), the place
// behind the step is worked out once, and steps go on from there.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_SMTONVVM_SHAREDADDRESS_H
#define ATTN_CONVERSION_SMTONVVM_SHAREDADDRESS_H

#include "Lowering.h"

#include "attn/Layout/SharedLayout.h"
#include "llvm/ADT/DenseMap.h"

namespace attn::sm {

/// A row of a block and a byte in it.
struct BlockPlace {
  int64_t row, byte;
};

class SharedAddress {
public:
  /// `buffer`: the block's first byte (i32). `row`, `byte`: the thread's place
  /// (i32), and `places` the same of every thread.
  SharedAddress(ImplicitLocOpBuilder &b, const KernelValues &kernel,
                const SharedLayout &layout, Value buffer, Value row, Value byte,
                SmallVector<BlockPlace> places)
      : b(b), kernel(kernel), layout(layout), buffer(buffer), row(row),
        byte(byte), places(std::move(places)) {}

  /// The address a step behind the thread's place.
  Value get(BlockPlace step);

private:
  /// A place that steps are counted from: how far it is from the thread's own,
  /// its offset in the block, and its address by the part of a step in its
  /// line.
  struct Anchor {
    BlockPlace at;
    Value offset;
    llvm::DenseMap<int64_t, Value> pointers;
  };

  bool isConstantStep(BlockPlace from, BlockPlace step) const;
  Anchor &findAnchor(BlockPlace to);
  Value getOffset(Value row, Value byte);
  /// The step as it counts outside of a line.
  int64_t getFar(BlockPlace step) const;

  ImplicitLocOpBuilder &b;
  const KernelValues &kernel;
  SharedLayout layout;
  Value buffer, row, byte;
  SmallVector<BlockPlace> places;
  SmallVector<Anchor, 1> anchors;
};

} // namespace attn::sm

#endif // ATTN_CONVERSION_SMTONVVM_SHAREDADDRESS_H
