//===- Banks.cpp - Wavefronts and sectors of an access ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Banks.h"

#include <algorithm>
#include <bit>

using namespace ptxsim;

Wavefronts ptxsim::countWavefronts(const Access &access, Mask lanes) {
  unsigned groupLanes = access.lanesPerGroup ? access.lanesPerGroup
                        : access.bytes <= 4  ? 32
                        : access.bytes <= 8  ? 16
                                             : 8;
  Wavefronts result;
  for (unsigned first = 0; first < kLanes; first += groupLanes) {
    uint32_t words[kLanes * 9];
    unsigned count = 0;
    for (unsigned l = first; l < first + groupLanes && l < kLanes; ++l) {
      if (lanes >> l & 1) {
        uint64_t a = access.address[l];
        for (uint64_t w = a / 4; w <= (a + access.bytes - 1) / 4; ++w) {
          words[count++] = uint32_t(w);
        }
      }
    }
    if (count == 0) {
      continue;
    }
    std::sort(words, words + count);
    count = unsigned(std::unique(words, words + count) - words);
    unsigned perBank[32] = {};
    unsigned most = 0;
    for (unsigned i = 0; i < count; ++i) {
      most = std::max(most, ++perBank[words[i] % 32]);
    }
    result.actual += most;
    result.ideal += (count + 31) / 32;
  }
  return result;
}

uint64_t ptxsim::countSectors(const Access &access, Mask lanes) {
  uint64_t sectors[kLanes * 2];
  unsigned count = 0;
  for (Mask left = lanes; left; left &= left - 1) {
    uint64_t a = access.address[std::countr_zero(left)];
    sectors[count++] = a / 32;
    if ((a + access.bytes - 1) / 32 != a / 32) {
      sectors[count++] = (a + access.bytes - 1) / 32;
    }
  }
  std::sort(sectors, sectors + count);
  return uint64_t(std::unique(sectors, sectors + count) - sectors);
}
