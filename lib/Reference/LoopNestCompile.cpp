//===- LoopNestCompile.cpp - Building a loop nest -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "LoopNest.h"

#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace attn;
using namespace attn::reference;

//===----------------------------------------------------------------------===//
// Collecting operands and conditions
//===----------------------------------------------------------------------===//

/// Brings expressions of another value here. A lookup comes along only when an
/// expression uses it: a view's page id is no part of its domain.
class LoopNest::Import {
public:
  Import(LoopNest &nest, const Presence &from, ArrayRef<AffineExpr> dims)
      : nest(nest), from(from), dims(dims), imported(from.lookups.size()) {}

  AffineExpr operator()(AffineExpr expr) {
    expr.walk([&](AffineExpr part) {
      if (auto symbol = dyn_cast<AffineSymbolExpr>(part)) {
        take(symbol.getPosition());
      }
    });
    return expr.replaceDimsAndSymbols(dims, imported);
  }

private:
  void take(unsigned index) {
    if (imported[index]) {
      return;
    }
    const Lookup &lookup = from.lookups[index];
    SmallVector<AffineExpr, 4> at;
    for (AffineExpr expr : lookup.at) {
      at.push_back((*this)(expr));
    }
    imported[index] = nest.addLookup(*lookup.tensor, at, lookup.name);
  }

  LoopNest &nest;
  const Presence &from;
  ArrayRef<AffineExpr> dims;
  SmallVector<AffineExpr, 4> imported;
};

void LoopNest::require(Condition condition) {
  if (!llvm::is_contained(presence.allOf, condition)) {
    presence.allOf.push_back(std::move(condition));
  }
}

void LoopNest::require(const Presence &other, ArrayRef<AffineExpr> dims) {
  Import import(*this, other, dims);
  for (Condition condition : other.allOf) {
    for (auto &disjunct : condition.anyOf) {
      for (Constraint &constraint : disjunct) {
        constraint.expr = import(constraint.expr);
      }
    }
    if (condition.chosen) {
      condition.chosen->coordinate = import(condition.chosen->coordinate);
      for (AffineExpr &expr : condition.chosen->at) {
        expr = import(expr);
      }
    }
    require(std::move(condition));
  }
}

LoopNest::Access LoopNest::resolve(const Tensor &tensor,
                                   ArrayRef<AffineExpr> at) {
  Access access;
  for (auto [axis, expr] : llvm::enumerate(at)) {
    access.bounds.push_back(
        {{}, tensor.shape[axis], &tensor, unsigned(axis), expr});
  }
  if (tensor.storage) {
    require(tensor.presence, at);
    Import import(*this, tensor.presence, at);
    SmallVector<AffineExpr, 6> address;
    for (AffineExpr expr : tensor.address) {
      address.push_back(import(expr));
    }
    Access behind = resolve(*tensor.storage, address);
    access.bounds.append(behind.bounds);
    access.base = behind.base;
    access.coordinates = behind.coordinates;
    return access;
  }
  if (tensor.computed) {
    // Its presence is over ranks: those of its axes become what is read there.
    SmallVector<AffineExpr, 8> dims;
    for (unsigned rank = 0; rank < space.extents.size(); ++rank) {
      dims.push_back(getAffineDimExpr(rank, context));
    }
    for (auto [axis, rank] : llvm::enumerate(tensor.ranks)) {
      dims[rank] = at[axis];
    }
    require(tensor.presence, dims);
  }
  access.base = &tensor;
  access.coordinates.assign(at.begin(), at.end());
  return access;
}

AffineExpr LoopNest::addLookup(const Tensor &tensor, ArrayRef<AffineExpr> at,
                               StringRef name) {
  for (auto [i, lookup] : llvm::enumerate(presence.lookups)) {
    if (lookup.tensor == &tensor && ArrayRef<AffineExpr>(lookup.at) == at) {
      return getAffineSymbolExpr(i, context);
    }
  }
  SymbolState state;
  state.access = resolve(tensor, at);
  // After resolve, which may add the lookups that this one depends on.
  symbols.push_back(std::move(state));
  presence.lookups.push_back(
      {&tensor, SmallVector<AffineExpr, 4>(at), name.str()});
  return getAffineSymbolExpr(symbols.size() - 1, context);
}

unsigned LoopNest::addOperand(const Tensor &tensor, ArrayRef<AffineExpr> at) {
  Operand operand;
  operand.access = resolve(tensor, at);
  operands.push_back(std::move(operand));
  return operands.size() - 1;
}

