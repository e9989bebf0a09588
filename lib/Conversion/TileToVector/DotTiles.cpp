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

using namespace attn;
using namespace attn::tile;

/// Steps along the depth that are written out; more are a loop of these.
static constexpr int64_t mostUnrolled = 8;

namespace {
/// The instructions, on tiles of `rows` rows.
class TileUnit {
public:
  TileUnit(ImplicitLocOpBuilder &b, int64_t rows)
      : b(b), type(LLVM::LLVMX86AMXType::get(b.getContext())),
        rows(constant(16, rows)), bytes(constant(16, kMatrixRowBytes)) {}

  Value zero() { return call("tilezero", type, {rows, bytes}); }
  Value load(Value address, int64_t stride) {
    return call("tileloadd64", type,
                {rows, bytes, address, constant(64, stride)});
  }
  /// Of B: a row for each pair along the depth, whatever the rows of A are.
  Value loadPairs(Value address) {
    return call("tileloadd64", type,
                {constant(16, kMatrixDepth / 2), bytes, address,
                 constant(64, kMatrixRowBytes)});
  }
  Value multiplyAdd(Value sum, Value x, Value y) {
    return call("tdpbf16ps", type, {rows, bytes, bytes, sum, x, y});
  }
  void store(Value v, Value address, int64_t stride) {
    call("tilestored64", Type(),
         {rows, bytes, address, constant(64, stride), v});
  }

private:
  Value constant(unsigned bits, int64_t v) {
    return LLVM::ConstantOp::create(b, b.getIntegerType(bits), v);
  }
  Value call(StringRef name, Type result, ValueRange operands) {
    auto attr = b.getStringAttr("llvm.x86." + name + ".internal");
    if (!result) {
      LLVM::CallIntrinsicOp::create(b, attr, operands);
      return Value();
    }
    return LLVM::CallIntrinsicOp::create(b, result, attr, operands)
        .getResult(0);
  }

  ImplicitLocOpBuilder &b;
  Type type;
  Value rows, bytes;
};

/// A row-major buffer whose addresses are computed in bytes.
struct Plane {
  Value base; // index
  int64_t rowBytes, elementBytes;
};
} // namespace

static Plane planeOf(ImplicitLocOpBuilder &b, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  return {memref::ExtractAlignedPointerAsIndexOp::create(b, memref),
          type.getShape().back() * bytes, bytes};
}

/// base + row * rowBytes + column * elementBytes + offset, as a pointer.
static Value addressOf(ImplicitLocOpBuilder &b, const Plane &plane, Value row,
                       Value column, int64_t offset) {
  auto plus = [&](Value sum, Value n, int64_t each) -> Value {
    Value step = arith::ConstantIndexOp::create(b, each);
    Value bytes = arith::MulIOp::create(b, n, step);
    return arith::AddIOp::create(b, sum, bytes);
  };
  Value at = plus(plane.base, row, plane.rowBytes);
  at = plus(at, column, plane.elementBytes);
  if (offset) {
    at =
        arith::AddIOp::create(b, at, arith::ConstantIndexOp::create(b, offset));
  }
  at = arith::IndexCastOp::create(b, b.getI64Type(), at);
  return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()),
                                  at);
}

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
  Plane left = planeOf(b, rowMajor(plan.a, plan.element).memref);
  Plane right = planeOf(b, packs[op].memref), sums = planeOf(b, c.memref);
  int64_t panelBytes = depth / 2 * kMatrixRowBytes;
  TileUnit unit(b, height);

  // `high` x `wide` tiles of sums from row i and panel p on.
  auto block = [&](Value i, Value p, int64_t high, int64_t wide) {
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
          ys.push_back(unit.loadPairs(addressOf(b, panel, p, first, offset)));
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
  int64_t panels = columns / kMatrixColumns, pairs = panels / 2 * 2;
  Value packs = packsLonger(op);
  Value fetches =
      arith::XOrIOp::create(b, packs, constant(b.getBoolAttr(true)));
  int64_t rowTrips = (type.getDimSize(0) + 2 * height - 1) / (2 * height);
  auto fetch = [&](Value i, Value p) {
    auto share = [&] {
      Value row = arith::DivUIOp::create(b, i, index(2 * height));
      Value trip = arith::MulIOp::create(b, row, index(pairs / 2));
      Value panel = arith::DivUIOp::create(b, p, index(2));
      prefetchShare(op.getB(), arith::AddIOp::create(b, trip, panel),
                    rowTrips * pairs / 2);
      return SmallVector<Value>();
    };
    branch(fetches, {}, share, nullptr);
  };
  // All rows meet the panels that stay in the first level, then the next ones.
  int64_t stay = std::max<int64_t>(kMatrixPanelBytes / panelBytes / 2 * 2, 2);
  auto rows = [&](Value from, Value to, int64_t high) {
    auto meet = [&](Value first, int64_t count) {
      loop(from, to, high * height, [&](Value i) {
        Value last = addIndex(first, count);
        loop(first, last, 2, [&](Value p) {
          fetch(i, p);
          block(i, p, high, 2);
        });
      });
    };
    int64_t even = pairs / stay * stay;
    if (even) {
      loop(index(0), index(even), stay, [&](Value p) { meet(p, stay); });
    }
    if (even < pairs) {
      meet(index(even), pairs - even);
    }
    if (pairs < panels) {
      loop(from, to, high * height,
           [&](Value i) { block(i, index(pairs), high, 1); });
    }
  };
  Value end = arith::CeilDivUIOp::create(b, liveRowsOf(op), index(height));
  Value whole = arith::DivUIOp::create(b, end, index(2));
  whole = arith::MulIOp::create(b, whole, index(2 * height));
  end = arith::MulIOp::create(b, end, index(height));
  nest([&] {
    if (type.getDimSize(0) > height) {
      rows(index(0), whole, 2);
    }
    rows(whole, end, 1);
  });
}
