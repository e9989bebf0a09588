//===- Fold.cpp - The loop over tiles -------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The intervals of a fold become one loop, whatever their number: its counter
// runs over the tiles of all, and which tile that is follows from how many each
// interval has. So a loop can be pipelined across the gap between a sink and a
// window.
//
// Blocks that products read in the loop come through rings. Their copies are
// started at the top of the body; what has to move ahead of its iteration is
// the business of a later pass.
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "attnrt/plan_format.h"

using namespace attn;

/// Whether the class region visits every tile.
static bool visitsAll(tile::FoldOp op) {
  auto yield = cast<tile::YieldOp>(op.getClass_().front().getTerminator());
  APInt value;
  return matchPattern(yield.getValues()[0], m_ConstantInt(&value)) &&
         value.isOne();
}

Value KernelConversion::hasFlag(int64_t flag) {
  Value flags = sm::FieldOp::create(b, b.getIndexType(), item, "flags");
  Value bit = arith::AndIOp::create(b, flags, index(flag));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, bit, index(0));
}

void KernelConversion::resume(MutableArrayRef<Value> init) {
  Block *work = item.getParentBlock();
  for (Value unit : init) {
    carriedStates.push_back(work->addArgument(unit.getType(), unit.getLoc()));
  }
  auto choice = scf::IfOp::create(b, TypeRange(ValueRange(carriedStates)),
                                  hasFlag(ATTNRT_ITEM_RESUME),
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(&choice.getThenRegion().front());
  scf::YieldOp::create(b, carriedStates);
  b.setInsertionPointToEnd(&choice.getElseRegion().front());
  scf::YieldOp::create(b, init);
  llvm::copy(choice.getResults(), init.begin());
}

void KernelConversion::fold(tile::FoldOp op) {
  if (!rings.empty()) {
    return fail(op,
                "expects one fold inside a kernel for an SM, but got one in "
                "another");
  }
  // How many tiles each interval adds, and where they begin.
  Value total = index(0), reached;
  // First tile and tiles before it. Numbers of tiles fit 32 bits, like the
  // coordinates that they are made of, and stand in registers all along.
  SmallVector<std::pair<Value, Value>> runs;
  auto narrow = [&](Value v) -> Value {
    return arith::IndexCastOp::create(b, b.getI32Type(), v);
  };
  for (auto [begin, end] : llvm::zip_equal(op.getBegins(), op.getEnds())) {
    Value from = scalar(begin), to = scalar(end);
    from =
        reached ? arith::MaxSIOp::create(b, from, reached).getResult() : from;
    reached = reached ? arith::MaxSIOp::create(b, reached, to).getResult() : to;
    Value count = arith::MaxSIOp::create(
        b, arith::SubIOp::create(b, to, from).getResult(), index(0));
    runs.push_back({narrow(from), narrow(total)});
    total = arith::AddIOp::create(b, total, count);
  }
  Block *step = &op.getStep().front();
  SmallVector<Value> init;
  SmallVector<Attribute> layouts;
  SmallVector<std::optional<PartsAnalysis>> parts;
  for (auto [i, value] : llvm::enumerate(op.getInit())) {
    auto type = dyn_cast<VectorType>(value.getType());
    if (!type || type.getRank() > 2) {
      return fail(op, "expects a state of vectors of one or two axes");
    }
    layouts.push_back(getWhole(type));
    parts.emplace_back();
    if (std::optional<sm::Kind> kind = findParts(op, unsigned(i))) {
      layouts.back() = getPartsLayout(type, *kind);
      parts.back().emplace(step->getArgument(2 + unsigned(i)), *kind);
    }
    init.push_back(fragment(value, layouts.back()));
  }
  if (failed) {
    return;
  }
  if (op.getResumes()) {
    resume(init);
  }
  unsigned numState = init.size();
  for (tile::LoadOp load : findColumnBlocks(op)) {
    sm::BufType buf = getBuffer(load);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&target.getBody().front());
    Value ring = sm::RingOp::create(
        b, sm::RingType::get(b.getContext(), tile.stages, {buf}));
    rings.push_back({load, ring, {}, {}, {}});
  }
  if (failed) {
    return;
  }
  for (Ring &ring : rings) {
    init.push_back(sm::CursorOp::create(b, ring.ring));
  }
  auto loop = scf::ForOp::create(b, index(0), total, index(1), init);
  Block *body = loop.getBody();
  if (!body->empty()) {
    body->getTerminator()->erase();
  }
  inScope(loop, step, body, [&] {
    Value counter = narrow(loop.getInductionVar()), number;
    for (auto [first, before] : runs) {
      Value here = arith::AddIOp::create(
          b, first, arith::SubIOp::create(b, counter, before).getResult());
      Value isBehind =
          arith::CmpIOp::create(b, arith::CmpIPredicate::sge, counter, before);
      number =
          number
              ? arith::SelectOp::create(b, isBehind, here, number).getResult()
              : here;
    }
    number = arith::IndexCastOp::create(b, b.getIndexType(), number);
    Scope &scope = scopes.back();
    scope.scalars[step->getArgument(0)] = number;
    // The class says of this tile whether it is partial, and counts for nothing
    // else: its values are of the body.
    Block *classBlock = &op.getClass_().front();
    auto yield = cast<tile::YieldOp>(classBlock->getTerminator());
    IRMapping map;
    map.map(classBlock->getArgument(0), number);
    for (Operation &inner : classBlock->without_terminator()) {
      if (!cloneScalarCode(&inner, map)) {
        return;
      }
    }
    auto ofClass = [&](unsigned i) {
      Value value = yield.getValues()[i];
      return value.getParentBlock() == classBlock ? map.lookup(value)
                                                  : scalar(value);
    };
    Value isPartial = ofClass(1);
    scopes.back().scalars[step->getArgument(1)] = isPartial;
    ValueRange carried = loop.getRegionIterArgs();
    for (unsigned i = 0; i < numState; ++i) {
      Value argument = step->getArgument(2 + i);
      scopes.back().fragments[{argument, layouts[i]}] = carried[i];
    }
    // Tiles without a point are left out: their copies are not made, and their
    // step is not taken. Their places go around all the same.
    Value isVisited = visitsAll(op) ? Value() : ofClass(0);
    // Addresses first: what rings look up in common is looked up once.
    for (Ring &ring : rings) {
      ring.rows = locateRows(ring.load, ring.getBuffer().getSlot());
    }
    for (auto [i, ring] : llvm::enumerate(rings)) {
      ring.cursor = carried[numState + i];
      fill(ring, isVisited);
    }
    SmallVector<Value> results;
    auto convertStep = [&] {
      auto end = cast<tile::YieldOp>(step->getTerminator());
      for (auto [i, value] : llvm::enumerate(end.getValues())) {
        openParts = parts[i] ? &*parts[i] : nullptr;
        results.push_back(fragment(value, layouts[i]));
        openParts = nullptr;
      }
    };
    if (failed) {
      return;
    }
    if (isVisited) {
      ValueRange states = carried.take_front(numState);
      auto visit = scf::IfOp::create(b, states.getTypes(), isVisited,
                                     /*addThenBlock=*/true,
                                     /*addElseBlock=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(&visit.getThenRegion().front());
      convertStep();
      if (failed) {
        return;
      }
      b.setInsertionPointToEnd(&visit.getThenRegion().front());
      scf::YieldOp::create(b, results);
      b.setInsertionPointToEnd(&visit.getElseRegion().front());
      scf::YieldOp::create(b, states);
      results.assign(visit.result_begin(), visit.result_end());
    } else {
      convertStep();
    }
    if (failed) {
      return;
    }
    b.setInsertionPointToEnd(body);
    for (Ring &ring : rings) {
      sm::ReleaseOp::create(b, ring.ring, ring.cursor);
      results.push_back(
          sm::AdvanceOp::create(b, ring.ring, ring.cursor).getResult());
    }
    scf::YieldOp::create(b, results);
  });
  rings.clear();
  if (failed) {
    return;
  }
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    scopes.back().fragments[{result, layouts[i]}] = loop.getResult(unsigned(i));
    if (op.getResumes()) {
      keptStates.push_back(loop.getResult(unsigned(i)));
    }
  }
}

void KernelConversion::fill(Ring &ring, Value isVisited) {
  auto fill = sm::FillOp::create(b, sm::TokenType::get(b.getContext()),
                                 ring.ring, ring.cursor, isVisited);
  sm::BufType buf = ring.getBuffer();
  Block *copies = new Block;
  fill.getBody().push_back(copies);
  Value slot = copies->addArgument(buf.getSlot(), ring.load.getLoc());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(copies);
  if (ring.rows) {
    copyRows(ring.load, *ring.rows, slot);
  }
  sm::YieldOp::create(b, ValueRange());
  ring.token = fill.getToken();
}

/// Merges walk their rows tile by tile.
void KernelConversion::loop(scf::ForOp op) {
  auto made =
      scf::ForOp::create(b, scalar(op.getLowerBound()),
                         scalar(op.getUpperBound()), scalar(op.getStep()));
  Block *body = made.getBody();
  if (!body->empty()) {
    body->getTerminator()->erase();
  }
  inScope(made, op.getBody(), body, [&] {
    scopes.back().scalars[op.getInductionVar()] = made.getInductionVar();
    convertBlock(*op.getBody());
    b.setInsertionPointToEnd(body);
    scf::YieldOp::create(b);
  });
}
