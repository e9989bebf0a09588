//===- PTX.h - PTX text from the LLVM dialect -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A module of the dialects llvm and nvvm -> LLVM IR -> PTX text, in this
// process and without a file. A kernel is an llvm.func with `nvvm.kernel`; what
// it declares of itself comes through:
//
//   nvvm.reqntid = array<i32: x, y, z>    .reqntid
//   nvvm.maxntid = array<i32: x, y, z>    .maxntid
//   nvvm.minctasm = n                     .minnctapersm
//   nvvm.maxnreg = n                      .maxnreg
//   nvvm.cluster_dim = array<i32: ...>    .reqnctapercluster
//
// What differs from the plain translation:
//
//   - f32 arithmetic flushes denormals (.ftz), a product and a sum beside each
//     other are one fma; division and square root keep LLVM's precision unless
//     their flags (arcp, afn) say less.
//   - Inline assembly with side effects is convergent: LLVM neither copies it
//     into the arms of a branch nor moves it under one. MLIR cannot say that.
//   - Loops are neither unrolled nor vectorised: their shape is the caller's.
//
// Everything may be called from several threads at once with different modules.
// Threads that share an MLIRContext first call registerPtxTranslations on the
// registry it is made from.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGET_PTX_PTX_H
#define ATTN_TARGET_PTX_PTX_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>

namespace attn {

struct PtxOptions {
  /// A chip of Chips.h, as "sm_80" or "sm_90a".
  std::string chip;
  /// The PTX ISA times ten (70 is 7.0). 0: the lowest that the chip and the
  /// instructions of the module need, so that the oldest driver can load it.
  unsigned level = 0;
};

/// Where the time of emitPtx went, in milliseconds: checks and inline assembly
/// in MLIR, to LLVM IR (its checks included), LLVM's passes, code generation.
struct PtxTimes {
  double lower = 0, translate = 0, optimise = 0, codegen = 0;
};

/// Fails with `error` if the chip is not supported, or if there is no such
/// level, or it is below the lowest of the chip.
LogicalResult validatePtxOptions(const PtxOptions &options, std::string &error);

/// What emitPtx must know to translate; no dialect is loaded by it.
void registerPtxTranslations(DialectRegistry &registry);

/// The module, which keeps its form, as PTX text for one chip.
///
/// Errors are reported at the module: options that do not validate; an op that
/// is not of llvm or nvvm; an instruction that the chip lacks, or that needs a
/// higher level than the options say (NeedTables.cpp lists what is known);
/// anything that LLVM's code generator would end the process for (Supported.h).
FailureOr<std::string> emitPtx(ModuleOp module, const PtxOptions &options,
                               PtxTimes *times = nullptr);
/// The same of a module that nobody needs any more: nothing is copied.
FailureOr<std::string> emitPtx(OwningOpRef<ModuleOp> module,
                               const PtxOptions &options,
                               PtxTimes *times = nullptr);

} // namespace attn

#endif // ATTN_TARGET_PTX_PTX_H
