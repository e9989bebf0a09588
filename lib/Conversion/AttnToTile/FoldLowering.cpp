//===- FoldLowering.cpp - Kernels of one fold ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldLowering.h"
#include "KeyViews.h"

#include "attnrt/plan_format.h"

using namespace attn;

LogicalResult attn::delinearize(TileEmitter &em, TileValue linear,
                                ArrayRef<int64_t> ranks) {
  for (size_t i = ranks.size(); i-- > 0;) {
    int64_t r = ranks[i];
    if (i == 0) {
      em.coords[r] = linear;
      break;
    }
    FailureOr<Value> extent =
        em.program.getRankExtentValue(em.b, em.kernel, em.cascade, r);
    if (failed(extent)) {
      return failure();
    }
    em.coords[r] = em.t.integer("arith.remui", linear, {*extent, {}});
    linear = em.t.integer("arith.divui", linear, {*extent, {}});
  }
  return success();
}

LogicalResult attn::storeOutput(TileEmitter &em, const Output &output,
                                TileValue v, ArrayRef<PresenceTerm> presence,
                                Value liveCount) {
  FailureOr<TileValue> mask = em.mask(presence);
  if (failed(mask)) {
    return failure();
  }
  Type element = v.elementType();
  if (*mask) {
    TypedAttr zero = em.b.getZeroAttr(element);
    v = em.t.select(*mask, v, em.t.constant(zero, {}));
  }
  if (!output.place) {
    Value memory = em.program.getBuffer(em.kernel, output.buffer);
    return em.store(v, memory, output.map, liveCount);
  }
  FailureOr<Value> view = em.getView(output.place);
  if (failed(view)) {
    return failure();
  }
  return em.storeView(v, *view, output.map, liveCount);
}

SmallVector<int64_t, 3> FoldLowering::stateAxes(unsigned i) {
  SmallVector<int64_t, 3> axes{kRowAxis};
  for (AffineExpr e : fold.getStateMap(i).getResults()) {
    int64_t r = cast<AffineDimExpr>(e).getPosition();
    if (llvm::is_contained(binding.axes, r)) {
      axes.push_back(r);
    }
  }
  return axes;
}

void FoldLowering::setAxes(TileEmitter &em) {
  for (int64_t r : binding.axes) {
    em.addAxis(r, program.getStaticExtent(cascade, r));
  }
  for (EinsumOp e : epilogue) {
    for (int r : e.getIterationRanks().set_bits()) {
      if (!em.coords[r] && r != binding.row &&
          !llvm::is_contained(binding.subs, r)) {
        em.addAxis(r, program.getStaticExtent(cascade, r));
      }
    }
  }
}

LogicalResult FoldLowering::setItem(TileEmitter &em) {
  OpBuilder &b = em.b;
  Location loc = em.t.loc;
  if (!binding.heads.empty()) {
    Value head =
        tile::ItemOp::create(b, loc, b.getIndexType(), tile::Field::head);
    if (failed(delinearize(em, {head, {}}, binding.heads))) {
      return failure();
    }
  }
  setAxes(em);
  return success();
}

/// Coordinates of rows; with `ofManySegments` those of the segments' ranks too.
FailureOr<Value> FoldLowering::setRows(TileEmitter &em, Value first,
                                       bool ofManySegments, bool again) {
  OpBuilder &b = em.b;
  int64_t size = em.sizes.lookup(kRowAxis);
  auto op = tile::RowsOp::create(b, em.t.loc, first, size, again);
  if (binding.row >= 0) {
    em.coords[binding.row] = {op.getCoord(), {kRowAxis}};
  }
  TileValue minor{op.getMinor(), {kRowAxis}};
  for (size_t i = binding.subs.size(); i-- > 0;) {
    int64_t r = binding.subs[i];
    if (i == 0) {
      em.coords[r] = minor;
      break;
    }
    int64_t extent = program.getStaticExtent(cascade, r);
    em.coords[r] = em.t.mod(minor, extent);
    minor = em.t.floordiv(minor, extent);
  }
  if (ofManySegments && !binding.segments.empty() &&
      failed(delinearize(em, {op.getSym(), {kRowAxis}}, binding.segments))) {
    return failure();
  }
  return op.getCount();
}

