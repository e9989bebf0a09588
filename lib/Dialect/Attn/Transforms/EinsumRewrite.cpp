//===- EinsumRewrite.cpp - Taking einsums apart and together --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "EinsumRewrite.h"
#include "attn/Dialect/Attn/IR/NormalForm.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn;

//===----------------------------------------------------------------------===//
// EinsumSpec
//===----------------------------------------------------------------------===//

EinsumSpec::EinsumSpec(EinsumOp op)
    : loc(op.getLoc()), inputs(op.getInputs()), resultMap(op.getResultMap()),
      reduce(op.getReduceActions()), symbols(op.getSymbols()),
      where(op.getWhereSets()), presence(op.getPresence()),
      presenceArity(op.getPresenceArity()), selection(op.getSelection()),
      type(cast<RankedTensorType>(op.getResult().getType())) {
  for (unsigned i = 0; i < inputs.size(); ++i) {
    maps.push_back(op.getInputMap(i));
  }
  for (unsigned i = 0; i < symbols.size(); ++i) {
    symbolMaps.push_back(op.getSymbolMap(i));
    symbolNames.push_back(cast<StringAttr>(op.getSymbolNames()[i]));
  }
  for (unsigned i = 0; i < presence.size(); ++i) {
    presenceMaps.push_back(op.getPresenceMap(i));
  }
  if (selection) {
    selectedRank = *op.getSelectedRank();
    selectionMap = *op.getSelectionMap();
  }
}

unsigned EinsumSpec::addInput(Value value, AffineMap map) {
  for (unsigned i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == value && maps[i] == map) {
      return i;
    }
  }
  inputs.push_back(value);
  maps.push_back(map);
  return inputs.size() - 1;
}

unsigned EinsumSpec::addSymbol(Value value, AffineMap map, StringRef name,
                               CascadeOp cascade) {
  for (unsigned i = 0; i < symbols.size(); ++i) {
    if (symbols[i] == value && symbolMaps[i] == map) {
      return i;
    }
  }
  std::string free = name.str();
  auto isTaken = [&] {
    return cascade.findRank(free) >= 0 ||
           llvm::any_of(symbolNames,
                        [&](StringAttr s) { return s.getValue() == free; });
  };
  while (isTaken()) {
    free += "_";
  }
  symbols.push_back(value);
  symbolMaps.push_back(map);
  symbolNames.push_back(StringAttr::get(cascade.getContext(), free));
  for (IntegerSet &set : where) {
    set = IntegerSet::get(set.getNumDims(), symbols.size(),
                          set.getConstraints(), set.getEqFlags());
  }
  return symbols.size() - 1;
}

LogicalResult EinsumSpec::conjoin(const PresenceTerm &condition,
                                  CascadeOp cascade) {
  if (condition.selection) {
    if (selection || condition.selectedRank < 0) {
      return failure();
    }
    selection = condition.selection;
    selectedRank = condition.selectedRank;
    selectionMap = condition.selectionMap;
    return success();
  }
  if (condition.data) {
    presence.push_back(condition.data);
    presenceMaps.push_back(condition.dataMap);
    if (condition.data2) {
      presence.push_back(condition.data2);
      presenceMaps.push_back(condition.data2Map);
    }
    presenceArity.push_back(condition.data2 ? 2 : 1);
    return success();
  }
  SmallVector<AffineExpr> to;
  for (unsigned i = 0; i < condition.symbols.size(); ++i) {
    unsigned s = addSymbol(condition.symbols[i], condition.symbolMaps[i],
                           condition.symbolNames[i], cascade);
    to.push_back(getAffineSymbolExpr(s, cascade.getContext()));
  }
  auto meet = [&](IntegerSet *a, IntegerSet b) {
    SmallVector<AffineExpr> constraints;
    SmallVector<bool> equal;
    if (a) {
      llvm::append_range(constraints, a->getConstraints());
      llvm::append_range(equal, a->getEqFlags());
    }
    for (auto [x, eq] : llvm::zip(b.getConstraints(), b.getEqFlags())) {
      constraints.push_back(x.replaceSymbols(to));
      equal.push_back(eq);
    }
    return normalize(
        IntegerSet::get(b.getNumDims(), symbols.size(), constraints, equal));
  };
  // The conjunction of two unions is the union of all meets.
  SmallVector<IntegerSet> product;
  if (where.empty()) {
    for (IntegerSet b : condition.sets) {
      product.push_back(meet(nullptr, b));
    }
  }
  for (IntegerSet &a : where) {
    for (IntegerSet b : condition.sets) {
      product.push_back(meet(&a, b));
    }
  }
  where = std::move(product);
  return success();
}

