//===- Ptxas.h - From PTX to the code of a chip -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// CUDA's assembler, as a program beside us: PTX alone needs nothing of CUDA.
// It says in passing what makes a kernel slow, and exits with 0 all the same;
// here that becomes data, and warnings.
//
// The functions may be called from several threads at once.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGET_PTX_PTXAS_H
#define ATTN_TARGET_PTX_PTXAS_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/SmallVector.h"
#include <string>
#include <vector>

namespace attn {

/// What one kernel, or one function that was not inlined, takes. Bytes are per
/// thread, but for shared memory (static, per CTA).
struct PtxasFunction {
  std::string name;
  bool isKernel = false;
  unsigned registers = 0, barriers = 0;
  unsigned stackBytes = 0, spillStoreBytes = 0, spillLoadBytes = 0;
  unsigned sharedBytes = 0;

  bool spills() const { return spillStoreBytes > 0 || spillLoadBytes > 0; }
};

/// A message with a number.
struct PtxasMessage {
  std::string code;   // "C7512"
  std::string kernel; // empty if it names none and there are several
  std::string text;
  /// One of C7504, C7508, C7511, C7512, C7514, C7517, C7519: products of
  /// matrices run one after the other, waits are added, or the registers that a
  /// kernel asked for are refused.
  bool costsSpeed = false;
};

struct PtxasLog {
  std::vector<PtxasFunction> functions;
  std::vector<PtxasMessage> messages;
  /// "line 4: unknown symbol ..."
  std::vector<std::string> errors;

  /// No spills, and no message that costs speed.
  bool isClean() const;
};

/// Reads what `ptxas -v` prints (CUDA 11 to 13). Lines that it does not know
/// are left out.
PtxasLog parsePtxasLog(StringRef text);

/// One warning for each kernel that spills and each message that costs speed.
void warnAbout(const PtxasLog &log, Location loc);

/// One line per function: name, registers, barriers, shared, stack, spilled
/// bytes; then the numbered messages.
void printTable(const PtxasLog &log, raw_ostream &os);

struct Assembly {
  SmallVector<char, 0> cubin;
  PtxasLog log;
};

/// The program: on PATH, else in CUDA_HOME/bin, else in /usr/local/cuda/bin.
/// Empty if there is none.
std::string findPtxas();

/// Runs ptxas for a chip of Chips.h. `program` is its path, or empty for
/// findPtxas. Errors and warnings (warnAbout) are reported at `loc`. Makes
/// files in the folder for temporary ones and removes them.
FailureOr<Assembly> assemblePtx(StringRef ptx, StringRef chip, Location loc,
                                StringRef program = "");

} // namespace attn

#endif // ATTN_TARGET_PTX_PTXAS_H
