//===- Side.h - Original positions and counts beside the pages --*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Side pools have a number per token slot, or per slot and KV head, at the slot
// numbers of the pages. In host memory the pool keeps them up to date; on a
// device the engine does, along with its keys and values.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_SIDE_H
#define ATTNRT_SRC_POOL_SIDE_H

#include "../abi/Context.h"
#include "attnrt/pool.h"

namespace attnrt {

class SidePools {
public:
  SidePools(Context &context, const attnrt_page_pool_params &params);

  /// `count` tokens of one page from `slot` on, the first at `position`.
  void append(int64_t slot, int64_t count, int64_t position);
  void copy(const attnrt_slot_copy &copy);
  void describe(uint32_t which, DLTensor *out) const;
  /// 0: heads share a number.
  int32_t numHeads() const { return heads; }
  bool exist() const { return which != 0; }

private:
  uint32_t which;
  int32_t heads;
  DLDevice device;
  mutable int64_t shape[3];
  Memory positions, counts;
  bool onHost;
};

} // namespace attnrt

#endif // ATTNRT_SRC_POOL_SIDE_H
