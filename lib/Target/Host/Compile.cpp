//===- Compile.cpp - From func to an object for this machine --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/Host/Host.h"

#include "Float8Conversions.h"
#include "Groups.h"
#include "HalfConversions.h"
#include "Link.h"
#include "Machine.h"
#include "Object.h"
#include "attn/Support/Stopwatch.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Threading.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace attn;

static void registerConversions(MLIRContext *ctx) {
  DialectRegistry registry;
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  ctx->appendDialectRegistry(registry);
}

/// Each nested module by itself, side by side.
static LogicalResult toLLVMDialect(ModuleOp groups, StringRef features) {
  MLIRContext *ctx = groups.getContext();
  RewritePatternSet set(ctx);
  arith::populateCeilFloorDivExpandOpsPatterns(set);
  populateFloat8ConversionPatterns(set);
  if (!hasFeature(features, "avx512bf16")) {
    arith::populateExpandBFloat16Patterns(set);
  }
  if (!hasFeature(features, "f16c")) {
    populateHalfConversionPatterns(set);
  }
  walkAndApplyPatterns(groups, FrozenRewritePatternSet(std::move(set)));
  PassManager all(ctx);
  all.enableVerifier(false);
  OpPassManager &pm = all.nest<ModuleOp>();
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(all.run(groups))) {
    return failure();
  }
  // Nothing else may reach the translation, which would stop at less clear
  // words.
  WalkResult r = groups.walk([&](Operation *op) {
    if (isa<ModuleOp>(op) || isa<LLVM::LLVMDialect>(op->getDialect())) {
      return WalkResult::advance();
    }
    op->emitOpError("has no form in LLVM");
    return WalkResult::interrupt();
  });
  return failure(r.wasInterrupted());
}

namespace {
/// What became of one group of functions.
struct Compiled {
  SmallVector<char, 0> object;
  HostTimes times;
  std::string error;
};
} // namespace

static Compiled compileGroup(ModuleOp group, StringRef features, int optLevel) {
  Compiled result;
  Stopwatch watch;
  llvm::LLVMContext context;
  // makeObject verifies it.
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(group, context, "LLVMDialectModule",
                              /*disableVerification=*/true);
  if (!code) {
    result.error = "has no form in LLVM IR";
    return result;
  }
  result.times.translate = watch.lap();
  FailureOr<SmallVector<char, 0>> object =
      makeObject(*code, features, optLevel, result.times, result.error);
  if (failed(object)) {
    return result;
  }
  result.object = std::move(*object);
  if (llvm::Error bad = checkUndefined(result.object)) {
    result.error = llvm::toString(std::move(bad));
  }
  return result;
}

FailureOr<SmallVector<char, 0>> attn::compileForHost(ModuleOp module,
                                                     const HostOptions &options,
                                                     HostTimes *times) {
  HostTimes unused;
  HostTimes &t = times ? *times : unused;
  Stopwatch watch;
  MLIRContext *ctx = module.getContext();
  std::string features = featureString(options.features);
  registerConversions(ctx);
  // Not as many as there are threads: the bytes do not depend on the machine.
  OwningOpRef<ModuleOp> groups = groupFunctions(module, /*most=*/4);
  if (failed(toLLVMDialect(*groups, features))) {
    return failure();
  }
  t.lower = watch.lap();

  auto parts = llvm::to_vector(groups->getOps<ModuleOp>());
  std::vector<Compiled> compiled(parts.size());
  parallelFor(ctx, 0, parts.size(), [&](size_t i) {
    compiled[i] = compileGroup(parts[i], features, options.optLevel);
  });
  SmallVector<ArrayRef<char>> objects;
  for (const Compiled &part : compiled) {
    if (!part.error.empty()) {
      return module.emitError(part.error), failure();
    }
    objects.push_back(part.object);
    auto total = [](const HostTimes &times) {
      return times.translate + times.optimise + times.codegen;
    };
    if (total(part.times) > total(t)) {
      t.translate = part.times.translate;
      t.optimise = part.times.optimise;
      t.codegen = part.times.codegen;
    }
  }
  watch.lap();
  llvm::Expected<SmallVector<char, 0>> linked = linkShared(objects);
  if (!linked) {
    return module.emitError(llvm::toString(linked.takeError())), failure();
  }
  t.link = watch.lap();
  return std::move(*linked);
}
