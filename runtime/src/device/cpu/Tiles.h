//===- Tiles.h - What a caller configured of AMX ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CPU_TILES_H
#define ATTNRT_SRC_DEVICE_CPU_TILES_H

namespace attnrt {

/// How tiles are configured on this thread; restores that, where kernels that
/// compute with tiles ran in between: each of them leaves none configured. What
/// is in the tiles is lost, as in any call (the System V ABI has no tile that
/// survives one).
class TileConfig {
public:
  /// `isAtStake`: kernels compute with tiles, which this process then may use.
  explicit TileConfig(bool isAtStake) {
#if defined(__x86_64__)
    if (isAtStake) {
      asm volatile("sttilecfg %0" : "=m"(saved));
    }
#else
    (void)isAtStake;
#endif
  }
  ~TileConfig() {
#if defined(__x86_64__)
    if (saved[0]) {
      asm volatile("ldtilecfg %0" ::"m"(saved));
    }
#endif
  }
  TileConfig(const TileConfig &) = delete;
  TileConfig &operator=(const TileConfig &) = delete;

private:
  /// As LDTILECFG takes it; byte 0 is the palette, 0: nothing is configured.
  alignas(64) unsigned char saved[64] = {};
};

} // namespace attnrt

#endif // ATTNRT_SRC_DEVICE_CPU_TILES_H
