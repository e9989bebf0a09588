//===- Stats.h - What a launch did ------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_STATS_H
#define PTXSIM_STATS_H

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ptxsim {

/// Classes that instructions are counted in.
enum class InstClass : uint8_t {
  Integer,
  Float,
  Convert,
  Special, // ex2, lg2, rcp, rsqrt, sin, cos, tanh: the MUFU pipe
  Control,
  LoadGlobal,
  StoreGlobal,
  LoadShared,
  StoreShared,
  OtherMemory, // local, param, const, prefetch
  Atomic,
  AsyncCopy,
  Matrix,     // mma, wgmma
  MatrixMove, // ldmatrix, stmatrix, movmatrix
  Lanes,      // shfl, vote, match, redux
  Barrier,
  Count,
};
const char *toString(InstClass kind);

/// Adds up over warps; per kernel, per PTX line and per CTA.
struct Counters {
  uint64_t warpInstructions = 0;
  uint64_t threadInstructions = 0;
  /// Global memory: warp requests, 32-byte sectors that they touch, bytes that
  /// lanes asked for.
  uint64_t globalRequests = 0, globalSectors = 0;
  uint64_t globalReadBytes = 0, globalWriteBytes = 0;
  /// Shared memory: requests, wavefronts, and how many there would be without
  /// bank conflicts.
  uint64_t sharedRequests = 0, sharedWavefronts = 0, sharedIdealWavefronts = 0;
  uint64_t ex2 = 0; // lanes
  /// Times that a warp had to wait.
  uint64_t barrierWaits = 0;

  Counters &operator+=(const Counters &other);
};

struct LaunchStats {
  std::string kernel;
  Counters total;
  std::array<uint64_t, size_t(InstClass::Count)> warpInstructions{};
  /// Multiply-adds of matrix instructions by operand type: "bf16", "s8".
  std::map<std::string, uint64_t> matrixMacs;
  /// 32-byte sectors of global memory that the launch touched, each once.
  uint64_t uniqueReadSectors = 0, uniqueWriteSectors = 0;
  /// By PTX line.
  std::map<uint32_t, Counters> lines;
  /// Thread instructions of each CTA, in the order of their numbers; the
  /// balance is the largest over the mean.
  std::vector<uint64_t> ctaInstructions;
  double balance() const;
  /// Most bytes of shared memory that a CTA had.
  uint64_t sharedBytes = 0;
  double seconds = 0;

  std::string toText() const;
  std::string toJson() const;
};

} // namespace ptxsim

#endif // PTXSIM_STATS_H
