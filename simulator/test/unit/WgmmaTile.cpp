//===- WgmmaTile.cpp - Operands of wgmma in shared memory -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "WgmmaTile.h"

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

/// Which cell of a line of 128 bytes holds what would lie in cell c; one row
/// per line, and the pattern begins anew after 2, 4 or 8 lines.
static constexpr unsigned kCells32[2][8] = {{0, 1, 2, 3, 4, 5, 6, 7},
                                            {1, 0, 3, 2, 5, 4, 7, 6}};
static constexpr unsigned kCells64[4][8] = {{0, 1, 2, 3, 4, 5, 6, 7},
                                            {1, 0, 3, 2, 5, 4, 7, 6},
                                            {2, 3, 0, 1, 6, 7, 4, 5},
                                            {3, 2, 1, 0, 7, 6, 5, 4}};
static constexpr unsigned kCells128[8][8] = {
    {0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6},
    {2, 3, 0, 1, 6, 7, 4, 5}, {3, 2, 1, 0, 7, 6, 5, 4},
    {4, 5, 6, 7, 0, 1, 2, 3}, {5, 4, 7, 6, 1, 0, 3, 2},
    {6, 7, 4, 5, 2, 3, 0, 1}, {7, 6, 5, 4, 3, 2, 1, 0}};

static unsigned changePlaces(Swizzle swizzle, unsigned line, unsigned cell) {
  switch (swizzle) {
  case Swizzle::None:
    return cell;
  case Swizzle::B32:
    return kCells32[line % 2][cell];
  case Swizzle::B64:
    return kCells64[line % 4][cell];
  case Swizzle::B128:
    return kCells128[line % 8][cell];
  }
  return cell;
}

unsigned ptxsim::test::cellsOf(Swizzle swizzle) {
  switch (swizzle) {
  case Swizzle::None:
    return 1;
  case Swizzle::B32:
    return 2;
  case Swizzle::B64:
    return 4;
  case Swizzle::B128:
    return 8;
  }
  return 1;
}

unsigned Tile::plainByte(unsigned mn, unsigned k, unsigned elementBytes) const {
  unsigned perCell = 16 / elementBytes, cells = cellsOf(swizzle);
  if (major == Major::K) {
    // A row of cells is what one mn has of neighbours along k; an atom has 8.
    unsigned cell = k / perCell, inCell = k % perCell * elementBytes;
    unsigned row = mn % 8, atomRow = mn / 8;
    if (swizzle == Swizzle::None) {
      return start + atomRow * stride + cell * leading + row * 16 + inCell;
    }
    unsigned atom = cell / cells, column = cell % cells;
    return start + atomRow * stride + atom * nextAtom +
           (row * cells + column) * 16 + inCell;
  }
  // A row of cells is what one k has of neighbours along mn; again 8.
  unsigned cell = mn / perCell, inCell = mn % perCell * elementBytes;
  unsigned row = k % 8, atomRow = k / 8;
  if (swizzle == Swizzle::None) {
    return start + cell * stride + atomRow * leading + row * 16 + inCell;
  }
  unsigned atom = cell / cells, column = cell % cells;
  return start + atom * leading + atomRow * stride +
         (row * cells + column) * 16 + inCell;
}

unsigned Tile::byteOf(unsigned mn, unsigned k, unsigned elementBytes) const {
  unsigned plain = plainByte(mn, k, elementBytes);
  unsigned line = plain / 128, cell = plain / 16 % 8;
  // Seen from where the pattern begins.
  unsigned seen = line + 8 - baseOffset;
  return line * 128 + changePlaces(swizzle, seen, cell) * 16 + plain % 16;
}

unsigned Tile::end(unsigned mn, unsigned k, unsigned elementBytes) const {
  unsigned last = 0;
  for (unsigned i = 0; i < mn; ++i) {
    for (unsigned j = 0; j < k; ++j) {
      last = std::max(last, byteOf(i, j, elementBytes));
    }
  }
  return last / 16 * 16 + 16;
}

uint64_t Tile::descriptor(unsigned mn, unsigned k,
                          unsigned elementBytes) const {
  bool isIgnored = major == Major::K && swizzle != Swizzle::None;
  auto field = [](unsigned bytes) { return uint64_t(bytes / 16 % 0x4000); };
  return field(plainByte(mn, k, elementBytes)) |
         field(isIgnored ? ignored : leading) << 16 | field(stride) << 32 |
         uint64_t(baseOffset) << 49 | uint64_t(swizzle) << 62;
}

Tile Tile::packed(Major major, Swizzle swizzle, unsigned start, unsigned mn,
                  unsigned elementBytes) {
  Tile tile;
  tile.major = major;
  tile.swizzle = swizzle;
  tile.start = start;
  unsigned perCell = 16 / elementBytes, cells = cellsOf(swizzle);
  unsigned atom = cells * 128;
  if (major == Major::K) {
    tile.stride = atom;
    unsigned column = (mn + 7) / 8 * atom;
    (swizzle == Swizzle::None ? tile.leading : tile.nextAtom) = column;
    tile.ignored = 16;
    return tile;
  }
  unsigned atomsOfMn = (mn + perCell * cells - 1) / (perCell * cells);
  bool isPlain = swizzle == Swizzle::None;
  (isPlain ? tile.stride : tile.leading) = atom;
  (isPlain ? tile.leading : tile.stride) = atomsOfMn * atom;
  return tile;
}
