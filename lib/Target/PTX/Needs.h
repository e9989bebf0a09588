//===- Needs.h - What instructions ask of a chip ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_PTX_NEEDS_H
#define ATTN_LIB_TARGET_PTX_NEEDS_H

#include "attn/Target/PTX/Chips.h"
#include "llvm/IR/Module.h"
#include <string>

namespace attn {

/// Holds every intrinsic of NVIDIA's, and every instruction of inline assembly
/// that is known to need more than sm_80, against the chip. With a `level` of 0
/// it is set to the lowest that the chip and the instructions need, else it
/// must be that high. Fails with `error`, which names the instruction, the
/// function, and what it needs.
///
/// An intrinsic that is not in the tables of NeedTables.h is an error as well:
/// LLVM would end the process at one that the chip lacks.
LogicalResult checkNeeds(const llvm::Module &module, const PtxChip &chip,
                         unsigned &level, std::string &error);

} // namespace attn

#endif // ATTN_LIB_TARGET_PTX_NEEDS_H
