//===- Nests.cpp - Loop nests that materialise and reduce -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace attn;
using namespace attn::tile;

void KernelLowering::versioned(ValueRange roots, function_ref<void()> body) {
  scf::IfOp open;
  for (Value root : roots) {
    forEachPulled(root, [&](Value v) {
      auto branch = v.getDefiningOp<scf::IfOp>();
      if (branch && !isBuffered(v) && !decided.count(branch) && !open) {
        open = branch;
      }
    });
  }
  if (!open) {
    return nest(body);
  }
  // All masks under one condition are decided together.
  SmallVector<scf::IfOp> same;
  kernel.walk([&](scf::IfOp op) {
    if (op.getCondition() == open.getCondition() && !decided.count(op)) {
      same.push_back(op);
    }
  });
  auto arm = [&](bool value) {
    for (scf::IfOp op : same) {
      decided[op] = value;
    }
    versioned(roots, body);
    return SmallVector<Value>();
  };
  std::vector<Level> outer;
  outer.swap(levels);
  branch(
      scalar(open.getCondition()), {}, [&] { return arm(true); },
      [&] { return arm(false); });
  levels.swap(outer);
  for (scf::IfOp op : same) {
    decided.erase(op);
  }
}

Value KernelLowering::convert(Value v, Type element) {
  Type from = getElementTypeOrSelf(v.getType());
  if (from == element) {
    return v;
  }
  auto vec = dyn_cast<VectorType>(v.getType());
  Type to = vec ? Type(vec.clone(element)) : element;
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth()) {
    return arith::ExtFOp::create(b, to, v);
  }
  if (from.getIntOrFloatBitWidth() > element.getIntOrFloatBitWidth()) {
    return arith::TruncFOp::create(b, to, v);
  }
  // f16 and bf16 have no common super type among them but f32.
  Type f32 = vec ? Type(vec.clone(b.getF32Type())) : b.getF32Type();
  return arith::TruncFOp::create(b, to, arith::ExtFOp::create(b, f32, v));
}

//===----------------------------------------------------------------------===//
// Materialising
//===----------------------------------------------------------------------===//

static TypedAttr identity(OpBuilder &b, vector::CombiningKind kind, Type type) {
  using K = vector::CombiningKind;
  if (auto f = dyn_cast<FloatType>(type)) {
    const llvm::fltSemantics &sem = f.getFloatSemantics();
    bool low = kind == K::MAXIMUMF || kind == K::MAXNUMF;
    bool high = kind == K::MINIMUMF || kind == K::MINNUMF;
    if (low || high) {
      return b.getFloatAttr(type, APFloat::getInf(sem, low));
    }
    return b.getFloatAttr(type, kind == K::MUL ? 1.0 : 0.0);
  }
  unsigned w = type.getIntOrFloatBitWidth();
  switch (kind) {
  case K::MUL:
    return b.getIntegerAttr(type, 1);
  case K::MINSI:
    return b.getIntegerAttr(type, APInt::getSignedMaxValue(w));
  case K::MAXSI:
    return b.getIntegerAttr(type, APInt::getSignedMinValue(w));
  case K::MINUI:
  case K::AND:
    return b.getIntegerAttr(type, APInt::getAllOnes(w));
  default:
    return b.getIntegerAttr(type, 0);
  }
}

/// Signs of zeros do not matter in a maximum, and the order of a sum is free.
static Value combine(ImplicitLocOpBuilder &b, vector::CombiningKind kind,
                     Value x, Value y) {
  Value v = vector::makeArithReduction(b, b.getLoc(), kind, x, y);
  if (auto fm = v.getDefiningOp<arith::ArithFastMathInterface>()) {
    fm->setAttr("fastmath", arith::FastMathFlagsAttr::get(
                                b.getContext(), arith::FastMathFlags::nsz));
  }
  return v;
}

static Value horizontal(ImplicitLocOpBuilder &b, vector::CombiningKind kind,
                        Value v) {
  if (!isa<VectorType>(v.getType())) {
    return v;
  }
  return vector::ReductionOp::create(
      b, kind, v, arith::FastMathFlags::reassoc | arith::FastMathFlags::nsz);
}

