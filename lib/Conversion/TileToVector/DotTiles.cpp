//===- DotTiles.cpp - Dots on a matrix unit -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// AMX: eight registers of 16 rows of 64 bytes. A product adds 16 x 16 sums of
// 32 terms each. Two tiles of rows times two of columns need four registers for
// sums and four for operands, and load as many tiles as they multiply. A is
// read where it lies; B is in panels of one tile's columns, whose pairs make
// each tile 1 KiB in one piece.
//
// The code generator allocates tile registers and configures them once per
// function, as all tiles of a kernel have one shape. The rows of the last tile
// that are not live hold anything: no row of a product depends on another.
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"
#include "MatrixUnit.h"

using namespace attn;
using namespace attn::tile;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Steps along the depth that are written out; more are a loop of these.
static constexpr int64_t mostUnrolled = 8;

Value KernelLowering::packsLonger(DotOp op) {
  Value rows = rowCount(op.getResult(), /*rounded=*/false);
  if (!rows) {
    int64_t size = cast<VectorType>(op.getResult().getType()).getDimSize(0);
    return constant(b.getBoolAttr(size <= kMatrixRowsOfPacking));
  }
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, rows,
                               index(kMatrixRowsOfPacking));
}

void KernelLowering::inMatrixTiles(DotOp op, const Buffer &c, bool accumulate) {
  const DotPlan plan = planOf(op);
  auto type = cast<VectorType>(op.getResult().getType());
  int64_t depth = cast<VectorType>(op.getA().getType()).getDimSize(1);
  int64_t height = matrixRowsOf(op), columns = type.getDimSize(1);
  int64_t steps = depth / kMatrixDepth, unroll = std::min(steps, mostUnrolled);
  while (steps % unroll) {
    --unroll;
  }
  int64_t panelBytes = depth / 2 * kMatrixRowBytes;
  int64_t panels = columns / kMatrixColumns;
  // Panels that stay in the first level: packed one group after the other.
  int64_t stay = std::max<int64_t>(kMatrixPanelBytes / panelBytes / 2 * 2, 2);
  stay = std::min(stay, panels);
  auto known = packs.find(op);
  bool isPacked = known != packs.end();
  Pack pack = isPacked ? known->second : makePack(op, stay);
  Plane left = planeOf(b, rowMajor(plan.a, plan.element).memref);
  Plane right = planeOf(b, pack.memref), sums = planeOf(b, c.memref);
  TileUnit unit(b, height);

  using Fetch = function_ref<void()>;
  // `high` x `wide` tiles of sums from row i and panel p on, which is the
  // panel `at` of those packed. Calls `fetch` with the number of each step.
  auto block = [&](Value i, Value p, Value at, int64_t high, int64_t wide,
                   Fetch fetch) {
    Value j = arith::MulIOp::create(b, p, index(kMatrixColumns));
    SmallVector<Value> accs, places;
    for (int64_t r = 0; r < high; ++r) {
      for (int64_t n = 0; n < wide; ++n) {
        int64_t offset = r * height * sums.rowBytes + n * kMatrixRowBytes;
        places.push_back(addressOf(b, sums, i, j, offset));
        accs.push_back(accumulate ? unit.load(places.back(), sums.rowBytes)
                                  : unit.zero());
      }
    }
    auto multiply = [&](Value first, SmallVector<Value> accs) {
      for (int64_t u = 0; u < unroll; ++u) {
        SmallVector<Value> ys;
        for (int64_t n = 0; n < wide; ++n) {
          // Panels lie behind each other: their rows are those of pairs.
          Plane panel{right.base, panelBytes, kMatrixRowBytes / 2};
          int64_t offset =
              n * panelBytes + u * (kMatrixDepth / 2) * kMatrixRowBytes;
          ys.push_back(unit.loadPairs(addressOf(b, panel, at, first, offset)));
        }
        for (int64_t r = 0; r < high; ++r) {
          int64_t offset =
              r * height * left.rowBytes + u * kMatrixDepth * left.elementBytes;
          Value x =
              unit.load(addressOf(b, left, i, first, offset), left.rowBytes);
          for (int64_t n = 0; n < wide; ++n) {
            Value &sum = accs[r * wide + n];
            sum = unit.multiplyAdd(sum, x, ys[n]);
          }
        }
        if (u == 0) {
          fetch();
        }
      }
      return accs;
    };
    accs = steps == unroll
               ? multiply(index(0), accs)
               : loop(index(0), index(depth), unroll * kMatrixDepth, accs,
                      [&](Value k, ValueRange carried) {
                        return multiply(k, SmallVector<Value>(carried));
                      });
    for (auto [sum, place] : llvm::zip(accs, places)) {
      unit.store(sum, place, sums.rowBytes);
    }
  };

  Value isFew = packsLonger(op);
  Value live = arith::CeilDivUIOp::create(b, liveRowsOf(op), index(height));
  Value rowTrips = arith::CeilDivUIOp::create(b, live, index(2));
  Value whole = arith::DivUIOp::create(b, live, index(2));
  whole = arith::MulIOp::create(b, whole, index(2 * height));
  Value end = arith::MulIOp::create(b, live, index(height));
  int64_t pairs = panels / 2;
  // Rows from .. to meet `count` panels from `first` on, which are panels from
  // `at` on of those packed.
  auto meet = [&](Value from, Value to, int64_t high, Value first, Value at,
                  int64_t count) {
    loop(from, to, high * height, [&](Value i) {
      Value row = arith::DivUIOp::create(b, i, index(2 * height));
      Value trips = arith::MulIOp::create(b, rowTrips, index(pairs));
      loop(index(0), index(count / 2 * 2), 2, [&](Value n) {
        Value p = arith::AddIOp::create(b, first, n);
        Value trip = arith::MulIOp::create(b, row, index(pairs));
        trip = arith::AddIOp::create(b, trip,
                                     arith::DivUIOp::create(b, p, index(2)));
        block(i, p, arith::AddIOp::create(b, at, n), high, 2, [&] {
          prefetchSite({op, /*inPack=*/false}, isFew, trip, trips);
        });
      });
      if (count % 2) {
        block(i, addIndex(first, count - 1), addIndex(at, count - 1), high, 1,
              [] {});
      }
    });
  };
  auto group = [&](Value first, int64_t count) {
    if (!isPacked) {
      packPanels(op, pack, first, count, count * kMatrixColumns);
    }
    Value at = isPacked ? first : index(0);
    nest([&] {
      if (type.getDimSize(0) > height) {
        meet(index(0), whole, 2, first, at, count);
      }
      meet(whole, end, 1, first, at, count);
    });
  };
  int64_t even = panels / stay * stay;
  std::vector<Level> outer;
  outer.swap(levels);
  loop(index(0), index(even), stay, [&](Value p) { group(p, stay); });
  if (even < panels) {
    group(index(even), panels - even);
  }
  levels.swap(outer);
}
