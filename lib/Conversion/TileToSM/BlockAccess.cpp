//===- BlockAccess.cpp - What a block is in memory ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Along which axis of the storage the columns of a block lie, whether they are
// neighbours, and what the addresses of its rows are multiples of: what decides
// whether rows can be copied as they are.
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace attn;

/// An index along the columns is base + 0, 1, ..: the base stands for it.
static bool matchColumns(Value value, SmallVectorImpl<Value> &terms) {
  if (auto coord = value.getDefiningOp<tile::CoordOp>()) {
    terms.push_back(coord.getBase());
    return true;
  }
  if (auto sum = value.getDefiningOp<arith::AddIOp>()) {
    for (auto [x, y] : {std::pair(sum.getLhs(), sum.getRhs()),
                        std::pair(sum.getRhs(), sum.getLhs())}) {
      auto splat = x.getDefiningOp<vector::BroadcastOp>();
      if (splat && !isa<VectorType>(splat.getSource().getType()) &&
          matchColumns(y, terms)) {
        terms.push_back(splat.getSource());
        return true;
      }
    }
  }
  return false;
}

std::optional<SmallVector<Value>> attn::getColumnBase(Value index) {
  SmallVector<Value> terms;
  return matchColumns(index, terms) ? std::optional(terms) : std::nullopt;
}

BlockAccess BlockAccess::get(tile::LoadOp op) {
  return {op.getSource(),
          SmallVector<Value>(op.getIndices()),
          op.getAxes(),
          op.getLiveBegin(),
          op.getLiveEnd(),
          int64_t(op.getLiveAxis()),
          dyn_cast<VectorType>(op.getResult().getType())};
}

BlockAccess BlockAccess::get(tile::StoreOp op) {
  return {op.getDestination(),
          SmallVector<Value>(op.getIndices()),
          op.getAxes(),
          op.getLiveBegin(),
          op.getLiveEnd(),
          int64_t(op.getLiveAxis()),
          dyn_cast<VectorType>(op.getValue().getType())};
}

/// Whether `e` is dimension `d` and something that does not depend on it.
static bool countsAlong(AffineExpr e, unsigned d, unsigned numDims,
                        unsigned numSymbols) {
  AffineExpr rest = simplifyAffineExpr(e - getAffineDimExpr(d, e.getContext()),
                                       numDims, numSymbols);
  return !rest.isFunctionOfDim(d);
}

std::optional<int64_t> BlockAccess::getColumnAxis() const {
  const int64_t *column = llvm::find(axes, 1);
  if (column == axes.end()) {
    return std::nullopt;
  }
  unsigned number = column - axes.begin();
  auto view = memory.getDefiningOp<tile::ViewOp>();
  if (!view) {
    return number;
  }
  AffineMap map = view.getAddress();
  std::optional<int64_t> found;
  for (auto [axis, e] : llvm::enumerate(map.getResults())) {
    if (!e.isFunctionOfDim(number)) {
      continue;
    }
    if (found ||
        !countsAlong(e, number, map.getNumDims(), map.getNumSymbols())) {
      return std::nullopt;
    }
    found = axis;
  }
  return found;
}

bool BlockAccess::hasNeighbours() const {
  std::optional<int64_t> axis = getColumnAxis();
  auto view = memory.getDefiningOp<tile::ViewOp>();
  auto type = cast<MemRefType>((view ? view.getStorage() : memory).getType());
  return axis && type.getStridesAndOffset().first[*axis] == 1;
}

/// A power of two that an integer is a multiple of.
static int64_t getFactor(Value value, int64_t most) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant))) {
    return std::gcd(constant.getSExtValue(), most);
  }
  if (auto cast = value.getDefiningOp<arith::IndexCastOp>()) {
    return getFactor(cast.getIn(), most);
  }
  if (auto product = value.getDefiningOp<arith::MulIOp>()) {
    return std::gcd(getFactor(product.getLhs(), most) *
                        getFactor(product.getRhs(), most),
                    most);
  }
  return 1;
}

int64_t BlockAccess::getAlignment() const {
  std::optional<int64_t> axis = getColumnAxis();
  Value storage = memory;
  auto view = memory.getDefiningOp<tile::ViewOp>();
  if (view) {
    storage = view.getStorage();
  }
  auto type = cast<MemRefType>(storage.getType());
  int64_t bits = type.getElementTypeBitWidth();
  int64_t bytes = std::max<int64_t>(bits / 8, 1), most = 16 / bytes;
  if (!axis) {
    return bytes;
  }
  // Where a row begins in the storage: the other axes move it by their strides.
  // One that is not known is a multiple of a row's length, if that is known.
  int64_t result = most;
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    int64_t size = type.getDimSize(i), row = type.getDimSize(*axis);
    if (i == *axis || size == 1) {
      continue;
    }
    int64_t stride = !ShapedType::isDynamic(strides[i]) ? strides[i]
                     : ShapedType::isDynamic(row)       ? 1
                                                        : row;
    result = std::gcd(result, stride);
  }
  // Where the columns begin in it.
  const int64_t *column = llvm::find(axes, 1);
  unsigned number = column - axes.begin();
  auto base = getColumnBase(indices[number]);
  if (!base) {
    return bytes;
  }
  for (Value term : *base) {
    result = std::gcd(result, getFactor(term, most));
  }
  if (view) {
    AffineMap map = view.getAddress();
    AffineExpr rest = simplifyAffineExpr(
        map.getResult(*axis) - getAffineDimExpr(number, map.getContext()),
        map.getNumDims(), map.getNumSymbols());
    result = std::gcd(result, rest.getLargestKnownDivisor());
  }
  return result * bytes;
}
