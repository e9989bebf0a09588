//===- TargetModel.cpp - What a pass may know about hardware --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/TargetModel.h"
#include "attn/TargetModel/HostTargetModel.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;

std::string TargetModel::validate() const {
  auto wrong = [](const char *what, auto value) {
    return std::string("expects ") + what + ", but got " +
           std::to_string(value);
  };
  if (vectorBits < 64 || !llvm::isPowerOf2_64(vectorBits)) {
    return wrong("vectors of a power of two of at least 64 bits", vectorBits);
  }
  if (numVectorRegisters < 4) {
    return wrong("at least 4 vector registers", numVectorRegisters);
  }
  if (numFmaUnits < 1) {
    return wrong("at least one multiply-add unit", numFmaUnits);
  }
  if (!(matrixRate >= 0)) {
    return wrong("no negative rate of a matrix unit", matrixRate);
  }
  if (l1Bytes < 4096) {
    return wrong("a first-level cache of at least 4096 bytes", l1Bytes);
  }
  if (l2Bytes < l1Bytes) {
    return wrong("a second-level cache no smaller than the first", l2Bytes);
  }
  if (l3Bytes < 0) {
    return wrong("a third-level cache of no negative size", l3Bytes);
  }
  // Written so that a NaN fails.
  if (!(memoryBytesPerCycle > 0)) {
    return wrong("bytes per cycle from memory above 0", memoryBytesPerCycle);
  }
  if (!(l2BytesPerCycle >= memoryBytesPerCycle)) {
    return wrong("a second level no slower than memory", l2BytesPerCycle);
  }
  if (numCores < 1) {
    return wrong("at least one core", numCores);
  }
  return "";
}

RegisterBlock TargetModel::getRegisterBlock() const {
  return chooseRegisterBlock(numVectorRegisters, /*columns=*/8, /*rows=*/64,
                             /*rowStep=*/4);
}

RegisterBlock attn::chooseRegisterBlock(unsigned numRegisters, unsigned columns,
                                        unsigned rows, unsigned rowStep) {
  // More rows or vectors than these are code without gain.
  constexpr unsigned maxRows = 12, maxVectors = 4;
  auto fits = [&](unsigned r, unsigned v) {
    return r * v + v + 1 <= numRegisters;
  };
  RegisterBlock best{fits(rowStep, 1) ? rowStep : 1, 1};
  for (unsigned v = 1; v <= std::min(columns, maxVectors); ++v) {
    // A last panel of fewer vectors is more code; only long rows need it.
    if (columns % v && columns <= 8) {
      continue;
    }
    for (unsigned r = rowStep; r <= std::min(rows, maxRows); r += rowStep) {
      bool isBetter = r * v > best.rows * best.vectors ||
                      (r * v == best.rows * best.vectors &&
                       r + v < best.rows + best.vectors);
      if (fits(r, v) && isBetter) {
        best = {r, v};
      }
    }
  }
  return best;
}

std::optional<TargetModel> attn::getTargetModel(llvm::StringRef name) {
  if (name == "host") {
    return getHostTargetModel();
  }
  TargetModel model;
  model.name = name.str();
  if (name == "avx2") {
    model.vectorBits = 256;
    model.numFmaUnits = 2;
  } else if (name == "avx512" || name == "amx") {
    model.vectorBits = 512;
    model.numVectorRegisters = 32;
    model.numFmaUnits = 2;
    model.l1Bytes = 48 * 1024;
    model.l2Bytes = 2 * 1024 * 1024;
    // Of 512: as many tiles are loaded as are multiplied, and sums are stored.
    model.matrixRate = name == "amx" ? 200 : 0;
  } else if (name == "neon") {
    model.numVectorRegisters = 32;
    model.numFmaUnits = 2;
    model.l1Bytes = 64 * 1024;
    model.l2Bytes = 1024 * 1024;
  } else {
    return std::nullopt;
  }
  return model;
}
