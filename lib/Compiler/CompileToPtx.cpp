//===- CompileToPtx.cpp - Tile kernels to PTX -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/CompileToPtx.h"

#include "attn/Conversion/Passes.h"
#include "attn/Dialect/SM/Transforms/Passes.h"
#include "attn/Target/PTX/PTX.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace attn;

CompileOptions attn::getPtxTileOptions(CompileOptions options) {
  options.rowStep = kPtxRowStep;
  options.rows = options.rows ? options.rows : 64;
  options.tile = options.tile ? options.tile : 64;
  return options;
}

LogicalResult attn::lowerToNVVM(ModuleOp module,
                                const PtxCompileOptions &options) {
  for (Operation &op : llvm::make_early_inc_range(*module.getBody())) {
    auto kernel = dyn_cast<tile::KernelOp>(op);
    bool staysOnHost = isa<tile::ProgramOp>(op) ||
                       (kernel && kernel.getKind() != tile::KernelKind::items &&
                        kernel.getKind() != tile::KernelKind::merge);
    if (staysOnHost) {
      op.erase();
    }
  }
  PassManager pm(module.getContext());
  pm.enableVerifier(false);
  // The derived merge is called by its kernel, and by nobody else afterwards.
  pm.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  pm.addPass(createSymbolDCEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  ConvertTileToSMPassOptions toSM;
  toSM.warps = options.warps;
  toSM.stages = options.stages;
  pm.addPass(createConvertTileToSMPass(toSM));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSMAllocateSharedPass());
  pm.addPass(createSMPlaceWaitsPass());
  pm.addPass(createConvertSMToNVVMPass());
  if (failed(pm.run(module))) {
    return failure();
  }
  // PTX has no '.' in names.
  for (auto func : module.getOps<LLVM::LLVMFuncOp>()) {
    std::string symbol = func.getName().str();
    llvm::replace(symbol, '.', '$');
    func->setAttr("attn.name", func.getSymNameAttr());
    func.setSymName(symbol);
  }
  return success();
}

FailureOr<PtxCode> attn::compileToPtx(ModuleOp module,
                                      const PtxCompileOptions &options) {
  std::string error;
  if (failed(validatePtxOptions({options.chip, options.level}, error))) {
    return module.emitError(error);
  }
  OwningOpRef<ModuleOp> copy(module.clone());
  if (failed(lowerToNVVM(*copy, options))) {
    return failure();
  }
  PtxCode code;
  for (auto func : copy->getOps<LLVM::LLVMFuncOp>()) {
    auto threads = func->getAttrOfType<DenseI32ArrayAttr>(
        NVVM::NVVMDialect::getReqntidAttrName());
    auto bytes = func->getAttrOfType<IntegerAttr>("sm.shared_bytes");
    auto name = func->getAttrOfType<StringAttr>("attn.name");
    if (threads && bytes && name) {
      code.kernels[name.getValue()] = {
          func.getName().str(), unsigned(threads[0]), unsigned(bytes.getInt())};
    }
  }
  FailureOr<std::string> text = emitPtx(*copy, {options.chip, options.level});
  if (failed(text)) {
    return failure();
  }
  code.text = std::move(*text);
  return code;
}
