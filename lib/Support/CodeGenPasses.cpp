//===- CodeGenPasses.cpp - A code generator without some passes -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/CodeGenPasses.h"

#include "llvm/Pass.h"
#include "llvm/PassInfo.h"
#include "llvm/PassRegistry.h"

using namespace attn;

CodeGenPasses::CodeGenPasses(ArrayRef<LeftOutPass> leftOut) {
  for (LeftOutPass pass : leftOut) {
    counts.push_back({pass});
  }
}

void CodeGenPasses::add(llvm::Pass *pass) {
  // Its constructor has registered it.
  const llvm::PassInfo *info =
      llvm::PassRegistry::getPassRegistry()->getPassInfo(pass->getPassID());
  for (Count &count : counts) {
    if (info && info->getPassArgument() == count.pass.argument &&
        ++count.seen > count.pass.keep) {
      delete pass;
      return;
    }
  }
  llvm::legacy::PassManager::add(pass);
}

SmallVector<StringRef> CodeGenPasses::getMissing() const {
  SmallVector<StringRef> missing;
  for (const Count &count : counts) {
    if (count.seen <= count.pass.keep) {
      missing.push_back(count.pass.argument);
    }
  }
  return missing;
}