EinsumOp EinsumSpec::create(OpBuilder &b) const {
  SmallVector<AffineMap> all(maps);
  all.push_back(resultMap);
  SmallVector<Attribute> actions(reduce.begin(), reduce.end());
  SmallVector<Attribute> names(symbolNames.begin(), symbolNames.end());
  SmallVector<Attribute> sets;
  for (IntegerSet set : where) {
    sets.push_back(IntegerSetAttr::get(set));
  }
  return EinsumOp::create(
      b, loc, type, inputs, symbols, presence, selection,
      b.getAffineMapArrayAttr(all), b.getArrayAttr(actions),
      b.getArrayAttr(names), b.getAffineMapArrayAttr(symbolMaps),
      sets.empty() ? ArrayAttr() : b.getArrayAttr(sets),
      b.getAffineMapArrayAttr(presenceMaps),
      b.getDenseI32ArrayAttr(presenceArity),
      selection ? b.getI64IntegerAttr(selectedRank) : IntegerAttr(),
      selection ? AffineMapAttr::get(selectionMap) : AffineMapAttr());
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

Block &attn::addBody(EinsumOp op) {
  Block &block = op.getBody().emplaceBlock();
  for (Value input : op.getInputs()) {
    block.addArgument(getElementTypeOrSelf(input.getType()), op.getLoc());
  }
  return block;
}

void attn::yieldFrom(EinsumOp op, Value value) {
  OpBuilder b = OpBuilder::atBlockEnd(&op.getBody().front());
  YieldOp::create(b, op.getLoc(), value);
}

Value attn::createScalar(OpBuilder &builder, Location loc, StringRef name,
                         ValueRange operands) {
  OperationState state(loc, name);
  state.addOperands(operands);
  state.addTypes(operands[0].getType());
  return builder.create(state)->getResult(0);
}

Value attn::createFloat(OpBuilder &builder, Location loc, Type type,
                        double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(type, value));
}

void attn::materialise(EinsumOp op) {
  if (op.hasRegion()) {
    return;
  }
  Type type = getElementTypeOrSelf(op.getResult().getType());
  Block &block = addBody(op);
  OpBuilder b = OpBuilder::atBlockEnd(&block);
  Value product;
  for (Value x : block.getArguments()) {
    if (x.getType() != type && isa<FloatType>(type)) {
      x = arith::ExtFOp::create(b, op.getLoc(), type, x);
    }
    product = product ? arith::MulFOp::create(b, op.getLoc(), product, x) : x;
  }
  YieldOp::create(b, op.getLoc(), product);
}

void attn::shorten(EinsumOp op) {
  if (!op.hasRegion() || op.getInputs().empty()) {
    return;
  }
  Block &block = op.getBody().front();
  Type type = getElementTypeOrSelf(op.getResult().getType());
  unsigned n = block.getNumArguments(), used = 1;
  if (n > 1 && !isa<FloatType>(type)) {
    return;
  }
  auto isInput = [&](Value v, unsigned i) {
    if (v.getType() != type) {
      return false;
    }
    if (auto ext = v.getDefiningOp<arith::ExtFOp>()) {
      ++used;
      v = ext.getIn();
    }
    return v == block.getArgument(i);
  };
  Value v = block.getTerminator()->getOperand(0);
  for (unsigned i = n; i-- > 1;) {
    auto mul = v.getDefiningOp<arith::MulFOp>();
    if (!mul || !isInput(mul.getRhs(), i)) {
      return;
    }
    ++used;
    v = mul.getLhs();
  }
  if (!isInput(v, 0) || used != block.getOperations().size()) {
    return;
  }
  block.dropAllReferences();
  block.erase();
}

