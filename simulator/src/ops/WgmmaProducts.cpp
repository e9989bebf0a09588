//===- WgmmaProducts.cpp - Doing the products of wgmma --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From descriptors and registers to sums: loads both operands as numbers, and
// multiplies 8 columns of D at a time.
//
//===----------------------------------------------------------------------===//
#include "Wgmma.h"

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::wgmma;

namespace {

/// One register of a fragment: 8 of mn from 8 * `tile` on, and a block of k.
void loadWords(const Cta &cta, const Descriptor &matrix, unsigned tile,
               unsigned block, uint32_t *words) {
  const std::byte *shared = cta.shared.data();
  auto isInside = [&](uint32_t cell) { return cell + 16 <= cta.shared.size(); };
  if (!matrix.isMnMajor) {
    for (unsigned i = 0; i < 8; ++i) {
      uint32_t cell = matrix.cell(tile * 8 + i, block);
      if (isInside(cell)) {
        std::memcpy(words + 4 * i, shared + cell, 16);
      } else {
        std::fill_n(words + 4 * i, 4, 0);
      }
    }
    return;
  }
  // Cells along mn: elements of 16 bits change places.
  for (unsigned t = 0; t < 4; ++t) {
    uint16_t low[8] = {}, high[8] = {};
    uint32_t first = matrix.cell(tile, block * 8 + 2 * t),
             second = matrix.cell(tile, block * 8 + 2 * t + 1);
    if (isInside(first) && isInside(second)) {
      std::memcpy(low, shared + first, 16);
      std::memcpy(high, shared + second, 16);
    }
    for (unsigned i = 0; i < 8; ++i) {
      words[4 * i + t] = uint32_t(high[i]) << 16 | low[i];
    }
  }
}

/// A as numbers, by register.
void loadA(Warp &w, const Data &data, const ProductQueue::Product &product,
           float *a) {
  unsigned row = w.number % kWarpgroupWarps * 2; // in tiles of 8
  Descriptor matrix(product.a, data.isATransposed);
  for (unsigned r = 0; r < kRegistersOfA; ++r) {
    uint32_t words[kLanes];
    const uint32_t *from = product.registers[r].data();
    if (!data.isAInRegisters) {
      loadWords(w.cta, matrix, row + r % 2, r / 2, words);
      from = words;
    }
    data.a.load(from, a + r * data.depth.tile());
  }
  if (data.isNegated) {
    std::transform(a, a + kRegistersOfA * data.depth.tile(), a,
                   [](float x) { return -x; });
  }
}

void loadB(Warp &w, const Data &data, const Descriptor &matrix, unsigned tile,
           float *b) {
  for (unsigned block = 0; block < data.depth.blocks; ++block) {
    uint32_t words[kLanes];
    alignas(64) uint32_t turned[kLanes];
    loadWords(w.cta, matrix, tile, block, words);
    turn(words, turned);
    data.b.load(turned, b + block * data.depth.tile());
  }
}

/// Registers of D for 8 columns, as sums: even columns of the first 8 rows, odd
/// ones, then those of the other 8 rows.
using Sums4 = float[4][kLanes];

void startSums(Warp &w, const Inst &in, bool addsD, unsigned tile,
               Sums4 &sums) {
  const Data &data = dataOf(in);
  if (!addsD || data.sums == Sums::S32) {
    std::fill_n(&sums[0][0], 4 * kLanes, 0.0f);
    return;
  }
  if (data.sums == Sums::F32) {
    for (unsigned i = 0; i < 4; ++i) {
      std::copy_n(w.in<float>(in.d[tile * 4 + i]), kLanes, sums[i]);
    }
    return;
  }
  for (unsigned half = 0; half < 2; ++half) {
    const uint32_t *words = w.in<uint32_t>(in.d[tile * 2 + half]);
    for (unsigned l = 0; l < kLanes; ++l) {
      sums[half * 2][l] = F16::get(words[l], 0);
      sums[half * 2 + 1][l] = F16::get(words[l], 1);
    }
  }
}

void finishSums(Warp &w, const Inst &in, bool addsD, unsigned tile,
                const Sums4 &sums) {
  const Data &data = dataOf(in);
  if (data.sums == Sums::F16) {
    for (unsigned half = 0; half < 2; ++half) {
      uint32_t *d = w.out<uint32_t>(in.d[tile * 2 + half]);
      for (unsigned l = 0; l < kLanes; ++l) {
        d[l] = nearest<Half>(sums[half * 2][l]).bits |
               uint32_t(nearest<Half>(sums[half * 2 + 1][l]).bits) << 16;
      }
    }
    return;
  }
  for (unsigned i = 0; i < 4; ++i) {
    if (data.sums == Sums::F32) {
      float *d = w.out<float>(in.d[tile * 4 + i]);
      for (unsigned l = 0; l < kLanes; ++l) {
        d[l] = canonical(sums[i][l]);
      }
      continue;
    }
    int32_t *d = w.out<int32_t>(in.d[tile * 4 + i]);
    for (unsigned l = 0; l < kLanes; ++l) {
      int64_t sum = int64_t(sums[i][l]) + (addsD ? d[l] : 0);
      d[l] = data.isSaturating
                 ? int32_t(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX))
                 : int32_t(uint32_t(sum));
    }
  }
}

} // namespace

void wgmma::multiply(Warp &w, const ProductQueue::Product &product) {
  const Inst &in = *product.inst;
  const Data &data = dataOf(in);
  static const Multiply multiplyTile = getMultiply();
  alignas(64) float a[kRows * kMostK], b[kMostK * kTile];
  loadA(w, data, product, a);
  Descriptor matrix(product.b, data.isBTransposed);
  for (unsigned tile = 0; tile < data.n / kTile; ++tile) {
    loadB(w, data, matrix, tile, b);
    alignas(64) Sums4 sums;
    startSums(w, in, product.addsD, tile, sums);
    multiplyTile(data.depth, a, b, sums[0], sums[1]);
    multiplyTile(data.depth, a + data.depth.tile(), b, sums[2], sums[3]);
    finishSums(w, in, product.addsD, tile, sums);
  }
}
