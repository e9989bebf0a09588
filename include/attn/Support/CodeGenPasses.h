//===- CodeGenPasses.h - A code generator without some passes ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's code generators put their passes together themselves, for any code.
// Some of them take their time and leave ours as it is.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_CODEGENPASSES_H
#define ATTN_SUPPORT_CODEGENPASSES_H

#include "attn/Support/LLVM.h"
#include "llvm/IR/LegacyPassManager.h"

namespace attn {

/// A pass of the code generator by its argument ("early-cse"): the first `keep`
/// of them stay, the others are left out.
struct LeftOutPass {
  StringRef argument;
  unsigned keep = 0;
};

/// For llvm::TargetMachine::addPassesToEmitFile. Of one thread.
class CodeGenPasses : public llvm::legacy::PassManager {
public:
  explicit CodeGenPasses(ArrayRef<LeftOutPass> leftOut);

  void add(llvm::Pass *pass) override;

  /// Passes that were to be left out and never came: another version of LLVM
  /// may call them otherwise.
  SmallVector<StringRef> getMissing() const;

private:
  struct Count {
    LeftOutPass pass;
    unsigned seen = 0;
  };
  SmallVector<Count> counts;
};

} // namespace attn

#endif // ATTN_SUPPORT_CODEGENPASSES_H