void KernelLowering::fill(Value v, const Buffer &into, Value like,
                          ArrayRef<vector::MultiDimReductionOp> joined) {
  auto type = dyn_cast<VectorType>(v.getType());
  SmallVector<Buffer> partial;
  for (size_t n = 0; n < joined.size(); ++n) {
    int64_t w = lanesFor(type.getShape().back());
    if (keepsPartialRows(type, w)) {
      partial.push_back(partialRows(type, w));
    }
  }
  versioned(v, [&] { fillNest(v, into, like, joined, partial); });
  for (auto [n, sums] : llvm::enumerate(partial)) {
    Value rows = rowCount(like, /*rounded=*/true);
    finishRows(joined[n], sums, rows ? rows : index(into.shape[0]));
  }
}

void KernelLowering::fillNest(Value v, const Buffer &into, Value like,
                              ArrayRef<vector::MultiDimReductionOp> joined,
                              ArrayRef<Buffer> partial) {
  int64_t rank = into.shape.size();
  Value rows = rowCount(like, /*rounded=*/true);
  if (rank == 0) {
    return storeBuffer(convert(scalar(v), into.element), into, Point{});
  }
  if (rank == 1) {
    // The padding may be computed as well: whole registers.
    loop(index(0), rows ? rows : index(into.shape[0]), target.lanes,
         [&](Value i) {
           Point p{{i}, 0, target.lanes};
           storeBuffer(convert(at(v, p), into.element), into, p);
         });
    return;
  }
  int64_t last = rank - 1, w = lanesFor(into.shape[last]);
  // select(c, old, new) into the place of `old`, where c is one per row: rows
  // that keep their value are not touched.
  Value keeps, pulled = v;
  if (auto select = v.getDefiningOp<arith::SelectOp>();
      select && !isBuffered(v)) {
    auto old = buffers.find(select.getTrueValue());
    auto c = select.getCondition().getDefiningOp<ExpandOp>();
    if (old != buffers.end() && old->second.memref == into.memref && c &&
        !llvm::is_contained(c.getDims(), last) && joined.empty()) {
      keeps = select.getCondition();
      pulled = select.getFalseValue();
    }
  }
  std::function<void(Point)> axis = [&](Point p) {
    int64_t a = p.idx.size();
    if (a < last) {
      Value end = a == 0 && rows ? rows : index(into.shape[a]);
      loop(index(0), end, 1, [&](Value i) {
        Point q = p;
        q.idx.push_back(i);
        axis(q);
      });
      return;
    }
    SmallVector<Value> init;
    for (vector::MultiDimReductionOp red : joined) {
      init.push_back(
          broadcast(constant(identity(b, red.getKind(),
                                      getElementTypeOrSelf(v.getType()))),
                    w));
    }
    auto lanes = [&] {
      SmallVector<Value> sums =
          loop(index(0), index(into.shape[last]), w, init,
               [&](Value j, ValueRange accs) {
                 Point q = p;
                 q.idx.push_back(j);
                 q.lane = last;
                 q.width = w;
                 Value x = at(pulled, q);
                 storeBuffer(convert(x, into.element), into, q);
                 SmallVector<Value> next;
                 for (size_t n = 0; n < joined.size(); ++n) {
                   vector::MultiDimReductionOp red = joined[n];
                   next.push_back(combine(b, red.getKind(), accs[n], x));
                 }
                 return next;
               });
      for (size_t n = 0; n < joined.size(); ++n) {
        vector::MultiDimReductionOp red = joined[n];
        if (!partial.empty()) {
          storeBuffer(sums[n], partial[n], Point{{p.idx[0], index(0)}, 1, w});
          continue;
        }
        Value r = horizontal(b, red.getKind(), sums[n]);
        r = combine(b, red.getKind(), r, at(red.getAcc(), p));
        storeBuffer(r, buffers[red.getDest()], p);
      }
      return SmallVector<Value>();
    };
    if (!keeps) {
      lanes();
      return;
    }
    auto c = keeps.getDefiningOp<ExpandOp>();
    Point q;
    for (int64_t d : c.getDims()) {
      q.idx.push_back(p.idx[d]);
    }
    Value keep = at(c.getSource(), q);
    Value changes =
        arith::XOrIOp::create(b, keep, constant(b.getBoolAttr(true)));
    branch(changes, {}, lanes, nullptr);
  };
  axis(Point{});
}

