//===- NormalForm.cpp - The one normal form of index expressions ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/Attn/IR/NormalForm.h"

#include "AffineSum.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

static bool isDivision(AffineExpr expr) {
  AffineExprKind kind = expr.getKind();
  return kind == AffineExprKind::FloorDiv || kind == AffineExprKind::CeilDiv ||
         kind == AffineExprKind::Mod;
}

//===----------------------------------------------------------------------===//
// Order of terms
//===----------------------------------------------------------------------===//

// Dims, divisions that hold a dim, symbols, divisions of symbols only.
static int getAtomClass(AffineExpr atom) {
  if (isa<AffineDimExpr>(atom)) {
    return 0;
  }
  if (isa<AffineSymbolExpr>(atom)) {
    return 2;
  }
  return atom.isSymbolicOrConstant() ? 3 : 1;
}

// Any total order that depends on structure alone, never on addresses.
static int compareExprs(AffineExpr a, AffineExpr b) {
  if (a == b) {
    return 0;
  }
  if (a.getKind() != b.getKind()) {
    return a.getKind() < b.getKind() ? -1 : 1;
  }
  if (auto dim = dyn_cast<AffineDimExpr>(a)) {
    return dim.getPosition() < cast<AffineDimExpr>(b).getPosition() ? -1 : 1;
  }
  if (auto sym = dyn_cast<AffineSymbolExpr>(a)) {
    return sym.getPosition() < cast<AffineSymbolExpr>(b).getPosition() ? -1 : 1;
  }
  if (auto cst = dyn_cast<AffineConstantExpr>(a)) {
    return cst.getValue() < cast<AffineConstantExpr>(b).getValue() ? -1 : 1;
  }
  auto left = cast<AffineBinaryOpExpr>(a), right = cast<AffineBinaryOpExpr>(b);
  if (int order = compareExprs(left.getLHS(), right.getLHS())) {
    return order;
  }
  return compareExprs(left.getRHS(), right.getRHS());
}

static bool precedes(AffineExpr a, AffineExpr b) {
  int classA = getAtomClass(a), classB = getAtomClass(b);
  return classA != classB ? classA < classB : compareExprs(a, b) < 0;
}

//===----------------------------------------------------------------------===//
// AffineSum
//===----------------------------------------------------------------------===//

static bool isOutOfRange(int64_t value) {
  return value == std::numeric_limits<int64_t>::min();
}

void AffineSum::setOverflow(AffineExpr atom) {
  if (!overflow) {
    culprit = atom;
  }
  overflow = true;
}

void AffineSum::addConstant(int64_t value) {
  if (llvm::AddOverflow(constant, value, constant) || isOutOfRange(constant)) {
    setOverflow(nullptr);
  }
}

void AffineSum::addAtom(AffineExpr atom, int64_t factor) {
  if (isOutOfRange(factor)) {
    return setOverflow(atom);
  }
  for (auto &[known, coefficient] : terms) {
    if (known == atom) {
      if (llvm::AddOverflow(coefficient, factor, coefficient) ||
          isOutOfRange(coefficient)) {
        setOverflow(atom);
      }
      return;
    }
  }
  terms.push_back({atom, factor});
}

void AffineSum::add(AffineExpr expr, int64_t factor) {
  if (overflow) {
    return;
  }
  if (auto cst = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t value;
    if (llvm::MulOverflow(cst.getValue(), factor, value)) {
      return setOverflow(nullptr);
    }
    return addConstant(value);
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) {
    return addAtom(expr, factor);
  }
  if (expr.getKind() == AffineExprKind::Add) {
    add(binary.getLHS(), factor);
    return add(binary.getRHS(), factor);
  }
  if (expr.getKind() == AffineExprKind::Mul) {
    // MLIR keeps the constant of a product on the right.
    if (auto cst = dyn_cast<AffineConstantExpr>(binary.getRHS())) {
      int64_t value;
      if (llvm::MulOverflow(cst.getValue(), factor, value)) {
        return setOverflow(binary.getLHS());
      }
      return add(binary.getLHS(), value);
    }
    return addAtom(expr, factor);
  }
  AffineExpr lhs = normalize(binary.getLHS());
  if (!lhs) {
    return;
  }
  AffineExpr division =
      getAffineBinaryOpExpr(expr.getKind(), lhs, binary.getRHS());
  // The division of a normal operand may have been simplified into a sum.
  if (isDivision(division)) {
    return addAtom(division, factor);
  }
  add(division, factor);
}

