//===- DotRows.cpp - Dots with lanes along the rows -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With few rows, moving B costs more than multiplying it. Here nothing of B is
// moved: an instruction takes one element (or pair) of B's column from where it
// lies, spreads it over the lanes and multiplies it with as many rows of A. The
// sums are columns of C; they are turned in registers before they are stored.
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

/// Steps along the depth in the body of the loop. Addresses of columns are too
/// many for the registers, so each is used for two steps; for more, too few of
/// the sums would be in sight of the scheduler at the same time.
static constexpr int64_t unrolled = 4, stepsPerAddress = 2;

void KernelLowering::lanesAlongRows(DotOp op, const Buffer &c,
                                    bool accumulate) {
  const DotPlan plan = planOf(op);
  auto type = cast<VectorType>(op.getResult().getType());
  DotProblem problem;
  problem.lanes = target.lanes;
  problem.registers = target.registers;
  int64_t w = getRowLanes(problem), step = 1 + plan.pairs;
  int64_t n = type.getDimSize(1);
  int64_t depth = cast<VectorType>(op.getA().getType()).getDimSize(1);
  int64_t unroll = unrolled;
  while (depth / step % unroll) {
    unroll /= 2;
  }
  Buffer a = rowPacks[op];
  auto copy = copies.find(op);
  auto vec = VectorType::get({w}, type.getElementType());
  auto element = [&](Value column, Value k) {
    Point p{{column, k}, 1, step};
    Value x = copy == copies.end() ? at(plan.b, p)
                                   : loadBuffer(copy->second, Point{p.idx});
    return plan.pairs ? pairLane(x, w) : broadcast(x, w);
  };

  // The columns `first` .. `first + count - 1` of the rows from `i` on.
  auto columns = [&](Value i, Value group, Value first, int64_t count) {
    SmallVector<Value> columnAt, init;
    for (int64_t t = 0; t < count; ++t) {
      columnAt.push_back(addIndex(first, t));
      init.push_back(broadcast(zeroOf(type.getElementType()), w));
    }
    int64_t trips = depth / step / unroll;
    SmallVector<Value> sums = loop(
        index(0), index(depth), step * unroll, init,
        [&](Value k, ValueRange accs) {
          SmallVector<Value> kAt, as, next(accs);
          Value packed = arith::DivUIOp::create(b, k, index(step));
          for (int64_t u = 0; u < unroll; ++u) {
            kAt.push_back(addIndex(k, step * u));
            as.push_back(loadBuffer(
                a, Point{{group, addIndex(packed, u), index(0)}, 2, step * w}));
          }
          for (int64_t first = 0; first < unroll; first += stepsPerAddress) {
            for (int64_t t = 0; t < count; ++t) {
              int64_t end = std::min(first + stepsPerAddress, unroll);
              for (int64_t u = first; u < end; ++u) {
                next[t] = multiplyAdd(plan, element(columnAt[t], kAt[u]), as[u],
                                      next[t]);
              }
            }
          }
          Value trip = arith::MulIOp::create(
              b, arith::DivUIOp::create(b, first, index(count)), index(trips));
          Value done = arith::DivUIOp::create(b, k, index(step * unroll));
          prefetchShare(op.getB(), arith::AddIOp::create(b, trip, done),
                        n / count * trips);
          return next;
        });
    for (int64_t t = 0; t < count; t += w) {
      SmallVector<Value> x(sums.begin() + t, sums.begin() + t + w);
      transposeVectors(b, x);
      for (int64_t r = 0; r < w; ++r) {
        SmallVector<Value> to{addIndex(i, r), columnAt[t]};
        if (accumulate) {
          Value old = vector::LoadOp::create(b, vec, c.memref, to);
          x[r] = arith::AddFOp::create(b, old, x[r]);
        }
        vector::StoreOp::create(b, x[r], c.memref, to);
      }
    }
  };
  Value rows = liveRowsOf(op);
  int64_t most = getRowLanesColumns(problem), whole = n / most * most;
  nest([&] {
    loop(index(0), rows, w, [&](Value i) {
      Value group = arith::DivUIOp::create(b, i, index(w));
      indexLevel[group] = levels.size() - 1;
      if (whole) {
        loop(index(0), index(whole), most,
             [&](Value first) { columns(i, group, first, most); });
      }
      if (whole < n) {
        loop(index(whole), index(n), w,
             [&](Value first) { columns(i, group, first, w); });
      }
    });
  });
}