/// What is kept in 16 bits, and read by sums and by nothing else, need not be
/// computed to 24.
void KernelLowering::allowShortFunctions(Value v) {
  llvm::SmallPtrSet<Operation *, 16> pulled;
  forEachPulled(v, [&](Value x) {
    if (Operation *op = x.getDefiningOp()) {
      pulled.insert(op);
    }
  });
  for (Operation *op : pulled) {
    auto fast = dyn_cast<arith::ArithFastMathInterface>(op);
    bool isOwn = llvm::all_of(op->getUsers(), [&](Operation *user) {
      return pulled.contains(isa<scf::YieldOp>(user) ? user->getParentOp()
                                                     : user);
    });
    if (fast && isa<math::ExpOp, math::Exp2Op>(op) &&
        (isOwn || op == v.getDefiningOp())) {
      op->setAttr(fast.getFastMathAttrName(),
                  arith::FastMathFlagsAttr::get(
                      op->getContext(), fast.getFastMathFlagsAttr().getValue() |
                                            arith::FastMathFlags::afn));
    }
  }
}

void KernelLowering::materialise(Value v) {
  auto type = cast<VectorType>(v.getType());
  auto plan = planned.find(v);
  auto bufferOf = [&](Type element) {
    return plan != planned.end() ? plan->second
                                 : makeBuffer(type.getShape(), element);
  };
  auto [dot, addend] = accumulation(v);
  if (dot) {
    Buffer into = bufferOf(type.getElementType());
    packB(dot);
    auto zero = addend.getDefiningOp<arith::ConstantOp>();
    bool fromZero = zero && matchPattern(addend, m_AnyZeroFloat());
    auto old = buffers.find(addend);
    bool inPlace = old != buffers.end() && old->second.memref == into.memref;
    if (!fromZero && !inPlace) {
      fill(addend, into, v);
    }
    lowerDot(dot, into, !fromZero);
    buffers[v] = into;
    return;
  }
  // Sums of the value along its last axis join the loop that makes it.
  SmallVector<vector::MultiDimReductionOp> joined;
  int64_t last = type.getRank() - 1;
  for (Operation *user : v.getUsers()) {
    auto red = dyn_cast<vector::MultiDimReductionOp>(user);
    bool ok = red && red->getBlock() == v.getParentBlock() && last > 0 &&
              red.getReductionDims().size() == 1 && red.isReducedDim(last) &&
              isa_and_nonnull<arith::ConstantOp>(red.getAcc().getDefiningOp());
    if (ok) {
      joined.push_back(red);
    }
  }
  for (vector::MultiDimReductionOp red : joined) {
    auto t = cast<VectorType>(red.getDest().getType());
    buffers[red.getDest()] = makeBuffer(t.getShape(), t.getElementType());
    done.insert(red);
  }
  // What only dots read beside these sums is kept as they multiply it.
  Type element = type.getElementType(), wanted;
  for (OpOperand &use : v.getUses()) {
    auto red = dyn_cast<vector::MultiDimReductionOp>(use.getOwner());
    if (red && llvm::is_contained(joined, red)) {
      continue;
    }
    auto user = dyn_cast<DotOp>(use.getOwner());
    Type other =
        user && use.getOperandNumber() == 0 ? planOf(user).element : element;
    wanted = !wanted || wanted == other ? other : element;
  }
  bool narrows = wanted && plan == planned.end() && isa<FloatType>(element);
  if (narrows && wanted.getIntOrFloatBitWidth() <= 16) {
    allowShortFunctions(v);
  }
  Buffer into = bufferOf(narrows ? wanted : element);
  fill(v, into, v, joined);
  buffers[v] = into;
}

