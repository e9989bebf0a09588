//===- KernelConversion.cpp - One tile kernel becomes an sm kernel --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"
#include "ScalarAccess.h"

#include "attn/Dialect/SM/Transforms/TileHint.h"
#include "attn/TargetModel/TileHint.h"
#include "mlir/IR/Verifier.h"
#include <cmath>

using namespace attn;

KernelConversion::KernelConversion(tile::KernelOp kernel,
                                   const TileToSMOptions &options)
    : source(kernel), options(options),
      b(kernel.getLoc(), kernel->getContext()) {}

void KernelConversion::fail(Operation *op, const Twine &message) {
  if (!failed) {
    op->emitError() << message;
  }
  failed = true;
}

void KernelConversion::inScope(Operation *op, Block *from, Block *to,
                               function_ref<void()> body) {
  if (!scopes.empty()) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op);
    scopes.back().at = b.saveInsertionPoint();
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(to);
  scopes.emplace_back();
  scopes.back().source = from;
  body();
  scopes.pop_back();
}

KernelConversion::Scope &KernelConversion::scopeOf(Value value) {
  for (Scope &scope : llvm::reverse(scopes)) {
    if (scope.source == value.getParentBlock()) {
      return scope;
    }
  }
  fail(source, "expects a value of a block that is being converted");
  return scopes.back();
}

Value KernelConversion::atDefinition(Value value, function_ref<Value()> make) {
  Scope &scope = scopeOf(value);
  OpBuilder::InsertionGuard guard(b);
  if (&scope != &scopes.back()) {
    b.restoreInsertionPoint(scope.at);
  }
  Location outer = b.getLoc();
  b.setLoc(value.getLoc());
  Value result = make();
  b.setLoc(outer);
  return result;
}

/// What only reads is converted when somebody asks for what it read.
static bool writesMemory(Operation &op) {
  auto writes = [](Operation *inner) {
    auto effects = dyn_cast<MemoryEffectOpInterface>(inner);
    return effects && effects.hasEffect<MemoryEffects::Write>()
               ? WalkResult::interrupt()
               : WalkResult::advance();
  };
  return op.walk(writes).wasInterrupted();
}

/// What has an effect asks for the rest.
void KernelConversion::convertBlock(Block &block) {
  for (Operation &op : block) {
    if (failed) {
      return;
    }
    b.setLoc(op.getLoc());
    if (auto o = dyn_cast<tile::FoldOp>(op)) {
      fold(o);
    } else if (auto o = dyn_cast<tile::StoreOp>(op)) {
      store(o);
    } else if (auto o = dyn_cast<tile::FinishOp>(op)) {
      finish(o);
    } else if (auto o = dyn_cast<scf::ForOp>(op); o && o.getNumResults() == 0) {
      loop(o);
    } else if (op.getNumRegions() > 0 && writesMemory(op)) {
      fail(&op, "expects no '" + op.getName().getStringRef() +
                    "' with an effect in a kernel for an SM");
    }
  }
}

/// What the products of the kernel are, as far as its cost depends on it.
/// Warps of a stage, whose points have nothing in common.
constexpr int64_t kStageWarps = 4;

static TileProblem getProblem(tile::KernelOp kernel) {
  TileProblem problem;
  problem.packedRows = kernel.getRows();
  problem.scoreChannels = problem.valueChannels = 0;
  problem.elementBytes = 1;
  // Masks of tiles that are not full stand in branches; those that are the same
  // for all rows take less.
  kernel.walk([&](tile::FoldOp fold) {
    for (auto branch : fold.getStep().getOps<scf::IfOp>()) {
      for (Value mask : branch.thenYield().getResults()) {
        auto spread = mask.getDefiningOp<tile::ExpandOp>();
        problem.masked |= !spread || spread.getDims() != ArrayRef<int64_t>(1);
      }
    }
  });
  kernel.walk([&](tile::DotOp dot) {
    auto left = cast<VectorType>(dot.getA().getType());
    auto result = cast<VectorType>(dot.getResult().getType());
    if (left.getRank() != 2 || result.getRank() != 2) {
      return;
    }
    if (dot.getTransposeB()) {
      problem.scoreChannels += left.getDimSize(1);
    } else {
      problem.valueChannels += result.getDimSize(1);
    }
  });
  return problem;
}

/// Merges read states and add them up: as few warps as their registers allow,
/// half of them for what is carried and half for what is read.
static int64_t chooseMergeWarps(tile::KernelOp kernel,
                                const GpuTargetModel &model) {
  int64_t bits = 0;
  kernel.walk([&](tile::FoldOp fold) {
    int64_t carried = 0;
    for (Type type : fold.getInit().getTypes()) {
      auto vector = dyn_cast<VectorType>(type);
      if (vector && vector.getRank() == 2) {
        carried += vector.getNumElements() * vector.getElementTypeBitWidth();
      }
    }
    bits = std::max(bits, carried);
  });
  int64_t registers = bits / 32 / FragmentLayout::kLanes, warps = 1;
  // What is read, the row's factors and addresses take as many at least, and
  // with less than an eighth to spare ptxas spills.
  while (registers / warps > model.registersPerThread * 7 / 16) {
    warps *= 2;
  }
  return warps;
}

