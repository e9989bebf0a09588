//===- Regions.cpp - Blocks, folds and loops with state -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attnrt/plan_format.h"

using namespace attn;
using namespace attn::tile;

KernelLowering::KernelLowering(KernelOp kernel, const VectorUnit &target)
    : kernel(kernel), target(target), b(kernel.getLoc(), kernel->getContext()) {
  int64_t rows = kernel.getRows();
  rowBlock = rows > 0 && rows < 4 ? rows : 4;
}

/// Scratch memory holds rows as well as the records do: they are read once.
static void shareRows(KernelOp kernel) {
  RowsOp known;
  for (RowsOp rows : kernel.getBody().getOps<RowsOp>()) {
    known = rows;
  }
  SmallVector<RowsOp> again;
  kernel.walk([&](RowsOp rows) {
    if (known && rows.getAgain() && rows.getFirst() == known.getFirst()) {
      again.push_back(rows);
    }
  });
  for (RowsOp rows : again) {
    rows.replaceAllUsesWith(known.getResults());
    rows.erase();
  }
}

LogicalResult KernelLowering::run() {
  current = kernel;
  shareRows(kernel);
  numberOps();
  findRowSources();
  createFunction();
  lowerBlock(kernel.getBody().front());
  if (failed) {
    func.erase();
    return failure();
  }
  prologueEnd->erase();
  if (stackSize) {
    stackSize.getDefiningOp<arith::ConstantOp>().setValueAttr(
        b.getIndexAttr(scratchBytes));
    scratchBytes = 0;
  }
  func->setAttr("tile.scratch_bytes", b.getI64IntegerAttr(scratchBytes));
  kernel.erase();
  return success();
}

void KernelLowering::lowerBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (failed) {
      return;
    }
    current = &op;
    b.setLoc(op.getLoc());
    if (!done.contains(&op)) {
      lowerOp(&op);
    }
    for (Value v : op.getResults()) {
      if (isa<VectorType>(v.getType())) {
        prepareDots(v);
      }
    }
  }
}

/// True if `op` and all inside it are upstream scalar code.
static bool isScalarCode(Operation *op) {
  auto scalarType = [](Type t) { return !isa<VectorType, tile::ViewType>(t); };
  return !op->walk([&](Operation *in) {
              bool ok = llvm::all_of(in->getOperandTypes(), scalarType) &&
                        llvm::all_of(in->getResultTypes(), scalarType) &&
                        !isa<TileDialect>(in->getDialect());
              return ok ? WalkResult::advance() : WalkResult::interrupt();
            }).wasInterrupted();
}