void attn::materialiseAll(CascadeOp cascade) {
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    materialise(op);
  }
}

void attn::eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (!op.hasTrait<OpTrait::IsTerminator>() && op.use_empty() &&
        isMemoryEffectFree(&op)) {
      op.erase();
    }
  }
}

void attn::tidy(CascadeOp cascade) {
  Block &body = cascade.getBody().front();
  sortTopologically(&body);
  eraseDead(body);
  cascade.walk([](EinsumOp op) { shorten(op); });
}

Value attn::cloneSlice(Value value, Block *block, OpBuilder &builder,
                       llvm::DenseMap<Value, Value> &mapping) {
  if (auto it = mapping.find(value); it != mapping.end()) {
    return it->second;
  }
  Operation *def = value.getDefiningOp();
  if (!def || def->getBlock() != block) {
    return value;
  }
  IRMapping operands;
  def->walk([&](Operation *inner) {
    for (Value x : inner->getOperands()) {
      if (x.getParentBlock() == block) {
        operands.map(x, cloneSlice(x, block, builder, mapping));
      }
    }
  });
  Operation *clone = builder.clone(*def, operands);
  for (auto [from, to] : llvm::zip(def->getResults(), clone->getResults())) {
    mapping[from] = to;
  }
  return mapping[value];
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// Makes `spec` once more with the conditions that `was` had and `now` lacks.
static LogicalResult keepPresence(EinsumSpec &spec, EinsumOp was, EinsumOp now,
                                  bool &changed) {
  Presence have = pointPresence(now);
  for (const PresenceTerm &c : pointPresence(was)) {
    if (llvm::none_of(have,
                      [&](const PresenceTerm &h) { return implies(h, c); })) {
      changed = true;
      if (failed(spec.conjoin(c, was.getCascade()))) {
        return failure();
      }
    }
  }
  return success();
}

/// An einsum like `spec` in the place of `op`, present where `op` is, with the
/// region that `build` makes. Null if presence cannot be kept.
static EinsumOp
replaceEinsum(EinsumOp op, EinsumSpec spec,
              llvm::function_ref<Value(OpBuilder &, Block &)> build) {
  OpBuilder b(op);
  EinsumOp now = spec.create(b);
  bool changed = false;
  LogicalResult kept = keepPresence(spec, op, now, changed);
  if (failed(kept) || changed) {
    now.erase();
    if (failed(kept)) {
      return {};
    }
    now = spec.create(b);
  }
  Block &block = addBody(now);
  OpBuilder inside = OpBuilder::atBlockEnd(&block);
  yieldFrom(now, build(inside, block));
  op.getResult().replaceAllUsesWith(now.getResult());
  op.erase();
  return now;
}

EinsumOp attn::dropUnusedInputs(EinsumOp op) {
  Block &block = op.getBody().front();
  EinsumSpec spec(op);
  SmallVector<unsigned> kept;
  llvm::SmallBitVector ranks = getRanks(op.getResultMap());
  for (unsigned i = 0; i < spec.inputs.size(); ++i) {
    if (!block.getArgument(i).use_empty()) {
      ranks |= getRanks(spec.maps[i]);
    }
  }
  for (unsigned i = 0; i < spec.inputs.size(); ++i) {
    llvm::SmallBitVector alone = getRanks(spec.maps[i]);
    alone.reset(ranks);
    if (!block.getArgument(i).use_empty() || alone.any()) {
      kept.push_back(i);
      ranks |= getRanks(spec.maps[i]);
    }
  }
  if (kept.size() == spec.inputs.size()) {
    return op;
  }
  EinsumSpec old = spec;
  spec.inputs.clear();
  spec.maps.clear();
  for (unsigned i : kept) {
    spec.inputs.push_back(old.inputs[i]);
    spec.maps.push_back(old.maps[i]);
  }
  EinsumOp now =
      replaceEinsum(op, std::move(spec), [&](OpBuilder &b, Block &body) {
        llvm::DenseMap<Value, Value> mapping;
        for (auto [i, k] : llvm::enumerate(kept)) {
          mapping[block.getArgument(k)] = body.getArgument(i);
        }
        return cloneSlice(block.getTerminator()->getOperand(0), &block, b,
                          mapping);
      });
  return now ? now : op;
}

bool attn::isInlinable(EinsumOp op, unsigned i) {
  auto producer = op.getInputs()[i].getDefiningOp<EinsumOp>();
  return producer && producer->getBlock() == op->getBlock() &&
         producer.getReduceActions().empty() &&
         op.getInputMap(i) == producer.getResultMap();
}

EinsumOp attn::inlineProducer(EinsumOp op, unsigned k) {
  auto producer = op.getInputs()[k].getDefiningOp<EinsumOp>();
  EinsumSpec spec(op);
  EinsumSpec old = spec;
  spec.inputs.clear();
  spec.maps.clear();
  SmallVector<unsigned> ofOp(old.inputs.size()), ofProducer;
  for (unsigned i = 0; i < old.inputs.size(); ++i) {
    if (i != k) {
      ofOp[i] = spec.addInput(old.inputs[i], old.maps[i]);
      continue;
    }
    for (auto [j, input] : llvm::enumerate(producer.getInputs())) {
      ofProducer.push_back(spec.addInput(input, producer.getInputMap(j)));
    }
  }
  Block &outer = op.getBody().front(), &inner = producer.getBody().front();
  return replaceEinsum(op, std::move(spec), [&](OpBuilder &b, Block &body) {
    llvm::DenseMap<Value, Value> mapping;
    for (auto [j, at] : llvm::enumerate(ofProducer)) {
      mapping[inner.getArgument(j)] = body.getArgument(at);
    }
    Value made =
        cloneSlice(inner.getTerminator()->getOperand(0), &inner, b, mapping);
    mapping.clear();
    for (unsigned i = 0; i < ofOp.size(); ++i) {
      mapping[outer.getArgument(i)] =
          i == k ? made : Value(body.getArgument(ofOp[i]));
    }
    return cloneSlice(outer.getTerminator()->getOperand(0), &outer, b, mapping);
  });
}

bool attn::readsElsewhere(Value value, AffineMap read,
                          const einsum::RankSet &ranks) {
  auto producer = value.getDefiningOp<EinsumOp>();
  if (!producer) {
    return false;
  }
  auto names = [&](AffineMap map, unsigned axis) {
    return getRanks(map.getSubMap({axis})).anyCommon(ranks);
  };
  AffineMap made = producer.getResultMap();
  for (unsigned axis = 0; axis < made.getNumResults(); ++axis) {
    if ((names(made, axis) || names(read, axis)) &&
        made.getResult(axis) != read.getResult(axis)) {
      return true;
    }
  }
  return false;
}

void attn::collectFactors(Value value, Block *block, bool additive,
                          bool inverse, SmallVectorImpl<Factor> &factors) {
  Operation *def = value.getDefiningOp();
  if (def && def->getBlock() == block) {
    bool join = additive ? isa<arith::AddFOp>(def) : isa<arith::MulFOp>(def);
    bool divide = additive ? isa<arith::SubFOp>(def) : isa<arith::DivFOp>(def);
    if (join || divide) {
      collectFactors(def->getOperand(0), block, additive, inverse, factors);
      collectFactors(def->getOperand(1), block, additive, inverse != divide,
                     factors);
      return;
    }
    if (additive && isa<arith::NegFOp>(def)) {
      collectFactors(def->getOperand(0), block, additive, !inverse, factors);
      return;
    }
  }
  factors.push_back({value, inverse});
}
