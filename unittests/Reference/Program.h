//===- Program.h - Runs a program given as text ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_REFERENCE_PROGRAM_H
#define ATTN_UNITTESTS_REFERENCE_PROGRAM_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Reference/Interpreter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

namespace attn {

/// A module with one function. Parse errors go to stderr and `entry` is null.
struct Program {
  explicit Program(StringRef text) {
    context.loadDialect<AttnDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect, tensor::TensorDialect>();
    module = parseSourceString<ModuleOp>(text, &context);
    if (module) {
      entry = *module->getOps<func::FuncOp>().begin();
    }
  }

  /// The results; none, with a test failure, if it does not run.
  SmallVector<HostArray> run(ArrayRef<HostArray> args,
                             const InterpreterOptions &options = {}) {
    std::string error;
    if (!entry) {
      ADD_FAILURE() << "the program does not parse";
      return {};
    }
    FailureOr<SmallVector<HostArray>> results =
        interpret(entry, args, options, error);
    EXPECT_TRUE(succeeded(results)) << error;
    return succeeded(results) ? *results : SmallVector<HostArray>();
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp entry;
};

} // namespace attn

#endif // ATTN_UNITTESTS_REFERENCE_PROGRAM_H
