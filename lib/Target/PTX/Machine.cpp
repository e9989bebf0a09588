//===- Machine.cpp - The code generator for PTX ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Machine.h"

#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include <mutex>

using namespace attn;

std::unique_ptr<llvm::TargetMachine>
attn::makePtxMachine(const PtxChip &chip, unsigned level, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    return nullptr;
  }
  llvm::TargetOptions options;
  // Products and sums that stand side by side are one operation.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  // Never less: ptxas serialises `wgmma` in code that was not optimised.
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, chip.name, "+ptx" + std::to_string(level), options, std::nullopt,
      std::nullopt, llvm::CodeGenOptLevel::Default));
}
