//===- NeedTables.h - Which instruction needs which chip --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_PTX_NEEDTABLES_H
#define ATTN_LIB_TARGET_PTX_NEEDTABLES_H

#include "attn/Target/PTX/Chips.h"
#include <string>

namespace attn {

/// Chips that have an instruction.
enum class Reach {
  From,        // this number and later ones
  Own,         // this number, with its own instructions ("a")
  OwnOn,       // this number ("a") and, with "a" or "f", all from 100 on
  Family,      // "a" or "f", numbers of the same ten
  TensorMemory // "a" or "f", 100 to 119
};

/// A row of a table.
struct Need {
  /// With `*`; what an instruction is first matched by counts. Rows of the same
  /// pattern that follow each other are alternatives.
  const char *pattern;
  Reach reach;
  unsigned number;
  unsigned level;

  bool isMetBy(const PtxChip &chip) const;
  /// "sm_90 or later with PTX level 80"
  std::string describe() const;
};

/// The alternatives for an intrinsic, named as in "llvm.nvvm.cp.async.bulk.x".
/// Empty: it is in no row. One whose number is 0: LLVM cannot select it.
ArrayRef<Need> findIntrinsicNeeds(StringRef name);

/// The alternatives for an instruction of inline assembly, as "mma.sync.x".
/// Empty: nothing is known that it needs beyond the first supported chip; such
/// code is ptxas's to judge.
ArrayRef<Need> findAssemblyNeeds(StringRef mnemonic);

} // namespace attn

#endif // ATTN_LIB_TARGET_PTX_NEEDTABLES_H
