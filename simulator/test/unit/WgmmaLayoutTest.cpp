//===- WgmmaLayoutTest.cpp - Operands of a warpgroup's product ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where wgmma finds the elements of A and B in shared memory: every swizzle,
// both orders, usual and unusual strides, starts within a tile.
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr Swizzle kSwizzles[] = {Swizzle::None, Swizzle::B32, Swizzle::B64,
                                 Swizzle::B128};

struct Kind {
  Major major;
  Swizzle swizzle;
};

std::vector<Kind> everyKind(bool isOf16Bits) {
  std::vector<Kind> list;
  for (Swizzle swizzle : kSwizzles) {
    list.push_back({Major::K, swizzle});
    if (isOf16Bits) {
      list.push_back({Major::MN, swizzle});
    }
  }
  return list;
}

unsigned roundUp(unsigned value, unsigned to) {
  return (value + to - 1) / to * to;
}

/// Atoms of a tile that need not lie side by side.
struct Order {
  const char *name;
  /// The dense tile's distances along MN and along K become others.
  void (*change)(unsigned &alongMn, unsigned &alongK, unsigned atoms,
                 unsigned atomsOfK, unsigned atom);
};

constexpr Order kOrders[] = {
    {"dense", [](unsigned &, unsigned &, unsigned, unsigned, unsigned) {}},
    {"along k first",
     [](unsigned &alongMn, unsigned &alongK, unsigned, unsigned ofK,
        unsigned atom) {
       alongK = atom;
       alongMn = ofK * atom;
     }},
    {"gaps along mn",
     [](unsigned &alongMn, unsigned &alongK, unsigned ofMn, unsigned,
        unsigned atom) {
       alongMn = 2 * atom;
       alongK = 2 * ofMn * atom;
     }},
    {"gaps along k", [](unsigned &, unsigned &alongK, unsigned, unsigned,
                        unsigned atom) { alongK += 3 * atom; }},
    // A line of 128 bytes turns the pattern against the atom: addresses count,
    // not where an atom begins. Products begin where both do.
    {"a line between atoms",
     [](unsigned &alongMn, unsigned &alongK, unsigned ofMn, unsigned,
        unsigned atom) {
       alongMn = atom + 128;
       alongK = (ofMn * (atom + 128) + 1023) / 1024 * 1024;
     }},
};

/// The distances of a tile, whatever the descriptor calls them.
unsigned &alongMn(Tile &tile) {
  bool isLeading = tile.major == Major::MN && tile.swizzle != Swizzle::None;
  return isLeading ? tile.leading : tile.stride;
}
unsigned &alongK(Tile &tile) {
  if (tile.major == Major::K) {
    return tile.swizzle == Swizzle::None ? tile.leading : tile.nextAtom;
  }
  return tile.swizzle == Swizzle::None ? tile.leading : tile.stride;
}

Tile makeTile(Kind kind, const Order &order, unsigned start, unsigned mn,
              unsigned k, unsigned bytes) {
  Tile tile = Tile::packed(kind.major, kind.swizzle, start, mn, bytes);
  unsigned cells = cellsOf(kind.swizzle), perCell = 16 / bytes;
  unsigned ofCells = cells * perCell, atom = cells * 128;
  bool isK = kind.major == Major::K;
  unsigned atomsOfMn = roundUp(mn, isK ? 8 : ofCells) / (isK ? 8 : ofCells);
  unsigned atomsOfK = roundUp(k, isK ? ofCells : 8) / (isK ? ofCells : 8);
  order.change(alongMn(tile), alongK(tile), atomsOfMn, atomsOfK, atom);
  return tile;
}

std::string nameOf(Kind kind) {
  return (kind.major == Major::K ? "K, " : "MN, ") +
         std::to_string(cellsOf(kind.swizzle));
}

/// A and B in one shared memory, each with its layout.
void expectLayout(Product p, Kind ofA, const Order &orderA, Kind ofB,
                  const Order &orderB) {
  SCOPED_TRACE("A " + nameOf(ofA) + " " + orderA.name + ", B " + nameOf(ofB) +
               " " + orderB.name);
  unsigned bytes = wgmmaBits(p.a) / 8, k = p.depth() * p.steps;
  unsigned end = 0;
  p.tilesA.clear();
  p.tilesB.clear();
  for (unsigned w = 0; w < p.warpgroups; ++w) {
    if (!p.aInRegisters) {
      p.tilesA.push_back(makeTile(ofA, orderA, end, 64, k, bytes));
      end = roundUp(p.tilesA.back().end(64, k, bytes), 1024);
    }
    p.tilesB.push_back(makeTile(ofB, orderB, end, p.firstN + p.n, k, bytes));
    end = roundUp(p.tilesB.back().end(p.firstN + p.n, k, bytes), 1024);
  }
  expectProduct(p);
}

Product ofType(const std::string &type) {
  Product p;
  p.a = p.b = type;
  p.sums = type == "s8" ? "s32" : "f32";
  return p;
}

} // namespace

