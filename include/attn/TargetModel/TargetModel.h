//===- TargetModel.h - What a pass may know about hardware ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every question that a pass has about a CPU is a member of TargetModel; no
// pass holds a number of a chip. A plain value without invariants: validate()
// says what is wrong with one. Free of IR.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_TARGETMODEL_H
#define ATTN_TARGETMODEL_TARGETMODEL_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace attn {

/// A block of a matrix product held in registers: rows x vectors accumulators.
struct RegisterBlock {
  unsigned rows = 1;
  unsigned vectors = 1;
};

class TargetModel {
public:
  /// Name of the model, for reports.
  std::string name;
  /// Bits of a vector register.
  unsigned vectorBits = 128;
  /// Vector registers that code can name.
  unsigned numVectorRegisters = 16;
  /// Vector fused multiply-adds that one core starts in a cycle.
  unsigned numFmaUnits = 1;
  /// Multiply-adds of bf16 that a core's matrix unit is seen to finish in a
  /// cycle, its loads and stores included. 0: it has none.
  double matrixRate = 0;
  /// Bytes of the data caches: first and second level per core, third per
  /// device. 0: no third level.
  int64_t l1Bytes = 32 * 1024;
  int64_t l2Bytes = 256 * 1024;
  int64_t l3Bytes = 0;
  /// Bytes that one core moves per cycle from its second level and from memory.
  double l2BytesPerCycle = 32;
  double memoryBytesPerCycle = 5;
  /// Cores that work at the same time.
  unsigned numCores = 1;

  /// Empty if the model can be used, else what is wrong, as "expects X, but got
  /// Y".
  std::string validate() const;

  /// Elements of this size in a vector register.
  unsigned getLanes(unsigned elementBytes) const {
    return vectorBits / 8 / elementBytes;
  }
  /// chooseRegisterBlock for results of 8 vectors and many rows.
  RegisterBlock getRegisterBlock() const;
};

/// The block of accumulators that a matrix product keeps in registers: as many
/// as fit beside one loaded vector per column of the block and one broadcast;
/// of equal choices the squarer one. The result has `rows` rows, taken in steps
/// of `rowStep`, and `columns` vectors in a row. The model's cost and the code
/// that is emitted agree because both ask here.
RegisterBlock chooseRegisterBlock(unsigned numRegisters, unsigned columns,
                                  unsigned rows, unsigned rowStep);

/// The model called `name`: "host" (HostTargetModel.h), "avx2", "avx512",
/// "amx" (which is avx512 and its matrix unit), "neon"; none if there is no
/// such model.
std::optional<TargetModel> getTargetModel(llvm::StringRef name);

} // namespace attn

#endif // ATTN_TARGETMODEL_TARGETMODEL_H
