//===- Addresses.h - Addresses of the lanes ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_ADDRESSES_H
#define PTXSIM_OPS_ADDRESSES_H

#include "exec/Warp.h"
#include "program/Decode.h"

namespace ptxsim {

/// `base` is a register or a constant. One of 32 bits holds an offset of its
/// space.
inline void setAddresses(const Warp &w, const Ref &base, int64_t offset,
                         Access &access) {
  if (base.laneBytes == 8) {
    const uint64_t *a = w.in<uint64_t>(base);
    for (unsigned l = 0; l < kLanes; ++l) {
      access.address[l] = a[l] + uint64_t(offset);
    }
  } else {
    const uint32_t *a = w.in<uint32_t>(base);
    for (unsigned l = 0; l < kLanes; ++l) {
      access.address[l] = uint64_t(int64_t(a[l]) + offset);
    }
  }
}

/// Takes the space of an opcode; without one, addresses are generic.
Space takeSpace(Words &words);
/// Takes .relaxed and its like; `none` if there is none.
Order takeOrder(Words &words, Order none);
Scope takeScope(Words &words);

} // namespace ptxsim

#endif // PTXSIM_OPS_ADDRESSES_H
