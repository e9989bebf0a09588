//===- StageLowering.cpp - What is in no fold ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "StageLowering.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

static SmallVector<int64_t> ranksOf(AffineMap map) {
  SmallVector<int64_t> ranks;
  for (AffineExpr e : map.getResults()) {
    ranks.push_back(cast<AffineDimExpr>(e).getPosition());
  }
  return ranks;
}

namespace {
/// Keeps the loads of a region from being used behind it.
struct LoadScope {
  explicit LoadScope(TileEmitter &em) : em(em), saved(em.loads) {}
  ~LoadScope() { em.loads = std::move(saved); }
  TileEmitter &em;
  TileEmitter::Loads saved;
};
} // namespace

/// `then` where all terms hold at the current coordinates, else `otherwise`.
static FailureOr<Value> emitPresent(TileEmitter &em,
                                    ArrayRef<PresenceTerm> terms,
                                    Value otherwise,
                                    function_ref<FailureOr<Value>()> then) {
  // One test after the other: a later term may only be looked at where the
  // earlier ones hold (a table entry past the length is junk).
  if (terms.empty()) {
    return then();
  }
  LoadScope scope(em);
  FailureOr<TileValue> m = em.mask(terms.front());
  if (failed(m)) {
    return failure();
  }
  auto choice = scf::IfOp::create(em.b, em.t.loc, otherwise.getType(), m->value,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(em.b);
  em.b.setInsertionPointToEnd(&choice.getThenRegion().front());
  FailureOr<Value> v = emitPresent(em, terms.drop_front(), otherwise, then);
  if (failed(v)) {
    return failure();
  }
  scf::YieldOp::create(em.b, em.t.loc, *v);
  em.b.setInsertionPointToEnd(&choice.getElseRegion().front());
  scf::YieldOp::create(em.b, em.t.loc, otherwise);
  return choice.getResult(0);
}

/// Sets, then selections, then data: cheap and safe first.
static Presence inOrder(ArrayRef<PresenceTerm> terms) {
  Presence ordered(terms.begin(), terms.end());
  llvm::stable_sort(ordered, [](const PresenceTerm &x, const PresenceTerm &y) {
    return x.sets.empty() < y.sets.empty();
  });
  return ordered;
}

/// The value of `e` at the current coordinates of its result's ranks, reduced
/// by its first `n` actions.
static FailureOr<Value> emitReduced(TileEmitter &em, EinsumOp e, unsigned n,
                                    ArrayRef<PresenceTerm> terms) {
  OpBuilder &b = em.b;
  Location loc = em.t.loc;
  SmallVector<ReduceAttr> actions = e.getReduceActions();
  Type element = e.getResult().getType().getElementType();
  if (n == 0) {
    Value absent = arith::ConstantOp::create(
        b, loc,
        actions.empty() ? b.getZeroAttr(element)
                        : getUnit(actions[0].getMonoid(), element));
    return emitPresent(em, terms, absent, [&]() -> FailureOr<Value> {
      LoadScope scope(em);
      FailureOr<TileValue> v = em.mapPart(e);
      if (failed(v)) {
        return failure();
      }
      return v->value;
    });
  }
  ReduceAttr action = actions[n - 1];
  Value unit =
      arith::ConstantOp::create(b, loc, getUnit(action.getMonoid(), element));
  std::function<FailureOr<Value>(ArrayRef<int64_t>, Value)> loops =
      [&](ArrayRef<int64_t> ranks, Value acc) -> FailureOr<Value> {
    if (ranks.empty()) {
      FailureOr<Value> v = emitReduced(em, e, n - 1, terms);
      if (failed(v)) {
        return failure();
      }
      return em.t
          .op(getCombineOp(action.getMonoid(), element), {{acc, {}}, {*v, {}}})
          .value;
    }
    FailureOr<Value> extent =
        em.program.getRankExtentValue(b, em.kernel, em.cascade, ranks.front());
    if (failed(extent)) {
      return failure();
    }
    auto loop = scf::ForOp::create(b, loc, constantIndex(b, loc, 0), *extent,
                                   constantIndex(b, loc, 1), ValueRange{acc});
    OpBuilder::InsertionGuard guard(b);
    LoadScope scope(em);
    b.setInsertionPointToStart(loop.getBody());
    em.coords[ranks.front()] = {loop.getInductionVar(), {}};
    FailureOr<Value> v = loops(ranks.drop_front(), loop.getRegionIterArgs()[0]);
    if (failed(v)) {
      return failure();
    }
    scf::YieldOp::create(b, loc, *v);
    em.coords[ranks.front()] = {};
    return loop.getResult(0);
  };
  return loops(action.getRanks(), unit);
}

/// Opens a stage kernel over `ranks` and leaves the builder inside its loop.
static FailureOr<Kernel *> openStage(Program &program, CascadeOp cascade,
                                     ArrayRef<int64_t> ranks, OpBuilder &b,
                                     const Twine &suffix, scf::ForOp &loop) {
  Location loc = cascade.getLoc();
  Program::Launch launch;
  for (int64_t r : ranks) {
    FailureOr<int64_t> extent = program.getRankExtent(cascade, r);
    if (failed(extent)) {
      return failure();
    }
    launch.size.push_back(*extent);
  }
  Kernel &kernel =
      program.createKernel(b, tile::KernelKind::stage, suffix, 0, 0);
  launch.kernel = &kernel;
  Value begin =
      tile::ItemOp::create(b, loc, b.getIndexType(), tile::Field::row_begin);
  Value count =
      tile::ItemOp::create(b, loc, b.getIndexType(), tile::Field::row_count);
  Value end = arith::AddIOp::create(b, loc, begin, count);
  loop = scf::ForOp::create(b, loc, begin, end, constantIndex(b, loc, 1));
  b.setInsertionPointToStart(loop.getBody());
  program.addLaunch(std::move(launch));
  return &kernel;
}

LogicalResult attn::emitEinsumStage(Program &program, CascadeOp cascade,
                                    EinsumOp e, CascadePresence &presence,
                                    ArrayRef<Output> outputs,
                                    const Twine &suffix) {
  OpBuilder b(cascade.getContext());
  SmallVector<int64_t> ranks = ranksOf(e.getResultMap());
  scf::ForOp loop;
  FailureOr<Kernel *> kernel =
      openStage(program, cascade, ranks, b, suffix, loop);
  if (failed(kernel)) {
    return failure();
  }
  TileEmitter em(program, **kernel, cascade, b);
  if (failed(delinearize(em, {loop.getInductionVar(), {}}, ranks))) {
    return failure();
  }
  FailureOr<Value> v = emitReduced(em, e, e.getReduceActions().size(),
                                   inOrder(presence.getPoints(e)));
  if (failed(v)) {
    return failure();
  }
  for (const Output &output : outputs) {
    // Later stages test presence themselves; a zero keeps junk out of results.
    if (failed(storeOutput(em, output, {*v, {}},
                           presence.getResult(output.value), Value()))) {
      return failure();
    }
  }
  return success();
}

LogicalResult attn::emitSelectStage(Program &program, CascadeOp cascade,
                                    SelectOp s, CascadePresence &presence,
                                    int64_t buffer, int64_t numCoordinates,
                                    const Twine &suffix) {
  OpBuilder b(cascade.getContext());
  Location loc = s.getLoc();
  SmallVector<int64_t> ranks = ranksOf(s.getResultMap());
  scf::ForOp points;
  FailureOr<Kernel *> opened =
      openStage(program, cascade, ranks, b, suffix, points);
  if (failed(opened)) {
    return failure();
  }
  Kernel &kernel = **opened;
  TileEmitter em(program, kernel, cascade, b);
  if (failed(delinearize(em, {points.getInductionVar(), {}}, ranks))) {
    return failure();
  }
  Value table = program.getBuffer(kernel, buffer);
  SmallVector<Value> at;
  for (int64_t r : ranks) {
    at.push_back(em.coords[r].value);
  }
  auto entry = [&](Value c) {
    SmallVector<Value> index(at);
    index.push_back(c);
    return index;
  };
  Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
  Value n = program.getBuffer(kernel, numCoordinates);
  auto flag = [&](bool v) -> Value {
    return arith::ConstantIntOp::create(b, loc, v, 1);
  };
  using P = arith::CmpIPredicate;
  if (s.getRule() == SelectRule::listed) {
    if (!program.lookup(s.getInputs()[0])) {
      return s.emitOpError("expects a list that is an argument");
    }
    auto clear = scf::ForOp::create(b, loc, zero, n, one);
    b.setInsertionPointToStart(clear.getBody());
    memref::StoreOp::create(b, loc, flag(false), table,
                            entry(clear.getInductionVar()));
    b.setInsertionPointAfter(clear);
    FailureOr<TileValue> count = em.load(s.getInputs()[1], s.getInputMap(1));
    if (failed(count)) {
      return failure();
    }
    // The count is data of the call, as the list is: no more entries than there
    // are, and no more than the selection may hold.
    Value list = s.getInputs()[0];
    int64_t last = cast<ShapedType>(list.getType()).getRank() - 1;
    Value used = em.t.cast(*count, b.getIndexType()).value;
    for (Value most :
         {program.getDim(b, kernel, list, last),
          constantIndex(b, loc, s.getResult().getType().getMax())}) {
      used = arith::MinSIOp::create(b, loc, used, most);
    }
    auto each = scf::ForOp::create(b, loc, zero, used, one);
    b.setInsertionPointToStart(each.getBody());
    SmallVector<Value> index;
    for (AffineExpr e : s.getInputMap(0).getResults()) {
      index.push_back(em.t.affine(e, em.coords, {}).value);
    }
    index.push_back(each.getInductionVar());
    Value c =
        memref::LoadOp::create(b, loc, program.getMemory(kernel, list), index);
    c = arith::IndexCastOp::create(b, loc, b.getIndexType(), c);
    // One unsigned compare refuses negative coordinates too.
    Value in = arith::CmpIOp::create(b, loc, P::ult, c, n);
    auto guard = scf::IfOp::create(b, loc, in, /*withElseRegion=*/false);
    b.setInsertionPointToStart(&guard.getThenRegion().front());
    memref::StoreOp::create(b, loc, flag(true), table, entry(c));
    return success();
  }

  // A score at coordinate c: whether it is present, and its value.
  int64_t over = *s.getOver();
  Value score = s.getInputs()[0];
  Presence terms = inOrder(presence.getResult(score));
  Type element = cast<ShapedType>(score.getType()).getElementType();
  Value none = arith::ConstantOp::create(b, loc, getUnit(Monoid::max, element));
  auto at2 = [&](Value c) -> FailureOr<std::pair<Value, Value>> {
    TileValue saved = em.coords[over];
    em.coords[over] = {c, {}};
    LoadScope scope(em);
    FailureOr<Value> present =
        emitPresent(em, terms, flag(false),
                    [&]() -> FailureOr<Value> { return flag(true); });
    FailureOr<Value> v =
        emitPresent(em, terms, none, [&]() -> FailureOr<Value> {
          LoadScope inner(em);
          FailureOr<TileValue> x = em.load(score, s.getInputMap(0));
          if (failed(x)) {
            return failure();
          }
          return x->value;
        });
    em.coords[over] = saved;
    if (failed(present) || failed(v)) {
      return failure();
    }
    return std::make_pair(*present, *v);
  };
  auto each = scf::ForOp::create(b, loc, zero, n, one);
  b.setInsertionPointToStart(each.getBody());
  Value c = each.getInductionVar();
  auto mine = at2(c);
  if (failed(mine)) {
    return failure();
  }
  Value member;
  if (s.getRule() == SelectRule::threshold) {
    FailureOr<TileValue> tau = em.load(s.getInputs()[1], s.getInputMap(1));
    if (failed(tau)) {
      return failure();
    }
    member = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE,
                                   mine->second, tau->value);
  } else {
    // Rank of this score: how many present ones come before it (larger, or
    // equal at a smaller coordinate).
    auto count = scf::ForOp::create(b, loc, zero, n, one, ValueRange{zero});
    b.setInsertionPointToStart(count.getBody());
    Value other = count.getInductionVar();
    auto theirs = at2(other);
    if (failed(theirs)) {
      return failure();
    }
    Value larger = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT,
                                         theirs->second, mine->second);
    Value equal = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                        theirs->second, mine->second);
    Value earlier = arith::CmpIOp::create(b, loc, P::ult, other, c);
    Value before = arith::OrIOp::create(
        b, loc, larger, arith::AndIOp::create(b, loc, equal, earlier));
    before = arith::AndIOp::create(b, loc, before, theirs->first);
    Value more =
        arith::AddIOp::create(b, loc, count.getRegionIterArgs()[0], one);
    scf::YieldOp::create(b, loc,
                         arith::SelectOp::create(b, loc, before, more,
                                                 count.getRegionIterArgs()[0])
                             .getResult());
    b.setInsertionPointAfter(count);
    int64_t k = s.getResult().getType().getMax();
    member = arith::CmpIOp::create(b, loc, P::ult, count.getResult(0),
                                   constantIndex(b, loc, k));
  }
  member = arith::AndIOp::create(b, loc, member, mine->first);
  memref::StoreOp::create(b, loc, member, table, entry(c));
  return success();
}
