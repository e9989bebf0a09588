//===- ReadModule.h - Modules from text that nobody vouches for -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MLIR's parser calls itself for each bracket and each operator of an affine
// expression, and so does most of what walks the result: text that is nested
// deeply enough overflows the stack, which no diagnostic comes back from. Text
// is looked through before it is parsed, and refused where it is deeper than
// anything that people or programs write.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_READMODULE_H
#define ATTN_SUPPORT_READMODULE_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <optional>

namespace attn {

/// Most brackets ( [ { < that may be open at a place. The parser needs less
/// than a megabyte of stack for these.
constexpr unsigned kMostNestedBrackets = 256;
/// Most operators of an affine expression, those in its brackets included. What
/// normalizes expressions takes time with the cube of it.
constexpr unsigned kMostOperators = 256;
/// Most of these that divide (mod, floordiv, ceildiv) inside of one another.
/// What is known of the inner one is found anew at each: twice the time for one
/// more.
constexpr unsigned kMostDivisions = 16;

/// Where text is too deep, and what is.
struct NestingError {
  unsigned line, column; ///< from 1
  std::string message;
};

/// The first place of `text` that is deeper than the limits above. Brackets in
/// strings and comments are none; bytecode is not looked at.
std::optional<NestingError> findTooDeep(StringRef text);

/// mlir::parseSourceString and parseSourceFile, for text that may be anything.
/// Null after an error, which is a diagnostic of the context.
OwningOpRef<ModuleOp> readModule(StringRef text, MLIRContext &context);
OwningOpRef<ModuleOp> readModuleFile(StringRef path, MLIRContext &context);

} // namespace attn

#endif // ATTN_SUPPORT_READMODULE_H