AffineExpr AffineSum::build() {
  if (overflow) {
    return nullptr;
  }
  llvm::erase_if(terms, [](auto &term) { return term.second == 0; });
  llvm::stable_sort(
      terms, [](auto &a, auto &b) { return precedes(a.first, b.first); });
  AffineExpr sum;
  for (auto &[atom, coefficient] : terms) {
    AffineExpr term = atom * coefficient;
    sum = sum ? sum + term : term;
  }
  if (!sum) {
    return getAffineConstantExpr(constant, context);
  }
  return constant ? sum + constant : sum;
}

//===----------------------------------------------------------------------===//
// normalize
//===----------------------------------------------------------------------===//

AffineExpr AffineSum::normalize(AffineExpr expr) {
  // Building a sum may fold it, e.g. x - (x floordiv 4) * 4 to x mod 4: repeat
  // until nothing changes. Each fold removes a term, so few rounds are enough.
  // Operands of divisions are normalized once per round, and the second round
  // finds them in normal form: nested divisions cost the square of their depth.
  constexpr int maxRounds = 64;
  for (int round = 0; round < maxRounds; ++round) {
    AffineSum sum(context);
    sum.add(expr);
    AffineExpr next = sum.build();
    if (!next) {
      setOverflow(sum.culprit);
    }
    if (!next || next == expr) {
      return next;
    }
    expr = next;
  }
  return expr;
}

AffineExpr attn::normalize(AffineExpr expr) {
  return AffineSum(expr.getContext()).normalize(expr);
}

AffineMap attn::normalize(AffineMap map) {
  SmallVector<AffineExpr> results;
  for (AffineExpr expr : map.getResults()) {
    results.push_back(normalize(expr));
  }
  return AffineMap::get(map.getNumDims(), map.getNumSymbols(), results,
                        map.getContext());
}

IntegerSet attn::normalize(IntegerSet set) {
  SmallVector<AffineExpr> constraints;
  for (AffineExpr expr : set.getConstraints()) {
    constraints.push_back(normalize(expr));
  }
  return IntegerSet::get(set.getNumDims(), set.getNumSymbols(), constraints,
                         set.getEqFlags());
}

//===----------------------------------------------------------------------===//
// checkAffine
//===----------------------------------------------------------------------===//

static std::string toString(AffineExpr expr, ArrayRef<StringRef> dims,
                            ArrayRef<StringRef> symbols) {
  std::string text;
  llvm::raw_string_ostream os(text);
  printNamed(expr, dims, symbols, os);
  return text;
}

static std::string checkOperators(AffineExpr expr, ArrayRef<StringRef> dims,
                                  ArrayRef<StringRef> symbols) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) {
    return "";
  }
  for (AffineExpr operand : {binary.getLHS(), binary.getRHS()}) {
    std::string error = checkOperators(operand, dims, symbols);
    if (!error.empty()) {
      return error;
    }
  }
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (expr.getKind() == AffineExprKind::Mul && !constant) {
    return "expects an affine expression, but got '" +
           toString(expr, dims, symbols) + "'";
  }
  if (isDivision(expr) && (!constant || constant.getValue() <= 0)) {
    return "expects a positive constant divisor, but got '" +
           toString(expr, dims, symbols) + "'";
  }
  return "";
}

