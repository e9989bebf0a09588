//===- DotTurned.cpp - Dots of few rows on a matrix unit ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where B's columns lie along the depth, they are what the unit takes as rows:
// C^T = B^T A^T needs A in pairs, once for all tiles, and nothing of B is
// moved. The sums are turned in registers, which costs less than turning B if
// the rows are fewer than the depth.
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"
#include "MatrixUnit.h"

using namespace attn;
using namespace attn::tile;

/// Columns of B that are multiplied side by side, in tiles.
static constexpr int64_t tilesAtOnce = 2;

/// Where 16 columns of B from `first` on begin, and the bytes from each to the
/// next: in memory if they have one distance, else copied.
std::pair<Value, Value> KernelLowering::columnsAsRows(DotOp op, Value first,
                                                      Value copy) {
  const DotPlan plan = planOf(op);
  int64_t depth = cast<MemRefType>(copy.getType()).getShape().back();
  Type i64 = b.getI64Type();
  Plane plane = planeOf(b, copy);
  int64_t step = 2 * target.lanes;
  while (depth % step) {
    step /= 2;
  }
  auto copied = [&]() -> SmallVector<Value> {
    loop(index(0), index(kMatrixColumns), 1, [&](Value i) {
      Value column = arith::AddIOp::create(b, first, i);
      indexLevel[column] = levels.size() - 1;
      for (int64_t k = 0; k < depth; k += step) {
        Value x = convert(at(plan.b, Point{{column, index(k)}, 1, step}),
                          plan.element);
        vector::StoreOp::create(b, x, copy, ValueRange{i, index(k)});
      }
    });
    return {arith::IndexCastOp::create(b, i64, plane.base),
            constant(b.getI64IntegerAttr(plane.rowBytes))};
  };
  auto load = plan.b.getDefiningOp<LoadOp>();
  auto table = tables.find(load);
  if (!load || table == tables.end()) {
    SmallVector<Value> found = copied();
    return {found[0], found[1]};
  }
  // Base and distance of the first two; the others have to continue them.
  auto addresses = [&](Value at, int64_t count) {
    return loadBuffer(table->second,
                      count > 1 ? Point{{at}, 0, count} : Point{{at}});
  };
  Value base = addresses(first, 1);
  Value stride =
      arith::SubIOp::create(b, addresses(addIndex(first, 1), 1), base);
  int64_t lanes = std::min<int64_t>(std::max<int64_t>(target.lanes / 2, 1), 16);
  auto wide = VectorType::get({lanes}, i64);
  Value differs;
  for (int64_t i = 0; i < kMatrixColumns; i += lanes) {
    SmallVector<int64_t> numbers;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      numbers.push_back(i + lane);
    }
    Value n = constant(DenseElementsAttr::get(wide, ArrayRef(numbers)));
    Value want = arith::MulIOp::create(b, n, broadcast(stride, lanes));
    want = arith::AddIOp::create(b, want, broadcast(base, lanes));
    Value is = addresses(addIndex(first, i), lanes);
    Value bits = arith::XOrIOp::create(b, is, want);
    differs = differs ? arith::OrIOp::create(b, differs, bits) : bits;
  }
  Value any =
      vector::ReductionOp::create(b, vector::CombiningKind::OR, differs);
  Value isRegular = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, any,
                                          constant(b.getI64IntegerAttr(0)));
  SmallVector<Value> found = branch(
      isRegular, {i64, i64}, [&] { return SmallVector<Value>{base, stride}; },
      copied);
  return {found[0], found[1]};
}

