//===- Object.cpp - From LLVM IR to an object ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Object.h"

#include "Machine.h"
#include "attn/Support/Stopwatch.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/InitializePasses.h"
#include "llvm/PassInfo.h"
#include "llvm/PassRegistry.h"
#include "llvm/Passes/PassBuilder.h"

using namespace attn;

static void setAttributes(llvm::Module &module, StringRef features) {
  module.setUwtable(llvm::UWTableKind::Async);
  for (llvm::Function &f : module) {
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
    f.addFnAttr("tune-cpu", tuningFor(features));
  }
}

/// What vectorised code needs, at a tenth of the time of O2.
/// In text, instcombine aborts where one round does not end it, unless told.
static const char *shortPipeline =
    "always-inline,function(sroa,early-cse<memssa>,"
    "instcombine<no-verify-fixpoint>,simplifycfg,"
    "loop-mssa(licm),early-cse),globaldce";

static LogicalResult optimise(llvm::Module &module,
                              llvm::TargetMachine &machine, int level,
                              std::string &error) {
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
      error = llvm::toString(std::move(bad));
      return failure();
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

namespace {
/// Leaves out a pass that takes a tenth of the time of code generation and,
/// with the addressing modes of loops over buffers, gains nothing.
class CodeGenPasses : public llvm::legacy::PassManager {
public:
  CodeGenPasses() {
    llvm::PassRegistry &registry = *llvm::PassRegistry::getPassRegistry();
    llvm::initializeLoopStrengthReducePass(registry);
    reduce = registry.getPassInfo(StringRef("loop-reduce"))->getTypeInfo();
  }
  void add(llvm::Pass *pass) override {
    if (pass->getPassID() == reduce) {
      delete pass;
    } else {
      llvm::legacy::PassManager::add(pass);
    }
  }

private:
  llvm::AnalysisID reduce;
};
} // namespace

FailureOr<SmallVector<char, 0>> attn::makeObject(llvm::Module &module,
                                                 StringRef features,
                                                 int optLevel, HostTimes &times,
                                                 std::string &error) {
  Stopwatch watch;
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(features, error);
  if (!machine) {
    error = "expects code generation for this machine: " + error;
    return failure();
  }
  module.setDataLayout(machine->createDataLayout());
  module.setTargetTriple(machine->getTargetTriple());
  setAttributes(module, features);
  std::string broken;
  llvm::raw_string_ostream brokenStream(broken);
  if (llvm::verifyModule(module, &brokenStream)) {
    error = "gives broken LLVM IR: " + broken;
    return failure();
  }
  if (failed(optimise(module, *machine, optLevel, error))) {
    return failure();
  }
  times.optimise = watch.lap();

  SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  CodeGenPasses passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::ObjectFile)) {
    error = "expects a target that writes objects";
    return failure();
  }
  passes.run(module);
  times.codegen = watch.lap();
  return object;
}
