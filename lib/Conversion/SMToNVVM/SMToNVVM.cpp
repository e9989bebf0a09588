//===- SMToNVVM.cpp - convert-sm-to-nvvm ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lowering.h"

#include "attn/Conversion/Passes.h"
#include "attn/TargetModel/GpuTargetModel.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace attn {
#define GEN_PASS_DEF_CONVERTSMTONVVMPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

/// From what a block holds to what a thread does.
static LogicalResult lowerToThreads(LLVM::LLVMFuncOp func, KernelState &kernel,
                                    bool convertsFloat8) {
  MLIRContext *context = func.getContext();
  ThreadTypeConverter converter;
  RewritePatternSet patterns(context);
  ConversionTarget target(*context);
  populateElementwise(converter, convertsFloat8, patterns);
  populateRecords(converter, kernel, patterns);
  populateArguments(converter, kernel, patterns);
  populateLayouts(converter, kernel, patterns);
  populateGlobalMemory(converter, kernel, patterns);
  populateRings(converter, kernel, patterns);
  populateRoleRings(converter, kernel, patterns);
  populateCopies(converter, kernel, patterns);
  populateBoxes(converter, kernel, patterns);
  populateMatrices(converter, kernel, patterns);
  populateProducts(converter, kernel, patterns);
  populateTurns(converter, kernel, patterns);
  populateSharedFragments(converter, kernel, patterns);
  populateReductions(converter, kernel, patterns);
  target.addIllegalDialect<SMDialect>();
  target.addLegalOp<UnrealizedConversionCastOp>();
  // Roles tell their ops apart until all of them are lowered.
  target.addLegalOp<RolesOp>();
  target.addDynamicallyLegalOp<YieldOp>(
      [](YieldOp op) { return isa<RolesOp>(op->getParentOp()); });
  // Upstream knows no 8-bit floats, be they of a fragment or one.
  auto isByte = [](Type type) {
    return isa<Float8E4M3FNType, Float8E5M2Type>(getElementTypeOrSelf(type));
  };
  target.addDynamicallyLegalOp<arith::ExtFOp>(
      [=, &converter](arith::ExtFOp op) {
        return converter.isLegal(op.getOperation()) &&
               !isByte(op.getIn().getType());
      });
  target.addDynamicallyLegalOp<arith::TruncFOp>(
      [=, &converter](arith::TruncFOp op) {
        return converter.isLegal(op.getOperation()) && !isByte(op.getType());
      });
  target.markUnknownOpDynamicallyLegal(
      [&](Operation *op) { return converter.isLegal(op); });
  scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns,
                                                       target);
  if (failed(applyFullConversion(func, target, std::move(patterns)))) {
    return failure();
  }
  // Arguments were their records all the time.
  func.walk([](UnrealizedConversionCastOp cast) {
    if (cast.use_empty()) {
      cast.erase();
    }
  });
  branchToRoles(func, kernel);
  return success();
}

/// A kernel that has no form is an error and not kept: nothing is ever undone,
/// and need not be remembered.
static ConversionConfig withoutRollback() {
  ConversionConfig config;
  config.allowPatternRollback = false;
  return config;
}

/// From there upstream goes on.
static LogicalResult lowerToLLVM(LLVM::LLVMFuncOp func) {
  MLIRContext *context = func.getContext();
  {
    RewritePatternSet patterns(context);
    populateSCFToControlFlowConversionPatterns(patterns);
    ConversionTarget target(*context);
    target.addIllegalDialect<scf::SCFDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    if (failed(applyPartialConversion(func, target, std::move(patterns),
                                      withoutRollback()))) {
      return failure();
    }
  }
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  populateMath(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  ConversionTarget target(*context);
  target.addLegalDialect<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  return applyFullConversion(func, target, std::move(patterns),
                             withoutRollback());
}

namespace {
struct ConvertSMToNVVM : attn::impl::ConvertSMToNVVMPassBase<ConvertSMToNVVM> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<GpuTargetModel> model = getGpuTargetModel(chip);
    if (!chip.empty() && !model) {
      getOperation().emitError()
          << "expects a chip of " << listGpuTargetModels() << ", but got '"
          << chip << "'";
      return signalPassFailure();
    }
    bool convertsFloat8 = model && model->convertsFloat8;
    bool packsF32 = model && model->packsF32;
    SmallVector<KernelOp> kernels(getOperation().getOps<KernelOp>());
    for (KernelOp kernel : kernels) {
      KernelState state;
      FailureOr<LLVM::LLVMFuncOp> func = createFunction(kernel, state);
      if (failed(func) ||
          failed(lowerToThreads(*func, state, convertsFloat8))) {
        return signalPassFailure();
      }
      splitVectors(*func, packsF32);
      if (failed(lowerToLLVM(*func))) {
        return signalPassFailure();
      }
    }
  }
};
} // namespace
