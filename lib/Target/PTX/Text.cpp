//===- Text.cpp - From LLVM IR to PTX text --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Text.h"

#include "attn/Support/CodeGenPasses.h"

#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace attn;

namespace {
/// What does not change while an item is worked on leaves the loop over its
/// tiles. It stays in the loop over items: there it would be held in registers
/// through the tiles of every item, to save a few instructions of each.
class HoistFromTiles : public llvm::PassInfoMixin<HoistFromTiles> {
public:
  llvm::PreservedAnalyses run(llvm::Loop &loop, llvm::LoopAnalysisManager &lam,
                              llvm::LoopStandardAnalysisResults &results,
                              llvm::LPMUpdater &updater) {
    bool isOfItems = loop.isOutermost() && !loop.isInnermost();
    return isOfItems ? llvm::PreservedAnalyses::all()
                     : licm.run(loop, lam, results, updater);
  }

private:
  llvm::LICMPass licm{llvm::LICMOptions()};
};
} // namespace

void attn::optimisePtx(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cam, mam);
  // What kernels are is straight-line code around one or two loops, without
  // calls, arrays or stack: of the default pipeline this is what changes it.
  // The rest would take as long again. In other modules calls stay calls.
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  passes.addPass(llvm::InstCombinePass());
  llvm::LoopPassManager loops;
  loops.addPass(llvm::LoopRotatePass());
  loops.addPass(HoistFromTiles());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops),
                                                       /*UseMemorySSA=*/true));
  // What combining and hoisting have made equal.
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  llvm::ModulePassManager all;
  all.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  all.run(module, mam);
}

namespace {
/// Keeps the first error, where LLVM's own handler ends the process.
class KeepError : public llvm::DiagnosticHandler {
public:
  explicit KeepError(std::string &error) : error(error) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() == llvm::DS_Error && error.empty()) {
      llvm::raw_string_ostream os(error);
      llvm::DiagnosticPrinterRawOStream printer(os);
      info.print(printer);
    }
    return true;
  }

private:
  std::string &error;
};
} // namespace

// Of what the code generator adds by itself: in kernels these change nothing,
// or nothing that ptxas sees. Strength reduction of chains of additions, as
// unrolled addresses are, takes a tenth of its time; that of loops up to a half
// where each element has its coordinate, to hold in registers what ptxas adds
// anew.
static constexpr LeftOutPass leftOut[] = {
    {"slsr"},
    {"nary-reassociate"},
    {"early-cse", /*keep=*/1},
    {"loop-reduce"},
    {"canon-freeze"},
    {"consthoist"},
    {"load-store-vectorizer"},
};

FailureOr<std::string> attn::printPtx(llvm::Module &module,
                                      llvm::TargetMachine &machine,
                                      std::string &error) {
  std::string refused;
  module.getContext().setDiagnosticHandler(
      std::make_unique<KeepError>(refused));
  SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  CodeGenPasses passes(leftOut);
  if (machine.addPassesToEmitFile(passes, stream, nullptr,
                                  llvm::CodeGenFileType::AssemblyFile)) {
    error = "expects a target that writes assembly";
    return failure();
  }
  assert(passes.getMissing().empty() && "LLVM calls passes otherwise");
  passes.run(module);
  if (!refused.empty()) {
    error = "has no form in PTX: " + StringRef(refused).trim().str();
    return failure();
  }
  return text.str().str();
}
