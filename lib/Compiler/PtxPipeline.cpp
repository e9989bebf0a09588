//===- PtxPipeline.cpp - The passes from tile kernels to PTX --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/Passes.h"

#include "attn/Conversion/Passes.h"
#include "attn/Dialect/SM/Transforms/Passes.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace attn;

std::unique_ptr<Pass> attn::createSimplifyOpsPass() {
  GreedyRewriteConfig config;
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  return createCanonicalizerPass(config);
}

void attn::buildKernelsToNVVMPipeline(OpPassManager &pm,
                                      const PtxCompileOptions &options) {
  pm.addPass(createTileKeepDevicePass());
  // The derived merge is called by its kernel, and by nobody else afterwards.
  pm.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  pm.addPass(createSymbolDCEPass());
  pm.addPass(createSimplifyOpsPass());
  pm.addPass(createCSEPass());
  ConvertTileToSMPassOptions toSM;
  toSM.chip = options.chip;
  toSM.warps = options.warps;
  toSM.stages = options.stages;
  pm.addPass(createConvertTileToSMPass(toSM));
  pm.addPass(createSimplifyOpsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSMSimplifyPass());
  pm.addPass(createSMPipelinePass());
  pm.addPass(createSimplifyOpsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSMAllocateSharedPass());
  SMCheckLimitsPassOptions limits;
  limits.chip = options.chip;
  pm.addPass(createSMCheckLimitsPass(limits));
  pm.addPass(createSMPlaceWaitsPass());
  if (options.splitLoops) {
    pm.addPass(createSMSplitLoopsPass());
    pm.addPass(createSimplifyOpsPass());
  }
  ConvertSMToNVVMPassOptions toNVVM;
  toNVVM.chip = options.chip;
  pm.addPass(createConvertSMToNVVMPass(toNVVM));
  pm.addPass(createPtxSymbolsPass());
}

namespace {
struct AttnToPtxOptions : PassPipelineOptions<AttnToPtxOptions> {
  Option<std::string> chip{*this, "chip", llvm::cl::desc("the GPU to serve"),
                           llvm::cl::init("sm_80")};
  Option<unsigned> level{*this, "level",
                         llvm::cl::desc("the version of PTX times ten; 0: the "
                                        "lowest that serves"),
                         llvm::cl::init(0)};
  Option<std::string> entry{*this, "entry",
                            llvm::cl::desc("the function; empty: the only one"),
                            llvm::cl::init("")};
  Option<int64_t> rows{
      *this, "rows",
      llvm::cl::desc("most packed rows of a work item; 0: chosen"),
      llvm::cl::init(0)};
  Option<int64_t> tile{
      *this, "tile", llvm::cl::desc("points of the fold in a tile; 0: chosen"),
      llvm::cl::init(0)};
  Option<int64_t> warps{*this, "warps",
                        llvm::cl::desc("most warps of a CTA; 0: chosen"),
                        llvm::cl::init(PtxCompileOptions().warps)};
  Option<int64_t> stages{*this, "stages",
                         llvm::cl::desc("places of a ring; 0: chosen"),
                         llvm::cl::init(PtxCompileOptions().stages)};
  Option<bool> splitLoops{
      *this, "split-loops",
      llvm::cl::desc("a loop without masks for the turns before the first"),
      llvm::cl::init(PtxCompileOptions().splitLoops)};
};
} // namespace

void attn::registerAttnToPtxPipeline() {
  PassPipelineRegistration<AttnToPtxOptions>(
      "attn-to-ptx",
      "a function of cascades to PTX: a gpu.binary with the text and what a "
      "launch of each kernel must say",
      [](OpPassManager &pm, const AttnToPtxOptions &options) {
        AttnToKernelsPassOptions kernels;
        kernels.entry = options.entry;
        kernels.chip = options.chip;
        kernels.level = options.level;
        kernels.rows = options.rows;
        kernels.tile = options.tile;
        kernels.warps = options.warps;
        kernels.stages = options.stages;
        pm.addPass(createAttnToKernelsPass(kernels));
        PtxCompileOptions lowering;
        lowering.chip = options.chip;
        lowering.level = options.level;
        lowering.warps = options.warps;
        lowering.stages = options.stages;
        lowering.splitLoops = options.splitLoops;
        buildKernelsToNVVMPipeline(pm, lowering);
        KernelsToBinaryPassOptions binary;
        binary.chip = options.chip;
        binary.level = options.level;
        pm.addPass(createKernelsToBinaryPass(binary));
      });
}
