//===- CascadeInfo.cpp - Laws and passes of an attn.cascade ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"

#include "attn/Analysis/TileGrid.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace attn;
using einsum::Law;
using einsum::LawKind;
using einsum::LeafId;
using einsum::RankSet;
using einsum::ScalarOp;

//===----------------------------------------------------------------------===//
// Small questions
//===----------------------------------------------------------------------===//

RankSet attn::getRanks(AffineMap map) {
  RankSet ranks(map.getNumDims());
  map.walkExprs([&](AffineExpr expr) {
    if (auto rank = dyn_cast<AffineDimExpr>(expr)) {
      ranks.set(rank.getPosition());
    }
  });
  return ranks;
}

bool attn::isComputed(CascadeOp cascade, Value value) {
  Operation *owner = value.getDefiningOp();
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    owner = arg.getOwner()->getParentOp();
  }
  return owner && cascade->isProperAncestor(owner);
}

std::string attn::getValueName(Value value) {
  if (auto name = dyn_cast<NameLoc>(value.getLoc())) {
    return name.getName().str();
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  value.printAsOperand(os, OpPrintingFlags());
  return text;
}

einsum::Monoid attn::getMonoid(ReduceAttr action) {
  switch (action.getMonoid()) {
  case Monoid::add:
    return einsum::Monoid::Add;
  case Monoid::mul:
    return einsum::Monoid::Mul;
  case Monoid::max:
    return einsum::Monoid::Max;
  case Monoid::min:
    return einsum::Monoid::Min;
  }
  llvm_unreachable("all monoids are known");
}

RankSet attn::getRankGroup(CascadeOp cascade, int64_t rank) {
  RankSet group(cascade.getNumRanks());
  group.set(rank);
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    for (ReduceAttr action : op.getReduceActions()) {
      if (llvm::is_contained(action.getRanks(), rank)) {
        for (int64_t other : action.getRanks()) {
          group.set(other);
        }
      }
    }
  }
  return group;
}

RankSet attn::getFoldedRanks(CascadeOp cascade) {
  RankSet ranks(cascade.getNumRanks());
  for (FoldOp fold : cascade.getBody().getOps<FoldOp>()) {
    ranks.set(fold.getRank());
    fold.getStep().walk([&](EinsumOp op) { ranks |= op.getReducedRanks(); });
  }
  return ranks;
}

//===----------------------------------------------------------------------===//
// The cascade as steps
//===----------------------------------------------------------------------===//

namespace {

class ShapeBuilder {
public:
  ShapeBuilder(CascadeOp cascade, const RankSet &group)
      : cascade(cascade), group(group) {}
  CascadeShape run() {
    addBlock(cascade.getBody().front());
    return std::move(shape);
  }

private:
  einsum::TensorId getId(Value value) {
    auto [it, isNew] = ids.try_emplace(value, shape.cascade.numTensors);
    if (isNew) {
      shape.cascade.addTensor();
      shape.values.push_back(value);
    }
    return it->second;
  }
  void addBlock(Block &block);
  void addReads(EinsumOp op, einsum::Step &step);
  void addFold(FoldOp fold);
  void finish(einsum::Step step, ValueRange results) {
    for (Value result : results) {
      step.results.push_back(getId(result));
    }
    shape.cascade.steps.push_back(std::move(step));
  }

  CascadeOp cascade;
  RankSet group;
  CascadeShape shape;
  llvm::DenseMap<Value, einsum::TensorId> ids;
};

} // namespace

void ShapeBuilder::addReads(EinsumOp op, einsum::Step &step) {
  RankSet none(cascade.getNumRanks());
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    step.reads.push_back({getId(input), getRanks(op.getInputMap(i))});
  }
  for (auto [i, operand] : llvm::enumerate(op.getPresence())) {
    step.reads.push_back({getId(operand), getRanks(op.getPresenceMap(i))});
  }
  if (Value selection = op.getSelection()) {
    // The list is needed whole, whatever the ranks it is indexed by.
    step.reads.push_back({getId(selection), none});
  }
  op.getBody().walk([&](Operation *inner) {
    for (Value x : inner->getOperands()) {
      Operation *def = x.getDefiningOp();
      if (def && cascade->isProperAncestor(def) && !op->isAncestor(def)) {
        step.reads.push_back({getId(x), none});
      }
    }
  });
}

