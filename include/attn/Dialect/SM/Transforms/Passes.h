//===- Passes.h - Passes of the sm dialect ----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_TRANSFORMS_PASSES_H
#define ATTN_DIALECT_SM_TRANSFORMS_PASSES_H

#include "attn/Dialect/SM/IR/SM.h"
#include "mlir/Pass/Pass.h"

namespace attn {

#define GEN_PASS_DECL
#include "attn/Dialect/SM/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Dialect/SM/Transforms/Passes.h.inc"

} // namespace attn

#endif // ATTN_DIALECT_SM_TRANSFORMS_PASSES_H
