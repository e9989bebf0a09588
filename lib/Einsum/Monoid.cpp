//===- Monoid.cpp - The commutative monoids of a reduction ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Monoid.h"

#include "llvm/Support/ErrorHandling.h"

#include <cmath>
#include <limits>

using namespace attn;
using namespace attn::einsum;

llvm::StringRef attn::einsum::getName(Monoid monoid) {
  switch (monoid) {
  case Monoid::Add:
    return "add";
  case Monoid::Mul:
    return "mul";
  case Monoid::Max:
    return "max";
  case Monoid::Min:
    return "min";
  }
  llvm_unreachable("all monoids are named");
}

double attn::einsum::getUnit(Monoid monoid) {
  switch (monoid) {
  case Monoid::Add:
    return 0.0;
  case Monoid::Mul:
    return 1.0;
  case Monoid::Max:
    return -std::numeric_limits<double>::infinity();
  case Monoid::Min:
    return std::numeric_limits<double>::infinity();
  }
  llvm_unreachable("all monoids have a unit");
}

static double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (a == b) {
    // Equal values differ at most in the sign of zero.
    return std::signbit(a) ? b : a;
  }
  return a > b ? a : b;
}

double attn::einsum::join(Monoid monoid, double a, double b) {
  switch (monoid) {
  case Monoid::Add:
    return a + b;
  case Monoid::Mul:
    return a * b;
  case Monoid::Max:
    return maximum(a, b);
  case Monoid::Min:
    return -maximum(-a, -b);
  }
  llvm_unreachable("all monoids join");
}