/// Every kind of A with every kind of B.
TEST(WgmmaLayoutTest, EveryPairOfKinds) {
  for (std::string type : {"bf16", "tf32", "s8"}) {
    std::vector<Kind> kinds = everyKind(type == "bf16");
    for (Kind ofA : kinds) {
      for (Kind ofB : kinds) {
        Product p = ofType(type);
        p.n = 48;
        p.steps = 4;
        expectLayout(p, ofA, kOrders[0], ofB, kOrders[0]);
      }
    }
  }
}

TEST(WgmmaLayoutTest, EveryOrderOfA) {
  for (std::string type : {"f16", "tf32", "e4m3"}) {
    for (Kind kind : everyKind(type == "f16")) {
      for (const Order &order : kOrders) {
        Product p = ofType(type);
        p.steps = 5;
        expectLayout(p, kind, order, {Major::K, Swizzle::None}, kOrders[0]);
      }
    }
  }
}

TEST(WgmmaLayoutTest, EveryOrderOfB) {
  for (std::string type : {"f16", "tf32", "e4m3"}) {
    for (Kind kind : everyKind(type == "f16")) {
      for (const Order &order : kOrders) {
        for (unsigned n : {24, 136}) {
          Product p = ofType(type);
          p.n = n;
          p.steps = 3;
          p.aInRegisters = true;
          expectLayout(p, {}, kOrders[0], kind, order);
        }
      }
    }
  }
}

TEST(WgmmaLayoutTest, WidestTiles) {
  for (Kind kind : everyKind(true)) {
    Product p;
    p.n = 256;
    p.steps = 4;
    expectLayout(p, kind, kOrders[0], kind, kOrders[0]);
  }
}

/// Strides that are no multiple of a line: cells of 16 bytes are all that the
/// layouts without swizzle know.
TEST(WgmmaLayoutTest, PlainTilesHaveAnyStrides) {
  for (Major major : {Major::K, Major::MN}) {
    for (unsigned gap : {16u, 48u, 208u}) {
      Product p;
      p.n = 48;
      p.steps = 2;
      Tile a = Tile::packed(major, Swizzle::None, 16, 64, 2);
      alongMn(a) = 128 + gap;
      alongK(a) = 8 * (128 + gap) + 16;
      unsigned end = a.end(64, 32, 2);
      Tile b = Tile::packed(major, Swizzle::None, end + 32, p.n, 2);
      alongK(b) = 128 + gap;
      alongMn(b) = 4 * (128 + gap) + 16;
      p.tilesA = {a};
      p.tilesB = {b};
      expectProduct(p);
    }
  }
}

/// Rows of two operands take turns: 8 rows of A, 8 of B.
TEST(WgmmaLayoutTest, TilesMayInterleave) {
  for (Swizzle swizzle : kSwizzles) {
    unsigned atom = cellsOf(swizzle) * 128;
    Product p;
    p.n = 64;
    Tile a = Tile::packed(Major::K, swizzle, 0, 64, 2), b = a;
    b.start = swizzle == Swizzle::None ? 256 : atom;
    a.stride = b.stride = swizzle == Swizzle::None ? 512 : 2 * atom;
    a.leading = b.leading = swizzle == Swizzle::None ? 128 : 0;
    p.tilesA = {a};
    p.tilesB = {b};
    expectProduct(p);
  }
}

/// Fields of 14 bits name every 16 bytes of shared memory, and more.
TEST(WgmmaLayoutTest, FarTilesAndLongStrides) {
  constexpr unsigned kFar = 160 * 1024;
  for (Kind kind : everyKind(true)) {
    Product p;
    p.n = 16;
    p.tilesA = {Tile::packed(kind.major, kind.swizzle, kFar, 64, 2)};
    p.tilesB = {Tile::packed(kind.major, kind.swizzle, kFar + 8192, 16, 2)};
    expectProduct(p);
    // The second 8 rows of B, or the second 8 of k, are far behind the first.
    p.tilesA[0].start = 8192;
    Tile &b = p.tilesB[0];
    b.start = 0;
    bool isAlongMn = kind.major == Major::K && kind.swizzle != Swizzle::None;
    (isAlongMn ? alongMn(b) : alongK(b)) = kFar;
    expectProduct(p);
    if (kind.swizzle == Swizzle::None) {
      alongK(b) = 512;
      alongMn(b) = kFar;
      expectProduct(p);
    }
  }
}

/// Where a tile is swizzled and K-major there is no leading dimension.
TEST(WgmmaLayoutTest, LeadingOffsetIsIgnoredWithoutUse) {
  for (Swizzle swizzle : {Swizzle::B32, Swizzle::B64, Swizzle::B128}) {
    for (unsigned ignored : {0u, 16u, 4096u, 0x3FFF0u}) {
      Product p;
      p.n = 32;
      Tile a = Tile::packed(Major::K, swizzle, 0, 64, 2);
      Tile b = Tile::packed(Major::K, swizzle, 8192, 32, 2);
      a.ignored = b.ignored = ignored;
      p.tilesA = {a};
      p.tilesB = {b};
      expectProduct(p);
    }
  }
}

