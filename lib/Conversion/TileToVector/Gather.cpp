//===- Gather.cpp - Elements that lie anywhere ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

/// Indices are evaluated where the elements are wanted, so a run of lanes is a
/// vector of addresses. What is one for all points costs scalar code.
Value KernelLowering::gatherAt(GatherOp op, const Point &p) {
  Tensor memory = tensor(op.getSource());
  Type element = cast<VectorType>(op.getResult().getType()).getElementType();
  Type i64 = b.getI64Type();
  Type wide = p.lane < 0 ? i64 : Type(VectorType::get({p.width}, i64));
  Value start = index(0), away;
  for (auto [i, stride] : llvm::zip_equal(op.getIndices(), memory.strides)) {
    if (!isa<VectorType>(i.getType())) {
      Value part = b.createOrFold<arith::MulIOp>(scalar(i), stride);
      start = b.createOrFold<arith::AddIOp>(start, part);
      continue;
    }
    Value part = arith::ExtSIOp::create(b, wide, at(i, p));
    APInt step;
    if (!matchPattern(stride, m_ConstantInt(&step)) || !step.isOne()) {
      Value by = toI64(stride);
      part = arith::MulIOp::create(b, part,
                                   p.lane < 0 ? by : broadcast(by, p.width));
    }
    away = away ? arith::AddIOp::create(b, away, part).getResult() : part;
  }
  Value base = elementPointer(memory.base, start, element);
  Type stored = storedType(element);
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value to = away;
  if (p.lane < 0) {
    to = away ? LLVM::GEPOp::create(b, pointer, stored, base,
                                    ArrayRef<LLVM::GEPArg>{away})
              : base;
    return loadElement(to, element, 1);
  }
  if (!away) {
    return broadcast(loadElement(base, element, 1), p.width);
  }
  to = LLVM::GEPOp::create(b, VectorType::get({p.width}, pointer), stored, base,
                           ArrayRef<LLVM::GEPArg>{away});
  auto flags = VectorType::get({p.width}, b.getI1Type());
  Value all = constant(DenseElementsAttr::get(flags, true));
  Value none = zeroOf(VectorType::get({p.width}, stored));
  Value found = LLVM::masked_gather::create(b, none.getType(), to, all, none,
                                            stored.getIntOrFloatBitWidth() / 8);
  return fromStored(found, element);
}