/// The two sides of the segments' ranks in a kernel of items: the segment's own
/// and, where items do not hold rows of several segments, those of all rows.
/// `firstRow` gets all coordinates with those of the first row.
LogicalResult FoldLowering::setSides(TileEmitter &em,
                                     SmallVector<TileValue> &firstRow) {
  firstRow = em.coords;
  if (binding.segments.empty()) {
    return success();
  }
  auto take = [&](tile::Field field, SmallVector<TileValue> &into) {
    SmallVector<TileValue> saved = em.coords;
    Value linear =
        tile::ItemOp::create(em.b, em.t.loc, em.b.getIndexType(), field);
    LogicalResult done = delinearize(em, {linear, {}}, binding.segments);
    into = em.coords;
    em.coords = saved;
    return done;
  };
  SmallVector<TileValue> segment;
  if (failed(take(tile::Field::param, segment)) ||
      failed(take(tile::Field::sym_first, firstRow))) {
    return failure();
  }
  for (int64_t r : binding.segments) {
    em.segmentCoords.push_back({r, segment[r]});
  }
  if (!binding.shares) {
    em.coords = firstRow;
  }
  return success();
}

/// What masks look up and does not move with the fold: once per item.
LogicalResult FoldLowering::loadSymbols(TileEmitter &em) {
  WalkResult done = fold.getStep().walk([&](EinsumOp e) {
    for (const PresenceTerm &term : presence.getPoints(e)) {
      for (auto [symbol, map] : llvm::zip(term.symbols, term.symbolMaps)) {
        bool moves = llvm::any_of(em.foldRanks.set_bits(), [&](unsigned r) {
          return map.isFunctionOfDim(r);
        });
        if (!term.sets.empty() && !moves &&
            failed(em.load(symbol, map, Side::rows))) {
          return WalkResult::interrupt();
        }
      }
    }
    return WalkResult::advance();
  });
  return failure(done.wasInterrupted());
}

FailureOr<SmallVector<Value>> FoldLowering::units(TileEmitter &em) {
  SmallVector<Value> values;
  for (auto [i, init] : llvm::enumerate(fold.getInit())) {
    SmallVector<int64_t, 3> axes = stateAxes(i);
    if (auto constant = init.getDefiningOp<arith::ConstantOp>()) {
      values.push_back(
          em.t.constant(cast<TypedAttr>(constant.getValue()), axes).value);
      continue;
    }
    FailureOr<Value> scalar = program.getScalar(em.kernel, init);
    if (failed(scalar)) {
      return failure();
    }
    values.push_back(em.t.spread({*scalar, {}}, axes).value);
  }
  return values;
}

LogicalResult FoldLowering::emitEpilogue(TileEmitter &em, Value count) {
  for (EinsumOp e : epilogue) {
    FailureOr<TileValue> v = em.einsum(e, presence.getPoints(e));
    if (failed(v)) {
      return failure();
    }
    em.env[e.getResult()] = *v;
  }
  for (const Output &output : outputs) {
    if (failed(storeOutput(em, output, em.env.lookup(output.value),
                           presence.getResult(output.value), count))) {
      return failure();
    }
  }
  return success();
}

LogicalResult FoldLowering::emitStep(TileEmitter &em, Block &block) {
  for (Operation &op : fold.getStep().front().without_terminator()) {
    auto e = dyn_cast<EinsumOp>(op);
    if (!e) {
      return op.emitOpError("cannot stand in the step of a fold");
    }
    FailureOr<TileValue> v = em.einsum(e, presence.getPoints(e));
    if (failed(v)) {
      return failure();
    }
    em.env[e.getResult()] = *v;
  }
  SmallVector<Value> next;
  auto yield = cast<attn::YieldOp>(fold.getStep().front().getTerminator());
  for (auto [i, value] : llvm::enumerate(yield.getValues())) {
    TileValue v = em.env.lookup(value);
    // An absent point of the yield leaves the state as it was. Only what names
    // the fold can do that here; absent rows are dropped at the end.
    SmallVector<PresenceTerm, 0> terms;
    for (const PresenceTerm &t : presence.getResult(value)) {
      if (t.names(binding.fold)) {
        terms.push_back(t);
      }
    }
    FailureOr<TileValue> mask = em.mask(terms);
    if (failed(mask)) {
      return failure();
    }
    if (*mask) {
      Value old = fold.getStep().front().getArgument(i);
      v = em.t.select(*mask, v, em.env.lookup(old));
    }
    next.push_back(em.t.spread(v, stateAxes(i)).value);
  }
  tile::YieldOp::create(em.b, em.t.loc, next);
  return success();
}

