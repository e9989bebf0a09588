//===- FoldBuilder.cpp - Step and merge of a fold, derived from laws ------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn;
using einsum::Expr;
using einsum::ExprKind;
using einsum::LawKind;
using einsum::LeafId;

static StringRef getJoinName(einsum::Monoid monoid) {
  switch (monoid) {
  case einsum::Monoid::Add:
    return "arith.addf";
  case einsum::Monoid::Mul:
    return "arith.mulf";
  case einsum::Monoid::Max:
    return "arith.maximumf";
  case einsum::Monoid::Min:
    return "arith.minimumf";
  }
  llvm_unreachable("all monoids join");
}

//===----------------------------------------------------------------------===//
// Corrections
//===----------------------------------------------------------------------===//

Value FoldBuilder::getVersion(Value value, Env &env, OpBuilder &b) {
  if (auto it = env.find(value); it != env.end()) {
    return it->second;
  }
  if (!info.depends(value)) {
    return value;
  }
  // Computed of references only (the analysis admits nothing else here).
  Operation *def = value.getDefiningOp();
  IRMapping mapping;
  for (Value x : def->getOperands()) {
    mapping.map(x, getVersion(x, env, b));
  }
  return env[value] = b.clone(*def, mapping)->getResult(0);
}

Value FoldBuilder::emitLeaf(LeafId leaf, OpBuilder &b, Location loc,
                            llvm::function_ref<Value(const Term &)> read) {
  const Term &term = info.getTerm(leaf);
  if (term.value) {
    return term.map ? read(term) : term.value;
  }
  SmallVector<Value> operands;
  for (LeafId operand : term.operands) {
    operands.push_back(emitLeaf(operand, b, loc, read));
  }
  if (term.op) {
    IRMapping mapping;
    for (auto [x, y] : llvm::zip(term.op->getOperands(), operands)) {
      mapping.map(x, y);
    }
    return b.clone(*term.op, mapping)->getResult(0);
  }
  if (operands.size() == 1) {
    return arith::ExtFOp::create(b, loc, term.type, operands[0]);
  }
  return arith::MulFOp::create(b, loc, operands[0], operands[1]);
}

Value FoldBuilder::emit(Expr x, Type type, OpBuilder &b, Location loc,
                        llvm::function_ref<Value(const Term &, bool)> read) {
  const einsum::ExprPool::Node &node = info.getPool().getNode(x);
  if (node.kind == ExprKind::Leaf) {
    bool isNew = node.version == einsum::Version::New;
    Value v = emitLeaf(node.leaf, b, loc,
                       [&](const Term &term) { return read(term, isNew); });
    unsigned have = v.getType().getIntOrFloatBitWidth();
    unsigned want = type.getIntOrFloatBitWidth();
    if (have < want) {
      return arith::ExtFOp::create(b, loc, type, v);
    }
    return have > want ? arith::TruncFOp::create(b, loc, type, v).getResult()
                       : v;
  }
  SmallVector<Value> operands{emit(node.lhs, type, b, loc, read)};
  if (node.rhs) {
    operands.push_back(emit(node.rhs, type, b, loc, read));
  }
  switch (node.kind) {
  case ExprKind::Neg:
    return createScalar(b, loc, "arith.negf", operands);
  case ExprKind::Add:
    return createScalar(b, loc, "arith.addf", operands);
  case ExprKind::Sub:
    return createScalar(b, loc, "arith.subf", operands);
  case ExprKind::Mul:
    return createScalar(b, loc, "arith.mulf", operands);
  case ExprKind::Div:
    return createScalar(b, loc, "arith.divf", operands);
  case ExprKind::Recip: {
    Value one = createFloat(b, loc, type, 1.0);
    return createScalar(b, loc, "arith.divf", {one, operands[0]});
  }
  case ExprKind::Exp:
    return createScalar(b, loc, "math.exp", operands);
  case ExprKind::Exp2:
    return createScalar(b, loc, "math.exp2", operands);
  case ExprKind::Leaf:
    break;
  }
  llvm_unreachable("all kinds are emitted");
}