void KernelLowering::lowerOp(Operation *op) {
  if (auto c = dyn_cast<arith::ConstantOp>(op)) {
    if (!isa<VectorType>(c.getType())) {
      scalars.map(c.getResult(), constant(c.getValue()));
    }
    return;
  }
  if (isScalarCode(op)) {
    op->walk([&](Operation *in) {
      for (Value v : in->getOperands()) {
        auto arg = dyn_cast<BlockArgument>(v);
        if (arg && arg.getOwner() == &kernel.getBody().front()) {
          scalar(v);
        }
      }
    });
    b.clone(*op, scalars);
    return;
  }
  if (auto o = dyn_cast<ItemOp>(op)) {
    return scalars.map(o.getResult(), itemField(o.getField()));
  }
  if (auto o = dyn_cast<RowsOp>(op)) {
    return lowerRows(o);
  }
  if (auto o = dyn_cast<LoadStateOp>(op)) {
    return lowerLoadState(o);
  }
  if (auto o = dyn_cast<LoadOp>(op)) {
    return lowerLoad(o);
  }
  if (auto o = dyn_cast<StoreOp>(op)) {
    return lowerStore(o);
  }
  if (auto o = dyn_cast<FoldOp>(op)) {
    return lowerFold(o);
  }
  if (auto o = dyn_cast<FinishOp>(op)) {
    return lowerFinish(o);
  }
  if (auto o = dyn_cast<scf::ForOp>(op)) {
    return lowerFor(o);
  }
  if (auto o = dyn_cast<vector::MultiDimReductionOp>(op)) {
    return reduce(o);
  }
  if (auto o = dyn_cast<scf::IfOp>(op)) {
    if (!isLazyIf(o)) {
      lowerIf(o);
    }
    return;
  }
  if (auto o = dyn_cast<DotOp>(op)) {
    Value v = o.getResult();
    Operation *user = v.hasOneUse() ? *v.getUsers().begin() : nullptr;
    if (user && user->getNumResults() == 1 &&
        accumulation(user->getResult(0)).first == o) {
      return; // with the sum
    }
    auto type = cast<VectorType>(v.getType());
    Buffer into = makeBuffer(type.getShape(), type.getElementType());
    packB(o);
    if (o.getAcc()) {
      fill(o.getAcc(), into, v);
    }
    lowerDot(o, into, bool(o.getAcc()));
    buffers[v] = into;
    return;
  }
  if (auto o = dyn_cast<vector::ExtractOp>(op)) {
    bool whole = !isa<VectorType>(o.getResult().getType());
    if (!whole) {
      return fail(op, "expects to extract a scalar");
    }
    return nest([&] {
      Point p;
      for (OpFoldResult i : o.getMixedPosition()) {
        auto c = dyn_cast<Attribute>(i);
        p.idx.push_back(c ? index(cast<IntegerAttr>(c).getInt())
                          : scalar(cast<Value>(i)));
      }
      scalars.map(o.getResult(), at(o.getSource(), p));
    });
  }
  if (op->getNumResults() == 1 && isa<VectorType>(op->getResult(0).getType())) {
    if (wantsBuffer(op->getResult(0))) {
      materialise(op->getResult(0));
    }
    return;
  }
  if (!isa<tile::ViewOp>(op)) {
    fail(op, "cannot be lowered to vectors");
  }
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

/// Whether the item has a flag of ATTNRT_ITEM_*.
Value KernelLowering::hasFlag(uint32_t flag) {
  Value bit =
      arith::AndIOp::create(b, itemField(Field::flags), index(int64_t(flag)));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, bit, index(0));
}

void KernelLowering::bindState(ValueRange init, ValueRange args,
                               ValueRange yielded, Value isKept) {
  for (Value arg : args) {
    auto type = dyn_cast<VectorType>(arg.getType());
    (type ? buffers : cells)[arg] =
        type ? makeBuffer(type.getShape(), type.getElementType())
             : makeBuffer({}, arg.getType());
  }
  auto start = [&] {
    for (auto [from, arg] : llvm::zip(init, args)) {
      if (isa<VectorType>(arg.getType())) {
        fill(from, buffers[arg], arg);
      } else {
        storeBuffer(scalar(from), cells[arg], Point{});
      }
    }
    return SmallVector<Value>();
  };
  // Scratch memory is the worker's own: what an item leaves there the next one
  // finds.
  if (isKept) {
    branch(isKept, {}, [] { return SmallVector<Value>(); }, start);
  } else {
    start();
  }
  for (Value arg : args) {
    if (buffers.count(arg)) {
      prepareDots(arg);
    }
  }
  for (auto [arg, to] : llvm::zip(args, yielded)) {
    if (isBuffered(arg) && mayOverwrite(arg, to)) {
      planned[to] = buffers[arg];
    }
  }
}

void KernelLowering::loadCells(ValueRange args) {
  for (Value arg : args) {
    auto cell = cells.find(arg);
    if (cell != cells.end()) {
      scalars.map(arg, loadBuffer(cell->second, Point{}));
    }
  }
}

