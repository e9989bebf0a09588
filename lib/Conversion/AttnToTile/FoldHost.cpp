//===- FoldHost.cpp - What a plan asks about a fold ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldLowering.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

LogicalResult FoldLowering::emitRange(OpBuilder &b, Kernel &kernel,
                                      FoldMask &mask) {
  Location loc = fold.getLoc();
  Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
  Value seg = kernel.direct[0], coord = kernel.direct[1];
  Value lo = kernel.direct[2], hi = kernel.direct[3], n = kernel.direct[4];
  auto loop = scf::ForOp::create(b, loc, zero, n, one);
  b.setInsertionPointToStart(loop.getBody());
  Value i = loop.getInductionVar();
  TileEmitter em(program, kernel, cascade, b);
  auto read = [&](Value memory) -> Value {
    Value v = memref::LoadOp::create(b, loc, memory, ValueRange{i});
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), v);
  };
  if (!binding.segments.empty() &&
      failed(delinearize(em, {read(seg), {}}, binding.segments))) {
    return failure();
  }
  Value rowFirst = zero;
  if (binding.row >= 0) {
    rowFirst = read(coord);
    em.coords[binding.row] = {rowFirst, {}};
  }
  FailureOr<Value> extent =
      program.getRankExtentValue(b, kernel, cascade, binding.fold);
  if (failed(extent)) {
    return failure();
  }
  bool perHead =
      llvm::any_of(binding.heads, [&](int64_t r) { return mask.dependsOn(r); });
  Value first, last;
  if (perHead) {
    // Heads with masks of their own: the hull of all.
    Value heads = one;
    for (int64_t r : binding.heads) {
      FailureOr<Value> size = program.getRankExtentValue(b, kernel, cascade, r);
      if (failed(size)) {
        return failure();
      }
      heads = arith::MulIOp::create(b, loc, heads, *size);
    }
    auto each =
        scf::ForOp::create(b, loc, zero, heads, one, ValueRange{*extent, zero});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(each.getBody());
    if (failed(delinearize(em, {each.getInductionVar(), {}}, binding.heads)) ||
        failed(mask.prepare(em, rowFirst, one))) {
      return failure();
    }
    auto [l, h] = mask.hull(b, loc, zero, *extent);
    l = arith::MinSIOp::create(b, loc, l, each.getRegionIterArgs()[0]);
    h = arith::MaxSIOp::create(b, loc, h, each.getRegionIterArgs()[1]);
    scf::YieldOp::create(b, loc, ValueRange{l, h});
    first = each.getResult(0);
    last = each.getResult(1);
  } else {
    if (failed(mask.prepare(em, rowFirst, one))) {
      return failure();
    }
    std::tie(first, last) = mask.hull(b, loc, zero, *extent);
  }
  auto write = [&](Value v, Value memory) {
    v = arith::MulIOp::create(b, loc, v, constantIndex(b, loc, binding.tile));
    v = arith::IndexCastOp::create(b, loc, b.getI32Type(), v);
    memref::StoreOp::create(b, loc, v, memory, ValueRange{i});
  };
  write(first, lo);
  write(last, hi);
  b.setInsertionPointAfter(loop);
  return success();
}

/// What the kernel of items does with its tiles, counted: for each run of rows
/// {segment, KV head, first row, rows} adds to {empty, partial, full}.
LogicalResult FoldLowering::emitClasses(OpBuilder &b, Kernel &kernel,
                                        FoldMask &mask) {
  Location loc = fold.getLoc();
  Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
  Value runs = kernel.direct[0], counts = kernel.direct[1],
        n = kernel.direct[2];
  auto loop = scf::ForOp::create(b, loc, zero, n, one);
  b.setInsertionPointToStart(loop.getBody());
  TileEmitter em(program, kernel, cascade, b);
  Value base = arith::MulIOp::create(b, loc, loop.getInductionVar(),
                                     constantIndex(b, loc, 4));
  auto read = [&](int64_t field) -> Value {
    Value at =
        arith::AddIOp::create(b, loc, base, constantIndex(b, loc, field));
    Value v = memref::LoadOp::create(b, loc, runs, ValueRange{at});
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), v);
  };
  if ((!binding.segments.empty() &&
       failed(delinearize(em, {read(0), {}}, binding.segments))) ||
      (!binding.heads.empty() &&
       failed(delinearize(em, {read(1), {}}, binding.heads)))) {
    return failure();
  }
  Value rowFirst = zero, rowCount = one;
  if (binding.row >= 0) {
    rowFirst = read(2);
    rowCount = read(3);
  }
  FailureOr<Value> extent =
      program.getRankExtentValue(b, kernel, cascade, binding.fold);
  if (failed(extent) || failed(mask.prepare(em, rowFirst, rowCount))) {
    return failure();
  }
  SmallVector<Value> begins, ends;
  mask.intervals(b, loc, zero, *extent, begins, ends);
  mask.cuts(b, loc, zero, *extent);
  Value partial = zero, full = zero;
  for (auto [begin, end] : llvm::zip(begins, ends)) {
    auto tiles =
        scf::ForOp::create(b, loc, begin, end, one, ValueRange{partial, full});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(tiles.getBody());
    TileEmitter::Loads saved = em.loads;
    auto cls = mask.classify(em, tiles.getInductionVar(), rowFirst, rowCount);
    if (failed(cls)) {
      return failure();
    }
    em.loads = std::move(saved);
    Value visit = arith::ExtUIOp::create(b, loc, b.getI64Type(), cls->first);
    Value both = arith::AndIOp::create(b, loc, cls->first, cls->second);
    Value part = arith::ExtUIOp::create(b, loc, b.getI64Type(), both);
    auto cast = [&](Value v) -> Value {
      return arith::IndexCastOp::create(b, loc, b.getIndexType(), v);
    };
    Value whole = arith::SubIOp::create(b, loc, cast(visit), cast(part));
    scf::YieldOp::create(
        b, loc,
        ValueRange{arith::AddIOp::create(b, loc, tiles.getRegionIterArgs()[0],
                                         cast(part)),
                   arith::AddIOp::create(b, loc, tiles.getRegionIterArgs()[1],
                                         whole)});
    partial = tiles.getResult(0);
    full = tiles.getResult(1);
  }
  Value visited = arith::AddIOp::create(b, loc, partial, full);
  Value empty = arith::SubIOp::create(b, loc, *extent, visited);
  for (auto [i, v] :
       llvm::enumerate(SmallVector<Value>{empty, partial, full})) {
    Value at = constantIndex(b, loc, i);
    Value old = memref::LoadOp::create(b, loc, counts, ValueRange{at});
    Value more = arith::IndexCastOp::create(b, loc, b.getI64Type(), v);
    memref::StoreOp::create(b, loc, arith::AddIOp::create(b, loc, old, more),
                            counts, ValueRange{at});
  }
  b.setInsertionPointAfter(loop);
  return success();
}
