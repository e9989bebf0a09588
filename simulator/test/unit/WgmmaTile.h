//===- WgmmaTile.h - Operands of wgmma in shared memory ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where a matrix lies that a matrix descriptor describes. It is built up as the
// PTX manual draws it, from cells of 16 bytes and atoms of 8 rows of cells, and
// the cells of a line of 128 bytes change places by printed tables. A tile may
// be deeper than one product: software then moves the start of the descriptor.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_WGMMATILE_H
#define PTXSIM_TEST_WGMMATILE_H

#include <cstdint>

namespace ptxsim::test {

/// The dimension along which neighbours in memory lie; MN is M of A, N of B.
enum class Major : uint8_t { K, MN };

/// As bits 62-63 of a descriptor count them.
enum class Swizzle : uint8_t { None = 0, B128 = 1, B64 = 2, B32 = 3 };

/// Cells of 16 bytes in a row of an atom: 1, 2, 4, 8.
unsigned cellsOf(Swizzle swizzle);

struct Tile {
  Major major = Major::K;
  Swizzle swizzle = Swizzle::None;
  /// Byte of shared memory where the first atom begins.
  unsigned start = 0;
  /// The leading and the stride dimension byte offset of the descriptor.
  unsigned leading = 0, stride = 0;
  /// From an atom to the next one along K, which no descriptor tells: for
  /// swizzled tiles that are K-major.
  unsigned nextAtom = 0;
  unsigned baseOffset = 0;
  /// Instead of `leading`, where the hardware does not look at it.
  unsigned ignored = 0;

  /// The byte of element (mn, k).
  unsigned byteOf(unsigned mn, unsigned k, unsigned elementBytes) const;
  /// Behind the last byte of mn x k elements, a multiple of 16.
  unsigned end(unsigned mn, unsigned k, unsigned elementBytes) const;
  /// For a product that begins at element (mn, k).
  uint64_t descriptor(unsigned mn, unsigned k, unsigned elementBytes) const;

  /// Rows and columns without gaps: each atom behind the other along MN, then
  /// along K.
  static Tile packed(Major major, Swizzle swizzle, unsigned start, unsigned mn,
                     unsigned elementBytes);

private:
  /// The byte before cells change places.
  unsigned plainByte(unsigned mn, unsigned k, unsigned elementBytes) const;
};

} // namespace ptxsim::test

#endif // PTXSIM_TEST_WGMMATILE_H
