//===- Dot.cpp - Dots: forms and register blocks --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attn/Dialect/Tile/IR/DotPrecision.h"
#include "attn/TargetModel/TargetModel.h"

using namespace attn;
using namespace attn::tile;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

//===----------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------===//

const DotPlan &KernelLowering::planOf(DotOp op) {
  auto known = plans.find(op);
  if (known != plans.end()) {
    return known->second;
  }
  auto type = cast<VectorType>(op.getResult().getType());
  auto bType = cast<VectorType>(op.getB().getType());
  DotPlan plan;
  plan.element = type.getElementType();
  plan.a = op.getA();
  plan.b = op.getB();
  bool isPlain = plan.element.isF32() && !op.getTransposeA();
  int64_t depth = bType.getDimSize(op.getTransposeB() ? 1 : 0);
  Type narrow = isPlain ? getNarrowType(op) : Type();
  if (target.dotsBF16 && narrow && narrow.isBF16() && depth % 2 == 0) {
    plan.pairs = true;
    plan.element = narrow;
    plan.a = stripExtension(plan.a, narrow);
  }
  // An operand in memory is converted where it is multiplied.
  Value inMemory = plan.b;
  if (auto extension = inMemory.getDefiningOp<arith::ExtFOp>()) {
    inMemory = extension.getIn();
  }
  Type stored = getElementTypeOrSelf(inMemory.getType());
  if (plan.pairs && stored == plan.element) {
    plan.b = inMemory;
  }
  DotProblem problem;
  problem.columns = type.getDimSize(1);
  problem.depth = depth;
  problem.columnsLieAlongDepth = op.getTransposeB();
  problem.converts = stored != plan.element;
  problem.multipliesPairs = plan.pairs;
  problem.hasMatrixUnit = target.tilesBF16;
  problem.lanes = target.lanes;
  problem.registers = target.registers;
  plan.many = chooseManyRows(problem);
  bool isReadInPlace = isPlain && inMemory.getDefiningOp<LoadOp>() &&
                       (stored == plan.element || !plan.pairs);
  if (isReadInPlace) {
    plan.few = chooseFewRows(problem, type.getDimSize(0), rowBlock);
  }
  return plans[op] = plan;
}

void KernelLowering::byRows(DotOp op, function_ref<void()> few,
                            function_ref<void()> many) {
  int64_t most = planOf(op).few.rows;
  int64_t size = cast<VectorType>(op.getResult().getType()).getDimSize(0);
  if (most >= size) {
    return few();
  }
  Value rows = most ? rowCount(op.getResult(), /*rounded=*/false) : Value();
  if (!rows) {
    return many();
  }
  Value isFew =
      arith::CmpIOp::create(b, arith::CmpIPredicate::sle, rows, index(most));
  auto arm = [](function_ref<void()> emit) {
    emit();
    return SmallVector<Value>();
  };
  branch(isFew, {}, [&] { return arm(few); }, [&] { return arm(many); });
}

KernelLowering::Block2D KernelLowering::blockOf(DotOp op, DotForm form) {
  auto type = cast<VectorType>(op.getResult().getType());
  int64_t width = std::max<int64_t>(
      1, target.lanes * 32 / std::max(32u, type.getElementTypeBitWidth()));
  if (form == DotForm::tiles) {
    return {matrixRowsOf(op), 1, kMatrixColumns};
  }
  if (form == DotForm::direct) {
    DotProblem problem;
    problem.registers = target.registers;
    return {std::max(getDirectRows(problem) / rowBlock * rowBlock, rowBlock), 2,
            width};
  }
  int64_t columns = ceilDiv(type.getDimSize(1), width);
  int64_t rows = ceilDiv(type.getDimSize(0), rowBlock) * rowBlock;
  RegisterBlock best =
      chooseRegisterBlock(target.registers, columns, rows, rowBlock);
  return {best.rows, best.vectors, width};
}

int64_t KernelLowering::matrixRowsOf(DotOp op) {
  int64_t rows = cast<VectorType>(op.getResult().getType()).getDimSize(0);
  return rows <= kMatrixRows / 2 ? kMatrixRows / 2 : kMatrixRows;
}

Value KernelLowering::liveRowsOf(DotOp op) {
  if (Value rows = rowCount(op.getResult(), /*rounded=*/true)) {
    return rows;
  }
  auto type = cast<VectorType>(op.getResult().getType());
  return index(ceilDiv(type.getDimSize(0), rowBlock) * rowBlock);
}

//===----------------------------------------------------------------------===//
// Lanes along the columns
//===----------------------------------------------------------------------===//

Value KernelLowering::multiplyAdd(const DotPlan &plan, Value x, Value y,
                                  Value sum) {
  if (!plan.pairs) {
    return vector::FMAOp::create(b, x, y, sum);
  }
  auto type = cast<VectorType>(sum.getType());
  std::string name =
      "llvm.x86.avx512bf16.dpbf16ps." + std::to_string(32 * type.getDimSize(0));
  return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name),
                                       ValueRange{sum, x, y})
      .getResult(0);
}

Value tile::interleave(ImplicitLocOpBuilder &b, Value x, Value y, int64_t first,
                       int64_t count) {
  int64_t size = cast<VectorType>(x.getType()).getDimSize(0);
  SmallVector<int64_t> order;
  for (int64_t i = first; i < first + count; ++i) {
    order.append({i, size + i});
  }
  return vector::ShuffleOp::create(b, x, y, order);
}

