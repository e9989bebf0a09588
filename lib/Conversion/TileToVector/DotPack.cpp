//===- DotPack.cpp - Operands of dots, laid out for registers -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

std::pair<SmallVector<int64_t>, SmallVector<int64_t>>
tile::getExchange(int64_t w, int64_t h) {
  SmallVector<int64_t> low, high;
  for (int64_t j = 0; j < w; ++j) {
    low.push_back(j & h ? w + j - h : j);
    high.push_back(j & h ? w + j : j + h);
  }
  return {low, high};
}

/// W vectors, one per row, to W vectors, one per column: log2(W) exchanges.
void tile::transposeVectors(ImplicitLocOpBuilder &b,
                            SmallVectorImpl<Value> &x) {
  int64_t w = x.size();
  for (int64_t h = w / 2; h >= 1; h /= 2) {
    auto [low, high] = getExchange(w, h);
    for (int64_t i = 0; i < w; ++i) {
      if (i & h) {
        continue;
      }
      Value p = x[i], q = x[i + h];
      x[i] = vector::ShuffleOp::create(b, p, q, low);
      x[i + h] = vector::ShuffleOp::create(b, p, q, high);
    }
  }
}

/// Two elements as one word in every lane.
Value KernelLowering::pairLane(Value pair, int64_t lanes) {
  Type element = cast<VectorType>(pair.getType()).getElementType();
  Type word = b.getI32Type();
  Value one = vector::BitCastOp::create(b, VectorType::get({1}, word), pair);
  one = vector::ExtractOp::create(b, one, ArrayRef<int64_t>{0});
  Value all =
      vector::BroadcastOp::create(b, VectorType::get({lanes}, word), one);
  return vector::BitCastOp::create(b, VectorType::get({2 * lanes}, element),
                                   all);
}

void KernelLowering::packB(DotOp op) {
  if (packs.count(op) || copies.count(op)) {
    return;
  }
  const DotPlan plan = planOf(op);
  byRows(
      op,
      [&] {
        Type stored = getElementTypeOrSelf(op.getB().getType());
        if (auto extension = op.getB().getDefiningOp<arith::ExtFOp>()) {
          stored = getElementTypeOrSelf(extension.getIn().getType());
        }
        if (plan.few.form != DotForm::rowLanes || stored == plan.element) {
          return;
        }
        // Elements are broadcast one by one: converted once before.
        auto type = cast<VectorType>(op.getB().getType());
        Buffer copy = makeBuffer(type.getShape(), plan.element);
        fill(op.getB(), copy, op.getB());
        copies[op] = copy;
      },
      [&] { packPanels(op); });
}

