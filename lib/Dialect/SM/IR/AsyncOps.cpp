//===- AsyncOps.cpp - Verification of copies and products in flight -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/IR/SM.h"

using namespace attn;
using namespace attn::sm;

//===----------------------------------------------------------------------===//
// Boxes of tensors
//===----------------------------------------------------------------------===//

LogicalResult TensorMapOp::verify() {
  auto memory = cast<MemRefType>(getMemory().getType());
  auto map = cast<TensorMapType>(getResult().getType());
  if (!isa<BlockArgument>(getMemory())) {
    return emitOpError("expects an argument of the kernel");
  }
  if (memory.getRank() != map.getRank() ||
      memory.getElementType() != map.getElementType()) {
    return emitOpError("expects boxes of ")
           << memory.getRank() << " axes of " << memory.getElementType()
           << ", but got " << map;
  }
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(memory.getStridesAndOffset(strides, offset)) ||
      strides.back() != 1) {
    return emitOpError("expects elements of the last axis side by side, but "
                       "got ")
           << memory;
  }
  return success();
}

LogicalResult CopyBoxesOp::verify() {
  auto map = cast<TensorMapType>(getMap().getType());
  auto slot = cast<SlotType>(getTo().getType());
  auto live = cast<RankedTensorType>(getLive().getType());
  if (!isa<LanesAttr>(live.getEncoding())) {
    return emitOpError("expects flags with layout sm.lanes, but got ") << live;
  }
  if (int64_t(getCoordinates().size()) != map.getRank() - 1) {
    return emitOpError("expects a coordinate for each of the ")
           << map.getRank() - 1 << " axes before the last, but got "
           << getCoordinates().size();
  }
  for (Value coordinate : getCoordinates()) {
    if (!coordinate.getType().isIndex() &&
        coordinate.getType() !=
            live.clone(IntegerType::get(getContext(), 32))) {
      return emitOpError("expects coordinates in the layout of the flags, but "
                         "got ")
             << coordinate.getType() << " and " << live;
    }
  }
  if (map.getElementType() != slot.getElementType() ||
      map.getColumns() != slot.getColumns() ||
      map.getRows() * live.getDimSize(0) != slot.getRows()) {
    return emitOpError("expects ")
           << live.getDimSize(0) << " boxes of " << map << " to fill the slot, "
           << "but got " << slot;
  }
  return success();
}

LogicalResult WaitOp::verify() {
  if (auto inflight = dyn_cast<InflightType>(getSource().getType())) {
    if (getResult().getType() != inflight.getValue()) {
      return emitOpError("expects a result of ")
             << inflight.getValue() << ", but got " << getResult().getType();
    }
    // Its operands must be known here: they stay as they are until then.
    if (!getTokens().empty() || !getSource().getDefiningOp<GemmAsyncOp>()) {
      return emitOpError("expects the result of an sm.gemm_async, and no "
                         "tokens");
    }
    return success();
  }
  auto slot = cast<SlotType>(getSource().getType());
  auto buf = dyn_cast<BufType>(getResult().getType());
  if (!buf || buf.getSlot() != slot) {
    return emitOpError("expects a buffer like ")
           << slot << ", but got " << getResult().getType();
  }
  if (getTokens().empty()) {
    return emitOpError("expects the tokens of the copies into the slot");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Products of a warpgroup
//===----------------------------------------------------------------------===//

/// Rows, elements to sum, columns; and the warps of the result.
static constexpr int64_t kGroupRows = 64, kSums = 16, kMostColumns = 256;
static constexpr int64_t kGroupWarps = 4;

LogicalResult GemmAsyncOp::verify() {
  RankedTensorType d = cast<InflightType>(getResult().getType()).getValue();
  auto b = cast<BufType>(getB().getType());
  Type element = b.getElementType();
  auto layout = dyn_cast_or_null<AccAttr>(d.getEncoding());
  if (!layout || !isFragment(d) || !d.getElementType().isF32() ||
      layout.getRowWarps() != kGroupWarps || layout.getColumnWarps() != 1) {
    return emitOpError("expects a result of f32 with layout #sm.acc<")
           << kGroupWarps << " x 1>, but got " << d;
  }
  if (!element.isF16() && !element.isBF16()) {
    return emitOpError("expects f16 or bf16, but got ") << element;
  }
  int64_t k = getTransposeB() ? b.getColumns() : b.getRows();
  int64_t n = getTransposeB() ? b.getRows() : b.getColumns();
  int64_t rows, sums;
  Type elementA;
  if (auto a = dyn_cast<BufType>(getA().getType())) {
    rows = a.getRows(), sums = a.getColumns(), elementA = a.getElementType();
  } else {
    auto fragment = cast<RankedTensorType>(getA().getType());
    if (fragment.getEncoding() != layout) {
      return emitOpError("expects a with the layout of the result, but got ")
             << fragment << " and " << d;
    }
    rows = fragment.getDimSize(0), sums = fragment.getDimSize(1);
    elementA = fragment.getElementType();
  }
  if (elementA != element) {
    return emitOpError("expects operands of one type, but got ")
           << elementA << " and " << element;
  }
  if (rows != d.getDimSize(0) || sums != k || d.getDimSize(1) != n) {
    return emitOpError("expects [M, K] * [K, N] + [M, N], but got ")
           << getA().getType() << ", " << b
           << (getTransposeB() ? " transposed" : "") << " and " << d;
  }
  if (rows % kGroupRows || k % kSums || n > kMostColumns) {
    return emitOpError("expects a multiple of ")
           << kGroupRows << " rows, a multiple of " << kSums
           << " products to sum and at most " << kMostColumns
           << " columns, but got " << rows << ", " << k << " and " << n;
  }
  if (getAcc() && getAcc().getType() != d) {
    return emitOpError("expects sums of type ")
           << d << ", but got " << getAcc().getType();
  }
  return success();
}