/// `v` row by row in element type `element`, for the left side of a dot.
Buffer KernelLowering::rowMajor(Value v, Type element) {
  auto known = buffers.find(v);
  if (known != buffers.end() && known->second.element == element) {
    return known->second;
  }
  auto it = converted.find({v, element});
  if (it != converted.end()) {
    return it->second;
  }
  Buffer buffer = makeBuffer(cast<VectorType>(v.getType()).getShape(), element);
  fill(v, buffer, v);
  // State changes from tile to tile: its copy is good for one use.
  if (v.getDefiningOp()) {
    converted[{v, element}] = buffer;
  }
  return buffer;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

bool KernelLowering::keepsPartialRows(VectorType type, int64_t w) {
  // Fewer rows are done sooner one by one.
  return type.getRank() == 2 && w >= 4 && type.getDimSize(0) >= 4;
}

Buffer KernelLowering::partialRows(VectorType type, int64_t w) {
  int64_t rows = (type.getDimSize(0) + w - 1) / w * w;
  return makeBuffer({rows, w}, type.getElementType());
}

/// At distance h, the lanes of two registers with and without h in their number
/// become the lanes of one: after log2(w) such steps lane n is the sum of row
/// n. Rows that are not live are added up as well, to what nobody reads.
void KernelLowering::finishRows(vector::MultiDimReductionOp op,
                                const Buffer &partial, Value rows) {
  int64_t w = partial.shape[1];
  const Buffer &result = buffers[op.getDest()];
  auto turn = [&](Value i) {
    SmallVector<Value> x;
    for (int64_t r = 0; r < w; ++r) {
      x.push_back(loadBuffer(partial, Point{{addIndex(i, r), index(0)}, 1, w}));
    }
    for (int64_t h = w / 2; h >= 1; h /= 2) {
      auto [low, high] = getExchange(w, h);
      for (int64_t r = 0; r < h; ++r) {
        x[r] = combine(b, op.getKind(),
                       vector::ShuffleOp::create(b, x[r], x[r + h], low),
                       vector::ShuffleOp::create(b, x[r], x[r + h], high));
      }
    }
    Point p{{i}, 0, w};
    storeBuffer(combine(b, op.getKind(), x[0], at(op.getAcc(), p)), result, p);
  };
  versioned(op.getAcc(), [&] { loop(index(0), rows, w, turn); });
}

void KernelLowering::reduce(vector::MultiDimReductionOp op) {
  Value source = op.getSource();
  auto type = cast<VectorType>(source.getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank(), last = rank - 1;
  auto resultType = dyn_cast<VectorType>(op.getDest().getType());
  Buffer result = makeBuffer(
      resultType ? resultType.getShape() : ArrayRef<int64_t>(), element);
  SmallVector<int64_t> kept, reduced;
  for (int64_t a = 0; a < rank; ++a) {
    (op.isReducedDim(a) ? reduced : kept).push_back(a);
  }
  // Rows that are not live take no part in a reduction over rows.
  auto bound = [&](int64_t a) {
    Value rows = a == 0 ? rowCount(source, !op.isReducedDim(0)) : Value();
    return rows ? rows : index(type.getDimSize(a));
  };
  int64_t w = lanesFor(type.getDimSize(last));
  if (last == 0 && rowCount(source, true)) {
    w = 1;
  }
  TypedAttr unit = identity(b, op.getKind(), element);
  bool isPartial =
      keepsPartialRows(type, w) && op.isReducedDim(last) && !op.isReducedDim(0);
  Buffer partial = isPartial ? partialRows(type, w) : Buffer();
  versioned(source, [&] {
    // Reduces over the axes of `reduced` from number `n` on.
    std::function<Value(size_t, Point, Value)> inner = [&](size_t n, Point p,
                                                           Value acc) {
      if (n == reduced.size()) {
        return combine(b, op.getKind(), acc, at(source, p));
      }
      int64_t a = reduced[n];
      bool lanes = a == last;
      SmallVector<Value> r =
          loop(index(0), bound(a), lanes ? w : 1, acc,
               [&](Value i, ValueRange accs) {
                 Point q = p;
                 q.idx[a] = i;
                 if (lanes) {
                   q.lane = a;
                   q.width = w;
                 }
                 return SmallVector<Value>{inner(n + 1, q, accs[0])};
               });
      return r[0];
    };
    std::function<void(size_t, Point, Point)> outer = [&](size_t n, Point p,
                                                          Point to) {
      if (n == kept.size()) {
        Value acc = broadcast(constant(unit), w);
        Value sum = inner(0, p, acc);
        if (isPartial) {
          return storeBuffer(sum, partial, Point{{p.idx[0], index(0)}, 1, w});
        }
        if (p.lane < 0 && op.isReducedDim(last)) {
          sum = horizontal(b, op.getKind(), sum);
        }
        sum = combine(b, op.getKind(), sum, at(op.getAcc(), to));
        return storeBuffer(sum, result, to);
      }
      int64_t a = kept[n];
      bool lanes = a == last && w > 1;
      loop(index(0), bound(a), a == last ? w : 1, [&](Value i) {
        Point q = p, next = to;
        q.idx[a] = i;
        next.idx.push_back(i);
        if (lanes) {
          q.lane = a;
          next.lane = n;
          q.width = next.width = w;
        }
        outer(n + 1, q, next);
      });
    };
    Point start;
    start.idx.assign(rank, Value());
    outer(0, start, Point{});
  });
  if (resultType) {
    buffers[op.getDest()] = result;
    if (isPartial) {
      finishRows(op, partial, bound(0));
    }
  } else {
    scalars.map(op.getDest(), loadBuffer(result, Point{}));
  }
}