const FoldBuilder::Correction &FoldBuilder::getCorrection(OpBuilder &b,
                                                          const Reduction &z,
                                                          Env &from, Env &to) {
  Expr f = z.law.f;
  for (auto &c : corrections) {
    if (c->f == f && c->type == getType(z) && c->from == &from &&
        c->to == &to) {
      return *c;
    }
  }
  Location loc = EinsumOp(z.op).getLoc();
  EinsumSpec spec(loc);
  // On the ranks of the references and no others: inside the update of a wide
  // state the correction would be computed once per element.
  EinsumOp op = z.op;
  einsum::RankSet ranks(cascade.getNumRanks());
  for (LeafId leaf : info.getPool().getLeaves(f)) {
    ranks |= info.getLeafRanks(leaf);
    SmallVector<Term> reads;
    info.getReads(leaf, reads);
    for (const Term &term : reads) {
      spec.addInput(getVersion(term.value, from, b), term.map);
      spec.addInput(getVersion(term.value, to, b), term.map);
    }
  }
  SmallVector<AffineExpr> results;
  SmallVector<int64_t> shape;
  auto wide = cast<RankedTensorType>(op.getResult().getType());
  for (auto [i, x] : llvm::enumerate(op.getResultMap().getResults())) {
    if (ranks.test(cast<AffineDimExpr>(x).getPosition())) {
      results.push_back(x);
      shape.push_back(wide.getDimSize(i));
    }
  }
  spec.resultMap =
      AffineMap::get(cascade.getNumRanks(), 0, results, b.getContext());
  spec.type = RankedTensorType::get(shape, getType(z));
  EinsumOp e = spec.create(b);
  Block &body = addBody(e);
  OpBuilder inside = OpBuilder::atBlockEnd(&body);
  yieldFrom(e, emit(f, getType(z), inside, loc,
                    [&](const Term &term, bool isNew) -> Value {
                      Value v = getVersion(term.value, isNew ? to : from, b);
                      return body.getArgument(spec.addInput(v, term.map));
                    }));
  corrections.push_back(std::make_unique<Correction>(
      Correction{f, getType(z), &from, &to, e.getResult(), spec.resultMap}));
  return *corrections.back();
}

void FoldBuilder::collectPrimitives(Value value,
                                    SmallVectorImpl<unsigned> &out) {
  if (auto it = number.find(value); it != number.end()) {
    if (!llvm::is_contained(out, it->second)) {
      out.push_back(it->second);
    }
    return;
  }
  if (info.depends(value)) {
    for (Value x : value.getDefiningOp()->getOperands()) {
      collectPrimitives(x, out);
    }
  }
}

SmallVector<unsigned> FoldBuilder::getPrimitives(const Reduction &z) {
  SmallVector<unsigned> out;
  for (LeafId leaf : info.getPool().getLeaves(z.law.f)) {
    SmallVector<Term> reads;
    info.getReads(leaf, reads);
    for (const Term &term : reads) {
      collectPrimitives(term.value, out);
    }
  }
  return out;
}

//===----------------------------------------------------------------------===//
// Joining states
//===----------------------------------------------------------------------===//

/// Whether z_j at its unit means that there was no point.
static bool tellsEmpty(const Reduction &z) {
  switch (z.monoid) {
  case einsum::Monoid::Max:
  case einsum::Monoid::Min:
    return true;
  case einsum::Monoid::Add:
    return z.law.sign == einsum::Sign::Positive;
  case einsum::Monoid::Mul:
    return false;
  }
  llvm_unreachable("all monoids are known");
}

Value FoldBuilder::emitMoved(OpBuilder &b, Location loc, const Reduction &z,
                             Value t, Value f, ArrayRef<Value> old,
                             ArrayRef<Value> now) {
  bool scales = z.law.kind == LawKind::Mult;
  Value moved =
      createScalar(b, loc, scales ? "arith.mulf" : "arith.addf", {t, f});
  SmallVector<unsigned> primitives = getPrimitives(z);
  auto compare = [&](Value x, Value y) -> Value {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
  };
  Value same, empty;
  for (auto [k, j] : llvm::enumerate(primitives)) {
    Value s = compare(old[k], now[k]);
    same = same ? arith::AndIOp::create(b, loc, same, s).getResult() : s;
    if (tellsEmpty(info.getReductions()[j])) {
      Value e = compare(old[k], units[j]);
      empty = empty ? arith::OrIOp::create(b, loc, empty, e).getResult() : e;
    }
  }
  if (empty) {
    moved = arith::SelectOp::create(b, loc, empty, units[getNumber(z)], moved);
  }
  return same ? arith::SelectOp::create(b, loc, same, t, moved).getResult()
              : moved;
}