bool LoopNest::isKnown() const {
  return llvm::all_of(symbols, [](const SymbolState &symbol) {
    return symbol.access.base->known;
  });
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

int LoopNest::levelOfTerm(const Term &term) const {
  switch (term.kind) {
  case Term::Rank:
    return levels[term.index];
  case Term::Symbol:
    return symbols[term.index].level;
  default:
    return forms[term.index].level;
  }
}

void LoopNest::addTerms(Form &form, AffineExpr expr, int64_t factor) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    form.constant += factor * constant.getValue();
    return;
  }
  Term term{Term::Rank, factor, 0, 1};
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    term.index = dim.getPosition();
  } else if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    term.kind = Term::Symbol;
    term.index = symbol.getPosition();
  } else {
    auto binary = cast<AffineBinaryOpExpr>(expr);
    if (binary.getKind() == AffineExprKind::Add) {
      addTerms(form, binary.getLHS(), factor);
      addTerms(form, binary.getRHS(), factor);
      return;
    }
    // Pure affine: the right side of the others is a constant.
    int64_t right = cast<AffineConstantExpr>(binary.getRHS()).getValue();
    if (binary.getKind() == AffineExprKind::Mul) {
      addTerms(form, binary.getLHS(), factor * right);
      return;
    }
    term.kind = binary.getKind() == AffineExprKind::FloorDiv  ? Term::FloorDiv
                : binary.getKind() == AffineExprKind::CeilDiv ? Term::CeilDiv
                                                              : Term::Mod;
    term.divisor = right;
    Form inner = compileExpr(binary.getLHS());
    forms.push_back(std::move(inner));
    term.index = forms.size() - 1;
  }
  for (Term &other : form.terms) {
    if (other.kind == term.kind && other.index == term.index &&
        term.kind <= Term::Symbol) {
      other.factor += factor;
      return;
    }
  }
  form.terms.push_back(term);
  form.level = std::max(form.level, levelOfTerm(term));
}

LoopNest::Form LoopNest::compileExpr(AffineExpr expr) {
  Form form;
  addTerms(form, expr, 1);
  return form;
}

std::optional<int64_t> LoopNest::linearIn(const Form &form, int level) const {
  int64_t coefficient = 0;
  for (const Term &term : form.terms) {
    if (levelOfTerm(term) != level) {
      continue;
    }
    if (term.kind != Term::Rank) {
      return std::nullopt;
    }
    coefficient += term.factor;
  }
  return coefficient;
}

int LoopNest::directionIn(const Form &form, int level) const {
  int direction = 0;
  for (const Term &term : form.terms) {
    if (levelOfTerm(term) != level) {
      continue;
    }
    int sign = term.factor > 0 ? 1 : -1;
    if (term.kind == Term::FloorDiv || term.kind == Term::CeilDiv) {
      sign *= directionIn(forms[term.index], level);
    } else if (term.kind != Term::Rank) {
      return 0;
    }
    if (sign == 0 || sign == -direction) {
      return 0;
    }
    direction = sign;
  }
  return direction;
}

std::pair<int64_t, int64_t> LoopNest::range(const Form &form) const {
  constexpr int64_t wide = int64_t(1) << 60;
  // Saturating: sums of a few terms below 2^60 cannot overflow.
  auto saturate = [](double x) {
    return static_cast<int64_t>(std::clamp(x, -0x1p60, 0x1p60));
  };
  int64_t low = form.constant, high = form.constant;
  for (const Term &term : form.terms) {
    int64_t from = 0, to = 0;
    if (term.kind == Term::Rank) {
      bool padding = term.index == space.extents.size();
      to = padding ? 0 : std::max<int64_t>(space.extents[term.index] - 1, 0);
    } else if (term.kind == Term::Symbol) {
      return {-wide, wide};
    } else if (term.kind == Term::Mod) {
      to = term.divisor - 1;
    } else {
      std::tie(from, to) = range(forms[term.index]);
      bool floor = term.kind == Term::FloorDiv;
      auto divide = [&](int64_t x) {
        return floor ? llvm::divideFloorSigned(x, term.divisor)
                     : llvm::divideCeilSigned(x, term.divisor);
      };
      from = divide(from);
      to = divide(to);
    }
    double a = double(term.factor) * double(from);
    double b = double(term.factor) * double(to);
    low = saturate(double(low) + std::min(a, b));
    high = saturate(double(high) + std::max(a, b));
  }
  return {low, high};
}

bool LoopNest::isInside(const Form &form, int64_t extent) const {
  auto [low, high] = range(form);
  return low >= 0 && high < extent;
}