void ShapeBuilder::addBlock(Block &block) {
  RankSet none(cascade.getNumRanks());
  for (Operation &op : block) {
    if (auto e = dyn_cast<EinsumOp>(op)) {
      einsum::Step step{e.getIterationRanks(), {}, {}};
      addReads(e, step);
      finish(std::move(step), e->getResults());
    } else if (auto select = dyn_cast<SelectOp>(op)) {
      einsum::Step step{none, {}, {}};
      for (auto [i, input] : llvm::enumerate(select.getInputs())) {
        RankSet ranks = getRanks(select.getInputMap(i));
        step.iterates |= ranks;
        step.reads.push_back({getId(input), ranks});
      }
      finish(std::move(step), select->getResults());
    } else if (auto fold = dyn_cast<FoldOp>(op)) {
      addFold(fold);
    }
  }
}

void ShapeBuilder::addFold(FoldOp fold) {
  if (!group.test(fold.getRank())) {
    // The state of the step counts as given: what a generation hands to the
    // next is no barrier.
    addBlock(fold.getStep().front());
    Operation *yield = fold.getStep().front().getTerminator();
    for (auto [from, to] : llvm::zip(yield->getOperands(), fold.getResults())) {
      RankSet none(cascade.getNumRanks());
      finish(einsum::Step{none, {einsum::Read{getId(from), none}}, {}},
             ValueRange(to));
    }
    return;
  }
  einsum::Step all{group, {}, {}};
  fold.getStep().walk([&](EinsumOp op) {
    einsum::Step step;
    addReads(op, step);
    for (einsum::Read &read : step.reads) {
      Value x = shape.values[read.tensor];
      Operation *def = x.getDefiningOp();
      bool inside = isa<BlockArgument>(x)
                        ? fold->isAncestor(x.getParentBlock()->getParentOp())
                        : def && fold->isProperAncestor(def);
      if (!inside) {
        all.reads.push_back(read);
      }
    }
  });
  finish(std::move(all), fold.getResults());
}

CascadeShape attn::getShape(CascadeOp cascade, const RankSet &group) {
  return ShapeBuilder(cascade, group).run();
}

einsum::PassCount attn::countPasses(CascadeOp cascade, int64_t rank) {
  RankSet group(cascade.getNumRanks());
  group.set(rank);
  return einsum::countPasses(getShape(cascade, group).cascade, group);
}

//===----------------------------------------------------------------------===//
// Terms
//===----------------------------------------------------------------------===//

static bool isSameOp(Operation *a, Operation *b) {
  if (!a || !b) {
    return a == b;
  }
  return a->getName() == b->getName() &&
         a->getAttrDictionary() == b->getAttrDictionary() &&
         a->getPropertiesAsAttribute() == b->getPropertiesAsAttribute() &&
         llvm::equal(a->getResultTypes(), b->getResultTypes());
}

LeafId CascadeInfo::intern(Term term) {
  for (const auto &[i, old] : llvm::enumerate(terms)) {
    if (old.value == term.value && old.map == term.map &&
        old.type == term.type && old.operands == term.operands &&
        isSameOp(old.op, term.op)) {
      return i;
    }
  }
  terms.push_back(std::move(term));
  return terms.size() - 1;
}

void CascadeInfo::getReads(LeafId leaf, SmallVectorImpl<Term> &reads) const {
  const Term &term = terms[leaf];
  if (term.map && llvm::none_of(reads, [&](const Term &other) {
        return other.value == term.value && other.map == term.map;
      })) {
    reads.push_back(term);
  }
  for (LeafId operand : term.operands) {
    getReads(operand, reads);
  }
}

RankSet CascadeInfo::getLeafRanks(LeafId leaf) const {
  const Term &term = terms[leaf];
  RankSet ranks(group.size());
  if (term.map) {
    ranks |= attn::getRanks(term.map);
  }
  if (auto coord = dyn_cast_or_null<CoordOp>(term.op)) {
    ranks.set(coord.getRank());
  }
  for (LeafId operand : term.operands) {
    ranks |= getLeafRanks(operand);
  }
  return ranks;
}

std::string CascadeInfo::getLeafName(LeafId leaf) const {
  const Term &term = terms[leaf];
  if (term.value) {
    return getValueName(term.value);
  }
  std::string text = term.op ? term.op->getName().getStringRef().str() : "ext";
  text += "(";
  for (auto [i, operand] : llvm::enumerate(term.operands)) {
    text += (i ? ", " : "") + getLeafName(operand);
  }
  return text + ")";
}

//===----------------------------------------------------------------------===//
// Laws of scalars
//===----------------------------------------------------------------------===//

