//===- Wgmma.h - Products of matrices by a warpgroup ---------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What decoding, checking, issuing and doing a wgmma share.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_WGMMA_H
#define PTXSIM_OPS_WGMMA_H

#include "Descriptor.h"
#include "ProductQueue.h"
#include "Products.h"
#include "exec/Warp.h"

namespace ptxsim::wgmma {

struct Data : InstData {
  Elements a, b;
  Depth depth;
  Sums sums = Sums::F32;
  unsigned n = 0;
  bool isAInRegisters = false;
  bool isATransposed = false, isBTransposed = false;
  bool isNegated = false; // the signs of A and B differ
  bool isSaturating = false;
};

inline const Data &dataOf(const Inst &in) {
  return *static_cast<const Data *>(in.data);
}

constexpr unsigned kRows = 16; // of a warp
constexpr unsigned kRegistersOfA = 4;

/// Reads shared memory and writes D (WgmmaProducts.cpp).
void multiply(Warp &w, const ProductQueue::Product &product);

//===--- Checks where a product is issued (WgmmaChecks.cpp) ---------------===//

/// D and A in registers: other products in flight, wgmma.fence.
void checkRegisters(Warp &w, const Inst &in);
/// Sums that are read must have been written.
void checkDefined(Warp &w, const Inst &in);
/// The warps of a warpgroup must mean the same product.
void checkTogether(Warp &w, const Inst &in, uint64_t a, uint64_t b);
/// The accesses to one operand in shared memory: `tiles` core matrices of 8
/// rows of it from `first` on.
void checkOperand(Warp &w, const Inst &in, const Descriptor &matrix,
                  unsigned first, unsigned tiles, const Actor *actor,
                  bool isCounted);

//===--- Handlers (Wgmma.cpp) ---------------------------------------------===//

Step runProduct(Warp &w, const Inst &in);
Step runFence(Warp &w, const Inst &in);
Step runCommit(Warp &w, const Inst &in);
Step runWait(Warp &w, const Inst &in);

} // namespace ptxsim::wgmma

#endif // PTXSIM_OPS_WGMMA_H
