//===- TensorMaps.cpp - Parameters that the host encodes ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The map of a tensor is made by the driver from what the host knows, and it is
// opaque: it cannot be a field of attnrt_args that a kernel reads. So it is a
// parameter, and the function says in `sm.tensor_maps` what the host puts in.
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace attn;
using namespace attn::sm;

static constexpr int64_t kMapBytes = 128, kMapAlignment = 64;

/// What the host encodes: tensor number `tensor` of the launch with all of its
/// shape and strides, in boxes of so many elements along each of its axes; the
/// box of the last one is a panel of a block in shared memory.
static DictionaryAttr getRecipe(Builder &b, int64_t tensor, TensorMapType map) {
  SharedLayout layout = getSharedLayout(SlotType::get(
      b.getContext(), map.getRows(), map.getColumns(), map.getElementType()));
  SmallVector<int64_t> box(map.getBox());
  box.back() =
      layout.getSpan() * 8 / map.getElementType().getIntOrFloatBitWidth();
  return b.getDictionaryAttr(
      {b.getNamedAttr("tensor", b.getI64IntegerAttr(tensor)),
       b.getNamedAttr("box", b.getDenseI64ArrayAttr(box)),
       b.getNamedAttr("element", TypeAttr::get(map.getElementType())),
       b.getNamedAttr("swizzle", b.getI64IntegerAttr(layout.getSpan()))});
}

/// The number of an argument among the tensors of the launch.
static int64_t getTensorNumber(KernelOp kernel, BlockArgument argument) {
  int64_t number = 0;
  for (BlockArgument before : kernel.getBody().getArguments()) {
    if (before == argument) {
      break;
    }
    number += isa<MemRefType>(before.getType());
  }
  return number;
}

void sm::bindTensorMaps(KernelOp kernel, LLVM::LLVMFuncOp func) {
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel);
  auto maps = llvm::to_vector(kernel.getBody().getOps<TensorMapOp>());
  if (maps.empty()) {
    return;
  }
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Type> types(func.getArgumentTypes());
  SmallVector<Attribute> recipes;
  Block &entry = func.getBody().front();
  SmallVector<unsigned> numbers;
  for (TensorMapOp map : maps) {
    auto type = cast<TensorMapType>(map.getResult().getType());
    auto memory = cast<BlockArgument>(map.getMemory());
    recipes.push_back(getRecipe(b, getTensorNumber(kernel, memory), type));
    numbers.push_back(types.size());
    types.push_back(pointer);
    BlockArgument parameter = entry.addArgument(pointer, map.getLoc());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(map);
    map.replaceAllUsesWith(
        UnrealizedConversionCastOp::create(b, type, parameter).getResult(0));
    map.erase();
  }
  SmallVector<DictionaryAttr> attributes;
  func.getAllArgAttrs(attributes);
  func.setFunctionType(LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), types));
  attributes.resize(types.size(), b.getDictionaryAttr({}));
  func.setAllArgAttrs(attributes);
  Type bytes = LLVM::LLVMArrayType::get(b.getI8Type(), kMapBytes);
  for (unsigned number : numbers) {
    func.setArgAttr(number, LLVM::LLVMDialect::getByValAttrName(),
                    TypeAttr::get(bytes));
    func.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(),
                    b.getI64IntegerAttr(kMapAlignment));
    func.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(),
                    b.getUnitAttr());
  }
  func->setAttr(kTensorMapsAttr, b.getArrayAttr(recipes));
}
