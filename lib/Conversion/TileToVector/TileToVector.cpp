//===- TileToVector.cpp - convert-tile-to-vector --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "llvm/ADT/SetVector.h"

namespace attn {
#define GEN_PASS_DEF_CONVERTTILETOVECTORPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace attn

using namespace attn;

/// Puts the bodies of called functions (of one block) in the place of the
/// calls: the derived merge of a fold is a function on tile values.
static LogicalResult inlineCalls(tile::KernelOp kernel) {
  SmallVector<func::CallOp> calls;
  for (int depth = 0; depth < 8; ++depth) {
    calls.clear();
    kernel.walk([&](func::CallOp call) { calls.push_back(call); });
    if (calls.empty()) {
      return success();
    }
    for (func::CallOp call : calls) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
          kernel->getParentOp(), call.getCalleeAttr());
      if (!callee || !callee.getBody().hasOneBlock()) {
        return call.emitOpError("expects a function of one block");
      }
      OpBuilder b(call);
      IRMapping map;
      Block &body = callee.getBody().front();
      map.map(body.getArguments(), call.getOperands());
      for (Operation &op : body.without_terminator()) {
        b.clone(op, map);
      }
      for (auto [to, from] :
           llvm::zip(call.getResults(), body.getTerminator()->getOperands())) {
        to.replaceAllUsesWith(map.lookup(from));
      }
      call.erase();
    }
  }
  return kernel.emitOpError("expects calls that are not recursive");
}

/// Moves loads of a step to its top, with the indices they need: their rows
/// then arrive while the dots in front of their use are computed.
static void hoistLoads(tile::FoldOp fold) {
  Block &step = fold.getStep().front();
  bool writes = false;
  step.walk([&](Operation *op) {
    writes |= isa<tile::StoreOp, memref::StoreOp>(op);
  });
  if (writes) {
    return;
  }
  llvm::SetVector<Operation *> moving;
  std::function<bool(Operation *)> collect = [&](Operation *op) {
    if (!op || op->getBlock() != &step || moving.contains(op)) {
      return true;
    }
    bool reads = isa<tile::LoadOp, memref::LoadOp>(op);
    if (op->getNumRegions() || !(reads || isPure(op)) || isa<tile::DotOp>(op)) {
      return false;
    }
    for (Value v : op->getOperands()) {
      if (!collect(v.getDefiningOp())) {
        return false;
      }
    }
    moving.insert(op);
    return true;
  };
  for (tile::LoadOp load : step.getOps<tile::LoadOp>()) {
    size_t before = moving.size();
    if (!collect(load)) {
      while (moving.size() > before) {
        moving.pop_back();
      }
    }
  }
  Operation *top = &step.front();
  for (Operation *op : moving) {
    if (op == top) {
      top = op->getNextNode();
    } else {
      op->moveBefore(top);
    }
  }
}

ConvertTileToVectorPassOptions attn::optionsFor(const VectorUnit &unit) {
  ConvertTileToVectorPassOptions options;
  options.lanes = unit.lanes;
  options.registers = unit.registers;
  options.dotsBF16 = unit.dotsBF16;
  options.tilesBF16 = unit.tilesBF16;
  options.scales = unit.scales;
  return options;
}

namespace {
struct ConvertTileToVector
    : attn::impl::ConvertTileToVectorPassBase<ConvertTileToVector> {
  using ConvertTileToVectorPassBase::ConvertTileToVectorPassBase;

  void runOnOperation() override {
    VectorUnit target{lanes, registers, dotsBF16, dotsBF16 && tilesBF16,
                      scales};
    if (!llvm::isPowerOf2_64(lanes) || registers < 8) {
      getOperation().emitError() << "expects lanes that are a power of two and "
                                    "at least 8 registers, but got "
                                 << lanes << " and " << registers;
      return signalPassFailure();
    }
    SmallVector<tile::KernelOp> kernels(
        getOperation().getOps<tile::KernelOp>());
    for (tile::KernelOp kernel : kernels) {
      if (failed(inlineCalls(kernel))) {
        return signalPassFailure();
      }
      kernel.walk(hoistLoads);
      if (failed(tile::KernelLowering(kernel, target).run())) {
        return signalPassFailure();
      }
    }
    // Functions on tile values are in the kernels now.
    for (auto f :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (f.isPrivate() && !f.isExternal() &&
          SymbolTable::symbolKnownUseEmpty(f, getOperation())) {
        f.erase();
      }
    }
    RewritePatternSet set(&getContext());
    populateMathToPolynomialPatterns(set, target);
    FrozenRewritePatternSet patterns(std::move(set));
    // An expansion may use another function: three rounds reach them all.
    for (int round = 0; round < 3; ++round) {
      walkAndApplyPatterns(getOperation(), patterns);
    }
  }
};
} // namespace