/// The new state replaces the old one at once: what is not in a buffer of its
/// own is computed before anything is overwritten.
void KernelLowering::copyState(ValueRange args, ValueRange yielded) {
  SmallVector<Value> scalarsNow;
  SmallVector<std::pair<Buffer, std::pair<Value, Value>>> moves;
  for (auto [arg, v] : llvm::zip(args, yielded)) {
    if (cells.count(arg)) {
      scalarsNow.push_back(scalar(v));
      continue;
    }
    Buffer to = buffers[arg];
    if (v == arg || (isBuffered(v) && buffers[v].memref == to.memref)) {
      continue;
    }
    bool stable = matchPattern(v, m_Constant());
    bool other = llvm::is_contained(args, v);
    if (!stable && (!isBuffered(v) || other)) {
      auto type = cast<VectorType>(v.getType());
      Buffer copy = makeBuffer(type.getShape(), type.getElementType());
      fill(v, copy, arg);
      moves.push_back({copy, {arg, Value()}});
      continue;
    }
    moves.push_back({Buffer(), {arg, v}});
  }
  for (auto &[from, move] : moves) {
    auto [arg, v] = move;
    if (v) {
      fill(v, buffers[arg], arg);
      continue;
    }
    Buffer to = buffers[arg];
    buffers[arg] = from;
    fill(arg, to, arg);
    buffers[arg] = to;
  }
  size_t n = 0;
  for (Value arg : args) {
    if (cells.count(arg)) {
      storeBuffer(scalarsNow[n++], cells[arg], Point{});
    }
  }
}

