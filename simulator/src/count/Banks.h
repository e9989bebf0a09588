//===- Banks.h - Wavefronts and sectors of an access ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shared memory has 32 banks of 4 bytes. A request is served in groups of 32
// lanes (up to 4 bytes each), 16 (8 bytes) or 8 (16 bytes); a group takes as
// many wavefronts as the fullest bank has different words.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_COUNT_BANKS_H
#define PTXSIM_COUNT_BANKS_H

#include "memory/Memory.h"

namespace ptxsim {

struct Wavefronts {
  uint64_t actual = 0, ideal = 0;
};
Wavefronts countWavefronts(const Access &access, Mask lanes);

/// Different 32-byte sectors of the lanes.
uint64_t countSectors(const Access &access, Mask lanes);

} // namespace ptxsim

#endif // PTXSIM_COUNT_BANKS_H
