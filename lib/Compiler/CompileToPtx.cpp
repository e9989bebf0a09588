//===- CompileToPtx.cpp - Tile kernels to PTX -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/CompileToPtx.h"

#include "attn/Compiler/Passes.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Support/Stopwatch.h"
#include "attn/Target/PTX/PTX.h"
#include "attn/TargetModel/GpuTileCost.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"

using namespace attn;

CompileOptions attn::getPtxTileOptions(StringRef chip, CompileOptions options) {
  options.rowStep = kPtxRowStep;
  options.resumes = true;
  options.target = chip.str();
  return options;
}

LogicalResult attn::validatePtxCompile(const PtxCompileOptions &options,
                                       const CompileOptions &tiles,
                                       std::string &error) {
  auto fail = [&](const Twine &message) {
    error = message.str();
    return failure();
  };
  if (failed(validatePtxOptions({options.chip, options.level}, error))) {
    return failure();
  }
  std::optional<GpuTargetModel> model = getGpuTargetModel(options.chip);
  if (!model) {
    return fail("expects a chip of " + listGpuTargetModels() +
                " to choose tiles for, but got '" + options.chip +
                "': PTX for an earlier chip runs on it too");
  }
  for (auto [name, value, step] :
       {std::tuple("rows", tiles.rows, kPtxRowStep),
        std::tuple("tile", tiles.tile, kPtxColumnStep)}) {
    if (value > kGpuMostPoints) {
      return fail("expects '" + Twine(name) + "' of at most " +
                  Twine(kGpuMostPoints) + " or 0 to choose, but got " +
                  Twine(value));
    }
    if (value == 0 || (value > 0 && value % step == 0)) {
      continue;
    }
    int64_t below = value / step * step;
    return fail("expects '" + Twine(name) + "' to be a multiple of " +
                Twine(step) +
                ", as the fragments of matrix products are, but "
                "got " +
                Twine(value) + ": " +
                (below > 0 ? Twine(below) + " or " + Twine(below + step)
                           : Twine(step)) +
                " would fit");
  }
  int64_t most = std::min<int64_t>(kGpuMostWarps, model->threadsPerCta /
                                                      model->threadsPerWarp);
  if (options.warps < 0 || options.warps > most) {
    return fail("expects 'warps' of 1 to " + Twine(most) +
                " or 0 to choose, but got " + Twine(options.warps));
  }
  if (options.stages < 0 || options.stages > kGpuMostStages) {
    return fail("expects 'stages' of 1 to " + Twine(kGpuMostStages) +
                " or 0 to choose, but got " + Twine(options.stages));
  }
  return success();
}

LogicalResult attn::compileToPtxKernels(ModuleOp module, StringRef entry,
                                        const PtxCompileOptions &options,
                                        const CompileOptions &tiles) {
  std::string error;
  if (failed(validatePtxCompile(options, tiles, error))) {
    return module.emitError(error);
  }
  return compileToTile(module, entry, getPtxTileOptions(options.chip, tiles));
}

LogicalResult attn::lowerToNVVM(ModuleOp module,
                                const PtxCompileOptions &options) {
  PassManager pm(module.getContext());
  pm.enableVerifier(false);
  buildKernelsToNVVMPipeline(pm, options);
  return pm.run(module);
}

std::optional<PtxKernel> attn::getPtxKernel(LLVM::LLVMFuncOp func) {
  auto threads = func->getAttrOfType<DenseI32ArrayAttr>(
      NVVM::NVVMDialect::getReqntidAttrName());
  auto bytes = func->getAttrOfType<IntegerAttr>("sm.shared_bytes");
  if (!threads || !bytes) {
    return std::nullopt;
  }
  return PtxKernel{func.getName().str(), unsigned(threads[0]),
                   unsigned(bytes.getInt())};
}

static std::string withoutWaits(StringRef ptx) {
  std::string text;
  while (!ptx.empty()) {
    auto [line, rest] = ptx.split('\n');
    if (!line.contains("cp.async.wait_")) {
      text += (line + "\n").str();
    }
    ptx = rest;
  }
  return text;
}

FailureOr<PtxCode> attn::compileToPtx(ModuleOp module,
                                      const PtxCompileOptions &options,
                                      PtxCompileTimes *given) {
  Stopwatch watch;
  PtxCompileTimes unused, &times = given ? *given : unused;
  std::string error;
  if (failed(validatePtxCompile(options, {}, error))) {
    return module.emitError(error);
  }
  OwningOpRef<ModuleOp> copy(module.clone());
  if (failed(lowerToNVVM(*copy, options))) {
    return failure();
  }
  times.kernels = watch.lap();
  PtxCode code;
  for (auto func : copy->getOps<LLVM::LLVMFuncOp>()) {
    std::optional<PtxKernel> kernel = getPtxKernel(func);
    auto name = func->getAttrOfType<StringAttr>(kProgramNameAttr);
    if (kernel && name) {
      code.kernels[name.getValue()] = *kernel;
    }
  }
  FailureOr<std::string> text =
      emitPtx(std::move(copy), {options.chip, options.level}, &times.ptx);
  if (failed(text)) {
    return failure();
  }
  code.text = std::move(*text);
  if (options.sabotage) {
    code.text = withoutWaits(code.text);
  }
  return code;
}
