//===- Chips.h - GPUs that PTX is emitted for -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGET_PTX_CHIPS_H
#define ATTN_TARGET_PTX_CHIPS_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace attn {

/// PTX for "sm_90" runs on every later chip; for "sm_90a" on this one only, but
/// with its own instructions; for "sm_100f" on the family (sm_100, sm_103).
struct PtxChip {
  StringRef name;
  /// 80 of "sm_80".
  unsigned number;
  /// 'a', 'f', or 0.
  char variant;
  /// The lowest PTX level that knows it.
  unsigned lowestLevel;
};

/// All that are supported, in the order of their numbers.
ArrayRef<PtxChip> getPtxChips();
/// Null if it is not supported.
const PtxChip *findPtxChip(StringRef name);
/// "sm_80, sm_86, ..."
std::string listPtxChips();

/// The levels that code generation knows, ascending.
ArrayRef<unsigned> getPtxLevels();
/// "7.0" of 70.
std::string formatPtxLevel(unsigned level);

} // namespace attn

#endif // ATTN_TARGET_PTX_CHIPS_H
