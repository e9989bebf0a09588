//===- Law.cpp - When a chain of reductions is one pass -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Law.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"

#include <cmath>

using namespace attn;
using namespace attn::einsum;

Law Law::getConst(LeafId leaf, Sign sign) {
  Law law;
  law.leaf = leaf;
  law.sign = sign;
  return law;
}

Law Law::getLiteral(LeafId leaf, double value) {
  Sign sign = value > 0    ? Sign::Positive
              : value == 0 ? Sign::NonNegative
                           : Sign::Any;
  Law law = getConst(leaf, sign);
  law.literal = value;
  return law;
}

Law Law::getFixed(Sign sign) {
  Law law;
  law.kind = LawKind::Fixed;
  law.sign = sign;
  return law;
}

Law Law::getCOnly(LeafId leaf, Sign sign) {
  Law law = getConst(leaf, sign);
  law.kind = LawKind::COnly;
  return law;
}

Law Law::getNone(std::string op) {
  Law law;
  law.kind = LawKind::None;
  law.op = std::move(op);
  return law;
}

//===----------------------------------------------------------------------===//
// Signs
//===----------------------------------------------------------------------===//

static Sign getSign(ScalarOp op, ArrayRef<Law> x) {
  switch (op) {
  case ScalarOp::Exp:
  case ScalarOp::Exp2:
    return Sign::Positive;
  case ScalarOp::Abs:
    return x[0].sign == Sign::Positive ? Sign::Positive : Sign::NonNegative;
  case ScalarOp::Extend:
    return x[0].sign;
  case ScalarOp::Round:
    // A positive number may round to 0.
    return std::min(x[0].sign, Sign::NonNegative);
  case ScalarOp::Mul:
    return getProductSign(x[0].sign, x[1].sign);
  case ScalarOp::Div:
    return getQuotientSign(x[0].sign, x[1].sign);
  case ScalarOp::Add:
    // Neither is negative: their sum is as positive as the more positive one.
    return std::min(x[0].sign, x[1].sign) == Sign::Any
               ? Sign::Any
               : std::max(x[0].sign, x[1].sign);
  case ScalarOp::Max:
    return std::max(x[0].sign, x[1].sign);
  case ScalarOp::Min:
    return std::min(x[0].sign, x[1].sign);
  case ScalarOp::Select:
    return std::min(x[1].sign, x[2].sign);
  case ScalarOp::Sub:
  case ScalarOp::Neg:
  case ScalarOp::Other:
    return Sign::Any;
  }
  llvm_unreachable("all operations have a sign rule");
}

//===----------------------------------------------------------------------===//
// Laws
//===----------------------------------------------------------------------===//

namespace {

/// One application of an operation; the helpers read off a law what they can.
class Transfer {
public:
  Transfer(StringRef name, ArrayRef<Law> operands, ExprPool &pool)
      : name(name.str()), operands(operands), pool(pool) {}

  Law run(ScalarOp op, LeafId self);

private:
  Expr getLeaf(const Law &law, Version version) {
    // Constants have no version.
    return pool.getLeaf(law.leaf,
                        law.kind == LawKind::Const ? Version::Old : version,
                        law.sign);
  }
  /// The factor by which `law` moves.
  bool asFactor(const Law &law, Expr &f);
  /// The summand by which `law` moves.
  bool asSummand(const Law &law, Expr &f);

  Law make(LawKind kind, Expr f) {
    Law law;
    law.kind = f ? kind : LawKind::Fixed;
    law.f = f;
    return law;
  }
  Law none() {
    Law law = Law::getNone(name);
    law.divisor = divisor;
    return law;
  }
  Law open(ScalarOp op);
  Law product(bool divide);
  Law sum(bool subtract);
  Law select();

  std::string name;
  ArrayRef<Law> operands;
  ExprPool &pool;
  std::optional<LeafId> divisor;
};

} // namespace