static ScalarOp classify(Operation &op) {
  return llvm::TypeSwitch<Operation *, ScalarOp>(&op)
      .Case([](arith::AddFOp) { return ScalarOp::Add; })
      .Case([](arith::SubFOp) { return ScalarOp::Sub; })
      .Case([](arith::MulFOp) { return ScalarOp::Mul; })
      .Case([](arith::DivFOp) { return ScalarOp::Div; })
      .Case([](arith::NegFOp) { return ScalarOp::Neg; })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>(
          [](auto) { return ScalarOp::Max; })
      .Case<arith::MinimumFOp, arith::MinNumFOp>(
          [](auto) { return ScalarOp::Min; })
      .Case([](arith::ExtFOp) { return ScalarOp::Extend; })
      .Case<arith::TruncFOp, math::RoundEvenOp>(
          [](auto) { return ScalarOp::Round; })
      .Case([](arith::SelectOp) { return ScalarOp::Select; })
      .Case([](math::ExpOp) { return ScalarOp::Exp; })
      .Case([](math::Exp2Op) { return ScalarOp::Exp2; })
      .Case([](math::AbsFOp) { return ScalarOp::Abs; })
      .Default([](Operation *) { return ScalarOp::Other; });
}

Law CascadeInfo::transfer(Operation &op) {
  if (auto coord = dyn_cast<CoordOp>(op)) {
    if (group.test(coord.getRank())) {
      return Law::getFixed(einsum::Sign::NonNegative);
    }
  }
  SmallVector<Law> laws;
  Term term;
  term.op = &op;
  term.type = op.getNumResults() ? op.getResult(0).getType() : Type();
  bool closed = true;
  auto add = [&](Value x) {
    auto it = scalars.find(x);
    if (it != scalars.end()) {
      laws.push_back(it->second);
    } else {
      // Captured from outside of the region.
      Term capture;
      capture.value = x;
      capture.type = x.getType();
      LeafId leaf = intern(std::move(capture));
      FloatAttr value;
      laws.push_back(matchPattern(x, m_Constant(&value))
                         ? Law::getLiteral(leaf, value.getValueAsDouble())
                         : Law::getConst(leaf));
      if (Operation *def = x.getDefiningOp(); def && depends(x)) {
        laws.back() = Law::getNone(def->getName().getStringRef().str());
      }
    }
    closed &= laws.back().isClosed();
    term.operands.push_back(laws.back().leaf);
  };
  for (Value x : op.getOperands()) {
    add(x);
  }
  // Regions inside regions: what they read is read here.
  for (Region &region : op.getRegions()) {
    region.walk([&](Operation *inner) {
      for (Value x : inner->getOperands()) {
        if (!region.isAncestor(x.getParentRegion())) {
          add(x);
        }
      }
    });
  }
  LeafId self = closed ? intern(std::move(term)) : 0;
  FloatAttr value;
  if (matchPattern(&op, m_Constant(&value))) {
    return Law::getLiteral(self, value.getValueAsDouble());
  }
  return einsum::transfer(classify(op), op.getName().getStringRef(), laws, self,
                          pool);
}

Law CascadeInfo::getOperandLaw(EinsumOp op, unsigned i) {
  Value input = op.getInputs()[i];
  AffineMap map = op.getInputMap(i);
  auto known = tensors.find(input);
  einsum::Sign sign =
      known == tensors.end() ? einsum::Sign::Any : known->second.sign;
  auto producer = input.getDefiningOp<EinsumOp>();
  if (!carries(map)) {
    bool isFinal =
        !depends(input) || (producer && !carries(producer.getResultMap()));
    if (!isFinal) {
      return Law::getNone(isa_and_nonnull<FoldOp>(input.getDefiningOp())
                              ? "attn.fold"
                              : "a read at other coordinates");
    }
    Term term;
    term.value = input;
    term.map = map;
    term.type = getElementTypeOrSelf(input.getType());
    LeafId leaf = intern(std::move(term));
    return depends(input) ? Law::getCOnly(leaf, sign)
                          : Law::getConst(leaf, sign);
  }
  if (known == tensors.end() || !depends(input)) {
    return Law::getFixed(sign);
  }
  Law law = known->second;
  bool moves = law.kind == LawKind::Mult || law.kind == LawKind::Add;
  if (moves && (!producer || producer.getResultMap() != map)) {
    return Law::getNone("a read at other coordinates");
  }
  return law;
}

