//===- Gather.cpp - Elements that lie anywhere ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace attn;

/// Each thread reads what its registers hold: indices come in the layout that
/// the elements are wanted in.
Value KernelConversion::gather(tile::GatherOp op, Attribute layout) {
  RankedTensorType type = getType(op.getResult().getType(), layout);
  RankedTensorType wide = type.clone(b.getI64Type());
  Value memory = scalar(op.getSource());
  auto bytes =
      std::max<int64_t>(type.getElementType().getIntOrFloatBitWidth() / 8, 1);
  auto toI64 = [&](Value x) -> Value {
    return arith::IndexCastOp::create(b, b.getI64Type(), x);
  };
  Value start = sm::AddressOp::create(b, memory), away;
  for (auto [axis, i] : llvm::enumerate(op.getIndices())) {
    Value step = toI64(b.createOrFold<arith::MulIOp>(
        sm::StrideOp::create(b, memory, axis), index(bytes)));
    if (!isa<VectorType>(i.getType())) {
      Value part = arith::MulIOp::create(b, toI64(scalar(i)), step);
      start = arith::AddIOp::create(b, start, part);
      continue;
    }
    Value number = fragment(i, layout);
    if (failed) {
      return op.getResult();
    }
    Value steps = sm::SplatOp::create(b, wide, step);
    Value part = arith::MulIOp::create(
        b, arith::ExtSIOp::create(b, wide, number), steps);
    away = away ? arith::AddIOp::create(b, away, part).getResult() : part;
  }
  Value addresses = sm::SplatOp::create(b, wide, start);
  if (away) {
    addresses = arith::AddIOp::create(b, addresses, away);
  }
  RankedTensorType flags = type.clone(b.getI1Type());
  Value all = arith::ConstantOp::create(
      b, flags, SplatElementsAttr::get(flags, b.getBoolAttr(true)));
  // A flag in memory is a byte.
  bool isFlag = type.getElementType().isInteger(1);
  RankedTensorType stored = isFlag ? type.clone(b.getI8Type()) : type;
  Value found = sm::LoadOp::create(b, stored, addresses, all);
  if (!isFlag) {
    return found;
  }
  Value zero = arith::ConstantOp::create(b, stored, b.getZeroAttr(stored));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, found, zero);
}
