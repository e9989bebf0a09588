//===- MatrixUnit.h - Instructions of a matrix unit -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// AMX: eight registers of 16 rows of 64 bytes. A product adds 16 x 16 sums of
// 32 terms each. The code generator allocates tile registers and configures
// them once per function, as their shapes are constants.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_TILETOVECTOR_MATRIXUNIT_H
#define ATTN_LIB_CONVERSION_TILETOVECTOR_MATRIXUNIT_H

#include "attn/TargetModel/DotCost.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace attn::tile {

/// The instructions, on tiles of `rows` rows.
class TileUnit {
public:
  TileUnit(ImplicitLocOpBuilder &b, int64_t rows)
      : b(b), type(LLVM::LLVMX86AMXType::get(b.getContext())),
        rows(constant(16, rows)), bytes(constant(16, kMatrixRowBytes)) {}

  Value zero() { return call("tilezero", type, {rows, bytes}); }
  Value load(Value address, int64_t stride) {
    return load(address, constant(64, stride));
  }
  /// `stride`: an i64, in bytes.
  Value load(Value address, Value stride) {
    return call("tileloadd64", type, {rows, bytes, address, stride});
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
inline Plane planeOf(ImplicitLocOpBuilder &b, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  return {memref::ExtractAlignedPointerAsIndexOp::create(b, memref),
          type.getShape().back() * bytes, bytes};
}

/// base + row * rowBytes + column * elementBytes + offset, as a pointer.
inline Value addressOf(ImplicitLocOpBuilder &b, const Plane &plane, Value row,
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

} // namespace attn::tile

#endif // ATTN_LIB_CONVERSION_TILETOVECTOR_MATRIXUNIT_H