void KernelConversion::chooseTile() {
  TileProblem problem = getProblem(source);
  source.walk([&](tile::LoadOp load) {
    if (isRightOperand(load)) {
      Type element = getElementTypeOrSelf(load.getResult().getType());
      unsigned bits = element.getIntOrFloatBitWidth();
      problem.elementBytes =
          std::max<int64_t>(problem.elementBytes, llvm::divideCeil(bits, 8));
      problem.computedParts =
          std::max(problem.computedParts,
                   countComputedParts(isa<FloatType>(element), bits));
    }
  });
  GpuTargetModel model = *getGpuTargetModel(options.chip);
  tile = {int64_t(source.getRows()), int64_t(source.getCols()), options.warps,
          options.stages};
  if (source.getKind() == tile::KernelKind::merge) {
    tile.cols = kGpuColumnStep;
    tile.warps = tile.getRowWarps() * chooseMergeWarps(source, model);
    tile.stages = 1;
  } else if (auto best = attn::chooseTile(model, problem, tile)) {
    tile = *best;
  }
  // Where nothing fits, what leaves a thread the most registers and the most
  // shared memory is tried: the estimate may be too high.
  bool fits = tile.warps && tile.stages &&
              std::isfinite(getTileCost(model, problem, tile));
  tile.warps = tile.warps ? tile.warps : kGpuUsualWarps;
  tile.stages = tile.stages ? tile.stages : 1;
  if (!fits && source.getKind() == tile::KernelKind::items) {
    source->setAttr(sm::kTileHintAttr,
                    b.getStringAttr(suggestTile(model, problem, tile)));
  }
  keepsRows = attn::keepsRows(model, problem, tile);
  if (source.getKind() == tile::KernelKind::items) {
    unsigned ctas = model.getResidentCtas(getNeeds(model, problem, tile));
    // A quarter is left for what the estimate of registers misses.
    numCtas = std::max<int64_t>(1, ctas - llvm::divideCeil(ctas, 4));
  }
}

/// Distributes the rows of a block over warps.
LogicalResult KernelConversion::chooseLayout() {
  int64_t rows = source.getRows();
  if (rows <= 0 || rows % kGpuRowStep) {
    return source.emitError()
           << "expects a multiple of " << kGpuRowStep
           << " rows in a kernel for an SM, but got " << rows;
  }
  // Warps share the rows; those that are left over stand beside each other.
  chooseTile();
  rowWarps = tile.getRowWarps();
  columnWarps = tile.getColumnWarps();
  numWarps = rowWarps * columnWarps;
  layout = sm::AccAttr::get(b.getContext(), rowWarps, columnWarps);
  return success();
}

/// The loop over items again, with the states that it carries. The first item
/// of a worker goes on with nothing.
static void carryStates(sm::ItemsOp items) {
  ImplicitLocOpBuilder b(items.getLoc(), items);
  SmallVector<Value> init;
  for (BlockArgument state : items.getBody().getArguments().drop_front()) {
    auto type = cast<RankedTensorType>(state.getType());
    init.push_back(arith::ConstantOp::create(
        b, type, cast<TypedAttr>(b.getZeroAttr(type))));
  }
  auto made = sm::ItemsOp::create(b, TypeRange(ValueRange(init)), init);
  made.getBody().takeBody(items.getBody());
  items.erase();
}

LogicalResult KernelConversion::run() {
  bool isStage = source.getKind() == tile::KernelKind::stage;
  numWarps = options.warps ? options.warps : kStageWarps;
  if (!isStage && mlir::failed(chooseLayout())) {
    return failure();
  }
  expandScalarAccesses(source);
  Block &body = source.getBody().front();
  b.setInsertionPoint(source);
  target = sm::KernelOp::create(
      b, source.getSymNameAttr(),
      TypeAttr::get(b.getFunctionType(body.getArgumentTypes(), {})),
      b.getI64IntegerAttr(numWarps),
      source.getKind() == tile::KernelKind::merge ? b.getUnitAttr()
                                                  : UnitAttr(),
      b.getI64IntegerAttr(numCtas), source.getSymVisibilityAttr(),
      source.getArgAttrsAttr(), source.getResAttrsAttr());
  if (Attribute hint = source->getAttr(sm::kTileHintAttr)) {
    target->setAttr(sm::kTileHintAttr, hint);
  }
  SmallVector<Location> places(body.getNumArguments(), source.getLoc());
  Block *entry =
      b.createBlock(&target.getBody(), {}, body.getArgumentTypes(), places);
  b.setInsertionPointToEnd(entry);
  auto roles = sm::RolesOp::create(b, b.getStrArrayAttr({"all"}),
                                   b.getDenseI64ArrayAttr({numWarps}),
                                   b.getDenseI64ArrayAttr({0}), 1);
  sm::ReturnOp::create(b);
  b.createBlock(&roles.getBodies().front());
  auto items = sm::ItemsOp::create(b, TypeRange(), ValueRange());
  sm::YieldOp::create(b, ValueRange());
  Block *work = b.createBlock(
      &items.getBody(), {}, sm::ItemType::get(b.getContext()), source.getLoc());
  item = work->getArgument(0);
  inScope(items, &body, work, [&] {
    for (auto [from, to] :
         llvm::zip_equal(body.getArguments(), entry->getArguments())) {
      scopes.back().scalars[from] = to;
    }
    if (isStage) {
      stage();
    } else {
      convertBlock(body);
    }
    b.setInsertionPointToEnd(work);
    sm::YieldOp::create(b, keptStates);
  });
  if (!failed && !keptStates.empty()) {
    carryStates(items);
  }
  if (failed || mlir::failed(mlir::verify(target))) {
    target.erase();
    return failure();
  }
  source.erase();
  return success();
}

LogicalResult attn::convertKernelToSM(tile::KernelOp kernel,
                                      const TileToSMOptions &options) {
  return KernelConversion(kernel, options).run();
}