void KernelLowering::packPanels(DotOp op) {
  const DotPlan plan = planOf(op);
  Value v = plan.b;
  auto type = cast<VectorType>(v.getType());
  Type element = plan.element;
  bool swap = op.getTransposeB();
  int64_t k = type.getDimSize(swap ? 1 : 0), n = type.getDimSize(swap ? 0 : 1);
  Block2D block = blockOf(op, plan.many);
  int64_t panel = block.vectors * block.width, step = 1 + plan.pairs;
  Value memref = scratch({ceilDiv(n, panel), k / step, step * panel}, element);
  packs[op] = {memref, panel};
  Value fetches = plan.many == DotForm::tiles ? packsLonger(op) : Value();
  auto fetch = [&](Value major, Value minor, int64_t majors, int64_t minors) {
    if (!fetches) {
      return;
    }
    auto share = [&] {
      Value trip = arith::MulIOp::create(b, major, index(minors));
      prefetchShare(op.getB(), arith::AddIOp::create(b, trip, minor),
                    majors * minors);
      return SmallVector<Value>();
    };
    branch(fetches, {}, share, nullptr);
  };
  auto put = [&](Value x, Value row, Value column) {
    Value p = arith::DivUIOp::create(b, column, index(panel));
    Value c = arith::RemUIOp::create(b, column, index(panel));
    if (plan.pairs) {
      c = arith::MulIOp::create(b, c, index(2));
    }
    if (isa<VectorType>(x.getType())) {
      vector::StoreOp::create(b, x, memref, ValueRange{p, row, c});
    } else {
      memref::StoreOp::create(b, x, memref, ValueRange{p, row, c});
    }
  };
  // Row `r` of the pack (for pairs: of pairs) at columns c .. c + w - 1.
  auto fromRows = [&](Value r, Value c, int64_t w) -> Value {
    auto row = [&](Value k) {
      return convert(at(v, Point{{k, c}, 1, w}), element);
    };
    if (!plan.pairs) {
      return row(r);
    }
    // Here, which is inside of the loop over rows.
    Value even = arith::MulIOp::create(b, r, index(2));
    indexLevel[even] = levels.size() - 1;
    Value x = row(even), y = row(addIndex(even, 1));
    if (w == 1) {
      return vector::FromElementsOp::create(b, VectorType::get({2}, element),
                                            ValueRange{x, y});
    }
    return vector::InterleaveOp::create(b, x, y);
  };
  versioned(v, [&] {
    // A run of lanes must not cross a panel.
    int64_t w = std::min(lanesFor(n), block.width);
    bool whole = n % panel == 0 && panel % w == 0;
    if (!swap && whole) {
      loop(index(0), index(k / step), 1, [&](Value r) {
        loop(index(0), index(n / panel), 1, [&](Value p) {
          Value first = arith::MulIOp::create(b, p, index(panel));
          indexLevel[first] = levels.size() - 1;
          fetch(r, p, k / step, n / panel);
          for (int64_t c = 0; c < panel; c += w) {
            Value x = fromRows(r, addIndex(first, c), w);
            SmallVector<Value> to{p, r, index(step * c)};
            if (isa<VectorType>(x.getType())) {
              vector::StoreOp::create(b, x, memref, to);
            } else {
              memref::StoreOp::create(b, x, memref, to);
            }
          }
        });
      });
      return;
    }
    if (!swap) {
      loop(index(0), index(k / step), 1, [&](Value r) {
        loop(index(0), index(n), w,
             [&](Value c) { put(fromRows(r, c, w), r, c); });
      });
      return;
    }
    w = std::min(w, lanesFor(k / step));
    auto words = VectorType::get({w}, b.getI32Type());
    auto pairs = VectorType::get({2 * w}, element);
    loop(index(0), index(n), w, [&](Value c) {
      SmallVector<Value> columns;
      for (int64_t i = 0; i < w; ++i) {
        columns.push_back(addIndex(c, i));
      }
      loop(index(0), index(k / step), w, [&](Value r) {
        fetch(arith::DivUIOp::create(b, c, index(w)),
              arith::DivUIOp::create(b, r, index(w)), ceilDiv(n, w),
              ceilDiv(k / step, w));
        SmallVector<Value> x;
        Value from = r;
        if (plan.pairs) {
          from = arith::MulIOp::create(b, r, index(2));
          indexLevel[from] = levels.size() - 1;
        }
        for (Value column : columns) {
          Value run =
              convert(at(v, Point{{column, from}, 1, step * w}), element);
          if (plan.pairs && w > 1) {
            run = vector::BitCastOp::create(b, words, run);
          }
          x.push_back(run);
        }
        if (w > 1) {
          transposeVectors(b, x);
        }
        for (int64_t i = 0; i < w; ++i) {
          if (plan.pairs && w > 1) {
            x[i] = vector::BitCastOp::create(b, pairs, x[i]);
          }
          put(x[i], addIndex(r, i), c);
        }
      });
    });
  });
}

/// [blocks of rows][depth][lanes]; pairs: [..][depth / 2][2 lanes]. A few rows,
/// once per value: element by element. Rows past the live ones repeat the last.
void KernelLowering::packRows(DotOp op) {
  const DotPlan plan = planOf(op);
  // State changes from tile to tile: its copy is good for one use.
  if (rowPacks.count(op) && plan.a.getDefiningOp()) {
    return;
  }
  int64_t depth = cast<VectorType>(op.getA().getType()).getDimSize(1);
  DotProblem problem;
  problem.lanes = target.lanes;
  int64_t w = getRowLanes(problem), step = 1 + plan.pairs;
  Buffer pack;
  pack.shape = {ceilDiv(plan.few.rows, w), depth / step, step * w};
  pack.element = plan.element;
  pack.memref = scratch(pack.shape, pack.element);
  Value rows = liveRowsOf(op);
  // Live rows are counted in whole blocks; the operand has no row behind its
  // end.
  int64_t size = cast<VectorType>(op.getA().getType()).getDimSize(0);
  Value last = arith::MinSIOp::create(
      b, arith::SubIOp::create(b, rows, index(1)), index(size - 1));
  versioned(plan.a, [&] {
    loop(index(0), rows, w, [&](Value i) {
      Value group = arith::DivUIOp::create(b, i, index(w));
      SmallVector<Value> rowAt;
      for (int64_t r = 0; r < w; ++r) {
        Value row = arith::MinSIOp::create(b, addIndex(i, r), last);
        indexLevel[row] = levels.size() - 1;
        rowAt.push_back(row);
      }
      loop(index(0), index(depth), step, [&](Value k) {
        Value at0 = arith::DivUIOp::create(b, k, index(step));
        for (int64_t r = 0; r < w; ++r) {
          Value x =
              convert(at(plan.a, Point{{rowAt[r], k}, 1, step}), plan.element);
          storeBuffer(x, pack, Point{{group, at0, index(step * r)}});
        }
      });
    });
  });
  rowPacks[op] = pack;
}
