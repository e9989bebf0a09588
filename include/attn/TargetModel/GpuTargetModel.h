//===- GpuTargetModel.h - What a pass may know about a GPU ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every question that a pass has about a GPU is a member of GpuTargetModel. A
// plain value without invariants: validate() says what is wrong with one. Free
// of IR and of any CUDA.
//
// Two kinds of numbers. Limits of the architecture (threads, registers, shared
// memory) are exact: a kernel above them does not launch. Rates are those of
// one typical card of the architecture, for comparing tiles; the runtime asks
// the card itself how many SMs it has.
//
// Cycles are those of an SM's clock. "Per SM" rates hold while all SMs are
// busy.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_GPUTARGETMODEL_H
#define ATTN_TARGETMODEL_GPUTARGETMODEL_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace attn {

/// What a CTA takes of an SM.
struct CtaNeeds {
  unsigned threads = 0;
  unsigned registersPerThread = 0;
  /// Static and dynamic shared memory that the kernel asks for.
  int64_t sharedBytes = 0;
};

class GpuTargetModel {
public:
  /// The chip as PTX names it, without a variant: "sm_80".
  std::string chip;
  /// The card that the rates and the number of SMs are of, for reports.
  std::string card;

  //===--- Limits -----------------------------------------------------------===

  /// Shared memory that one CTA can ask for, and that an SM has for all of its
  /// CTAs, each of which also takes sharedBytesPerCtaReserved.
  int64_t sharedBytesPerCta = 0;
  int64_t sharedBytesPerSM = 0;
  int64_t sharedBytesPerCtaReserved = 1024;
  /// 32-bit registers of an SM, the most that one thread can name, and the unit
  /// in which a warp is given them.
  unsigned registersPerSM = 65536;
  unsigned registersPerThread = 255;
  unsigned registersPerWarpUnit = 256;
  unsigned threadsPerWarp = 32;
  unsigned threadsPerCta = 1024;
  unsigned warpsPerSM = 0;
  unsigned ctasPerSM = 0;
  /// Each starts an instruction of one warp in a cycle.
  unsigned schedulersPerSM = 4;

  //===--- Instructions -----------------------------------------------------===

  /// Between 8-bit floats and f16, two at a time.
  bool convertsFloat8 = false;
  /// Sums, products and multiply-adds of two f32 are one instruction.
  bool packsF32 = false;

  //===--- Rates ------------------------------------------------------------===

  unsigned numSMs = 0;
  /// Clock under load, in GHz.
  double clockGHz = 0;
  /// Multiply-adds of f16 or bf16 with sums in f32, dense, by mma.sync.
  double mmaMacsPerCycle = 0;
  /// Likewise by instructions that a warp group starts and waits for later; 0
  /// if the chip has none. They are only in its own variant ("sm_90a").
  double asyncMmaMacsPerCycle = 0;
  /// f32 multiply-adds outside the tensor cores.
  double fmaPerCycle = 128;
  /// exp2, reciprocal and the like.
  double specialPerCycle = 16;
  double sharedBytesPerCycle = 128;
  /// Bytes that one SM gets per cycle from the L2 cache and from memory.
  double l2BytesPerCycle = 0;
  double memoryBytesPerCycle = 0;
  int64_t l2Bytes = 0;
  /// Cycles from a load that misses every cache to its value.
  double memoryLatency = 800;

  /// Empty if the model can be used, else what is wrong, as "expects X, but got
  /// Y".
  std::string validate() const;

  /// Empty if such a CTA can be launched, else the limit it breaks, as "expects
  /// at most 101376 bytes of shared memory per CTA on sm_86, but got 131072".
  std::string checkCta(const CtaNeeds &needs) const;

  /// CTAs of this kind that an SM holds at the same time; 0 if not even one.
  unsigned getResidentCtas(const CtaNeeds &needs) const;

  /// Registers that a thread can have where an SM holds `ctas` CTAs of this
  /// many threads; 0 if it cannot hold them for another reason than registers.
  unsigned getRegisterBudget(unsigned threads, unsigned ctas) const;
};

/// The model of a chip: "sm_80", "sm_86", "sm_89", "sm_90" or "sm_120", with a
/// variant or without ("sm_90a"); none if there is no such model. Without the
/// variant there are no asynchronous products: asyncMmaMacsPerCycle is 0.
std::optional<GpuTargetModel> getGpuTargetModel(llvm::StringRef chip);

/// "sm_80, sm_86, ..."
std::string listGpuTargetModels();

} // namespace attn

#endif // ATTN_TARGETMODEL_GPUTARGETMODEL_H
