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

namespace {

/// Words of one request by bank.
class Banks {
public:
  /// The most different words that a bank has.
  unsigned most = 0;
  unsigned numWords = 0;

  void add(uint32_t word) {
    unsigned bank = word % 32;
    for (unsigned i = last[bank]; i != 0; i = entries[i].next) {
      if (entries[i].word == word) {
        return;
      }
    }
    ++numWords;
    entries[numWords] = {word, last[bank]};
    last[bank] = uint16_t(numWords);
    most = std::max(most, unsigned(++counts[bank]));
  }

private:
  struct Entry {
    uint32_t word;
    uint16_t next;
  };
  uint16_t last[32] = {};
  uint16_t counts[32] = {};
  Entry entries[kLanes * 9 + 1];
};

/// 16 aligned bytes of 8 lanes: what counts is where in their 128 bytes they
/// lie. The most lanes at one place, and how many differ.
std::pair<unsigned, unsigned> countCells(const uint64_t *address, Mask lanes) {
  uint64_t seen[8][8];
  unsigned counts[8] = {};
  unsigned most = 0, all = 0;
  for (; lanes; lanes &= lanes - 1) {
    uint64_t cell = address[std::countr_zero(lanes)] >> 4;
    unsigned place = cell & 7, &count = counts[place];
    if (std::find(seen[place], seen[place] + count, cell) !=
        seen[place] + count) {
      continue;
    }
    seen[place][count++] = cell;
    most = std::max(most, count);
    ++all;
  }
  return {most, all};
}

} // namespace

Wavefronts ptxsim::countWavefronts(const Access &access, Mask lanes) {
  unsigned groupLanes = access.lanesPerGroup ? access.lanesPerGroup
                        : access.bytes <= 4  ? 32
                        : access.bytes <= 8  ? 16
                                             : 8;
  Wavefronts result;
  bool areCells = access.bytes == 16 && groupLanes == 8;
  for (Mask left = lanes; left && areCells; left &= left - 1) {
    areCells = access.address[std::countr_zero(left)] % 16 == 0;
  }
  for (unsigned first = 0; first < kLanes; first += groupLanes) {
    Mask group = groupLanes == kLanes
                     ? lanes
                     : lanes & ((Mask(1) << groupLanes) - 1) << first;
    if (!group) {
      continue;
    }
    if (areCells) {
      auto [most, all] = countCells(access.address, group);
      result.actual += most;
      result.ideal += (all + 7) / 8;
      continue;
    }
    Banks banks;
    for (Mask left = group; left; left &= left - 1) {
      uint64_t a = access.address[std::countr_zero(left)];
      for (uint64_t w = a / 4; w <= (a + access.bytes - 1) / 4; ++w) {
        banks.add(uint32_t(w));
      }
    }
    result.actual += banks.most;
    result.ideal += (banks.numWords + 31) / 32;
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
