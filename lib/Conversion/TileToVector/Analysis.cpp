//===- Analysis.cpp - What is materialised, and which values have rows ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include <set>

using namespace attn;
using namespace attn::tile;

static VectorType vectorType(Value v) {
  return dyn_cast<VectorType>(v.getType());
}

void KernelLowering::numberOps() {
  unsigned n = 0;
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) { number[op] = n++; });
}

/// Twice over the kernel: state takes its rows from what a step yields.
void KernelLowering::findRowSources() {
  auto take = [&](Value to, Value from) {
    Operation *source = rowSource.lookup(from);
    if (source && vectorType(to) && !rowSource.count(to)) {
      rowSource[to] = source;
    }
  };
  auto carry = [&](ValueRange init, ValueRange args, ValueRange yields,
                   ValueRange results) {
    for (auto [k, arg] : llvm::enumerate(args)) {
      take(arg, init[k]);
      take(arg, yields[k]);
      take(results[k], yields[k]);
    }
  };
  for (int pass = 0; pass < 2; ++pass) {
    kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto rows = dyn_cast<RowsOp>(op)) {
        rowSource[rows.getCoord()] = rowSource[rows.getMinor()] = op;
        rowSource[rows.getSym()] = op;
      } else if (isa<LoadStateOp>(op)) {
        for (Value r : op->getResults()) {
          rowSource[r] = op;
        }
      } else if (auto load = dyn_cast<LoadOp>(op)) {
        for (auto [index, axis] :
             llvm::zip(load.getIndices(), load.getAxes())) {
          if (axis == 0) {
            take(load.getResult(), index);
          }
        }
      } else if (auto expand = dyn_cast<ExpandOp>(op)) {
        if (!expand.getDims().empty() && expand.getDims()[0] == 0) {
          take(expand.getResult(), expand.getSource());
        }
      } else if (auto dot = dyn_cast<DotOp>(op)) {
        if (!dot.getTransposeA()) {
          take(dot.getResult(), dot.getA());
        }
      } else if (auto red = dyn_cast<vector::MultiDimReductionOp>(op)) {
        if (!red.isReducedDim(0)) {
          take(red.getDest(), red.getSource());
        }
      } else if (auto fold = dyn_cast<FoldOp>(op)) {
        Block &step = fold.getStep().front();
        carry(fold.getInit(), step.getArguments().drop_front(2),
              step.getTerminator()->getOperands(), fold.getResults());
      } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
        carry(loop.getInitArgs(), loop.getRegionIterArgs(),
              loop.getBody()->getTerminator()->getOperands(),
              loop.getResults());
      } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
        for (auto [k, r] : llvm::enumerate(branch.getResults())) {
          take(r, branch.thenYield()->getOperand(k));
          take(r, branch.elseYield()->getOperand(k));
        }
      } else if (OpTrait::hasElementwiseMappableTraits(op) ||
                 isa<GatherOp>(op)) {
        for (Value v : op->getOperands()) {
          take(op->getResult(0), v);
        }
      }
    });
  }
}

Value KernelLowering::rowCount(Value v, bool rounded) {
  Operation *source = rowSource.lookup(v);
  auto it = counts.find(source);
  if (!source || it == counts.end() ||
      !source->getParentRegion()->isAncestor(current->getParentRegion())) {
    return Value();
  }
  return rounded ? it->second.second : it->second.first;
}

bool KernelLowering::isLazyIf(scf::IfOp op) {
  if (op.getNumResults() == 0 || op.getElseRegion().empty() ||
      !llvm::all_of(op.getResultTypes(), llvm::IsaPred<VectorType>)) {
    return false;
  }
  for (Region *region : op.getRegions()) {
    for (Operation &inner : region->front().without_terminator()) {
      auto nested = dyn_cast<scf::IfOp>(inner);
      bool lazy = nested ? isLazyIf(nested)
                         : OpTrait::hasElementwiseMappableTraits(&inner) ||
                               isa<ExpandOp, CoordOp, vector::BroadcastOp,
                                   vector::TransposeOp, vector::ShapeCastOp,
                                   arith::ConstantOp, memref::LoadOp>(inner);
      if (!lazy || isa<math::MathDialect>(inner.getDialect())) {
        return false;
      }
    }
  }
  return true;
}

void KernelLowering::forEachPulled(Value v, function_ref<void(Value)> fn) {
  llvm::SmallPtrSet<Value, 32> seen;
  SmallVector<Value> work{v};
  while (!work.empty()) {
    Value x = work.pop_back_val();
    if (!vectorType(x) || !seen.insert(x).second) {
      continue;
    }
    fn(x);
    Operation *op = x.getDefiningOp();
    if (!op || isBuffered(x) || isa<LoadOp>(op)) {
      continue;
    }
    if (auto branch = dyn_cast<scf::IfOp>(op)) {
      unsigned k = cast<OpResult>(x).getResultNumber();
      auto arm = decided.find(op);
      if (arm == decided.end() || arm->second) {
        work.push_back(branch.thenYield()->getOperand(k));
      }
      if (arm == decided.end() || !arm->second) {
        work.push_back(branch.elseYield()->getOperand(k));
      }
      continue;
    }
    if (isa<vector::MultiDimReductionOp, DotOp, FoldOp, scf::ForOp, RowsOp,
            LoadStateOp>(op)) {
      continue;
    }
    work.append(op->operand_begin(), op->operand_end());
  }
}

