//===- SMDialect.cpp - Registration of the sm dialect ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/IR/SM.h"
#include "attn/Layout/SharedLayout.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace attn;
using namespace attn::sm;

#include "attn/Dialect/SM/IR/SMDialect.cpp.inc"
#include "attn/Dialect/SM/IR/SMEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/SM/IR/SMAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "attn/Dialect/SM/IR/SMTypes.cpp.inc"

void SMDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "attn/Dialect/SM/IR/SMOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "attn/Dialect/SM/IR/SMAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "attn/Dialect/SM/IR/SMTypes.cpp.inc"
      >();
}

static LogicalResult verifyBlock(function_ref<InFlightDiagnostic()> error,
                                 int64_t rows, int64_t columns, Type element) {
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8) {
    return error() << "expects elements of whole bytes, but got " << element;
  }
  int64_t rowBytes = columns * element.getIntOrFloatBitWidth() / 8;
  if (!SharedLayout::get(rows, rowBytes)) {
    return error() << "expects a multiple of 8 rows and rows of a multiple of "
                   << SharedLayout::kChunkBytes << " bytes, but got " << rows
                   << " rows of " << rowBytes << " bytes";
  }
  return success();
}

LogicalResult BufType::verify(function_ref<InFlightDiagnostic()> error,
                              int64_t rows, int64_t columns, Type element) {
  return verifyBlock(error, rows, columns, element);
}

LogicalResult SlotType::verify(function_ref<InFlightDiagnostic()> error,
                               int64_t rows, int64_t columns, Type element) {
  return verifyBlock(error, rows, columns, element);
}

LogicalResult RingType::verify(function_ref<InFlightDiagnostic()> error,
                               int64_t slots, ArrayRef<BufType> buffers) {
  if (slots <= 0 || buffers.empty()) {
    return error() << "expects a slot and a buffer in it, but got " << slots
                   << " slots of " << buffers.size() << " buffers";
  }
  return success();
}

LogicalResult TensorMapType::verify(function_ref<InFlightDiagnostic()> error,
                                    ArrayRef<int64_t> box, Type element) {
  // Five axes, and boxes of at most 256 elements along each, is what the
  // hardware takes. A row of a box is cut into panels, each with its own copy.
  constexpr size_t mostAxes = 5;
  constexpr int64_t mostElements = 256;
  if (box.size() < 2 || box.size() > mostAxes) {
    return error() << "expects boxes of 2 to " << mostAxes
                   << " axes, but got one of " << box.size();
  }
  for (int64_t size : box.drop_back()) {
    if (size <= 0 || size > mostElements) {
      return error() << "expects 1 to " << mostElements
                     << " elements of a box along an axis, but got " << size;
    }
  }
  int64_t rows = 1;
  for (int64_t size : box.drop_back()) {
    rows *= size;
  }
  return verifyBlock(error, rows, box.back(), element);
}
