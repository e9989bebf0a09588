//===- PtxPasses.cpp - The ends of the way to PTX as passes ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/Passes.h"

#include "attn/Dialect/SM/Transforms/SharedPlacement.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Target/PTX/PTX.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace attn {
#define GEN_PASS_DEF_ATTNTOKERNELSPASS
#define GEN_PASS_DEF_TILEKEEPDEVICEPASS
#define GEN_PASS_DEF_PTXSYMBOLSPASS
#define GEN_PASS_DEF_KERNELSTOBINARYPASS
#include "attn/Compiler/Passes.h.inc"
} // namespace attn

using namespace attn;

FailureOr<std::string> attn::findEntry(ModuleOp module, StringRef name) {
  if (!name.empty()) {
    return name.str();
  }
  SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
  llvm::erase_if(functions, [](func::FuncOp f) { return f.isExternal(); });
  if (functions.size() > 1) {
    return module.emitError("expects the name of an entry, as there are ")
           << functions.size() << " functions";
  }
  return functions.empty() ? std::string() : functions[0].getName().str();
}

namespace {

struct AttnToKernels : attn::impl::AttnToKernelsPassBase<AttnToKernels> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<std::string> name = findEntry(module, entry);
    if (failed(name)) {
      return signalPassFailure();
    }
    PtxCompileOptions lowering;
    lowering.chip = chip;
    lowering.level = level;
    lowering.warps = warps;
    lowering.stages = stages;
    CompileOptions tiles;
    tiles.rows = rows;
    tiles.tile = tile;
    if (!name->empty() &&
        failed(compileToPtxKernels(module, *name, lowering, tiles))) {
      signalPassFailure();
    }
  }
};

struct TileKeepDevice : attn::impl::TileKeepDevicePassBase<TileKeepDevice> {
  void runOnOperation() override {
    for (Operation &op :
         llvm::make_early_inc_range(*getOperation().getBody())) {
      auto kernel = dyn_cast<tile::KernelOp>(op);
      if (isa<tile::ProgramOp>(op) ||
          (kernel && kernel.getKind() != tile::KernelKind::items &&
           kernel.getKind() != tile::KernelKind::merge &&
           kernel.getKind() != tile::KernelKind::stage)) {
        op.erase();
      }
    }
  }
};

struct PtxSymbols : attn::impl::PtxSymbolsPassBase<PtxSymbols> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<LLVM::LLVMFuncOp>()) {
      std::string symbol = func.getName().str();
      llvm::replace(symbol, '.', '$');
      func->setAttr(kProgramNameAttr, func.getSymNameAttr());
      func.setSymName(symbol);
    }
  }
};

struct KernelsToBinary : attn::impl::KernelsToBinaryPassBase<KernelsToBinary> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (module.getOps<LLVM::LLVMFuncOp>().empty()) {
      module.emitError("has no kernel for a GPU");
      return signalPassFailure();
    }
    FailureOr<std::string> text = emitPtx(module, {chip, level});
    if (failed(text)) {
      return signalPassFailure();
    }
    Builder b(&getContext());
    SmallVector<gpu::KernelMetadataAttr> table;
    for (auto func : module.getOps<LLVM::LLVMFuncOp>()) {
      std::optional<PtxKernel> kernel = getPtxKernel(func);
      if (!kernel) {
        continue;
      }
      auto name = func->getAttrOfType<StringAttr>(kProgramNameAttr);
      SmallVector<NamedAttribute> facts{
          {"shared_bytes", b.getI64IntegerAttr(kernel->sharedBytes)},
          {"threads", b.getI64IntegerAttr(kernel->threads)},
          {"name", name ? name : func.getSymNameAttr()}};
      table.push_back(gpu::KernelMetadataAttr::get(
          func.getSymNameAttr(), func.getFunctionType(), nullptr,
          b.getDictionaryAttr(facts)));
    }
    for (Operation &op : llvm::make_early_inc_range(*module.getBody())) {
      op.erase();
    }
    auto target = NVVM::NVVMTargetAttr::get(&getContext(), /*optLevel=*/2,
                                            "nvptx64-nvidia-cuda", chip);
    Attribute object = gpu::ObjectAttr::get(
        target, gpu::CompilationTarget::Assembly, b.getStringAttr(*text),
        nullptr, gpu::KernelTableAttr::get(&getContext(), table));
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    gpu::BinaryOp::create(builder, module.getLoc(), "kernels", nullptr,
                          ArrayRef<Attribute>{object});
  }
};

} // namespace
