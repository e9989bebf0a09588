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
  for (Operation &op : *points.getBody()) {
    b.setLoc(op.getLoc());
    if (!cloneScalarCode(&op, map)) {
      return;
    }
  }
}
