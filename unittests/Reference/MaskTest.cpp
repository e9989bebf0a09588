//===- MaskTest.cpp - Random masks against every point --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The interpreter turns constraints into intervals, prunes loops and orders
// them. Here random unions of constraints, with divisions, remainders and
// symbols per request, are held against their direct evaluation at all points.
//
//===----------------------------------------------------------------------===//
#include "Program.h"

#include "llvm/Support/MathExtras.h"
#include <random>

using namespace attn;

static int64_t evaluate(AffineExpr expr, ArrayRef<int64_t> dims,
                        ArrayRef<int64_t> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    return constant.getValue();
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return dims[dim.getPosition()];
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    return symbols[symbol.getPosition()];
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t left = evaluate(binary.getLHS(), dims, symbols);
  int64_t right = evaluate(binary.getRHS(), dims, symbols);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return left + right;
  case AffineExprKind::Mul:
    return left * right;
  case AffineExprKind::FloorDiv:
    return llvm::divideFloorSigned(left, right);
  case AffineExprKind::CeilDiv:
    return llvm::divideCeilSigned(left, right);
  default:
    return llvm::mod(left, right);
  }
}

static bool isPresent(EinsumOp op, ArrayRef<int64_t> dims,
                      ArrayRef<int64_t> symbols) {
  return llvm::any_of(op.getWhereSets(), [&](IntegerSet set) {
    for (unsigned i = 0; i < set.getNumConstraints(); ++i) {
      int64_t value = evaluate(set.getConstraint(i), dims, symbols);
      if (set.isEq(i) ? value != 0 : value < 0) {
        return false;
      }
    }
    return true;
  });
}

namespace {
/// Draws the text of a mask over b, p, m and the symbols off and len.
class MaskText {
public:
  explicit MaskText(unsigned seed) : random(seed) {}

  std::string draw() {
    std::string text = "where";
    for (int n = 1 + below(3); n > 0; --n) {
      text += " (" + constraint();
      for (int k = below(3); k > 0; --k) {
        text += " and " + constraint();
      }
      text += n > 1 ? ") or" : ")";
    }
    return text;
  }

private:
  int below(int n) { return random() % n; }
  std::string number() { return std::to_string(below(9) - 4); }
  std::string atom() {
    static const char *names[] = {"b", "p", "m", "m", "p", "off", "len"};
    return names[below(7)];
  }
  std::string term() {
    std::string text = atom();
    switch (below(6)) {
    case 0:
      return "(" + text + " + " + atom() + ") floordiv " +
             std::to_string(1 + below(4));
    case 1:
      return text + " mod " + std::to_string(1 + below(4));
    case 2:
      return text + " * " + number();
    case 3:
      return "(" + text + " - " + atom() + ") ceildiv " +
             std::to_string(1 + below(3));
    default:
      return text;
    }
  }
  std::string constraint() {
    std::string text = term();
    for (int k = below(3); k > 0; --k) {
      text += (below(2) ? " + " : " - ") + term();
    }
    return text + " + " + number() + (below(6) == 0 ? " == 0" : " >= 0");
  }

  std::mt19937 random;
};
} // namespace

TEST(Mask, RandomUnionsAgreeWithEveryPoint) {
  const int64_t B = 2, P = 5, M = 7;
  HostArray a = HostArray::zeros(DType::F32, {B, P, M});
  for (int64_t i = 0; i < a.numElements(); ++i) {
    a.setDouble(i, double(i + 1));
  }
  HostArray off = HostArray::fromDoubles(DType::I32, {B}, {-2, 3});
  HostArray len = HostArray::fromDoubles(DType::I32, {B}, {6, 4});
  int64_t present = 0, absent = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::string mask = MaskText(seed).draw();
    Program program(R"(
      func.func @f(%a: tensor<?x?x?xf32>, %off: tensor<?xi32>, %len: tensor<?xi32>)
          -> (tensor<?x?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>) {
        %o:3 = attn.cascade ranks(b, p, m)
            -> (tensor<?x?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>) {
          %x = attn.einsum %a[b, p, m] -> [b, p, m]
              symbols(off = %off[b], len = %len[b]) )" +
                    mask + R"(
              : (tensor<?x?x?xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x?x?xf32>
          %y = attn.einsum %a[b, p, m] -> [b, p] reduce add(m)
              symbols(off = %off[b], len = %len[b]) )" +
                    mask + R"(
              : (tensor<?x?x?xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x?xf32>
          %z = attn.einsum %x[b, p, m] -> [m, b] reduce add(p)
              : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
          attn.yield %x, %y, %z : tensor<?x?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>
        }
        return %o#0, %o#1, %o#2 : tensor<?x?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>
      })");
    if (!program.entry) {
      // Some constraints are refused, such as a sum without ranks.
      continue;
    }
    SmallVector<HostArray> results = program.run({a, off, len});
    ASSERT_EQ(results.size(), 3u) << mask;
    EinsumOp einsum;
    program.entry.walk([&](EinsumOp op) { einsum = einsum ? einsum : op; });
    std::vector<double> overM(B * P), overP(M * B);
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t p = 0; p < P; ++p) {
        for (int64_t m = 0; m < M; ++m) {
          bool in =
              isPresent(einsum, {b, p, m}, {off.getInt(b), len.getInt(b)});
          (in ? present : absent) += 1;
          double value = in ? a.at({b, p, m}) : 0;
          ASSERT_EQ(results[0].at({b, p, m}), value)
              << mask << " at " << b << " " << p << " " << m;
          overM[b * P + p] += value;
          overP[m * B + b] += value;
        }
      }
    }
    // An absent sum and a sum over nothing are both 0 here.
    for (int64_t i = 0; i < B * P; ++i) {
      ASSERT_EQ(results[1].getDouble(i), overM[i]) << mask;
    }
    for (int64_t i = 0; i < M * B; ++i) {
      ASSERT_EQ(results[2].getDouble(i), overP[i]) << mask;
    }
  }
  EXPECT_GT(present, 5000);
  EXPECT_GT(absent, 5000);
}