/// A product that needs one atom only looks at no stride.
TEST(WgmmaLayoutTest, StrideIsIgnoredWithoutUse) {
  for (unsigned stride : {0u, 16u, 0x3FFF0u}) {
    Product p;
    Tile b = Tile::packed(Major::K, Swizzle::B128, 0, 8, 2);
    b.stride = stride;
    p.aInRegisters = true;
    p.tilesB = {b};
    expectProduct(p);
  }
}

/// The same rows again and again: a stride of zero.
TEST(WgmmaLayoutTest, StrideOfZeroRepeatsRows) {
  Product p;
  p.n = 32;
  WgmmaJob job(p);
  for (unsigned warp = 0; warp < 4; ++warp) {
    job.descriptor(warp, 0, 1) &= ~(uint64_t(0x3FFF) << 32);
  }
  for (auto &row : job.b[0]) {
    for (unsigned n = 8; n < 32; ++n) {
      row[n] = row[n % 8];
    }
  }
  Outcome outcome = job.run();
  EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
  EXPECT_EQ(job.difference(outcome), "");
}

/// B may begin at any 8 columns of its tile.
TEST(WgmmaLayoutTest, StartsAlongN) {
  for (Kind kind : everyKind(true)) {
    // Within a row of cells, or at the begin of the next.
    for (unsigned firstN : {8u, 24u, 64u, 128u}) {
      bool isInRow = firstN % (8 * cellsOf(kind.swizzle)) != 0;
      Product p;
      p.firstN = firstN;
      p.n = kind.major == Major::MN && isInRow ? 8 : 32;
      p.steps = 2;
      expectLayout(p, kind, kOrders[0], kind, kOrders[0]);
    }
  }
}

TEST(WgmmaLayoutTest, WarpgroupsHaveDescriptorsOfTheirOwn) {
  for (bool aInRegisters : {false, true}) {
    for (Kind kind : everyKind(true)) {
      Product p;
      p.n = 72;
      p.steps = 2;
      p.warpgroups = 2;
      p.aInRegisters = aInRegisters;
      expectLayout(p, kind, kOrders[2], kind, kOrders[1]);
    }
  }
}

/// Strides and even the kind may differ between warpgroups; it is in the
/// descriptor. Only the order of the elements is in the instruction.
TEST(WgmmaLayoutTest, WarpgroupsMayHaveDifferentKinds) {
  for (Major major : {Major::K, Major::MN}) {
    Product p;
    p.n = 64;
    p.steps = 2;
    p.warpgroups = 2;
    p.tilesA = {Tile::packed(major, Swizzle::B128, 0, 64, 2),
                Tile::packed(major, Swizzle::None, 8192, 64, 2)};
    p.tilesB = {Tile::packed(major, Swizzle::B32, 16384, 64, 2),
                Tile::packed(major, Swizzle::B64, 24576, 64, 2)};
    expectProduct(p);
  }
}

/// A times its transpose: both descriptors name the same memory.
TEST(WgmmaLayoutTest, OperandsMayBeTheSame) {
  for (Swizzle swizzle : kSwizzles) {
    Product p;
    p.n = 64;
    p.steps = 2;
    p.tilesA = {Tile::packed(Major::K, swizzle, 0, 64, 2)};
    p.tilesB = {Tile::packed(Major::K, swizzle, 8192, 64, 2)};
    WgmmaJob job(p);
    for (unsigned warp = 0; warp < 4; ++warp) {
      for (unsigned s = 0; s < 2; ++s) {
        job.descriptor(warp, s, 1) = job.descriptor(warp, s, 0);
      }
    }
    for (unsigned k = 0; k < 32; ++k) {
      for (unsigned n = 0; n < 64; ++n) {
        job.b[0][k][n] = job.a[0][n][k];
      }
    }
    Outcome outcome = job.run();
    EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
    EXPECT_EQ(job.difference(outcome), "");
  }
}

/// With a base offset the pattern begins at another line than address 0 does.
/// This is the manual's text; no hardware has been asked.
TEST(WgmmaLayoutTest, BaseOffsetMovesThePattern) {
  struct Case {
    Swizzle swizzle;
    unsigned start;
  };
  for (const Case &k :
       {Case{Swizzle::B128, 128}, Case{Swizzle::B128, 512},
        Case{Swizzle::B128, 1024 + 896}, Case{Swizzle::B64, 128},
        Case{Swizzle::B64, 512 + 256}, Case{Swizzle::B32, 128}}) {
    for (Major major : {Major::K, Major::MN}) {
      Product p;
      p.n = 32;
      Tile a = Tile::packed(major, k.swizzle, k.start, 64, 2);
      Tile b = Tile::packed(major, k.swizzle, 16384 + k.start, 32, 2);
      a.baseOffset = b.baseOffset = k.start / 128 % 8;
      p.tilesA = {a};
      p.tilesB = {b};
      expectProduct(p);
    }
  }
}
