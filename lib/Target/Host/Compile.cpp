//===- Compile.cpp - From func to an object for this machine --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/Host/Host.h"

#include "HalfConversions.h"
#include "Link.h"

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
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include <chrono>
#include <mutex>

using namespace attn;

namespace {
class Stopwatch {
public:
  double lap() {
    auto now = std::chrono::steady_clock::now();
    std::chrono::duration<double, std::milli> t = now - last;
    last = now;
    return t.count();
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};
} // namespace

//===----------------------------------------------------------------------===//
// Features
//===----------------------------------------------------------------------===//

static const char *v2 = "+cx16,+popcnt,+sahf,+sse3,+sse4.1,+sse4.2,+ssse3";
static const char *v3 =
    ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+xsave";
static const char *v4 = ",+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl";

static std::string featureString(StringRef request) {
  std::string result;
  if (request == "native") {
    for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
      result += (result.empty() ? "" : ",") +
                std::string(feature.second ? "+" : "-") + feature.first().str();
    }
    return result;
  }
  if (request == "x86-64-v2") {
    return v2;
  }
  if (request == "x86-64-v3") {
    return std::string(v2) + v3;
  }
  if (request == "x86-64-v4") {
    return std::string(v2) + v3 + v4;
  }
  return request.str();
}

static bool has(StringRef features, StringRef name) {
  SmallVector<StringRef> list;
  features.split(list, ',');
  return llvm::is_contained(list, ("+" + name).str());
}

HostVectorUnit attn::hostVectorUnit(const HostOptions &options) {
  std::string features = featureString(options.features);
  if (has(features, "avx512f") && has(features, "avx512bw") &&
      has(features, "avx512vl")) {
    return {16, 32};
  }
  return has(features, "avx2") ? HostVectorUnit{8, 16} : HostVectorUnit{4, 16};
}

/// The scheduling model; it changes no instruction set.
static const char *tuning(StringRef features) {
  if (has(features, "amx-tile")) {
    return "sapphirerapids";
  }
  if (has(features, "avx512f")) {
    return has(features, "sse4a") ? "znver4" : "icelake-server";
  }
  return has(features, "avx2") ? "haswell" : "generic";
}

static std::unique_ptr<llvm::TargetMachine> makeMachine(StringRef features,
                                                        std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    return nullptr;
  }
  llvm::TargetOptions options;
  // Products and sums that stand side by side may be one operation.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  // Not as for a JIT: that would mean the large code model.
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, triple.isX86() ? "x86-64" : "generic", features, options,
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default,
      /*JIT=*/false));
}

//===----------------------------------------------------------------------===//
// MLIR to LLVM IR
//===----------------------------------------------------------------------===//

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

static LogicalResult toLLVMDialect(ModuleOp module, StringRef features) {
  MLIRContext *ctx = module.getContext();
  RewritePatternSet set(ctx);
  arith::populateCeilFloorDivExpandOpsPatterns(set);
  if (!has(features, "avx512bf16")) {
    arith::populateExpandBFloat16Patterns(set);
  }
  if (!has(features, "f16c")) {
    populateHalfConversionPatterns(set);
  }
  walkAndApplyPatterns(module, FrozenRewritePatternSet(std::move(set)));
  PassManager pm(ctx);
  pm.enableVerifier(false);
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(pm.run(module))) {
    return failure();
  }
  // Nothing else may reach the translation, which would stop at less clear
  // words.
  WalkResult r = module.walk([&](Operation *op) {
    if (op == module || isa<LLVM::LLVMDialect>(op->getDialect())) {
      return WalkResult::advance();
    }
    op->emitOpError("has no form in LLVM");
    return WalkResult::interrupt();
  });
  return failure(r.wasInterrupted());
}

/// What vectorised code needs, at a tenth of the time of O2.
static const char *shortPipeline =
    "always-inline,function(sroa,early-cse<memssa>,instcombine,simplifycfg,"
    "loop-mssa(licm),instcombine,simplifycfg),globaldce";

static LogicalResult optimise(ModuleOp at, llvm::Module &module,
                              llvm::TargetMachine &machine, int level) {
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cam;
  llvm::ModuleAnalysisManager mam;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cam, mam);
  llvm::ModulePassManager passes;
  if (level <= 0) {
    if (llvm::Error bad = builder.parsePassPipeline(passes, shortPipeline)) {
      return at.emitError(llvm::toString(std::move(bad)));
    }
  } else {
    passes = builder.buildPerModuleDefaultPipeline(
        level == 1   ? llvm::OptimizationLevel::O1
        : level == 2 ? llvm::OptimizationLevel::O2
                     : llvm::OptimizationLevel::O3);
  }
  passes.run(module, mam);
  return success();
}

FailureOr<SmallVector<char, 0>> attn::compileForHost(ModuleOp module,
                                                     const HostOptions &options,
                                                     HostTimes *times) {
  HostTimes unused;
  HostTimes &t = times ? *times : unused;
  Stopwatch watch;
  std::string features = featureString(options.features), error;
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(features, error);
  if (!machine) {
    return module.emitError("expects code generation for this machine: ")
               << error,
           failure();
  }
  registerConversions(module.getContext());
  OwningOpRef<ModuleOp> copy(module.clone());
  // What is no code describes the code to others.
  for (Operation &op : llvm::make_early_inc_range(*copy->getBody())) {
    if (!isa<func::FuncOp>(op) && !isa<LLVM::LLVMDialect>(op.getDialect())) {
      op.erase();
    }
  }
  if (failed(toLLVMDialect(*copy, features))) {
    return failure();
  }
  t.lower = watch.lap();

  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(*copy, context);
  if (!code) {
    return module.emitError("has no form in LLVM IR"), failure();
  }
  code->setDataLayout(machine->createDataLayout());
  code->setTargetTriple(machine->getTargetTriple());
  code->setUwtable(llvm::UWTableKind::Async);
  for (llvm::Function &f : *code) {
    if (f.isDeclaration()) {
      continue;
    }
    // Backtraces and exceptions of callbacks pass through; nothing throws here.
    f.setUWTableKind(llvm::UWTableKind::Async);
    f.addFnAttr(llvm::Attribute::NoUnwind);
    f.addFnAttr("prefer-vector-width", "512");
    f.addFnAttr("min-legal-vector-width", "512");
    f.addFnAttr("denormal-fp-math", "preserve-sign,preserve-sign");
    f.addFnAttr("no-builtins");
    f.addFnAttr("tune-cpu", tuning(features));
  }
  std::string broken;
  llvm::raw_string_ostream brokenStream(broken);
  if (llvm::verifyModule(*code, &brokenStream)) {
    return module.emitError("gives broken LLVM IR: ") << broken, failure();
  }
  t.translate = watch.lap();

  if (failed(optimise(module, *code, *machine, options.optLevel))) {
    return failure();
  }
  t.optimise = watch.lap();

  SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager emit;
  if (machine->addPassesToEmitFile(emit, stream, nullptr,
                                   llvm::CodeGenFileType::ObjectFile)) {
    return module.emitError("expects a target that writes objects"), failure();
  }
  emit.run(*code);
  t.codegen = watch.lap();

  if (llvm::Error bad = checkUndefined(object)) {
    return module.emitError(llvm::toString(std::move(bad))), failure();
  }
  llvm::Expected<SmallVector<char, 0>> linked = linkShared(object);
  if (!linked) {
    return module.emitError(llvm::toString(linked.takeError())), failure();
  }
  t.link = watch.lap();
  return std::move(*linked);
}