bool Transfer::asFactor(const Law &law, Expr &f) {
  f = Expr();
  switch (law.kind) {
  case LawKind::Const:
  case LawKind::Fixed:
    return true;
  case LawKind::Mult:
    f = law.f;
    return true;
  case LawKind::COnly:
    // w(c) becomes w(c'): the factor divides by w of a part.
    if (law.sign != Sign::Positive) {
      divisor = law.leaf;
      return false;
    }
    f = pool.getDiv(getLeaf(law, Version::New), getLeaf(law, Version::Old));
    return true;
  case LawKind::Add:
  case LawKind::None:
    return false;
  }
  llvm_unreachable("all kinds are asked for a factor");
}

bool Transfer::asSummand(const Law &law, Expr &f) {
  f = Expr();
  switch (law.kind) {
  case LawKind::Const:
  case LawKind::Fixed:
    return true;
  case LawKind::Add:
    f = law.f;
    return true;
  case LawKind::COnly:
    f = pool.getSub(getLeaf(law, Version::New), getLeaf(law, Version::Old));
    return true;
  case LawKind::Mult:
  case LawKind::None:
    return false;
  }
  llvm_unreachable("all kinds are asked for a summand");
}

Law Transfer::product(bool divide) {
  // (x + f) * k moves by f * k, if no point and no reference enters k.
  for (int i : {0, 1}) {
    bool scales = operands[1 - i].kind == LawKind::Const && !(divide && i == 1);
    if (operands[i].kind == LawKind::Add && scales) {
      return make(LawKind::Add,
                  pool.getScaled(operands[i].f,
                                 getLeaf(operands[1 - i], Version::Old),
                                 divide));
    }
  }
  Expr f, g;
  if (asFactor(operands[0], f) && asFactor(operands[1], g)) {
    return make(LawKind::Mult, divide ? pool.getDiv(f, g) : pool.getMul(f, g));
  }
  return none();
}

Law Transfer::sum(bool subtract) {
  Expr f, g;
  if (asSummand(operands[0], f) && asSummand(operands[1], g)) {
    return make(LawKind::Add, subtract ? pool.getSub(f, g) : pool.getAdd(f, g));
  }
  // Two values with the same factor: so has their sum.
  if (operands[0].kind == LawKind::Mult && operands[1].kind == LawKind::Mult &&
      operands[0].f == operands[1].f) {
    return make(LawKind::Mult, operands[0].f);
  }
  return none();
}

