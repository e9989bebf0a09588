//===- Arguments.cpp - Memory that the program was called with ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attnrt/plan_format.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace attn;
using namespace attn::sm;

#define OFFSET(member) int64_t(offsetof(attnrt_tensor, member))

/// Elements from one to the next along an axis.
static Value loadStride(ImplicitLocOpBuilder &b, MemRefType type, Value record,
                        int64_t axis) {
  SmallVector<int64_t> strides;
  int64_t offset;
  if (succeeded(type.getStridesAndOffset(strides, offset)) &&
      !ShapedType::isDynamic(strides[axis])) {
    return constantIndex(b, strides[axis]);
  }
  return loadIndex(b, record, OFFSET(stride) + 8 * axis, 64);
}

namespace {
class AddressLowering : public Lowering<AddressOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(AddressOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(
        op, loadField(b, adaptor.getMemory(), OFFSET(data), b.getI64Type()));
    return success();
  }
};

class StrideLowering : public Lowering<StrideOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(StrideOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op,
                       loadStride(b, cast<MemRefType>(op.getMemory().getType()),
                                  adaptor.getMemory(), op.getAxis()));
    return success();
  }
};

class DimLowering : public Lowering<memref::DimOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(memref::DimOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast<MemRefType>(op.getSource().getType());
    std::optional<int64_t> axis = op.getConstantIndex();
    if (!axis || *axis < 0 || *axis >= type.getRank()) {
      return op.emitOpError("expects a constant axis of its memory");
    }
    rewriter.replaceOp(op, type.isDynamicDim(*axis)
                               ? loadIndex(b, adaptor.getSource(),
                                           OFFSET(shape) + 8 * *axis, 64)
                               : constantIndex(b, type.getDimSize(*axis)));
    return success();
  }
};

/// A place of an element of an argument.
static Value getElement(ImplicitLocOpBuilder &b, MemRefType type, Value record,
                        ValueRange indices) {
  Value at = constantIndex(b, 0);
  for (auto [axis, index] : llvm::enumerate(indices)) {
    Value stride = loadStride(b, type, record, axis);
    at = arith::AddIOp::create(b, at, arith::MulIOp::create(b, index, stride));
  }
  Value data =
      loadField(b, record, OFFSET(data), globalPointer(b.getContext()));
  return recordAt(b, data, at, getMemoryBytes(type.getElementType()));
}

/// An element that all threads read, as a page or a length is, or each its own.
class LoadElementLowering : public Lowering<memref::LoadOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(memref::LoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast<MemRefType>(op.getMemRef().getType());
    Type element = type.getElementType();
    Value at = getElement(b, type, adaptor.getMemref(), adaptor.getIndices());
    Value value = LLVM::LoadOp::create(b, getMemoryType(element), at,
                                       getMemoryBytes(element));
    rewriter.replaceOp(op, fromMemory(b, value, element));
    return success();
  }
};

class StoreElementLowering : public Lowering<memref::StoreOp> {
public:
  using Lowering::Lowering;

  LogicalResult
  matchAndRewrite(memref::StoreOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast<MemRefType>(op.getMemRef().getType());
    Value at = getElement(b, type, adaptor.getMemref(), adaptor.getIndices());
    LLVM::StoreOp::create(b, toMemory(b, adaptor.getValue()), at,
                          getMemoryBytes(type.getElementType()));
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void sm::populateArguments(const TypeConverter &converter, KernelState &state,
                           RewritePatternSet &patterns) {
  patterns.add<AddressLowering, StrideLowering, DimLowering,
               LoadElementLowering, StoreElementLowering>(
      converter, patterns.getContext(), state);
}
