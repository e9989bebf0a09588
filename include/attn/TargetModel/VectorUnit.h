//===- VectorUnit.h - What code for a CPU's registers may use ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_VECTORUNIT_H
#define ATTN_TARGETMODEL_VECTORUNIT_H

#include <cstdint>

namespace attn {

/// What generated loops know of the registers and instructions they run on.
/// Where TargetModel says what is fast, this says what there is.
struct VectorUnit {
  int64_t lanes = 16;     // f32 lanes of a register, a power of two
  int64_t registers = 32; // of that width
  bool dotsBF16 = false;  // multiplies pairs of bf16, adds in f32 (vdpbf16ps)
  bool tilesBF16 = false; // a matrix unit does so too (AMX); with dotsBF16
  bool scales = false;    // x 2^floor(y) and y - floor(y) are instructions, of
                          // registers of 4, 8 and 16 lanes (vscalefps)
};

} // namespace attn

#endif // ATTN_TARGETMODEL_VECTORUNIT_H
