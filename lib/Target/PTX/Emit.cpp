//===- Emit.cpp - From the LLVM dialect to PTX text -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/PTX/PTX.h"

#include "FixUps.h"
#include "Machine.h"
#include "Needs.h"
#include "Supported.h"
#include "Text.h"
#include "attn/Support/Stopwatch.h"

#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Dialect/LLVMIR/BasicPtxBuilderInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Verifier.h"

using namespace attn;

void attn::registerPtxTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

/// NVVM ops without an intrinsic become inline assembly.
static LogicalResult expandAssembly(ModuleOp module) {
  bool hasAssembly = false;
  WalkResult foreign = module.walk([&](Operation *op) {
    auto builder = dyn_cast<NVVM::BasicPtxBuilderInterface>(op);
    hasAssembly |= builder && !builder.hasIntrinsic();
    if (isa<ModuleOp>(op) ||
        isa_and_nonnull<LLVM::LLVMDialect, NVVM::NVVMDialect>(
            op->getDialect())) {
      return WalkResult::advance();
    }
    // The translation would stop at less clear words.
    op->emitError("expects ops of llvm and nvvm, but got '")
        << op->getName() << "'";
    return WalkResult::interrupt();
  });
  if (foreign.wasInterrupted()) {
    return failure();
  }
  if (!hasAssembly) {
    return success();
  }
  PassManager passes(module.getContext());
  // What comes in was verified; LLVM's own verifier sees what comes out.
  passes.enableVerifier(false);
  passes.addPass(createConvertNVVMToLLVMPass());
  return passes.run(module);
}

FailureOr<std::string> attn::emitPtx(ModuleOp module, const PtxOptions &options,
                                     PtxTimes *times) {
  return emitPtx(OwningOpRef<ModuleOp>(module.clone()), options, times);
}

FailureOr<std::string> attn::emitPtx(OwningOpRef<ModuleOp> module,
                                     const PtxOptions &options,
                                     PtxTimes *given) {
  Stopwatch watch;
  PtxTimes unused, &times = given ? *given : unused;
  std::string error;
  auto fail = [&]() -> FailureOr<std::string> {
    return module->emitError(error), failure();
  };
  if (failed(validatePtxOptions(options, error))) {
    return fail();
  }
  const PtxChip &chip = *findPtxChip(options.chip);
  DialectRegistry registry;
  registerPtxTranslations(registry);
  module->getContext()->appendDialectRegistry(registry);

  if (failed(expandAssembly(*module))) {
    return failure();
  }
  times.lower = watch.lap();
  llvm::LLVMContext context;
  // Verified below, when it has all that it needs.
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(*module, context, "LLVMDialectModule",
                              /*disableVerification=*/true);
  if (!code) {
    error = "has no form in LLVM IR";
    return fail();
  }
  unsigned level = options.level;
  if (failed(checkSupported(*code, error)) ||
      failed(checkNeeds(*code, chip, level, error))) {
    return fail();
  }

  std::unique_ptr<llvm::TargetMachine> machine =
      makePtxMachine(chip, level, error);
  if (!machine) {
    error = "expects code generation for PTX: " + error;
    return fail();
  }
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  addFixUps(*code);
  std::string broken;
  llvm::raw_string_ostream brokenStream(broken);
  if (llvm::verifyModule(*code, &brokenStream)) {
    error = "gives broken LLVM IR: " + broken;
    return fail();
  }
  times.translate = watch.lap();
  optimisePtx(*code, *machine);
  times.optimise = watch.lap();
  // Again: the optimiser may bring in what was not there.
  if (failed(checkSupported(*code, error)) ||
      failed(checkNeeds(*code, chip, level, error))) {
    return fail();
  }
  FailureOr<std::string> text = printPtx(*code, *machine, error);
  times.codegen = watch.lap();
  return failed(text) ? fail() : text;
}
