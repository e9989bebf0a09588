//===- Descriptor.h - Matrices in shared memory -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.15.5.1.2] The 64 bits that tell wgmma where an operand is. `mn` counts
// along M of A or N of B. Memory falls into cells of 16 bytes: along k if the
// operand is K-major, along mn if it is MN-major. 8 cells, 16 bytes apart or
// (if swizzled) one span apart, make a core matrix; the leading and the stride
// byte offset say where the next ones are.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_DESCRIPTOR_H
#define PTXSIM_OPS_DESCRIPTOR_H

#include <cstdint>

namespace ptxsim {

struct Descriptor {
  uint32_t start, leading, stride; // bytes
  /// Lines of 128 bytes by which the pattern's start is not a multiple of what
  /// it repeats after.
  uint32_t baseOffset;
  /// Cells that one span exchanges, as a power of two: 0 to 3.
  unsigned logCells;
  bool isMnMajor;

  Descriptor(uint64_t bits, bool isMnMajor)
      : start(field(bits, 0)), leading(field(bits, 16)),
        stride(field(bits, 32)), baseOffset(uint32_t(bits >> 49 & 7)),
        logCells(unsigned(4 - (bits >> 62)) & 3), isMnMajor(isMnMajor) {}

  /// K-major: the cell of row `mn` and the `k`th 16 bytes of it. MN-major: that
  /// of the `mn`th 16 bytes along mn, at the element k.
  uint32_t cell(uint32_t mn, uint32_t k) const {
    uint32_t span = 16u << logCells, cells = 1u << logCells;
    uint32_t offset;
    if (!isMnMajor) {
      offset =
          mn % 8 * span + mn / 8 * stride + (logCells ? k * 16 : k * leading);
    } else if (logCells) {
      offset = mn % cells * 16 + mn / cells * leading + k % 8 * span +
               k / 8 * stride;
    } else {
      offset = mn * stride + k % 8 * 16 + k / 8 * leading;
    }
    uint32_t address = start + offset;
    return address ^ (((address >> 7) - baseOffset) & (cells - 1)) << 4;
  }

  /// Whether the pattern starts where the hardware takes it to start.
  bool isAligned() const {
    return (((start >> 7) - baseOffset) & ((1u << logCells) - 1)) == 0;
  }

private:
  static uint32_t field(uint64_t bits, unsigned at) {
    return uint32_t(bits >> at & 0x3FFF) << 4;
  }
};

} // namespace ptxsim

#endif // PTXSIM_OPS_DESCRIPTOR_H