Value FoldBuilder::join(OpBuilder &b, const Reduction &z, ArrayRef<Part> parts,
                        Env &to) {
  EinsumOp op = z.op;
  Location loc = op.getLoc();
  EinsumSpec spec(loc);
  spec.type = cast<RankedTensorType>(op.getResult().getType());
  spec.resultMap = op.getResultMap();
  struct Inputs {
    unsigned value, factor;
    SmallVector<unsigned> old, now;
  };
  SmallVector<Inputs> inputs;
  for (const Part &part : parts) {
    inputs.push_back({spec.addInput(part.value, spec.resultMap), 0, {}, {}});
  }
  bool moves = z.law.kind == LawKind::Mult || z.law.kind == LawKind::Add;
  auto isMoved = [&](unsigned i) { return moves && parts[i].from; };
  for (unsigned i = 0; i < parts.size(); ++i) {
    if (isMoved(i)) {
      const Correction &c = getCorrection(b, z, *parts[i].from, to);
      inputs[i].factor = spec.addInput(c.value, c.map);
    }
  }
  if (moves) {
    for (unsigned j : getPrimitives(z)) {
      EinsumOp primitive = info.getReductions()[j].op;
      AffineMap map = primitive.getResultMap();
      for (unsigned i = 0; i < parts.size(); ++i) {
        if (isMoved(i)) {
          inputs[i].old.push_back(
              spec.addInput(parts[i].from->lookup(primitive.getResult()), map));
        }
      }
      for (unsigned i = 0; i < parts.size(); ++i) {
        if (isMoved(i)) {
          inputs[i].now.push_back(
              spec.addInput(to.lookup(primitive.getResult()), map));
        }
      }
    }
  }
  EinsumOp e = spec.create(b);
  Block &body = addBody(e);
  OpBuilder inside = OpBuilder::atBlockEnd(&body);
  Value result;
  auto args = [&](ArrayRef<unsigned> numbers) {
    return llvm::map_to_vector(
        numbers, [&](unsigned i) -> Value { return body.getArgument(i); });
  };
  for (unsigned i = 0; i < parts.size(); ++i) {
    Value t = body.getArgument(inputs[i].value);
    if (isMoved(i)) {
      t = emitMoved(inside, loc, z, t, body.getArgument(inputs[i].factor),
                    args(inputs[i].old), args(inputs[i].now));
    }
    result = result
                 ? createScalar(inside, loc, getJoinName(z.monoid), {result, t})
                 : t;
  }
  yieldFrom(e, result);
  return e.getResult();
}

//===----------------------------------------------------------------------===//
// Step and merge
//===----------------------------------------------------------------------===//

EinsumOp FoldBuilder::cloneIntoStep(EinsumOp op, OpBuilder &b, Env &tile,
                                    Env &now) {
  // The fold rank is bound in the step: tensors made here lose it, tensors from
  // outside are read at its coordinate.
  AffineExpr bound = b.getAffineDimExpr(rank);
  auto drop = [&](AffineMap map) {
    SmallVector<AffineExpr> results;
    for (AffineExpr x : map.getResults()) {
      if (x != bound) {
        results.push_back(x);
      }
    }
    return AffineMap::get(map.getNumDims(), 0, results, b.getContext());
  };
  EinsumSpec spec(op);
  auto convert = [&](Value &value, AffineMap &map) {
    if (Value inner = tile.lookup(value)) {
      value = inner;
      map = drop(map);
    } else {
      value = getVersion(value, now, b);
    }
  };
  for (auto [value, map] : llvm::zip(spec.inputs, spec.maps)) {
    // A finished reduction is read in the new version, never as a tile.
    if (number.count(value)) {
      value = getVersion(value, now, b);
    } else {
      convert(value, map);
    }
  }
  for (auto [value, map] : llvm::zip(spec.presence, spec.presenceMaps)) {
    convert(value, map);
  }
  SmallVector<int64_t> shape;
  for (auto [i, x] : llvm::enumerate(spec.resultMap.getResults())) {
    if (x != bound) {
      shape.push_back(spec.type.getDimSize(i));
    }
  }
  spec.type = RankedTensorType::get(shape, spec.type.getElementType());
  spec.resultMap = drop(spec.resultMap);
  SmallVector<ReduceAttr> actions;
  for (ReduceAttr action : spec.reduce) {
    SmallVector<int64_t> ranks(action.getRanks());
    llvm::erase(ranks, rank);
    if (!ranks.empty()) {
      actions.push_back(
          ReduceAttr::get(b.getContext(), action.getMonoid(), ranks));
    }
  }
  spec.reduce = std::move(actions);
  EinsumOp clone = spec.create(b);
  IRMapping mapping;
  op.getBody().cloneInto(&clone.getBody(), mapping);
  return clone;
}