std::string attn::checkAffine(AffineExpr expr, ArrayRef<StringRef> dims,
                              ArrayRef<StringRef> symbols) {
  std::string error = checkOperators(expr, dims, symbols);
  if (!error.empty()) {
    return error;
  }
  AffineSum sum(expr.getContext());
  sum.add(expr);
  return sum.overflowed() ? sum.describeOverflow(dims, symbols) : "";
}

std::string AffineSum::describeOverflow(ArrayRef<StringRef> dims,
                                        ArrayRef<StringRef> symbols) const {
  if (!culprit) {
    return "constant does not fit 64 bits";
  }
  return "coefficient of '" + toString(culprit, dims, symbols) +
         "' does not fit 64 bits";
}

//===----------------------------------------------------------------------===//
// printNamed
//===----------------------------------------------------------------------===//

namespace {
enum Precedence { Sum, Product, Atom };

struct NamedPrinter {
  ArrayRef<StringRef> dims, symbols;
  raw_ostream &os;

  void print(AffineExpr expr, Precedence context);
  void printSum(AffineBinaryOpExpr expr);
  void printProduct(AffineBinaryOpExpr expr);
};
} // namespace

void NamedPrinter::printSum(AffineBinaryOpExpr expr) {
  print(expr.getLHS(), Sum);
  AffineExpr rhs = expr.getRHS();
  if (auto cst = dyn_cast<AffineConstantExpr>(rhs)) {
    bool negative = cst.getValue() < 0;
    uint64_t magnitude = cst.getValue();
    os << (negative ? " - " : " + ") << (negative ? 0 - magnitude : magnitude);
    return;
  }
  auto product = dyn_cast<AffineBinaryOpExpr>(rhs);
  auto cst = product && rhs.getKind() == AffineExprKind::Mul
                 ? dyn_cast<AffineConstantExpr>(product.getRHS())
                 : AffineConstantExpr();
  if (!cst || cst.getValue() >= 0) {
    os << " + ";
    return print(rhs, rhs.getKind() == AffineExprKind::Add ? Product : Sum);
  }
  os << " - ";
  print(product.getLHS(), Atom);
  if (cst.getValue() != -1) {
    os << " * " << 0 - static_cast<uint64_t>(cst.getValue());
  }
}

void NamedPrinter::printProduct(AffineBinaryOpExpr expr) {
  auto cst = dyn_cast<AffineConstantExpr>(expr.getRHS());
  if (expr.getKind() == AffineExprKind::Mul && cst && cst.getValue() == -1) {
    os << '-';
    return print(expr.getLHS(), Atom);
  }
  print(expr.getLHS(), Atom);
  switch (expr.getKind()) {
  case AffineExprKind::Mul:
    os << " * ";
    break;
  case AffineExprKind::Mod:
    os << " mod ";
    break;
  case AffineExprKind::FloorDiv:
    os << " floordiv ";
    break;
  default:
    os << " ceildiv ";
    break;
  }
  print(expr.getRHS(), Atom);
}

void NamedPrinter::print(AffineExpr expr, Precedence context) {
  // A position without a name can only occur in IR that does not verify.
  auto printName = [&](ArrayRef<StringRef> names, char prefix, unsigned pos) {
    if (pos < names.size()) {
      os << names[pos];
    } else {
      os << prefix << pos;
    }
  };
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return printName(dims, 'd', dim.getPosition());
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    return printName(symbols, 's', symbol.getPosition());
  }
  if (auto cst = dyn_cast<AffineConstantExpr>(expr)) {
    os << cst.getValue();
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Precedence own = expr.getKind() == AffineExprKind::Add ? Sum : Product;
  bool parenthesize = own < context;
  if (parenthesize) {
    os << '(';
  }
  if (own == Sum) {
    printSum(binary);
  } else {
    printProduct(binary);
  }
  if (parenthesize) {
    os << ')';
  }
}

void attn::printNamed(AffineExpr expr, ArrayRef<StringRef> dims,
                      ArrayRef<StringRef> symbols, raw_ostream &os) {
  NamedPrinter{dims, symbols, os}.print(expr, Sum);
}
