//===- DotPack.cpp - Operands of dots, laid out for registers -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

/// Panels of a row that are written in one go.
static constexpr int64_t mostPanelsAtOnce = 8;

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
  // For a matrix unit what is used once is packed part by part, where it is
  // multiplied.
  if (plan.many == DotForm::tiles &&
      op->getBlock() == op.getB().getParentBlock()) {
    return;
  }
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
  auto type = cast<VectorType>(plan.b.getType());
  int64_t n = type.getDimSize(op.getTransposeB() ? 0 : 1);
  Block2D block = blockOf(op, plan.many);
  int64_t panels = ceilDiv(n, block.vectors * block.width);
  packs[op] = makePack(op, panels);
  packPanels(op, packs[op], Value(), panels, n);
}

Pack KernelLowering::makePack(DotOp op, int64_t panels) {
  const DotPlan plan = planOf(op);
  auto type = cast<VectorType>(plan.b.getType());
  int64_t k = type.getDimSize(op.getTransposeB() ? 1 : 0);
  Block2D block = blockOf(op, plan.many);
  int64_t panel = block.vectors * block.width, step = 1 + plan.pairs;
  return {scratch({panels, k / step, step * panel}, plan.element), panel};
}

/// The `n` columns from panel `first` on (null: 0).
void KernelLowering::packPanels(DotOp op, const Pack &pack, Value first,
                                int64_t panels, int64_t n) {
  const DotPlan plan = planOf(op);
  Value v = plan.b, memref = pack.memref;
  auto type = cast<VectorType>(v.getType());
  Type element = plan.element;
  bool swap = op.getTransposeB();
  int64_t k = type.getDimSize(swap ? 1 : 0), panel = pack.panel;
  int64_t step = 1 + plan.pairs;
  int64_t width = std::min(blockOf(op, plan.many).width, panel);
  Value isFew = plan.many == DotForm::tiles ? packsLonger(op) : Value();
  // Of `trips` for these panels.
  auto fetch = [&](Value trip, int64_t trips) {
    if (!isFew) {
      return;
    }
    if (first) {
      Value before = arith::MulIOp::create(b, first, index(trips));
      before = arith::DivUIOp::create(b, before, index(panels));
      trip = arith::AddIOp::create(b, before, trip);
    }
    int64_t all = type.getDimSize(swap ? 0 : 1);
    prefetchSite({op, /*inPack=*/true}, isFew, trip,
                 index(ceilDiv(trips * all, n)));
  };
  Value begin = first ? arith::MulIOp::create(b, first, index(panel)) : Value();
  // Of a column of these panels, in the value.
  auto columnOf = [&](Value c) {
    if (begin) {
      c = arith::AddIOp::create(b, begin, c);
      indexLevel[c] = levels.size() - 1;
    }
    return c;
  };
  auto put = [&](Value x, Value p, Value row, Value c) {
    SmallVector<Value> to{p, row, c};
    if (isa<VectorType>(x.getType())) {
      vector::StoreOp::create(b, x, memref, to);
    } else {
      memref::StoreOp::create(b, x, memref, to);
    }
  };
  auto putAt = [&](Value x, Value row, Value column) {
    Value p = arith::DivUIOp::create(b, column, index(panel));
    Value c = arith::RemUIOp::create(b, column, index(panel));
    if (plan.pairs) {
      c = arith::MulIOp::create(b, c, index(2));
    }
    put(x, p, row, c);
  };
  auto run = [&](Value row, Value c, int64_t w) {
    return convert(at(v, Point{{row, c}, 1, w}), element);
  };
  auto evenOf = [&](Value r) -> Value {
    // Here, which is inside of the loop over rows.
    Value even = arith::MulIOp::create(b, r, index(2));
    indexLevel[even] = levels.size() - 1;
    return even;
  };
  // Row `r` of the pack (for pairs: of pairs) at columns c .. c + w - 1.
  auto fromRows = [&](Value r, Value c, int64_t w) -> Value {
    if (!plan.pairs) {
      return run(r, c, w);
    }
    Value even = evenOf(r);
    Value x = run(even, c, w), y = run(addIndex(even, 1), c, w);
    if (w == 1) {
      return vector::FromElementsOp::create(b, VectorType::get({2}, element),
                                            ValueRange{x, y});
    }
    return vector::InterleaveOp::create(b, x, y);
  };
  // A run of lanes must not cross a panel.
  int64_t w = std::min(lanesFor(n), width);
  bool whole = n % panel == 0 && panel % w == 0;
  auto rows = [&] {
    // Two panels at a time: of pairs, a register of each row.
    int64_t wide = plan.pairs && panel == w && panels % 2 == 0 ? 2 : 1;
    int64_t atOnce = wide;
    while (atOnce < mostPanelsAtOnce && panels % (2 * atOnce) == 0) {
      atOnce *= 2;
    }
    loop(index(0), index(k / step), 1, [&](Value r) {
      loop(index(0), index(panels), atOnce, [&](Value from) {
        Value trip = arith::MulIOp::create(b, r, index(panels / atOnce));
        Value done = arith::DivUIOp::create(b, from, index(atOnce));
        fetch(arith::AddIOp::create(b, trip, done),
              k / step * (panels / atOnce));
        for (int64_t u = 0; u < atOnce; u += wide) {
          Value p = addIndex(from, u);
          Value c = arith::MulIOp::create(b, p, index(panel));
          indexLevel[c] = levels.size() - 1;
          c = columnOf(c);
          if (wide == 1) {
            for (int64_t j = 0; j < panel; j += w) {
              put(fromRows(r, addIndex(c, j), w), p, r, index(step * j));
            }
            continue;
          }
          Value even = evenOf(r);
          Value x = run(even, c, 2 * w), y = run(addIndex(even, 1), c, 2 * w);
          put(interleave(b, x, y, 0, w), p, r, index(0));
          put(interleave(b, x, y, w, w), addIndex(p, 1), r, index(0));
        }
      });
    });
  };
  auto anyRows = [&] {
    loop(index(0), index(k / step), 1, [&](Value r) {
      loop(index(0), index(n), w,
           [&](Value c) { putAt(fromRows(r, columnOf(c), w), r, c); });
    });
  };
  auto turned = [&] {
    int64_t w2 = std::min(w, lanesFor(k / step));
    auto words = VectorType::get({w2}, b.getI32Type());
    auto pairs = VectorType::get({2 * w2}, element);
    loop(index(0), index(n), w2, [&](Value c) {
      SmallVector<Value> columns;
      for (int64_t i = 0; i < w2; ++i) {
        columns.push_back(columnOf(addIndex(c, i)));
      }
      loop(index(0), index(k / step), w2, [&](Value r) {
        Value trip = arith::DivUIOp::create(b, c, index(w2));
        trip = arith::MulIOp::create(b, trip, index(ceilDiv(k / step, w2)));
        Value done = arith::DivUIOp::create(b, r, index(w2));
        fetch(arith::AddIOp::create(b, trip, done),
              ceilDiv(n, w2) * ceilDiv(k / step, w2));
        SmallVector<Value> x;
        Value from = plan.pairs ? evenOf(r) : r;
        for (Value column : columns) {
          Value along = run(column, from, step * w2);
          if (plan.pairs && w2 > 1) {
            along = vector::BitCastOp::create(b, words, along);
          }
          x.push_back(along);
        }
        if (w2 > 1) {
          transposeVectors(b, x);
        }
        for (int64_t i = 0; i < w2; ++i) {
          if (plan.pairs && w2 > 1) {
            x[i] = vector::BitCastOp::create(b, pairs, x[i]);
          }
          putAt(x[i], addIndex(r, i), c);
        }
      });
    });
  };
  versioned(v, [&] { swap ? turned() : whole ? rows() : anyRows(); });
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
  int64_t w = plan.few.form == DotForm::turnedTiles ? kMatrixRows
                                                    : getRowLanes(problem);
  int64_t step = 1 + plan.pairs;
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