void FoldBuilder::buildStep(Block &block) {
  OpBuilder b = OpBuilder::atBlockEnd(&block);
  // What the reductions need of the group.
  llvm::DenseSet<Operation *> needed;
  SmallVector<Operation *> work;
  for (const Reduction &z : info.getReductions()) {
    work.push_back(z.op);
  }
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!needed.insert(op).second) {
      continue;
    }
    for (Value x : op->getOperands()) {
      if (info.depends(x)) {
        work.push_back(x.getDefiningOp());
      }
    }
  }
  Env old, now, tile;
  for (const auto &[i, z] : llvm::enumerate(info.getReductions())) {
    old[getKey(z)] = block.getArgument(i);
  }
  SmallVector<Value> results;
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    if (!needed.contains(op) || !info.iterates(op)) {
      continue;
    }
    EinsumOp clone = cloneIntoStep(op, b, tile, now);
    auto it = number.find(op.getResult());
    if (it == number.end()) {
      tile[op.getResult()] = clone.getResult();
      continue;
    }
    const Reduction &z = info.getReductions()[it->second];
    Value joined = join(
        b, z, {{old[op.getResult()], &old}, {clone.getResult(), nullptr}}, now);
    now[op.getResult()] = joined;
    results.push_back(joined);
  }
  YieldOp::create(b, cascade.getLoc(), results);
}

void FoldBuilder::buildMerge(Block &block) {
  OpBuilder b = OpBuilder::atBlockEnd(&block);
  Env left, right, now;
  unsigned n = info.getReductions().size();
  for (const auto &[i, z] : llvm::enumerate(info.getReductions())) {
    left[getKey(z)] = block.getArgument(i);
    right[getKey(z)] = block.getArgument(n + i);
  }
  SmallVector<Value> results;
  for (const Reduction &z : info.getReductions()) {
    Value joined =
        join(b, z, {{left[getKey(z)], &left}, {right[getKey(z)], &right}}, now);
    now[getKey(z)] = joined;
    results.push_back(joined);
  }
  YieldOp::create(b, cascade.getLoc(), results);
}

void FoldBuilder::createUnits() {
  OpBuilder b(cascade);
  for (const auto &[i, z] : llvm::enumerate(info.getReductions())) {
    number[getKey(z)] = i;
    Value unit;
    for (unsigned k = 0; k < i; ++k) {
      if (info.getReductions()[k].monoid == z.monoid &&
          units[k].getType() == getType(z)) {
        unit = units[k];
      }
    }
    units.push_back(unit ? unit
                         : createFloat(b, cascade.getLoc(), getType(z),
                                       einsum::getUnit(z.monoid)));
  }
}

FoldOp FoldBuilder::build(Value extent) {
  createUnits();
  SmallVector<Type> types;
  SmallVector<AffineMap> maps;
  for (const Reduction &z : info.getReductions()) {
    EinsumOp op = z.op;
    types.push_back(op.getResult().getType());
    maps.push_back(op.getResultMap());
  }
  Location loc = cascade.getLoc();
  OpBuilder b(cascade.getBody().front().getTerminator());
  auto fold = FoldOp::create(b, loc, types, b.getI64IntegerAttr(rank), extent,
                             units, b.getAffineMapArrayAttr(maps), UnitAttr());
  Block &step = fold.getStep().emplaceBlock();
  Block &merge = fold.getMerge().emplaceBlock();
  SmallVector<Location> locs(types.size(), loc);
  step.addArguments(types, locs);
  merge.addArguments(types, locs);
  merge.addArguments(types, locs);
  buildStep(step);
  buildMerge(merge);
  for (const auto &[i, z] : llvm::enumerate(info.getReductions())) {
    Value result = fold.getResult(i);
    getKey(z).replaceUsesWithIf(result, [&](OpOperand &use) {
      return !fold->isAncestor(use.getOwner());
    });
  }
  return fold;
}
