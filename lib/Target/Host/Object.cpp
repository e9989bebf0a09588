//===- Object.cpp - From LLVM IR to an object ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Object.h"

#include "Machine.h"
#include "attn/Support/CodeGenPasses.h"
#include "attn/Support/Stopwatch.h"

#include "llvm/IR/Verifier.h"
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

// Strength reduction takes a tenth of the time of code generation; with the
// addressing modes of loops over buffers it gains nothing. The others find
// nothing that they know in kernels: no freezes, no calls, no wide constants.
static constexpr LeftOutPass leftOut[] = {
    {"loop-reduce"},         {"canon-freeze"},
    {"consthoist"},          {"mergeicmps"},
    {"expand-memcmp"},       {"partially-inline-libcalls"},
    {"replace-with-veclib"}, {"interleaved-access"},
};

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
  CodeGenPasses passes(leftOut);
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::ObjectFile)) {
    error = "expects a target that writes objects";
    return failure();
  }
  assert(passes.getMissing().empty() && "LLVM calls passes otherwise");
  passes.run(module);
  times.codegen = watch.lap();
  return object;
}
