//===- Dot.cpp - Dots: packing and register blocks ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attn/TargetModel/TargetModel.h"

using namespace attn;
using namespace attn::tile;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

KernelLowering::Block2D KernelLowering::blockOf(DotOp op) {
  auto type = cast<VectorType>(op.getResult().getType());
  int64_t width = std::max<int64_t>(
      1, target.lanes * 32 / std::max(32u, type.getElementTypeBitWidth()));
  int64_t columns = ceilDiv(type.getDimSize(1), width);
  int64_t rows = ceilDiv(type.getDimSize(0), rowBlock) * rowBlock;
  RegisterBlock best =
      chooseRegisterBlock(target.registers, columns, rows, rowBlock);
  return {best.rows, best.vectors, width};
}

/// W vectors, one per row, to W vectors, one per column: log2(W) exchanges.
static void transpose(ImplicitLocOpBuilder &b, SmallVectorImpl<Value> &x) {
  int64_t w = x.size();
  for (int64_t h = w / 2; h >= 1; h /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t j = 0; j < w; ++j) {
      low.push_back(j & h ? w + j - h : j);
      high.push_back(j & h ? w + j : j + h);
    }
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

void KernelLowering::packB(DotOp op) {
  if (packs.count(op)) {
    return;
  }
  Value v = op.getB();
  auto type = cast<VectorType>(v.getType());
  Type element = op.getResult().getType().getElementType();
  bool swap = op.getTransposeB();
  int64_t k = type.getDimSize(swap ? 1 : 0), n = type.getDimSize(swap ? 0 : 1);
  Block2D block = blockOf(op);
  int64_t panel = block.vectors * block.width;
  Value memref = scratch({ceilDiv(n, panel), k, panel}, element);
  packs[op] = {memref, panel};
  auto put = [&](Value x, Value row, Value column) {
    Value p = arith::DivUIOp::create(b, column, index(panel));
    Value c = arith::RemUIOp::create(b, column, index(panel));
    if (isa<VectorType>(x.getType())) {
      vector::StoreOp::create(b, x, memref, ValueRange{p, row, c});
    } else {
      memref::StoreOp::create(b, x, memref, ValueRange{p, row, c});
    }
  };
  versioned(v, [&] {
    // A run of lanes must not cross a panel.
    int64_t w = std::min(lanesFor(n), block.width);
    bool whole = n % panel == 0 && panel % w == 0;
    if (!swap && whole) {
      loop(index(0), index(k), 1, [&](Value r) {
        loop(index(0), index(n / panel), 1, [&](Value p) {
          Value first = arith::MulIOp::create(b, p, index(panel));
          indexLevel[first] = levels.size() - 1;
          for (int64_t c = 0; c < panel; c += w) {
            Value x =
                convert(at(v, Point{{r, addIndex(first, c)}, 1, w}), element);
            SmallVector<Value> to{p, r, index(c)};
            if (w > 1) {
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
      loop(index(0), index(k), 1, [&](Value r) {
        loop(index(0), index(n), w, [&](Value c) {
          put(convert(at(v, Point{{r, c}, 1, w}), element), r, c);
        });
      });
      return;
    }
    w = std::min(w, lanesFor(k));
    loop(index(0), index(n), w, [&](Value c) {
      SmallVector<Value> columns;
      for (int64_t i = 0; i < w; ++i) {
        columns.push_back(addIndex(c, i));
      }
      loop(index(0), index(k), w, [&](Value r) {
        SmallVector<Value> x;
        for (Value column : columns) {
          x.push_back(convert(at(v, Point{{column, r}, 1, w}), element));
        }
        if (w > 1) {
          transpose(b, x);
        }
        for (int64_t i = 0; i < w; ++i) {
          put(x[i], addIndex(r, i), c);
        }
      });
    });
  });
}

void KernelLowering::lowerDot(DotOp op, const Buffer &c, bool accumulate) {
  auto type = cast<VectorType>(op.getResult().getType());
  Type element = type.getElementType();
  packB(op);
  Buffer a = rowMajor(op.getA(), element);
  Pack pack = packs[op];
  Block2D block = blockOf(op);
  bool swap = op.getTransposeA();
  auto aType = cast<VectorType>(op.getA().getType());
  int64_t k = aType.getDimSize(swap ? 0 : 1), w = block.width;
  int64_t columns = ceilDiv(type.getDimSize(1), w);
  auto vec = VectorType::get({w}, element);
  Value rows = rowCount(op.getResult(), /*rounded=*/true);
  if (!rows) {
    rows = index(ceilDiv(type.getDimSize(0), rowBlock) * rowBlock);
  }
  Value whole = arith::DivUIOp::create(b, rows, index(block.rows));
  whole = arith::MulIOp::create(b, whole, index(block.rows));

  auto registers = [&](int64_t height, int64_t vectors, Value i, Value p,
                       Value j) {
    SmallVector<Value> rowAt, columnAt, init;
    for (int64_t r = 0; r < height; ++r) {
      rowAt.push_back(addIndex(i, r));
    }
    for (int64_t v = 0; v < vectors; ++v) {
      columnAt.push_back(addIndex(j, v * w));
    }
    for (Value r : rowAt) {
      for (Value col : columnAt) {
        init.push_back(accumulate ? Value(vector::LoadOp::create(
                                        b, vec, c.memref, ValueRange{r, col}))
                                  : broadcast(zeroOf(element), w));
      }
    }
    SmallVector<Value> sums =
        loop(index(0), index(k), 1, init, [&](Value kk, ValueRange accs) {
          SmallVector<Value> bs, next;
          for (int64_t v = 0; v < vectors; ++v) {
            bs.push_back(vector::LoadOp::create(
                b, vec, pack.memref, ValueRange{p, kk, index(v * w)}));
          }
          for (int64_t r = 0; r < height; ++r) {
            SmallVector<Value> idx{rowAt[r], kk};
            if (swap) {
              std::swap(idx[0], idx[1]);
            }
            Value x = memref::LoadOp::create(b, a.memref, idx);
            Value spread = vector::BroadcastOp::create(b, vec, x);
            for (int64_t v = 0; v < vectors; ++v) {
              next.push_back(vector::FMAOp::create(b, spread, bs[v],
                                                   accs[r * vectors + v]));
            }
          }
          return next;
        });
    for (auto [n, sum] : llvm::enumerate(sums)) {
      vector::StoreOp::create(
          b, sum, c.memref,
          ValueRange{rowAt[n / vectors], columnAt[n % vectors]});
    }
  };
  auto panels = [&](int64_t from, int64_t to, int64_t vectors) {
    nest([&] {
      loop(index(from), index(to), 1, [&](Value p) {
        Value j = arith::MulIOp::create(b, p, index(pack.panel));
        loop(index(0), whole, block.rows,
             [&](Value i) { registers(block.rows, vectors, i, p, j); });
        if (block.rows > rowBlock) {
          loop(whole, rows, rowBlock,
               [&](Value i) { registers(rowBlock, vectors, i, p, j); });
        }
      });
    });
  };
  int64_t full = columns / block.vectors, left = columns % block.vectors;
  if (full) {
    panels(0, full, block.vectors);
  }
  if (left) {
    panels(full, full + 1, left);
  }
}

void KernelLowering::prepareDots(Value v) {
  for (OpOperand &use : v.getUses()) {
    auto dot = dyn_cast<DotOp>(use.getOwner());
    if (!dot || dot->getBlock() == v.getParentBlock()) {
      continue;
    }
    if (use.getOperandNumber() == 0) {
      rowMajor(v, dot.getResult().getType().getElementType());
    } else if (use.getOperandNumber() == 1) {
      packB(dot);
    }
  }
}