Law CascadeInfo::evaluate(EinsumOp op, ArrayRef<Law> operands) {
  if (op.hasRegion()) {
    Block &block = op.getBody().front();
    for (auto [arg, law] : llvm::zip(block.getArguments(), operands)) {
      scalars[arg] = law;
    }
    for (Operation &inner : block.without_terminator()) {
      Law law = transfer(inner);
      for (Value x : inner.getResults()) {
        scalars[x] = law;
      }
    }
    Value value = block.getTerminator()->getOperand(0);
    if (auto it = scalars.find(value); it != scalars.end()) {
      return it->second;
    }
    Term capture;
    capture.value = value;
    capture.type = value.getType();
    return Law::getConst(intern(std::move(capture)));
  }
  // The product, each operand first extended to the element type of the result.
  Type type = op.getResult().getType().getElementType();
  std::optional<Law> product;
  for (auto [input, operand] : llvm::zip(op.getInputs(), operands)) {
    Law law = operand;
    if (getElementTypeOrSelf(input.getType()) != type) {
      Term extension;
      extension.type = type;
      extension.operands.push_back(law.leaf);
      LeafId self = law.isClosed() ? intern(std::move(extension)) : 0;
      law = einsum::transfer(ScalarOp::Extend, "arith.extf", law, self, pool);
    }
    // Closed factors of a product have no operation of their own to name them;
    // they enter one by one.
    if (!product) {
      product = law;
    } else if (product->isClosed() && law.isClosed()) {
      Term factor;
      factor.type = type;
      factor.operands = {product->leaf, law.leaf};
      product = einsum::transfer(ScalarOp::Mul, "arith.mulf", {*product, law},
                                 intern(std::move(factor)), pool);
    } else {
      product = einsum::transfer(ScalarOp::Mul, "arith.mulf", {*product, law},
                                 0, pool);
    }
  }
  return product ? *product : Law::getFixed();
}

//===----------------------------------------------------------------------===//
// Laws of tensors
//===----------------------------------------------------------------------===//

CascadeInfo::CascadeInfo(CascadeOp cascade, RankSet group)
    : cascade(cascade), group(std::move(group)) {
  markPrior();
  for (Operation &op : cascade.getBody().front().without_terminator()) {
    if (auto e = dyn_cast<EinsumOp>(op)) {
      visit(e);
    } else {
      visitOpaque(&op);
    }
  }
}

bool CascadeInfo::iterates(EinsumOp op) const {
  return op.getIterationRanks().anyCommon(group);
}

bool CascadeInfo::carries(AffineMap map) const {
  return attn::getRanks(map).anyCommon(group);
}

const Reduction *CascadeInfo::getProblem() const {
  for (const Reduction &reduction : reductions) {
    if (!reduction.problem.empty()) {
      return &reduction;
    }
  }
  return nullptr;
}

void CascadeInfo::markPrior() {
  // The points that a selection admits must be known before they are traversed,
  // so all that it depends on belongs to an earlier traversal.
  SmallVector<Value> work;
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    if (op.getSelection() && iterates(op)) {
      work.push_back(op.getSelection());
    }
  }
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (def && cascade->isProperAncestor(def) && prior.insert(def).second) {
      llvm::append_range(work, def->getOperands());
    }
  }
}

void CascadeInfo::visitOpaque(Operation *op) {
  // Folds and selections: a law does not reach through them.
  bool enters = false;
  op->walk([&](Operation *inner) {
    for (Value x : inner->getOperands()) {
      enters |= depends(x);
    }
    if (auto e = dyn_cast<EinsumOp>(inner)) {
      enters |= iterates(e);
    }
  });
  if (auto fold = dyn_cast<FoldOp>(op)) {
    enters |= group.test(fold.getRank());
  }
  if (auto select = dyn_cast<SelectOp>(op)) {
    for (unsigned i = 0; i < select.getInputs().size(); ++i) {
      enters |= carries(select.getInputMap(i));
    }
  }
  if (enters && !prior.contains(op)) {
    for (Value result : op->getResults()) {
      dependent.insert(result);
    }
  }
}

Law CascadeInfo::reduce(EinsumOp op, Law law, Reduction *reduction) {
  bool reached = false;
  for (ReduceAttr action : op.getReduceActions()) {
    RankSet ranks(group.size());
    for (int64_t rank : action.getRanks()) {
      ranks.set(rank);
    }
    einsum::Monoid monoid = getMonoid(action);
    bool ofGroup = reduction && ranks.anyCommon(group);
    if (reached && monoid != reduction->monoid) {
      reduction->problem = "no law: two monoids in one reduction";
    }
    if (ofGroup && !reached) {
      reduction->monoid = monoid;
      reached = true;
    }
    bool wasNone = law.kind == LawKind::None;
    law = einsum::reduce(monoid, law, pool);
    if (law.kind == LawKind::None && reduction && !wasNone && !ofGroup) {
      law.op =
          ("reduce " + einsum::getName(monoid) + " over another rank").str();
    }
    // The correction is constant along what is summed.
    for (LeafId leaf : pool.getLeaves(law.f)) {
      if (getLeafRanks(leaf).anyCommon(ranks)) {
        law = Law::getNone("a reference that carries a reduced rank");
        break;
      }
    }
  }
  return law;
}