void KernelLowering::lanesAlongColumns(DotOp op, DotForm form, const Buffer &c,
                                       bool accumulate) {
  const DotPlan plan = planOf(op);
  auto type = cast<VectorType>(op.getResult().getType());
  bool direct = form == DotForm::direct, swap = op.getTransposeA();
  Buffer a = rowMajor(plan.a, plan.element);
  Pack pack = direct ? Pack() : packs[op];
  Block2D block = blockOf(op, form);
  int64_t panel = block.vectors * block.width;
  auto aType = cast<VectorType>(op.getA().getType());
  int64_t k = aType.getDimSize(swap ? 0 : 1), w = block.width;
  int64_t columns = ceilDiv(type.getDimSize(1), w), step = 1 + plan.pairs;
  auto vec = VectorType::get({w}, type.getElementType());
  auto operand = VectorType::get({step * w}, plan.element);
  Value rows = liveRowsOf(op);
  Value whole = arith::DivUIOp::create(b, rows, index(block.rows));
  whole = arith::MulIOp::create(b, whole, index(block.rows));

  auto rightVectors = [&](Value kk, int64_t vectors, Value p,
                          ArrayRef<Value> columnAt) {
    SmallVector<Value> bs;
    if (!direct) {
      Value row = kk;
      if (plan.pairs) {
        row = arith::DivUIOp::create(b, kk, index(2));
      }
      for (int64_t v = 0; v < vectors; ++v) {
        bs.push_back(vector::LoadOp::create(
            b, operand, pack.memref, ValueRange{p, row, index(v * step * w)}));
      }
      return bs;
    }
    Value odd = plan.pairs ? addIndex(kk, 1) : Value();
    for (int64_t v = 0; v < vectors; v += step) {
      Value x = convert(at(plan.b, Point{{kk, columnAt[v]}, 1, step * w}),
                        plan.element);
      if (!plan.pairs) {
        bs.push_back(x);
        continue;
      }
      Value y = convert(at(plan.b, Point{{odd, columnAt[v]}, 1, step * w}),
                        plan.element);
      bs.push_back(interleave(b, x, y, 0, w));
      bs.push_back(interleave(b, x, y, w, w));
    }
    // As many lines of the next tile, in the order in which they lie.
    Value trip = arith::MulIOp::create(b, p, index(k / step));
    Value done = arith::DivUIOp::create(b, kk, index(step));
    prefetchShare(op.getB(), arith::AddIOp::create(b, trip, done),
                  k / step * ceilDiv(columns, block.vectors));
    return bs;
  };

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
        init.push_back(accumulate
                           ? Value(vector::LoadOp::create(b, vec, c.memref,
                                                          ValueRange{r, col}))
                           : broadcast(zeroOf(type.getElementType()), w));
      }
    }
    SmallVector<Value> sums =
        loop(index(0), index(k), step, init, [&](Value kk, ValueRange accs) {
          SmallVector<Value> bs = rightVectors(kk, vectors, p, columnAt), next;
          for (int64_t r = 0; r < height; ++r) {
            SmallVector<Value> idx{rowAt[r], kk};
            if (swap) {
              std::swap(idx[0], idx[1]);
            }
            Value spread;
            if (plan.pairs) {
              auto pair = VectorType::get({2}, plan.element);
              spread =
                  pairLane(vector::LoadOp::create(b, pair, a.memref, idx), w);
            } else {
              Value x = memref::LoadOp::create(b, a.memref, idx);
              spread = vector::BroadcastOp::create(b, vec, x);
            }
            for (int64_t v = 0; v < vectors; ++v) {
              next.push_back(
                  multiplyAdd(plan, spread, bs[v], accs[r * vectors + v]));
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
        Value j = arith::MulIOp::create(b, p, index(panel));
        indexLevel[j] = levels.size() - 1;
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

//===----------------------------------------------------------------------===//
// Lowering
//===----------------------------------------------------------------------===//

void KernelLowering::lowerDot(DotOp op, const Buffer &c, bool accumulate) {
  packB(op);
  byRows(
      op,
      [&] {
        if (planOf(op).few.form == DotForm::direct) {
          return lanesAlongColumns(op, DotForm::direct, c, accumulate);
        }
        packRows(op);
        if (planOf(op).few.form == DotForm::turnedTiles) {
          return turnedTiles(op, c, accumulate);
        }
        lanesAlongRows(op, c, accumulate);
      },
      [&] {
        if (planOf(op).many == DotForm::tiles) {
          return inMatrixTiles(op, c, accumulate);
        }
        lanesAlongColumns(op, DotForm::packed, c, accumulate);
      });
}

void KernelLowering::prepareDots(Value v) {
  for (OpOperand &use : v.getUses()) {
    auto dot = dyn_cast<DotOp>(use.getOwner());
    if (!dot || dot->getBlock() == v.getParentBlock()) {
      continue;
    }
    if (use.getOperandNumber() == 1) {
      packB(dot);
      continue;
    }
    auto prepare = [&] {
      const DotPlan &plan = planOf(dot);
      rowMajor(plan.a, plan.element);
    };
    byRows(
        dot,
        [&] {
          if (planOf(dot).few.form == DotForm::direct) {
            prepare();
          } else {
            packRows(dot);
          }
        },
        prepare);
  }
}