LogicalResult FoldLowering::emitItems(OpBuilder &b, Kernel &kernel,
                                      FoldMask &mask) {
  Location loc = fold.getLoc();
  TileEmitter em(program, kernel, cascade, b);
  em.sizes[kRowAxis] = rows;
  auto field = [&](tile::Field f) -> Value {
    return tile::ItemOp::create(b, loc, b.getIndexType(), f);
  };
  if (failed(setItem(em))) {
    return failure();
  }
  Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
  FailureOr<Value> rowsHere = setRows(em, zero, binding.shares);
  SmallVector<TileValue> firstRow;
  if (failed(rowsHere) || failed(setSides(em, firstRow))) {
    return failure();
  }
  Value count = *rowsHere;
  llvm::SmallBitVector none(cascade.getNumRanks());
  em.rowRanks = em.foldRanks = none;
  if (binding.row >= 0) {
    em.rowRanks.set(binding.row);
  }
  for (int64_t r : binding.subs) {
    em.rowRanks.set(r);
  }
  em.foldRanks.set(binding.fold);
  for (int64_t r : binding.group) {
    em.foldRanks.set(r);
  }
  Value rowFirst = zero, rowCount = one;
  if (binding.row >= 0) {
    rowFirst = field(tile::Field::row_first);
    Value last = field(tile::Field::row_last);
    rowCount = arith::AddIOp::create(
        b, loc, arith::SubIOp::create(b, loc, last, rowFirst), one);
  }
  // Classes are those of one segment's rows: the first row's.
  auto ofFirstRow = [&](TileEmitter::Loads &loads,
                        function_ref<LogicalResult()> body) {
    std::swap(em.coords, firstRow);
    std::swap(em.loads, loads);
    LogicalResult done = body();
    std::swap(em.coords, firstRow);
    std::swap(em.loads, loads);
    return done;
  };
  TileEmitter::Loads classLoads;
  if (failed(ofFirstRow(
          classLoads, [&] { return mask.prepare(em, rowFirst, rowCount); }))) {
    return failure();
  }
  Value runFlag = constantIndex(b, loc, ATTNRT_ITEM_RUN);
  Value isRun = arith::CmpIOp::create(
      b, loc, arith::CmpIPredicate::ne,
      arith::AndIOp::create(b, loc, field(tile::Field::flags), runFlag), zero);
  if (!binding.shares) {
    em.loads = classLoads;
  }
  if (failed(loadSymbols(em))) {
    return failure();
  }
  // What does not move with the fold is loaded once.
  WalkResult hoist = fold.getStep().walk([&](EinsumOp e) {
    for (auto [i, input] : llvm::enumerate(e.getInputs())) {
      if (fold.getStep().isAncestor(input.getParentRegion()) ||
          e.getInputMap(i).isFunctionOfDim(binding.fold)) {
        continue;
      }
      if (failed(em.load(input, e.getInputMap(i)))) {
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (hoist.wasInterrupted()) {
    return failure();
  }
  // Tiles of the item that hold a point.
  Value kvBegin = arith::AddIOp::create(b, loc, field(tile::Field::kv_begin),
                                        field(tile::Field::coord0));
  Value kvEnd =
      arith::AddIOp::create(b, loc, kvBegin, field(tile::Field::kv_count));
  Value tile = constantIndex(b, loc, binding.tile);
  Value begin = kvBegin, end = kvEnd;
  if (binding.tile != 1) {
    begin = arith::DivUIOp::create(b, loc, kvBegin, tile);
    end = arith::CeilDivUIOp::create(b, loc, kvEnd, tile);
  }
  SmallVector<Value> begins, ends;
  mask.intervals(b, loc, begin, end, begins, ends);
  mask.widen(b, loc, isRun, begin, end, begins, ends);
  mask.cuts(b, loc, begin, end, isRun);
  FailureOr<SmallVector<Value>> init = units(em);
  if (failed(init)) {
    return failure();
  }
  auto loop = tile::FoldOp::create(b, loc, ValueRange(*init).getTypes(), begins,
                                   ends, *init, resumes);
  TileEmitter::Loads saved = em.loads;
  {
    OpBuilder::InsertionGuard guard(b);
    Block *block =
        b.createBlock(&loop.getClass_(), {}, {b.getIndexType()}, {loc});
    Value k = block->getArgument(0), visit, partial;
    if (failed(ofFirstRow(classLoads, [&]() -> LogicalResult {
          auto cls = mask.classify(em, k, rowFirst, rowCount);
          if (failed(cls)) {
            return failure();
          }
          std::tie(visit, partial) = *cls;
          return success();
        }))) {
      return failure();
    }
    classLoads.clear();
    // Of rows of several segments all tiles are visited.
    if (!matchPattern(visit, m_One())) {
      Value isMixed = arith::XOrIOp::create(
          b, loc, isRun, arith::ConstantIntOp::create(b, loc, 1, 1));
      visit = arith::OrIOp::create(b, loc, visit, isMixed);
    }
    tile::YieldOp::create(b, loc, ValueRange{visit, partial});
    em.loads = saved;

    SmallVector<Type> types{b.getIndexType(), b.getI1Type()};
    llvm::append_range(types, loop.getResultTypes());
    block = b.createBlock(&loop.getStep(), {}, types,
                          SmallVector<Location>(types.size(), loc));
    em.coords[binding.fold] = {block->getArgument(0), {}};
    em.partial = block->getArgument(1);
    em.outside = OpBuilder::InsertPoint(loop->getBlock(), loop->getIterator());
    for (unsigned i = 0; i < fold.getNumStates(); ++i) {
      em.env[fold.getStep().front().getArgument(i)] = {
          block->getArgument(i + 2), stateAxes(i)};
    }
    if (failed(emitStep(em, *block))) {
      return failure();
    }
    em.loads = saved;
    em.coords[binding.fold] = {};
    em.partial = {};
    em.outside = {};
  }
  // Rows are looked up again for the epilogue: nothing of it has to be kept
  // while the fold runs.
  SmallVector<TileEmitter::Loads::key_type> ofRows;
  for (auto &[key, value] : em.loads) {
    if (!value.isScalar()) {
      ofRows.push_back(key);
    }
  }
  for (const auto &key : ofRows) {
    em.loads.erase(key);
  }
  SmallVector<Value> memory;
  for (unsigned i = 0; i < fold.getNumStates(); ++i) {
    em.env[fold.getResult(i)] = {loop.getResult(i), stateAxes(i)};
    memory.push_back(program.getBuffer(kernel, states[i]));
  }
  auto finish = tile::FinishOp::create(b, loc, field(tile::Field::slot), count,
                                       loop.getResults(), memory, resumes);
  b.createBlock(&finish.getEpilogue());
  if (failed(setRows(em, zero, binding.shares, /*again=*/true))) {
    return failure();
  }
  return emitEpilogue(em, count);
}

LogicalResult FoldLowering::emit(const Twine &suffixTwine) {
  std::string suffix = suffixTwine.str();
  MLIRContext *ctx = cascade.getContext();
  for (unsigned i = 0; i < fold.getNumStates(); ++i) {
    SmallVector<int64_t> sizes{ShapedType::kDynamic}, shape;
    for (int64_t axis : ArrayRef(stateAxes(i)).drop_front()) {
      sizes.push_back(program.getStaticExtent(cascade, axis));
      shape.push_back(program.constantExtent(sizes.back()));
    }
    Type element =
        cast<RankedTensorType>(fold.getResult(i).getType()).getElementType();
    states.push_back(program.addBuffer(
        tile::BufferKind::state, i,
        getMemoryType(RankedTensorType::get(sizes, element)), shape));
  }
  // What the classes are made from: the points of the reductions over the tile,
  // or, where the fold takes single points, of what its step yields.
  std::vector<Presence> presences;
  auto covers = [](const Presence &p, const Presence &q) {
    return llvm::all_of(q, [&](const PresenceTerm &t) {
      return llvm::any_of(p,
                          [&](const PresenceTerm &s) { return implies(s, t); });
    });
  };
  auto add = [&](Presence p) {
    if (llvm::none_of(presences, [&](const Presence &q) {
          return covers(p, q) && covers(q, p);
        })) {
      presences.push_back(std::move(p));
    }
  };
  for (EinsumOp e : fold.getStep().getOps<EinsumOp>()) {
    if (llvm::any_of(binding.group,
                     [&](int64_t r) { return e.getReducedRanks().test(r); })) {
      add(presence.getPoints(e));
    }
  }
  if (presences.empty()) {
    auto yield = cast<attn::YieldOp>(fold.getStep().front().getTerminator());
    for (Value v : yield.getValues()) {
      if (auto e = v.getDefiningOp<EinsumOp>()) {
        add(presence.getPoints(e));
      }
    }
  }
  if (presences.empty()) {
    presences.push_back({});
  }
  std::vector<Presence> points;
  for (EinsumOp e : fold.getStep().getOps<EinsumOp>()) {
    points.push_back(presence.getPoints(e));
  }
  findSharing(binding, points);
  FailureOr<FoldMask> mask =
      FoldMask::create(program, cascade, binding, presences);
  if (failed(mask)) {
    return failure();
  }

  Program::Launch launch;
  OpBuilder b(ctx);
  launch.kernel = &program.createKernel(b, tile::KernelKind::items, suffix,
                                        rows, binding.tile);
  if (failed(emitItems(b, *launch.kernel, *mask))) {
    return failure();
  }
  launch.merge = &program.createKernel(b, tile::KernelKind::merge,
                                       suffix + ".merge", mergeRows, 0);
  std::string combine =
      (program.getFunc().getName() + suffix + ".combine").str();
  if (failed(emitMerge(b, *launch.merge, combine))) {
    return failure();
  }
  Type ints = MemRefType::get({ShapedType::kDynamic}, b.getI32Type());
  launch.range =
      &program.createKernel(b, tile::KernelKind::host, suffix + ".range", 0, 0,
                            {ints, ints, ints, ints, b.getIndexType()});
  if (failed(emitRange(b, *launch.range, *mask))) {
    return failure();
  }
  if (countTiles) {
    Type longs = MemRefType::get({ShapedType::kDynamic}, b.getI64Type());
    launch.classes =
        &program.createKernel(b, tile::KernelKind::host, suffix + ".classes", 0,
                              0, {ints, longs, b.getIndexType()});
    if (failed(emitClasses(b, *launch.classes, *mask))) {
      return failure();
    }
  }
  auto extents = [&](ArrayRef<int64_t> ranks, SmallVector<int64_t> &out) {
    for (int64_t r : ranks) {
      FailureOr<int64_t> e = program.getRankExtent(cascade, r);
      if (failed(e)) {
        return failure();
      }
      out.push_back(*e);
    }
    return success();
  };
  if (failed(extents(binding.segments, launch.segments)) ||
      failed(extents(binding.heads, launch.heads)) ||
      failed(extents(binding.subs, launch.subs))) {
    return failure();
  }
  if (binding.row >= 0) {
    FailureOr<int64_t> e = program.getRankExtent(cascade, binding.row);
    if (failed(e)) {
      return failure();
    }
    launch.row = *e;
  }
  FailureOr<int64_t> e = program.getRankExtent(cascade, binding.fold);
  if (failed(e)) {
    return failure();
  }
  launch.fold = *e;
  launch.states = states;
  launch.ordered = fold.getOrdered();
  launch.shares = binding.shares;
  launch.keys = findKeyViews(fold, binding);
  launch.resumes = resumes;
  program.addLaunch(std::move(launch));
  return success();
}
