//===- SM.h - The sm dialect ------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_IR_SM_H
#define ATTN_DIALECT_SM_IR_SM_H

#include "attn/Layout/FragmentLayout.h"
#include "attn/Support/LLVM.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace attn::sm {

/// The layout that an encoding means for a block of this shape. None, with the
/// reason in `why` where it is given, if the shape does not fit.
std::optional<FragmentLayout> getLayout(mlir::Attribute encoding,
                                        llvm::ArrayRef<int64_t> shape,
                                        std::string *why = nullptr);
/// The same for the type of a value of this dialect.
FragmentLayout getLayout(mlir::Type type);
/// Whether a type is a tensor of static shape with a layout that fits it.
bool isFragment(mlir::Type type);
/// Whether an encoding is a layout of blocks, which have two axes.
bool isBlockLayout(mlir::Attribute encoding);
/// Warps over which a layout of this dialect spreads a value.
int64_t getNumWarps(mlir::Attribute encoding);

} // namespace attn::sm

#include "attn/Dialect/SM/IR/SMDialect.h.inc"
#include "attn/Dialect/SM/IR/SMEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/SM/IR/SMAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "attn/Dialect/SM/IR/SMTypes.h.inc"
#define GET_OP_CLASSES
#include "attn/Dialect/SM/IR/SMOps.h.inc"

#endif // ATTN_DIALECT_SM_IR_SM_H
