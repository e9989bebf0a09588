//===- FixUps.cpp - What the translation cannot say -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FixUps.h"

#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"

using namespace attn;

static void fixCall(llvm::CallInst &call) {
  auto *assembly = llvm::dyn_cast<llvm::InlineAsm>(call.getCalledOperand());
  // A function that is called by address may be any.
  bool isUnknown = !assembly && call.isIndirectCall();
  if (isUnknown || (assembly && assembly->hasSideEffects())) {
    call.addFnAttr(llvm::Attribute::Convergent);
    call.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

void attn::addFixUps(llvm::Module &module) {
  for (llvm::Function &function : module) {
    if (function.isIntrinsic()) {
      continue;
    }
    // All of them, as callers of convergent functions are convergent. The
    // optimiser takes it away where nothing inside needs it.
    function.addFnAttr(llvm::Attribute::Convergent);
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("denormal-fp-math-f32", "preserve-sign,preserve-sign");
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
      if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction)) {
        fixCall(*call);
      }
    }
  }
}
