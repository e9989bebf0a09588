//===- Transfer.h - What one bulk copy moves --------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A range of bytes, or a box of a tensor [5.5], between global and shared
// memory. In shared memory a box is dense, dimension 0 fastest. A swizzle then
// exchanges the 16-byte cells of every line of 128 bytes: bits 4 and up of an
// address are xored with bits 7 and up, as many as the span has cells.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_MEMORY_TRANSFER_H
#define PTXSIM_MEMORY_TRANSFER_H

#include "ptxsim/Device.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace ptxsim {

struct Cta;
class GlobalMemory;

struct Transfer {
  /// Of a tensor; else a range of `bytes` from `global`, or from `source` in
  /// shared memory.
  std::optional<TensorMapDesc> map;
  int32_t start[5] = {0, 0, 0, 0, 0};
  DevicePointer global = 0;
  uint32_t bytes = 0;

  /// Where in shared memory.
  Cta *cta = nullptr;
  uint32_t shared = 0;
  /// shared::cta to shared::cluster.
  Cta *source = nullptr;
  uint32_t sourceOffset = 0;

  /// Bytes of shared memory; also what a complete_tx tells.
  uint32_t sharedBytes() const;

  /// Bytes that lie side by side in both memories.
  struct Piece {
    /// Of shared memory, swizzled.
    uint32_t shared;
    uint32_t bytes;
    /// 0: outside of the tensor.
    DevicePointer global;
  };
  /// f(piece) in ascending order of the unswizzled box; none is longer than 16
  /// bytes or crosses a multiple of 16 of shared memory.
  template <class F> void forEachPiece(F f) const;

private:
  template <class F>
  void addRow(uint32_t at, uint32_t length, DevicePointer from, F &f) const;
  /// Elements of the box along a dimension.
  uint32_t count(uint32_t d) const {
    return d < map->rank ? (map->box[d] + map->elementStride[d] - 1) /
                               map->elementStride[d]
                         : 1;
  }
};

inline uint32_t Transfer::sharedBytes() const {
  if (!map) {
    return bytes;
  }
  uint32_t total = map->box[0] * elementBytes(map->element);
  for (uint32_t d = 1; d < map->rank; ++d) {
    total *= count(d);
  }
  return total;
}

template <class F>
void Transfer::addRow(uint32_t at, uint32_t length, DevicePointer from,
                      F &f) const {
  uint32_t mask =
      map ? (uint32_t(1) << unsigned(map->swizzle)) - 1 : 0; // of cells
  for (uint32_t end = at + length; at < end;) {
    uint32_t n = std::min(end, at / 16 * 16 + 16) - at;
    f(Piece{at ^ (at >> 7 & mask) << 4, n, from});
    at += n;
    from += from ? n : 0;
  }
}

template <class F> void Transfer::forEachPiece(F f) const {
  if (!map) {
    addRow(shared, bytes, source ? 0 : global, f);
    return;
  }
  const TensorMapDesc &m = *map;
  int64_t size = elementBytes(m.element);
  // The part of a row that lies in the tensor.
  int64_t row = m.box[0], first = start[0];
  int64_t lo = std::clamp<int64_t>(-first, 0, row);
  int64_t hi = std::clamp<int64_t>(int64_t(m.dim[0]) - first, lo, row);
  uint32_t at = shared, pitch = uint32_t(row * size);
  uint32_t index[5] = {0, 0, 0, 0, 0};
  while (true) {
    bool isInside = hi > lo;
    DevicePointer base = m.base + uint64_t((first + lo) * size);
    for (uint32_t d = 1; d < m.rank; ++d) {
      int64_t c = int64_t(start[d]) + int64_t(index[d]) * m.elementStride[d];
      isInside &= c >= 0 && c < int64_t(m.dim[d]);
      base += uint64_t(c) * m.stride[d];
    }
    if (isInside) {
      addRow(at, uint32_t(lo * size), 0, f);
      addRow(at + uint32_t(lo * size), uint32_t((hi - lo) * size), base, f);
      addRow(at + uint32_t(hi * size), uint32_t((row - hi) * size), 0, f);
    } else {
      addRow(at, pitch, 0, f);
    }
    at += pitch;
    uint32_t d = 1;
    for (; d < m.rank && ++index[d] == count(d); ++d) {
      index[d] = 0;
    }
    if (d >= m.rank) {
      return;
    }
  }
}

/// The bytes of a transfer into shared memory. What lies outside of a tensor,
/// or where there is no global memory (that was reported), is filled.
void moveIn(GlobalMemory &memory, const Transfer &transfer);
/// Out of shared memory, but for what lies outside of a tensor.
void moveOut(GlobalMemory &memory, const Transfer &transfer);
/// Gives all bytes that a transfer writes in shared memory a state (Shadow.h).
void mark(const Transfer &transfer, uint8_t state);

} // namespace ptxsim

#endif // PTXSIM_MEMORY_TRANSFER_H
