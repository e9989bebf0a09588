//===- GpuTargetModel.cpp - What a pass may know about a GPU --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/GpuTargetModel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace attn;

namespace {

/// One line per chip, in the units that data sheets have.
struct Row {
  llvm::StringRef chip, card;
  /// KB of shared memory per CTA and per SM.
  int64_t sharedPerCta, sharedPerSM;
  unsigned warps, ctas, numSMs;
  double clockGHz, mmaMacs, asyncMmaMacs, fma;
  /// GB/s of memory; bytes per cycle of one SM from L2; MB of L2.
  double memoryGBs, l2BytesPerCycle;
  int64_t l2MB;
  bool convertsFloat8, packsF32;
};

} // namespace

// Limits: the tables of compute capabilities in the CUDA programming guide.
// Rates: the data sheets of the cards. mma.sync reaches about five eighths of
// wgmma's 2048 on sm_90: it was measured by others only as attention kernels.
// GeForce cards of sm_86, sm_89 and sm_120 have half the rate with sums in f32.
static const Row rows[] = {
    {"sm_80", "A100-SXM4-80GB", 163, 164, 64, 32, 108, 1.41, 1024, 0, 64, 2039,
     47, 40, false, false},
    {"sm_86", "A40", 99, 100, 48, 16, 84, 1.74, 512, 0, 128, 696, 24, 6, false,
     false},
    {"sm_89", "L40S", 99, 100, 48, 24, 142, 2.52, 512, 0, 128, 864, 24, 96,
     true, false},
    {"sm_90", "H200-SXM", 227, 228, 64, 32, 132, 1.83, 1280, 2048, 128, 4800,
     40, 50, true, false},
    {"sm_120", "RTX PRO 6000", 99, 100, 48, 24, 188, 2.6, 512, 0, 128, 1792, 24,
     128, true, true},
};

std::optional<GpuTargetModel> attn::getGpuTargetModel(llvm::StringRef chip) {
  bool hasVariant = chip.ends_with("a") || chip.ends_with("f");
  llvm::StringRef plain = hasVariant ? chip.drop_back() : chip;
  const Row *row =
      llvm::find_if(rows, [&](const Row &row) { return row.chip == plain; });
  if (row == std::end(rows)) {
    return std::nullopt;
  }
  GpuTargetModel model;
  model.chip = row->chip.str();
  model.card = row->card.str();
  model.sharedBytesPerCta = row->sharedPerCta * 1024;
  model.sharedBytesPerSM = row->sharedPerSM * 1024;
  model.warpsPerSM = row->warps;
  model.ctasPerSM = row->ctas;
  model.numSMs = row->numSMs;
  model.clockGHz = row->clockGHz;
  model.mmaMacsPerCycle = row->mmaMacs;
  model.asyncMmaMacsPerCycle = hasVariant ? row->asyncMmaMacs : 0;
  model.fmaPerCycle = row->fma;
  model.l2BytesPerCycle = row->l2BytesPerCycle;
  model.memoryBytesPerCycle = row->memoryGBs / row->clockGHz / row->numSMs;
  model.l2Bytes = row->l2MB << 20;
  model.convertsFloat8 = row->convertsFloat8;
  model.packsF32 = row->packsF32;
  return model;
}

std::string attn::listGpuTargetModels() {
  return llvm::join(
      llvm::map_range(rows, [](const Row &row) { return row.chip; }), ", ");
}