Law Transfer::select() {
  const Law &a = operands[1], &b = operands[2];
  if (operands[0].kind != LawKind::Const &&
      operands[0].kind != LawKind::Fixed) {
    return none();
  }
  if (a.kind == b.kind && a.f == b.f && !a.isClosed()) {
    return make(a.kind, a.f);
  }
  // A literal that the correction does not change: 0 for a factor, an infinity
  // for a summand.
  for (auto [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (!y->literal) {
      continue;
    }
    if ((x->kind == LawKind::Mult && *y->literal == 0) ||
        (x->kind == LawKind::Add && std::isinf(*y->literal))) {
      return make(x->kind, x->f);
    }
  }
  return none();
}

Law Transfer::open(ScalarOp op) {
  Expr f, g;
  switch (op) {
  case ScalarOp::Mul:
  case ScalarOp::Div:
    return product(op == ScalarOp::Div);
  case ScalarOp::Add:
  case ScalarOp::Sub:
    return sum(op == ScalarOp::Sub);
  case ScalarOp::Extend:
  case ScalarOp::Round:
    return make(operands[0].kind, operands[0].f);
  case ScalarOp::Exp:
  case ScalarOp::Exp2:
    if (asSummand(operands[0], f)) {
      return make(LawKind::Mult,
                  op == ScalarOp::Exp ? pool.getExp(f) : pool.getExp2(f));
    }
    return none();
  case ScalarOp::Neg:
    if (operands[0].kind == LawKind::Mult) {
      return make(LawKind::Mult, operands[0].f);
    }
    return make(LawKind::Add, pool.getNeg(operands[0].f));
  case ScalarOp::Abs:
    if (operands[0].kind == LawKind::Mult &&
        pool.getSign(operands[0].f) != Sign::Any) {
      return make(LawKind::Mult, operands[0].f);
    }
    return none();
  case ScalarOp::Max:
  case ScalarOp::Min:
    if (asSummand(operands[0], f) && asSummand(operands[1], g) && f == g) {
      return make(LawKind::Add, f);
    }
    if (operands[0].kind == LawKind::Mult &&
        operands[1].kind == LawKind::Mult && operands[0].f == operands[1].f &&
        pool.getSign(operands[0].f) != Sign::Any) {
      return make(LawKind::Mult, operands[0].f);
    }
    return none();
  case ScalarOp::Select:
    return select();
  case ScalarOp::Other:
    return none();
  }
  llvm_unreachable("all operations have a law rule");
}

Law Transfer::run(ScalarOp op, LeafId self) {
  for (const Law &x : operands) {
    if (x.kind == LawKind::None) {
      return x;
    }
  }
  auto isConst = [](const Law &x) { return x.kind == LawKind::Const; };
  auto isClosed = [](const Law &x) { return x.isClosed(); };
  auto isFree = [](const Law &x) {
    return x.kind == LawKind::Const || x.kind == LawKind::Fixed;
  };
  Law law;
  if (llvm::all_of(operands, isConst)) {
    law = Law::getConst(self);
  } else if (llvm::all_of(operands, isFree)) {
    law = Law::getFixed();
  } else if (llvm::all_of(operands, isClosed)) {
    law = Law::getCOnly(self);
  } else {
    law = open(op);
  }
  if (law.kind != LawKind::None) {
    law.sign = getSign(op, operands);
    law.op = name;
  }
  // A rounding matters only to what moves.
  law.approx = llvm::any_of(operands, [](const Law &x) { return x.approx; }) ||
               (op == ScalarOp::Round &&
                (law.kind == LawKind::Mult || law.kind == LawKind::Add));
  return law;
}

Law attn::einsum::transfer(ScalarOp op, StringRef name, ArrayRef<Law> operands,
                           LeafId self, ExprPool &pool) {
  return Transfer(name, operands, pool).run(op, self);
}

Law attn::einsum::reduce(Monoid monoid, const Law &value, ExprPool &pool) {
  bool extremum = monoid == Monoid::Max || monoid == Monoid::Min;
  Law law = value;
  law.literal.reset();
  // Sums and products of positive numbers are positive; so is their largest.
  switch (value.kind) {
  case LawKind::Const:
    law.kind = LawKind::Fixed;
    return law;
  case LawKind::Fixed:
  case LawKind::None:
    return law;
  case LawKind::Mult:
    if (monoid == Monoid::Add ||
        (extremum && pool.getSign(value.f) != Sign::Any)) {
      return law;
    }
    break;
  case LawKind::Add:
    if (extremum) {
      return law;
    }
    break;
  case LawKind::COnly:
    break;
  }
  return Law::getNone(value.op.empty() ? "reference only" : value.op);
}

std::string attn::einsum::print(const Law &law, const ExprPool &pool,
                                llvm::function_ref<std::string(LeafId)> name) {
  std::string approx = law.approx ? " (approx)" : "";
  switch (law.kind) {
  case LawKind::Const:
    return "const";
  case LawKind::Fixed:
    return "fixed";
  case LawKind::COnly:
    return "c-only " + name(law.leaf);
  case LawKind::Mult:
    return "* " + pool.print(law.f, name) + approx;
  case LawKind::Add:
    return "+ (" + pool.print(law.f, name) + ")" + approx;
  case LawKind::None:
    return "no law: " + law.op;
  }
  llvm_unreachable("all laws are printed");
}