/// Worth a buffer when it is read more than once.
bool KernelLowering::isExpensive(Value v) {
  bool expensive = false;
  forEachPulled(v, [&](Value x) {
    Operation *op = x.getDefiningOp();
    if (op && !isBuffered(x) &&
        (isa<math::MathDialect>(op->getDialect()) || isa<GatherOp>(op) ||
         isa<arith::DivFOp, arith::DivSIOp, arith::DivUIOp, arith::RemSIOp,
             arith::RemUIOp, arith::FloorDivSIOp, arith::CeilDivSIOp>(op))) {
      expensive = true;
    }
  });
  return expensive;
}

std::pair<DotOp, Value> KernelLowering::accumulation(Value sum) {
  auto add = sum.getDefiningOp<arith::AddFOp>();
  if (!add) {
    return {};
  }
  for (int side : {1, 0}) {
    Value v = add->getOperand(side), other = add->getOperand(1 - side);
    auto dot = v.getDefiningOp<DotOp>();
    if (dot && v.hasOneUse() && !dot.getAcc() && v != other &&
        dot->getBlock() == add->getBlock()) {
      return {dot, other};
    }
  }
  return {};
}

bool KernelLowering::wantsBuffer(Value v) {
  auto type = vectorType(v);
  Operation *op = v.getDefiningOp();
  if (!type || !op || isa<arith::ConstantOp>(op)) {
    return false;
  }
  if (planned.count(v) || accumulation(v).first) {
    return true;
  }
  int64_t uses = 0;
  bool crosses = false;
  for (OpOperand &use : v.getUses()) {
    Operation *user = use.getOwner();
    auto dot = dyn_cast<DotOp>(user);
    if (dot && use.getOperandNumber() == 1) {
      continue; // packed
    }
    if (dot && use.getOperandNumber() == 0) {
      // Reads it many times; in another type it gets a copy.
      if (planOf(dot).element == type.getElementType()) {
        return true;
      }
      ++uses;
      continue;
    }
    ++uses;
    crosses |= user->getBlock() != op->getBlock();
  }
  if (uses == 0) {
    return false;
  }
  bool expensive = isExpensive(v);
  if (type.getRank() == 1) {
    bool isFloat = isa<FloatType>(type.getElementType());
    return expensive || (isFloat && (uses > 1 || crosses) &&
                         !isa<ExpandOp, vector::BroadcastOp>(op));
  }
  return expensive && (uses > 1 || crosses);
}

/// True if state `state` may share its buffer with `yielded`, which a step
/// yields for it: whatever reads the old state is emitted before `yielded`, or
/// is pulled by it at the very point that is about to be overwritten.
bool KernelLowering::mayOverwrite(Value state, Value yielded) {
  Operation *last = yielded.getDefiningOp();
  Block *block = state.getParentBlock();
  if (!last || last->getBlock() != block || planned.count(yielded) ||
      !OpTrait::hasElementwiseMappableTraits(last)) {
    return false;
  }
  std::set<std::pair<Operation *, bool>> seen;
  SmallVector<std::pair<Value, bool>> work{{state, true}};
  while (!work.empty()) {
    auto [v, samePoint] = work.pop_back_val();
    for (OpOperand &use : v.getUses()) {
      Operation *user = use.getOwner();
      if (user->getBlock() != block ||
          user->hasTrait<OpTrait::IsTerminator>()) {
        return false;
      }
      if (user == last) {
        if (!samePoint) {
          return false;
        }
        continue;
      }
      if (number[user] > number[last]) {
        return false;
      }
      bool elementwise = OpTrait::hasElementwiseMappableTraits(user);
      bool lazy =
          elementwise || isa<ExpandOp, vector::BroadcastOp, vector::TransposeOp,
                             vector::ShapeCastOp>(user);
      if (!lazy) {
        continue; // emitted where it stands, before `yielded`
      }
      // An elementwise value may be pulled as late as its last reader, whatever
      // the plans for a buffer are now.
      if (seen.insert({user, samePoint && elementwise}).second) {
        work.push_back({user->getResult(0), samePoint && elementwise});
      }
    }
  }
  return true;
}

/// A load may be delayed to its consumers unless something is written between,
/// and pays only where a run of lanes is contiguous.
bool KernelLowering::isLazyLoad(LoadOp op) {
  auto type = vectorType(op.getResult());
  if (!type || type.getRank() < 2) {
    return false;
  }
  Access access = accessOf(op);
  int64_t axis = contiguousAxis(access);
  if (axis != type.getRank() - 1 ||
      (access.liveBegin && access.liveAxis == axis)) {
    return false;
  }
  // The last op that may pull the load.
  unsigned first = number[op], end = first;
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Operation *> work{op};
  while (!work.empty()) {
    Operation *o = work.pop_back_val();
    for (Operation *user : o->getUsers()) {
      // A consumer inside a loop runs again after all of the loop's writes.
      Operation *outer = user;
      while (outer->getBlock() != op->getBlock() &&
             outer->getParentOp() != kernel) {
        outer = outer->getParentOp();
      }
      unsigned latest = number[user];
      if (outer != user && isa<FoldOp, scf::ForOp>(outer)) {
        outer->walk(
            [&](Operation *in) { latest = std::max(latest, number[in]); });
      }
      end = std::max(end, latest);
      if (seen.insert(user).second) {
        work.push_back(user);
      }
    }
  }
  bool written = false;
  kernel.walk([&](Operation *o) {
    bool writes = isa<StoreOp, memref::StoreOp>(o);
    written |= writes && number[o] > first && number[o] < end;
  });
  return !written;
}
