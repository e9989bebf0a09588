//===- Values.cpp - Small pieces of code that lowerings emit --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace attn;
using namespace attn::sm;

ThreadTypeConverter::ThreadTypeConverter() {
  addConversion([](Type type) { return type; });
  addConversion([](RankedTensorType type) -> std::optional<Type> {
    if (!isFragment(type)) {
      return std::nullopt;
    }
    return VectorType::get({getLayout(type).getNumRegisters()},
                           type.getElementType());
  });
  auto number = [](Type type) -> Type {
    return IntegerType::get(type.getContext(), 32);
  };
  addConversion([=](SlotType type) { return number(type); });
  addConversion([=](BufType type) { return number(type); });
  addConversion([=](RingType type) { return number(type); });
  addConversion([=](CursorType type) { return number(type); });
  // Groups are counted, so a token carries nothing.
  addConversion([=](TokenType type) { return number(type); });
  // The hardware's barrier of the first instance.
  addConversion([=](TurnsType type) { return number(type); });
  addConversion(
      [this](InflightType type) { return convertType(type.getValue()); });
  addConversion([](TensorMapType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext());
  });
  auto pointer = [](Type type) -> Type {
    return globalPointer(type.getContext());
  };
  addConversion([=](ItemType type) { return pointer(type); });
  // An argument is its attnrt_tensor, in a parameter.
  addConversion([](MemRefType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext());
  });
}

Value sm::constantI32(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantIntOp::create(b, value, 32);
}

Value sm::constantIndex(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}

Value sm::toI64(ImplicitLocOpBuilder &b, Value index) {
  return arith::IndexCastOp::create(b, b.getI64Type(), index);
}

Value sm::toI32(ImplicitLocOpBuilder &b, Value index) {
  return arith::IndexCastOp::create(b, b.getI32Type(), index);
}

LLVM::LLVMPointerType sm::globalPointer(MLIRContext *context) {
  return LLVM::LLVMPointerType::get(context, kGlobalSpace);
}

Value sm::addBytes(ImplicitLocOpBuilder &b, Value pointer, int64_t bytes) {
  if (!bytes) {
    return pointer;
  }
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

Value sm::addBytes(ImplicitLocOpBuilder &b, Value pointer, Value bytes) {
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{bytes});
}

SmallVector<Value> sm::unpack(ImplicitLocOpBuilder &b, Value vector) {
  auto op = vector::ToElementsOp::create(b, vector);
  return SmallVector<Value>(op->getResults());
}

Value sm::pack(ImplicitLocOpBuilder &b, ArrayRef<Value> elements) {
  auto type =
      VectorType::get({int64_t(elements.size())}, elements.front().getType());
  return vector::FromElementsOp::create(b, type, elements);
}

SmallVector<Value> sm::unpackWords(ImplicitLocOpBuilder &b, Value vector) {
  // Words that were put together stay words.
  Value source = vector;
  while (auto cast = source.getDefiningOp<UnrealizedConversionCastOp>()) {
    if (cast.getNumOperands() != 1) {
      break;
    }
    source = cast.getOperand(0);
  }
  if (auto cast = source.getDefiningOp<vector::BitCastOp>();
      cast && cast.getSourceVectorType().getElementType().isInteger(32)) {
    return unpack(b, cast.getSource());
  }
  SmallVector<Value> elements = unpack(b, vector), words;
  for (size_t i = 0; i < elements.size(); i += 2) {
    words.push_back(LLVM::BitcastOp::create(
        b, b.getI32Type(), pack(b, {elements[i], elements[i + 1]})));
  }
  return words;
}

Value sm::loadField(ImplicitLocOpBuilder &b, Value record, int64_t offset,
                    Type type) {
  // Without a data layout, LLVM would take 64 bits for two loads of 32.
  bool isPointer = isa<LLVM::LLVMPointerType>(type);
  unsigned bytes = isPointer ? 8 : type.getIntOrFloatBitWidth() / 8;
  auto load = LLVM::LoadOp::create(b, type, addBytes(b, record, offset), bytes);
  load.setInvariant(true);
  return load;
}

Value sm::loadIndex(ImplicitLocOpBuilder &b, Value record, int64_t offset,
                    unsigned bits) {
  Value value = loadField(b, record, offset, b.getIntegerType(bits));
  if (bits == 16) {
    return arith::IndexCastUIOp::create(b, b.getIndexType(), value);
  }
  return arith::IndexCastOp::create(b, b.getIndexType(), value);
}

Value sm::recordAt(ImplicitLocOpBuilder &b, Value base, Value index,
                   int64_t size) {
  Value bytes = arith::MulIOp::create(b, index, constantIndex(b, size));
  return addBytes(b, base, toI64(b, bytes));
}

Type sm::getMemoryType(Type element) {
  // No instruction moves 8 bits that are a float.
  bool isByte = element.isInteger(1) || (isa<FloatType>(element) &&
                                         element.getIntOrFloatBitWidth() == 8);
  return isByte ? IntegerType::get(element.getContext(), 8) : element;
}

int64_t sm::getMemoryBytes(Type element) {
  return getMemoryType(element).getIntOrFloatBitWidth() / 8;
}

Value sm::fromMemory(ImplicitLocOpBuilder &b, Value value, Type element) {
  if (!element.isInteger(1)) {
    Type memory = getMemoryType(element);
    return memory == element ? value
                             : arith::BitcastOp::create(b, element, value);
  }
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(value.getType()));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
}

Value sm::toMemory(ImplicitLocOpBuilder &b, Value value) {
  Type element = getElementTypeOrSelf(value.getType());
  Type type = getMemoryType(element);
  if (type == element) {
    return value;
  }
  if (auto vector = dyn_cast<VectorType>(value.getType())) {
    type = vector.clone(type);
  }
  if (!element.isInteger(1)) {
    return arith::BitcastOp::create(b, type, value);
  }
  return arith::ExtUIOp::create(b, type, value);
}