//===----------------------------------------------------------------------===//
// Conditions and operands by level
//===----------------------------------------------------------------------===//

LoopNest::CompiledConstraint
LoopNest::compileConstraint(const Constraint &constraint) {
  CompiledConstraint result;
  result.form = compileExpr(constraint.expr);
  result.isEquality = constraint.isEquality;
  int level = result.form.level;
  std::optional<int64_t> coefficient = linearIn(result.form, level);
  result.linear = coefficient && *coefficient != 0;
  result.coefficient = coefficient.value_or(0);
  result.direction = directionIn(result.form, level);
  return result;
}

void LoopNest::compileConditions() {
  conditions.assign(order.size() + 1, {});
  lastCondition = -1;
  auto place = [&](CompiledCondition condition) {
    lastCondition = std::max(lastCondition, condition.level);
    conditions[condition.level + 1].push_back(std::move(condition));
  };
  for (const Condition &condition : presence.allOf) {
    CompiledCondition compiled;
    if (const auto &chosen = condition.chosen) {
      compiled.chosen = &*chosen;
      compiled.coordinate = compileExpr(chosen->coordinate);
      compiled.level = compiled.coordinate.level;
      int listLevel = -1;
      for (AffineExpr expr : chosen->at) {
        compiled.at.push_back(compileExpr(expr));
        listLevel = std::max(listLevel, compiled.at.back().level);
      }
      const Form &form = compiled.coordinate;
      bool bare = form.constant == 0 && form.terms.size() == 1 &&
                  form.terms[0].kind == Term::Rank && form.terms[0].factor == 1;
      compiled.listIsFixed = bare && listLevel < compiled.level;
      compiled.level = std::max(compiled.level, listLevel);
      place(std::move(compiled));
      continue;
    }
    if (condition.anyOf.size() == 1) {
      // A conjunction: each constraint at the earliest loop that can decide it.
      for (const Constraint &constraint : condition.anyOf.front()) {
        CompiledCondition single;
        single.anyOf.push_back({compileConstraint(constraint)});
        single.level = single.anyOf[0][0].form.level;
        place(std::move(single));
      }
      continue;
    }
    for (const auto &disjunct : condition.anyOf) {
      auto &target = compiled.anyOf.emplace_back();
      for (const Constraint &constraint : disjunct) {
        target.push_back(compileConstraint(constraint));
        compiled.level = std::max(compiled.level, target.back().form.level);
      }
    }
    place(std::move(compiled));
  }
  // Intervals first: what has to be tried point by point then tries fewer, and
  // a symbol that varies along the loop is looked up only where the rest holds.
  for (auto [index, bucket] : llvm::enumerate(conditions)) {
    int level = int(index) - 1;
    llvm::stable_sort(bucket, [&](const auto &a, const auto &b) {
      auto cheap = [&](const CompiledCondition &condition) {
        return llvm::all_of(condition.anyOf,
                            [&](const auto &disjunct) {
                              return llvm::all_of(
                                  disjunct, [&](const CompiledConstraint &c) {
                                    return c.form.level < level || c.linear;
                                  });
                            }) &&
               (!condition.chosen || condition.listIsFixed);
      };
      return cheap(a) && !cheap(b);
    });
  }
}

void LoopNest::compileOperand(Operand &operand) {
  int last = int(order.size()) - 1;
  operand.flat = {};
  operand.stages.assign(order.size() + 1, {});
  operand.checks.assign(order.size() + 1, {});
  operand.partial.assign(order.size() + 1, 0);
  operand.linearChecks.clear();
  operand.pointChecks.clear();
  ArrayRef<int64_t> strides = operand.access.base->array.strides();
  for (auto [expr, stride] :
       llvm::zip_equal(operand.access.coordinates, strides)) {
    addTerms(operand.flat, expr, stride);
  }
  std::optional<int64_t> step = linearIn(operand.flat, last);
  operand.scattered = !step;
  operand.step = step.value_or(0);
  // Nothing of an address is formed before all conditions are known to hold.
  auto stageOf = [&](int level) { return std::max(level, lastCondition) + 1; };
  operand.stages[stageOf(-1)].constant = operand.flat.constant;
  for (const Term &term : operand.flat.terms) {
    int level = levelOfTerm(term);
    if (level < last) {
      operand.stages[stageOf(level)].terms.push_back(term);
    }
  }
  for (Check check : operand.access.bounds) {
    check.form = compileExpr(check.expr);
    if (isInside(check.form, check.extent)) {
      continue;
    }
    if (check.form.level < last) {
      operand.checks[stageOf(check.form.level)].push_back(check);
    } else if (linearIn(check.form, last)) {
      operand.linearChecks.push_back(check);
    } else {
      operand.pointChecks.push_back(check);
    }
  }
}