void KernelLowering::turnedTiles(DotOp op, const Buffer &c, bool accumulate) {
  const DotPlan plan = planOf(op);
  auto type = cast<VectorType>(op.getResult().getType());
  int64_t depth = cast<VectorType>(op.getA().getType()).getDimSize(1);
  int64_t columns = type.getDimSize(1), steps = depth / kMatrixDepth;
  Type element = type.getElementType();
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Plane left = planeOf(b, rowPacks[op].memref);
  int64_t groupBytes = depth / 2 * kMatrixRowBytes;
  TileUnit unit(b, kMatrixRows);
  SmallVector<Value> copies;
  for (int64_t n = 0; n < tilesAtOnce; ++n) {
    copies.push_back(scratch({kMatrixColumns, depth}, plan.element));
  }
  Value sums = scratch({tilesAtOnce * kMatrixColumns, kMatrixRows}, element);
  auto vec = VectorType::get({kMatrixColumns}, element);
  // Rows past the live ones are written as far as there is room.
  int64_t room = cast<MemRefType>(c.memref.getType()).getDimSize(0);
  auto pointer = [&](Value address) -> Value {
    return LLVM::IntToPtrOp::create(b, ptr, address);
  };
  constexpr int64_t atOnce = tilesAtOnce * kMatrixColumns;
  int64_t whole = columns / atOnce, trips = (columns + atOnce - 1) / atOnce;
  auto block = [&](Value first, int64_t tiles, Value trip) {
    SmallVector<std::pair<Value, Value>> bs;
    for (int64_t n = 0; n < tiles; ++n) {
      Value at = addIndex(first, n * kMatrixColumns);
      bs.push_back(columnsAsRows(op, at, copies[n]));
    }
    loop(index(0), liveRowsOf(op), kMatrixRows, [&](Value i) {
      Value group = arith::DivUIOp::create(b, i, index(kMatrixRows));
      SmallVector<Value> accs(tiles, Value());
      for (Value &acc : accs) {
        acc = unit.zero();
      }
      for (int64_t u = 0; u < steps; ++u) {
        Plane groups{left.base, groupBytes, 0};
        Value y =
            unit.loadPairs(addressOf(b, groups, group, index(0),
                                     u * (kMatrixDepth / 2) * kMatrixRowBytes));
        for (int64_t n = 0; n < tiles; ++n) {
          auto [base, stride] = bs[n];
          Value at = arith::AddIOp::create(
              b, base, constant(b.getI64IntegerAttr(u * kMatrixRowBytes)));
          accs[n] =
              unit.multiplyAdd(accs[n], unit.load(pointer(at), stride), y);
        }
        if (u == 0) {
          prefetchSite({op, /*inPack=*/false}, packsLonger(op), trip,
                       index(trips));
        }
      }
      Plane plane = planeOf(b, sums);
      for (int64_t n = 0; n < tiles; ++n) {
        unit.store(accs[n],
                   addressOf(b, plane, index(n * kMatrixColumns), index(0), 0),
                   plane.rowBytes);
      }
      loop(index(0), index(tiles * kMatrixColumns), kMatrixColumns,
           [&](Value from) {
             SmallVector<Value> x;
             for (int64_t k = 0; k < kMatrixColumns; ++k) {
               x.push_back(vector::LoadOp::create(
                   b, vec, sums, ValueRange{addIndex(from, k), index(0)}));
             }
             transposeVectors(b, x);
             Value column = arith::AddIOp::create(b, first, from);
             for (int64_t r = 0; r < std::min(room, kMatrixRows); ++r) {
               SmallVector<Value> to{addIndex(i, r), column};
               if (accumulate) {
                 Value old = vector::LoadOp::create(b, vec, c.memref, to);
                 x[r] = arith::AddFOp::create(b, old, x[r]);
               }
               vector::StoreOp::create(b, x[r], c.memref, to);
             }
           });
    });
  };
  nest([&] {
    loop(index(0), index(whole), 1, [&](Value trip) {
      Value first = arith::MulIOp::create(b, trip, index(atOnce));
      indexLevel[first] = levels.size() - 1;
      block(first, tilesAtOnce, trip);
    });
    if (int64_t left = columns % atOnce) {
      block(index(whole * atOnce), left / kMatrixColumns, index(whole));
    }
  });
}