void KernelLowering::takeResults(ValueRange results, ValueRange args) {
  for (auto [result, arg] : llvm::zip(results, args)) {
    if (cells.count(arg)) {
      scalars.map(result, loadBuffer(cells[arg], Point{}));
    } else {
      buffers[result] = buffers[arg];
    }
  }
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

void KernelLowering::lowerFold(FoldOp op) {
  Block &cls = op.getClass_().front(), &step = op.getStep().front();
  ValueRange state = step.getArguments().drop_front(2);
  ValueRange yielded = step.getTerminator()->getOperands();
  bindState(op.getInit(), state, yielded,
            op.getResumes() ? hasFlag(ATTNRT_ITEM_RESUME) : Value());
  bool isAlwaysVisited =
      matchPattern(cls.getTerminator()->getOperand(0), m_One());
  Ahead ahead = prepareLookAhead(op, isAlwaysVisited);
  for (LoadOp load : ahead.loads) {
    nextTables[load] = Buffer();
  }
  findFetchingDots(op);
  auto tile = [&](Value k, Value end) {
    scalars.map(cls.getArgument(0), k);
    lowerBlock(cls);
    Value visit = scalar(cls.getTerminator()->getOperand(0));
    Value partial = scalar(cls.getTerminator()->getOperand(1));
    auto body = [&] {
      scalars.map(step.getArgument(0), k);
      scalars.map(step.getArgument(1), partial);
      loadCells(state);
      lookAhead(op, ahead, k, end);
      lowerBlock(step);
      current = step.getTerminator();
      copyState(state, yielded);
      return SmallVector<Value>();
    };
    if (matchPattern(visit, m_One())) {
      body();
    } else {
      branch(visit, {}, body, nullptr);
    }
  };
  if (op.getBegins().size() == 1) {
    Value end = scalar(op.getEnds()[0]);
    loop(scalar(op.getBegins()[0]), end, 1, [&](Value k) { tile(k, end); });
  } else {
    // An interval is entered behind the furthest end of those before it.
    int64_t n = op.getBegins().size();
    Value begins = scratch({n}, b.getIndexType()),
          ends = scratch({n}, b.getIndexType());
    for (int64_t i = 0; i < n; ++i) {
      memref::StoreOp::create(b, scalar(op.getBegins()[i]), begins, index(i));
      memref::StoreOp::create(b, scalar(op.getEnds()[i]), ends, index(i));
    }
    Value none = index(std::numeric_limits<int64_t>::min());
    loop(index(0), index(n), 1, none, [&](Value i, ValueRange furthest) {
      Value lo = memref::LoadOp::create(b, begins, i);
      Value hi = memref::LoadOp::create(b, ends, i);
      lo = arith::MaxSIOp::create(b, lo, furthest[0]);
      loop(lo, hi, 1, [&](Value k) { tile(k, hi); });
      return SmallVector<Value>{arith::MaxSIOp::create(b, hi, furthest[0])};
    });
  }
  takeResults(op.getResults(), state);
}

void KernelLowering::lowerFor(scf::ForOp op) {
  ValueRange state = op.getRegionIterArgs();
  ValueRange yielded = op.getBody()->getTerminator()->getOperands();
  bindState(op.getInitArgs(), state, yielded);
  auto made =
      scf::ForOp::create(b, scalar(op.getLowerBound()),
                         scalar(op.getUpperBound()), scalar(op.getStep()));
  scalars.map(op.getInductionVar(), made.getInductionVar());
  b.setInsertionPoint(made.getBody()->getTerminator());
  loadCells(state);
  lowerBlock(*op.getBody());
  current = op.getBody()->getTerminator();
  copyState(state, yielded);
  b.setInsertionPointAfter(made);
  takeResults(op.getResults(), state);
}

void KernelLowering::lowerIf(scf::IfOp op) {
  SmallVector<Type> types;
  for (Value r : op.getResults()) {
    if (auto type = dyn_cast<VectorType>(r.getType())) {
      buffers[r] = makeBuffer(type.getShape(), type.getElementType());
    } else {
      types.push_back(r.getType());
    }
  }
  auto arm = [&](Region &region) {
    SmallVector<Value> values;
    if (region.empty()) {
      return values;
    }
    lowerBlock(region.front());
    Operation *yield = region.front().getTerminator();
    current = yield;
    for (auto [r, v] : llvm::zip(op.getResults(), yield->getOperands())) {
      if (isa<VectorType>(r.getType())) {
        fill(v, buffers[r], r);
      } else {
        values.push_back(scalar(v));
      }
    }
    return values;
  };
  SmallVector<Value> results = branch(
      scalar(op.getCondition()), types, [&] { return arm(op.getThenRegion()); },
      [&] { return arm(op.getElseRegion()); });
  size_t n = 0;
  for (Value r : op.getResults()) {
    if (!isa<VectorType>(r.getType())) {
      scalars.map(r, results[n++]);
    }
  }
}

/// Rows of the state go to consecutive slots, or the epilogue runs.
void KernelLowering::lowerFinish(FinishOp op) {
  Value slot = scalar(op.getSlot()), count = scalar(op.getCount());
  auto spill = [&] {
    for (auto [v, state] : llvm::zip(op.getValues(), op.getStates())) {
      auto type = dyn_cast<VectorType>(v.getType());
      Tensor t = tensor(state);
      if (!type || type.getRank() != t.type.getRank()) {
        fail(op, "expects states of the rank of their values");
        break;
      }
      SmallVector<int64_t> strides;
      int64_t offset, last = type.getRank() - 1;
      (void)t.type.getStridesAndOffset(strides, offset);
      versioned(v, [&, v = v] {
        std::function<void(Point, Value)> axis = [&](Point p, Value at0) {
          int64_t a = p.idx.size();
          if (a > last) {
            return storeElement(
                at(v, p), elementPointer(t.base, at0, type.getElementType()));
          }
          bool runs = a == last && a > 0 && strides[a] == 1;
          int64_t w = runs ? lanesFor(type.getDimSize(a)) : 1;
          loop(index(0), a == 0 ? count : index(type.getDimSize(a)), w,
               [&](Value i) {
                 Value s =
                     a == 0 ? Value(arith::AddIOp::create(b, slot, i)) : i;
                 Value step = arith::MulIOp::create(b, s, t.strides[a]);
                 Point q = p;
                 q.idx.push_back(i);
                 if (w > 1) {
                   q.lane = a;
                   q.width = w;
                 }
                 axis(q, arith::AddIOp::create(b, at0, step));
               });
        };
        axis(Point{}, index(0));
      });
    }
    return SmallVector<Value>();
  };
  auto end = [&] {
    Value writes =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, slot, index(0));
    branch(writes, {}, spill, [&] {
      lowerBlock(op.getEpilogue().front());
      return SmallVector<Value>();
    });
    return SmallVector<Value>();
  };
  if (op.getKeeps()) {
    branch(
        hasFlag(ATTNRT_ITEM_KEEP), {}, [] { return SmallVector<Value>(); },
        end);
  } else {
    end();
  }
}