SmallVector<int64_t> LoopNest::chooseOrder(ArrayRef<int64_t> ranks) {
  // Whether `rank` enters other than as a multiple of itself.
  std::function<bool(AffineExpr, int64_t)> bends = [&](AffineExpr expr,
                                                       int64_t rank) {
    if (!presence.names(expr, rank) || isa<AffineDimExpr>(expr)) {
      return false;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    bool sum = binary && (binary.getKind() == AffineExprKind::Add ||
                          binary.getKind() == AffineExprKind::Mul);
    return !sum || bends(binary.getLHS(), rank) || bends(binary.getRHS(), rank);
  };
  auto forEachConditionExpr = [&](function_ref<void(AffineExpr)> visit) {
    for (const Condition &condition : presence.allOf) {
      for (const auto &disjunct : condition.anyOf) {
        for (const Constraint &constraint : disjunct) {
          visit(constraint.expr);
        }
      }
      if (condition.chosen) {
        visit(condition.chosen->coordinate);
        llvm::for_each(condition.chosen->at, visit);
      }
    }
  };
  // The innermost rank: few calls of the body, and addresses with a constant
  // step, best of one element. Weights are rough times in units of one plain
  // point.
  constexpr double callCost = 60, bendCost = 20, strideCost = 3;
  int64_t innermost = -1;
  double best = HUGE_VAL;
  for (int64_t rank : ranks) {
    double perPoint = 1;
    for (const Operand &operand : operands) {
      int64_t step = 0;
      for (auto [expr, stride] :
           llvm::zip_equal(operand.access.coordinates,
                           operand.access.base->array.strides())) {
        perPoint += bends(expr, rank) ? bendCost : 0;
        step += expr.isFunctionOfDim(rank) ? stride : 0;
      }
      perPoint += step > 1 ? strideCost : 0;
    }
    forEachConditionExpr(
        [&](AffineExpr expr) { perPoint += bends(expr, rank) ? bendCost : 0; });
    double extent = std::max<int64_t>(space.extents[rank], 1);
    double cost = callCost / extent + perPoint;
    if (cost < best) {
      best = cost;
      innermost = rank;
    }
  }
  // Outside, ranks that conditions name come first: they prune.
  llvm::SmallBitVector pruning(space.extents.size());
  for (int64_t rank : ranks) {
    forEachConditionExpr([&](AffineExpr expr) {
      if (presence.names(expr, rank)) {
        pruning.set(rank);
      }
    });
  }
  SmallVector<int64_t> result;
  for (bool prunes : {true, false}) {
    for (int64_t rank : ranks) {
      if (rank != innermost && pruning.test(rank) == prunes) {
        result.push_back(rank);
      }
    }
  }
  if (innermost >= 0) {
    result.push_back(innermost);
  }
  return result;
}

void LoopNest::compile(ArrayRef<int64_t> ranks, bool keepOrder) {
  SmallVector<int64_t> loops(ranks);
  if (!keepOrder) {
    loops = chooseOrder(ranks);
  }
  if (loops.empty()) {
    // One point: a rank of extent 1 that nothing names.
    loops.push_back(space.extents.size());
  }
  order.assign(loops.begin(), loops.end());
  levels.assign(space.extents.size() + 1, -1);
  for (auto [level, rank] : llvm::enumerate(order)) {
    levels[rank] = level;
  }
  current.assign(space.extents.size() + 1, 0);
  versions.assign(order.size() + 1, 0);
  forms.clear();
  for (auto [index, symbol] : llvm::enumerate(symbols)) {
    symbol.flat = {};
    ArrayRef<int64_t> strides = symbol.access.base->array.strides();
    for (auto [expr, stride] :
         llvm::zip_equal(symbol.access.coordinates, strides)) {
      addTerms(symbol.flat, expr, stride);
    }
    symbol.level = symbol.flat.level;
    for (Check &check : symbol.access.bounds) {
      check.form = compileExpr(check.expr);
      check.proved = isInside(check.form, check.extent);
      symbol.level = std::max(symbol.level, check.form.level);
    }
    symbol.stamp = 0;
  }
  compileConditions();
  for (Operand &operand : operands) {
    compileOperand(operand);
  }
}