void CascadeInfo::visit(EinsumOp op) {
  SmallVector<Law> operands;
  bool enters = iterates(op);
  for (unsigned i = 0; i < op.getInputs().size(); ++i) {
    operands.push_back(getOperandLaw(op, i));
    enters |= depends(op.getInputs()[i]);
  }
  Law law = evaluate(op, operands);
  // What still carries the group is made again in the later traversal.
  if (prior.contains(op) && !carries(op.getResultMap())) {
    enters = false;
  }
  if (enters) {
    dependent.insert(op.getResult());
  }
  // A presence that a finished reduction decides is a selection without a list.
  for (auto [i, x] : llvm::enumerate(op.getPresence())) {
    if (enters && iterates(op) && depends(x) &&
        !carries(op.getPresenceMap(i))) {
      law = Law::getNone("presence by a reduced value");
    }
  }
  bool isFinal = enters && iterates(op) && !carries(op.getResultMap());
  Reduction reduction{op, einsum::Monoid::Add, Law(), ""};
  law = reduce(op, law, isFinal ? &reduction : nullptr);
  tensors[op.getResult()] = law;
  if (!isFinal) {
    return;
  }
  reduction.law = law;
  if (law.kind == LawKind::None && reduction.problem.empty()) {
    reduction.problem = "no law: " + law.op;
    if (!StringRef(law.op).starts_with("reduce ")) {
      reduction.problem +=
          (" under " + einsum::getName(reduction.monoid)).str();
    }
  }
  reductions.push_back(std::move(reduction));
}

//===----------------------------------------------------------------------===//
// Choice of the rank
//===----------------------------------------------------------------------===//

std::optional<int64_t> attn::chooseRank(CascadeOp cascade) {
  if (!cascade.getBody().getOps<FoldOp>().empty()) {
    return std::nullopt;
  }
  RankSet reduced(cascade.getNumRanks());
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    reduced |= op.getReducedRanks();
  }
  std::optional<int64_t> best;
  // Four points for a pass, two for a small state, and of equal ranks those
  // whose extent nobody knows: one that is known can lie inside of a tile. One
  // pass alone is no gain.
  unsigned bestScore = 5;
  for (unsigned rank : reduced.set_bits()) {
    RankSet group = getRankGroup(cascade, rank);
    CascadeInfo info(cascade, group);
    if (info.getReductions().empty()) {
      continue;
    }
    RankSet elsewhere = reduced;
    elsewhere.reset(group);
    bool isSmall =
        llvm::none_of(info.getReductions(), [&](const Reduction &reduction) {
          EinsumOp op = reduction.op;
          return getRanks(op.getResultMap()).anyCommon(elsewhere);
        });
    unsigned score = 4 * countPasses(cascade, rank).passes + 2 * isSmall +
                     ShapedType::isDynamic(getStaticExtent(cascade, rank));
    if (score > bestScore) {
      bestScore = score;
      best = rank;
    }
  }
  if (!best) {
    return best;
  }
  // Lists of coordinates are walked by the fold.
  RankSet group = getRankGroup(cascade, *best);
  for (EinsumOp op : cascade.getBody().getOps<EinsumOp>()) {
    if (op.getSelection() && group.test(*op.getSelectedRank())) {
      return *op.getSelectedRank();
    }
  }
  return best;
}

std::optional<int64_t> attn::getFoldRank(CascadeOp cascade) {
  std::optional<int64_t> rank;
  cascade->walk([&](FoldOp fold) {
    if (!rank) {
      rank = fold.getRank();
    }
  });
  return rank ? rank : chooseRank(cascade);
}

std::optional<int64_t> attn::countMostPasses(Operation *root) {
  std::optional<int64_t> most;
  root->walk([&](CascadeOp cascade) {
    if (std::optional<int64_t> rank = getFoldRank(cascade)) {
      most = std::max<int64_t>(most.value_or(0),
                               countPasses(cascade, *rank).passes);
    }
  });
  return most;
}
