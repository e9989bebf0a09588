//===- Stage.cpp - Kernels of single points -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is in no fold is computed point by point: the threads of a CTA take the
// points of an item in turn, and each does for its own what the tile kernel
// says. Nothing is shared, so nobody waits.
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/DenseSet.h"

using namespace attn;

/// The loop over the points of the item.
static scf::ForOp findPoints(tile::KernelOp kernel) {
  scf::ForOp found;
  for (auto loop : kernel.getBody().front().getOps<scf::ForOp>()) {
    if (found || loop.getNumResults() ||
        !matchPattern(loop.getStep(), m_One())) {
      return {};
    }
    found = loop;
  }
  return found;
}

/// The number of a point is divided into its coordinates. An item counts points
/// in 31 bits, and no extent of a space with points is more than their number.
/// The GPU divides 32 bits in a few instructions, 64 by a call.
static Value narrowDivision(ImplicitLocOpBuilder &b, Operation *op) {
  Value narrow[2];
  for (auto [operand, result] : llvm::zip_equal(op->getOperands(), narrow)) {
    result = arith::IndexCastUIOp::create(b, b.getI32Type(), operand);
  }
  Value result =
      isa<arith::DivUIOp>(op)
          ? arith::DivUIOp::create(b, narrow[0], narrow[1]).getResult()
          : arith::RemUIOp::create(b, narrow[0], narrow[1]).getResult();
  return arith::IndexCastUIOp::create(b, b.getIndexType(), result);
}

void KernelConversion::stage() {
  scf::ForOp points = findPoints(source);
  if (!points) {
    return fail(source, "expects one loop over points in a stage");
  }
  Block &body = source.getBody().front();
  IRMapping map;
  for (Operation &op : body.without_terminator()) {
    b.setLoc(op.getLoc());
    if (&op == points) {
      break;
    }
    if (auto field = dyn_cast<tile::ItemOp>(op)) {
      map.map(field.getResult(),
              sm::FieldOp::create(b, item, stringifyField(field.getField())));
    } else if (!isa<tile::ViewOp>(op) && !cloneScalarCode(&op, map)) {
      return;
    }
  }
  Value first = arith::AddIOp::create(b, map.lookup(points.getLowerBound()),
                                      sm::ThreadOp::create(b));
  auto loop = scf::ForOp::create(b, first, map.lookup(points.getUpperBound()),
                                 index(numWarps * FragmentLayout::kLanes));
  map.map(points.getInductionVar(), loop.getInductionVar());
  OpBuilder::InsertionGuard guard(b);
  if (!loop.getBody()->empty()) {
    loop.getBody()->getTerminator()->erase();
  }
  b.setInsertionPointToEnd(loop.getBody());
  llvm::SmallDenseSet<Value> numbers = {points.getInductionVar()};
  for (Operation &op : *points.getBody()) {
    b.setLoc(op.getLoc());
    if (!cloneScalarCode(&op, map)) {
      return;
    }
    if (isa<arith::DivUIOp, arith::RemUIOp>(op) &&
        numbers.contains(op.getOperand(0))) {
      numbers.insert(op.getResult(0));
      Operation *wide = map.lookup(op.getResult(0)).getDefiningOp();
      map.map(op.getResult(0), narrowDivision(b, wide));
      wide->erase();
    }
  }
}
