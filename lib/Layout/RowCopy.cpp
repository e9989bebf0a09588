//===- RowCopy.cpp - Rows that threads copy to shared memory --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/RowCopy.h"

#include "llvm/ADT/STLExtras.h"

using namespace attn;

/// What the banks bring at once.
static constexpr int64_t kLineBytes = 128;

/// A number as counted by its replicated digits alone, and how many of these
/// there are.
static std::pair<int64_t, int64_t> countReplicated(ArrayRef<Digit> digits,
                                                   int64_t number) {
  int64_t sum = 0, size = 1;
  for (const Digit &digit : digits) {
    if (digit.axis == Digit::kReplicated) {
      sum += number % digit.size * size;
      size *= digit.size;
    }
    number /= digit.size;
  }
  return {sum, size};
}

int64_t attn::getReplica(const FragmentLayout &layout, int64_t warp,
                         int64_t lane) {
  auto [inWarp, lanes] = countReplicated(layout.getLanes(), lane);
  return inWarp + countReplicated(layout.getWarps(), warp).first * lanes;
}

/// How often the banks must be asked for pieces at these offsets.
static int64_t countTurns(ArrayRef<int64_t> offsets, int64_t size) {
  int64_t most = 0, counts[kLineBytes / 4] = {};
  for (int64_t offset : offsets) {
    most = std::max(most, ++counts[offset % kLineBytes / size]);
  }
  return most;
}

RowCopyCost attn::countRowCopy(const FragmentLayout &layout,
                               const SharedLayout &to, int64_t rowBytes,
                               int64_t pieceBytes) {
  int64_t pieces = to.getRowBytes() / pieceBytes, threads = 1;
  for (ArrayRef<Digit> digits : {layout.getLanes(), layout.getWarps()}) {
    threads *= countReplicated(digits, 0).second;
  }
  RowCopyCost cost;
  // Lanes whose pieces fill a line go to the banks together.
  const int64_t together =
      std::min(kLineBytes / pieceBytes, FragmentLayout::kLanes);
  for (int64_t warp = 0, e = layout.getNumWarps(); warp < e; ++warp) {
    cost.rows += layout.getNumRegisters();
    for (int64_t i = 0, n = layout.getNumRegisters(); i < n; ++i) {
      for (int64_t first = 0; first < pieces; first += threads) {
        llvm::SmallVector<int64_t, 32> sectors, offsets;
        for (int64_t lane = 0; lane < FragmentLayout::kLanes; ++lane) {
          int64_t piece = first + getReplica(layout, warp, lane);
          if (piece < pieces) {
            int64_t row = layout.locate(warp, lane, i)[0];
            int64_t byte = piece * pieceBytes;
            if (byte < rowBytes) {
              sectors.push_back((row * rowBytes + byte) / kSectorBytes);
            }
            offsets.push_back(to.getOffset(row, byte));
          }
          if ((lane + 1) % together == 0) {
            cost.wavefronts += countTurns(offsets, pieceBytes);
            offsets.clear();
          }
        }
        llvm::sort(sectors);
        cost.sectors += llvm::unique(sectors) - sectors.begin();
      }
    }
  }
  return cost;
}
