//===- Correction.cpp - How a value moves with its reference --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Correction.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"

#include <cmath>

using namespace attn;
using namespace attn::einsum;

Sign attn::einsum::getProductSign(Sign a, Sign b) {
  // The order of the enum is that of knowledge; a product knows the less.
  return std::min(a, b);
}

Sign attn::einsum::getQuotientSign(Sign a, Sign b) {
  return b == Sign::Positive ? a : Sign::Any;
}

Expr ExprPool::intern(Node node) {
  for (const auto &[i, old] : llvm::enumerate(nodes)) {
    if (old.kind == node.kind && old.leaf == node.leaf &&
        old.version == node.version && old.lhs == node.lhs &&
        old.rhs == node.rhs) {
      return Expr{int(i)};
    }
  }
  nodes.push_back(node);
  return Expr{int(nodes.size() - 1)};
}

Expr ExprPool::getLeaf(LeafId leaf, Version version, Sign sign) {
  Node node{ExprKind::Leaf};
  node.leaf = leaf;
  node.version = version;
  node.sign = sign;
  return intern(node);
}

Expr ExprPool::getNeg(Expr x) {
  if (!x) {
    return x;
  }
  Node n = getNode(x);
  if (n.kind == ExprKind::Neg) {
    return n.lhs;
  }
  if (n.kind == ExprKind::Sub) {
    return getSub(n.rhs, n.lhs);
  }
  Node node{ExprKind::Neg};
  node.lhs = x;
  return intern(node);
}

Expr ExprPool::getAdd(Expr lhs, Expr rhs) {
  if (!lhs || !rhs) {
    return lhs ? lhs : rhs;
  }
  if (getNode(rhs).kind == ExprKind::Neg) {
    return getSub(lhs, getNode(rhs).lhs);
  }
  Node node{ExprKind::Add};
  node.lhs = lhs;
  node.rhs = rhs;
  return intern(node);
}

Expr ExprPool::getSub(Expr lhs, Expr rhs) {
  if (lhs == rhs) {
    return Expr();
  }
  if (!rhs) {
    return lhs;
  }
  if (!lhs) {
    return getNeg(rhs);
  }
  Node node{ExprKind::Sub};
  node.lhs = lhs;
  node.rhs = rhs;
  return intern(node);
}

Expr ExprPool::getExp(Expr x) {
  if (!x) {
    return x;
  }
  Node node{ExprKind::Exp};
  node.lhs = x;
  node.sign = Sign::Positive;
  return intern(node);
}

Expr ExprPool::getExp2(Expr x) {
  if (!x) {
    return x;
  }
  Node node{ExprKind::Exp2};
  node.lhs = x;
  node.sign = Sign::Positive;
  return intern(node);
}

Expr ExprPool::getMul(Expr lhs, Expr rhs) {
  if (!lhs || !rhs) {
    return lhs ? lhs : rhs;
  }
  Node node{ExprKind::Mul};
  node.lhs = lhs;
  node.rhs = rhs;
  node.sign = getProductSign(getSign(lhs), getSign(rhs));
  return intern(node);
}

Expr ExprPool::getDiv(Expr lhs, Expr rhs) {
  if (lhs == rhs) {
    return Expr();
  }
  if (!rhs) {
    return lhs;
  }
  Node node{lhs ? ExprKind::Div : ExprKind::Recip};
  node.sign = getQuotientSign(getSign(lhs), getSign(rhs));
  if (!lhs) {
    Node r = getNode(rhs);
    if (r.kind == ExprKind::Div) {
      return getDiv(r.rhs, r.lhs);
    }
    // 1 / exp(x) as exp(-x): no overflow on the way.
    if (r.kind == ExprKind::Exp) {
      return getExp(getNeg(r.lhs));
    }
    if (r.kind == ExprKind::Exp2) {
      return getExp2(getNeg(r.lhs));
    }
    node.lhs = rhs;
    return intern(node);
  }
  // x / (a / b) as x * (b / a): one form for both.
  if (getNode(rhs).kind == ExprKind::Div) {
    Node r = getNode(rhs);
    return getMul(lhs, getDiv(r.rhs, r.lhs));
  }
  node.lhs = lhs;
  node.rhs = rhs;
  return intern(node);
}

Expr ExprPool::getScaled(Expr x, Expr k, bool divide) {
  if (!x) {
    return x;
  }
  Node node{divide ? ExprKind::Div : ExprKind::Mul};
  node.lhs = x;
  node.rhs = k;
  return intern(node);
}

SmallVector<LeafId> ExprPool::getLeaves(Expr x) const {
  SmallVector<LeafId> leaves;
  SmallVector<Expr> work;
  if (x) {
    work.push_back(x);
  }
  while (!work.empty()) {
    const Node &n = getNode(work.pop_back_val());
    if (n.kind == ExprKind::Leaf && !llvm::is_contained(leaves, n.leaf)) {
      leaves.push_back(n.leaf);
    }
    // The left operand is popped first.
    if (n.rhs) {
      work.push_back(n.rhs);
    }
    if (n.lhs) {
      work.push_back(n.lhs);
    }
  }
  return leaves;
}

double
ExprPool::evaluate(Expr x,
                   llvm::function_ref<double(LeafId, Version)> at) const {
  const Node &n = getNode(x);
  if (n.kind == ExprKind::Leaf) {
    return at(n.leaf, n.version);
  }
  double a = evaluate(n.lhs, at);
  double b = n.rhs ? evaluate(n.rhs, at) : 0.0;
  switch (n.kind) {
  case ExprKind::Leaf:
    break;
  case ExprKind::Neg:
    return -a;
  case ExprKind::Add:
    return a + b;
  case ExprKind::Sub:
    return a - b;
  case ExprKind::Mul:
    return a * b;
  case ExprKind::Div:
    return a / b;
  case ExprKind::Recip:
    return 1.0 / a;
  case ExprKind::Exp:
    return std::exp(a);
  case ExprKind::Exp2:
    return std::exp2(a);
  }
  llvm_unreachable("all kinds are evaluated");
}

std::string
ExprPool::print(Expr x, llvm::function_ref<std::string(LeafId)> name) const {
  const Node &n = getNode(x);
  auto operand = [&](Expr y) {
    ExprKind k = getNode(y).kind;
    bool bare =
        k == ExprKind::Leaf || k == ExprKind::Exp || k == ExprKind::Exp2;
    return bare ? print(y, name) : "(" + print(y, name) + ")";
  };
  auto binary = [&](const char *op) {
    return operand(n.lhs) + " " + op + " " + operand(n.rhs);
  };
  switch (n.kind) {
  case ExprKind::Leaf:
    return name(n.leaf) + (n.version == Version::New ? "'" : "");
  case ExprKind::Neg:
    return "-" + operand(n.lhs);
  case ExprKind::Add:
    return binary("+");
  case ExprKind::Sub:
    return binary("-");
  case ExprKind::Mul:
    return binary("*");
  case ExprKind::Div:
    return binary("/");
  case ExprKind::Recip:
    return "1 / " + operand(n.lhs);
  case ExprKind::Exp:
    return "exp(" + print(n.lhs, name) + ")";
  case ExprKind::Exp2:
    return "exp2(" + print(n.lhs, name) + ")";
  }
  llvm_unreachable("all kinds are printed");
}
