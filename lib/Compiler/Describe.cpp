//===- Describe.cpp - Passes and bytes of cascades as text ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/IoModel.h"
#include "attn/Compiler/Compiler.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

using namespace attn;

LogicalResult attn::describe(ModuleOp module, raw_ostream &os) {
  unsigned number = 0;
  WalkResult walked = module.walk([&](CascadeOp cascade) {
    os << "cascade " << number++;
    if (auto func = cascade->getParentOfType<func::FuncOp>()) {
      os << " in @" << func.getName();
    }
    os << "\n";
    printPasses(cascade, os);
    return failed(printIo(cascade, {}, {}, os)) ? WalkResult::interrupt()
                                                : WalkResult::advance();
  });
  if (!number) {
    return module.emitError("expects a function with a cascade");
  }
  return failure(walked.wasInterrupted());
}
