//===- LinearSet.cpp - Tile class conditions: values, text ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/TileClasses.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

static int64_t evaluateRow(ArrayRef<int64_t> coeffs, int64_t constant,
                           ArrayRef<int64_t> values) {
  for (auto [coeff, value] : llvm::zip(coeffs, values)) {
    constant += coeff * value;
  }
  return constant;
}

bool LinearSet::contains(ArrayRef<int64_t> params) const {
  SmallVector<int64_t> values(params);
  for (const Division &division : divisions) {
    values.push_back(llvm::divideFloorSigned(
        evaluateRow(division.coeffs, division.constant, values),
        division.divisor));
  }
  return llvm::all_of(constraints, [&](const Constraint &constraint) {
    int64_t value = evaluateRow(constraint.coeffs, constraint.constant, values);
    return constraint.isEq ? value == 0 : value >= 0;
  });
}

static void printRow(ArrayRef<int64_t> coeffs, int64_t constant,
                     ArrayRef<std::string> names, raw_ostream &os) {
  bool first = true;
  auto sign = [&](int64_t value) {
    if (first) {
      os << (value < 0 ? "-" : "");
    } else {
      os << (value < 0 ? " - " : " + ");
    }
    first = false;
  };
  for (auto [coeff, name] : llvm::zip(coeffs, names)) {
    if (coeff == 0) {
      continue;
    }
    sign(coeff);
    os << name;
    if (coeff != 1 && coeff != -1) {
      os << " * " << std::abs(coeff);
    }
  }
  if (constant != 0 || first) {
    sign(constant);
    os << std::abs(constant);
  }
}

void attn::printLinearSet(const LinearSet &set, ArrayRef<std::string> names,
                          raw_ostream &os) {
  SmallVector<std::string> all(names);
  for (const LinearSet::Division &division : set.divisions) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    stream << "((";
    printRow(division.coeffs, division.constant, all, stream);
    stream << ") floordiv " << division.divisor << ")";
    all.push_back(std::move(text));
  }
  if (set.constraints.empty()) {
    os << "true";
  }
  llvm::interleave(
      set.constraints, os,
      [&](const LinearSet::Constraint &constraint) {
        printRow(constraint.coeffs, constraint.constant, all, os);
        os << (constraint.isEq ? " == 0" : " >= 0");
      },
      " and ");
}