std::string GpuTargetModel::validate() const {
  auto wrong = [](const char *what, auto value) {
    return std::string("expects ") + what + ", but got " +
           std::to_string(value);
  };
  if (sharedBytesPerCta < 1) {
    return wrong("shared memory for a CTA", sharedBytesPerCta);
  }
  if (sharedBytesPerCtaReserved < 0) {
    return wrong("no negative number of reserved bytes",
                 sharedBytesPerCtaReserved);
  }
  if (sharedBytesPerSM < sharedBytesPerCta + sharedBytesPerCtaReserved) {
    return wrong("shared memory for at least one CTA on an SM",
                 sharedBytesPerSM);
  }
  if (threadsPerWarp < 1 || threadsPerCta < threadsPerWarp) {
    return wrong("a CTA of at least one warp", threadsPerCta);
  }
  if (warpsPerSM < threadsPerCta / threadsPerWarp) {
    return wrong("an SM that holds the largest CTA", warpsPerSM);
  }
  if (ctasPerSM < 1) {
    return wrong("at least one CTA on an SM", ctasPerSM);
  }
  if (registersPerWarpUnit < threadsPerWarp ||
      registersPerWarpUnit % threadsPerWarp) {
    return wrong("registers given to a warp in multiples of its threads",
                 registersPerWarpUnit);
  }
  if (registersPerThread < 16 || registersPerSM < registersPerWarpUnit) {
    return wrong("at least 16 registers per thread",
                 std::min(registersPerThread, registersPerSM));
  }
  if (numSMs < 1) {
    return wrong("at least one SM", numSMs);
  }
  if (l2Bytes < 0 || asyncMmaMacsPerCycle < 0) {
    return wrong("no negative size or rate",
                 std::min(double(l2Bytes), asyncMmaMacsPerCycle));
  }
  for (double rate : {clockGHz, mmaMacsPerCycle, fmaPerCycle, specialPerCycle,
                      sharedBytesPerCycle, l2BytesPerCycle, memoryBytesPerCycle,
                      memoryLatency}) {
    // Written so that a NaN fails.
    if (!(rate > 0)) {
      return wrong("rates above 0", rate);
    }
  }
  return "";
}

std::string GpuTargetModel::checkCta(const CtaNeeds &needs) const {
  auto wrong = [&](int64_t most, const char *of, int64_t got) {
    return "expects at most " + std::to_string(most) + " " + of + " on " +
           chip + ", but got " + std::to_string(got);
  };
  if (needs.threads > threadsPerCta) {
    return wrong(threadsPerCta, "threads per CTA", needs.threads);
  }
  if (needs.sharedBytes > sharedBytesPerCta) {
    return wrong(sharedBytesPerCta, "bytes of shared memory per CTA",
                 needs.sharedBytes);
  }
  if (needs.registersPerThread > registersPerThread) {
    return wrong(registersPerThread, "registers per thread",
                 needs.registersPerThread);
  }
  unsigned most = getRegisterBudget(needs.threads, 1);
  if (needs.registersPerThread > most) {
    return wrong(most, "registers per thread in a CTA of this size",
                 needs.registersPerThread);
  }
  return "";
}

unsigned GpuTargetModel::getResidentCtas(const CtaNeeds &needs) const {
  if (!checkCta(needs).empty()) {
    return 0;
  }
  unsigned warps =
      std::max<unsigned>(1, llvm::divideCeil(needs.threads, threadsPerWarp));
  unsigned perWarp =
      llvm::alignTo(std::max(1u, needs.registersPerThread) * threadsPerWarp,
                    registersPerWarpUnit);
  int64_t byShared =
      sharedBytesPerSM / (needs.sharedBytes + sharedBytesPerCtaReserved);
  return unsigned(std::min<int64_t>(
      {int64_t(ctasPerSM), int64_t(warpsPerSM / warps),
       int64_t(registersPerSM / (perWarp * warps)), byShared}));
}

unsigned GpuTargetModel::getRegisterBudget(unsigned threads,
                                           unsigned ctas) const {
  unsigned warps =
      std::max<unsigned>(1, llvm::divideCeil(threads, threadsPerWarp)) *
      std::max(1u, ctas);
  if (warps > warpsPerSM || ctas > ctasPerSM) {
    return 0;
  }
  unsigned perWarp =
      llvm::alignDown(registersPerSM / warps, registersPerWarpUnit);
  return std::min(perWarp / threadsPerWarp, registersPerThread);
}
