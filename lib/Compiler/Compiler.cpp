//===- Compiler.cpp - From a function of attn ops to kernels --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Compiler/Compiler.h"

#include "attn/Compiler/Passes.h"
#include "attn/Conversion/AttnToTile.h"
#include "attn/Conversion/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/SM/IR/SM.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Target/PTX/PTX.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace attn;

void attn::registerCompilerDialects(DialectRegistry &registry) {
  registry.insert<AttnDialect, sm::SMDialect, tile::TileDialect,
                  arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  func::registerInlinerExtension(registry);
  registerPtxTranslations(registry);
}

/// Runs passes on one function. Its module may hold others that do not concern
/// the caller.
static LogicalResult runOn(func::FuncOp func,
                           function_ref<void(OpPassManager &)> build) {
  PassManager pm(func.getContext(), func::FuncOp::getOperationName());
  pm.enableVerifier(false);
  build(pm);
  return pm.run(func);
}

static void warnAsWritten(func::FuncOp func, StringRef why) {
  func.emitWarning("compiled as written, which is slow: ") << why;
}

LogicalResult attn::derive(func::FuncOp func, const CompileOptions &options) {
  OwningOpRef<func::FuncOp> textbook(func.clone());
  LogicalResult result = runOn(func, [&](OpPassManager &pm) {
    pm.addPass(createAttnSplitSumsPass());
    pm.addPass(createAttnDeferPass());
    AttnChooseTilesPassOptions choice;
    choice.target = options.target;
    choice.matrixUnit = options.unit.tilesBF16;
    pm.addPass(createAttnChooseTilesPass(choice));
    AttnPartitionPassOptions partition;
    partition.tile = options.tile;
    pm.addPass(createAttnPartitionPass(partition));
    pm.addPass(createAttnOnlinePass());
  });
  if (failed(result)) {
    return failure();
  }
  std::string why;
  bool hasKernels = false;
  {
    ScopedDiagnosticHandler listen(func.getContext(), [&](Diagnostic &d) {
      why = why.empty() ? d.str() : why;
      return success();
    });
    hasKernels = canConvertFolds(func);
  }
  if (!hasKernels) {
    warnAsWritten(func, why);
    func.getBody().takeBody(textbook->getBody());
  }
  return success();
}

LogicalResult attn::compileToTile(ModuleOp module, StringRef entry,
                                  const CompileOptions &options) {
  // Built outside of a pass manager: what it creates must be loaded.
  module.getContext()
      ->loadDialect<tile::TileDialect, arith::ArithDialect, math::MathDialect,
                    memref::MemRefDialect, scf::SCFDialect,
                    tensor::TensorDialect, vector::VectorDialect>();
  auto func = module.lookupSymbol<func::FuncOp>(entry);
  if (!func || func.isExternal()) {
    return module.emitError("has no function '") << entry << "'";
  }
  for (Operation &op : llvm::make_early_inc_range(*module.getBody())) {
    if (&op != func) {
      op.erase();
    }
  }
  if (!options.derive) {
    return convertAttnToTile(func, {options.rows, options.rowStep,
                                    options.countTiles, options.resumes});
  }
  // A derived form that no kernel can be made of is no reason to refuse the
  // program: it then runs as written, in as many passes as that takes.
  OwningOpRef<func::FuncOp> textbook(func.clone());
  std::string why;
  {
    ScopedDiagnosticHandler quiet(module.getContext(), [&](Diagnostic &d) {
      if (d.getSeverity() != DiagnosticSeverity::Error) {
        return failure();
      }
      if (why.empty()) {
        why = d.str();
      }
      return success();
    });
    if (succeeded(derive(func, options)) &&
        succeeded(
            convertAttnToTile(func, {options.rows, options.rowStep,
                                     options.countTiles, options.resumes}))) {
      return success();
    }
  }
  for (Operation &op : llvm::make_early_inc_range(*module.getBody())) {
    op.erase();
  }
  func = textbook.release();
  module.push_back(func);
  warnAsWritten(func, why);
  return convertAttnToTile(func, {options.rows, options.rowStep,
                                  options.countTiles, options.resumes});
}

LogicalResult attn::compileToVector(ModuleOp module,
                                    const CompileOptions &options) {
  for (auto program :
       llvm::make_early_inc_range(module.getOps<tile::ProgramOp>())) {
    program.erase();
  }
  PassManager pm(module.getContext());
  pm.enableVerifier(false);
  // The derived merge is called by its kernel, and by nobody else afterwards.
  pm.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  pm.addPass(createSymbolDCEPass());
  pm.addPass(createSimplifyOpsPass());
  pm.addPass(createCSEPass());
  // Masks that say one thing twice are equal to others only now.
  pm.addPass(createSimplifyOpsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createConvertTileToVectorPass(optionsFor(options.unit)));
  return pm.run(module);
}
