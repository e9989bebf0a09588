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
