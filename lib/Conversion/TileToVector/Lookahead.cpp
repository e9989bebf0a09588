//===- Lookahead.cpp - Addresses of the next tile -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows of a tile lie anywhere in memory, so no hardware foresees the next
// tile's. A step therefore finds the addresses of the tile behind its own as
// well, and the dots fetch, at each place that they read, the same place of
// that tile: memory is then busy as long as the arithmetic is. Two tables of
// addresses take turns; a cell says up to which tile they are filled.
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attn/Dialect/Tile/IR/DotPrecision.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace attn;
using namespace attn::tile;

/// Of a line of the caches, which is what a prefetch moves.
static constexpr int64_t lineBytes = 64;

/// Ops of the step that `load` needs, itself included, in their order; false if
/// it needs more than the number of the tile. `reads`: data among them.
static bool findSlice(LoadOp load, llvm::SmallPtrSetImpl<Operation *> &slice,
                      bool &reads) {
  Block *step = load->getBlock();
  SmallVector<Operation *> work{load};
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!slice.insert(op).second) {
      continue;
    }
    bool isRead = isa<LoadOp, memref::LoadOp>(op);
    if (op->getNumRegions() || !(isRead || isPure(op)) || isa<DotOp>(op)) {
      return false;
    }
    reads |= isRead && op != load;
    for (Value v : op->getOperands()) {
      auto arg = dyn_cast<BlockArgument>(v);
      if (arg && arg.getOwner() == step && arg.getArgNumber() > 0) {
        return false;
      }
      Operation *from = v.getDefiningOp();
      if (from && from->getBlock() == step) {
        work.push_back(from);
      }
    }
  }
  return true;
}

KernelLowering::Ahead KernelLowering::prepareLookAhead(FoldOp op,
                                                       bool isAlwaysVisited) {
  Ahead ahead;
  llvm::SmallPtrSet<Operation *, 32> all;
  Block &step = op.getStep().front();
  for (LoadOp load : step.getOps<LoadOp>()) {
    llvm::SmallPtrSet<Operation *, 32> slice;
    bool reads = false;
    // Of a tile that is not visited, lists of tiles may say nothing.
    if (isLazyLoad(load) && findSlice(load, slice, reads) &&
        (isAlwaysVisited || !reads)) {
      ahead.loads.push_back(load);
      all.insert(slice.begin(), slice.end());
    }
  }
  if (ahead.loads.empty()) {
    return ahead;
  }
  for (Operation &inner : step) {
    if (all.contains(&inner)) {
      ahead.slice.push_back(&inner);
    }
  }
  for (LoadOp load : ahead.loads) {
    Buffer table = makeBuffer(
        cast<VectorType>(load.getResult().getType()).getShape().drop_back(),
        b.getI64Type());
    auto type = cast<MemRefType>(table.memref.getType());
    int64_t bytes = 8 * type.getNumElements();
    auto view = table.memref.getDefiningOp<memref::ViewOp>();
    auto offset =
        view.getByteShift().getDefiningOp<arith::ConstantIndexOp>().value();
    scratch({type.getNumElements()}, b.getI64Type()); // the other one
    ahead.tables.push_back({table, offset, bytes});
  }
  ahead.cell = scratch({1}, b.getIndexType());
  memref::StoreOp::create(b, index(std::numeric_limits<int64_t>::min()),
                          ahead.cell, index(0));
  return ahead;
}

void KernelLowering::lookAhead(FoldOp op, const Ahead &ahead, Value tile,
                               Value end) {
  if (ahead.loads.empty()) {
    return;
  }
  auto tableOf = [&](size_t n, Value t) {
    const auto &[table, offset, bytes] = ahead.tables[n];
    Value turn = arith::AndIOp::create(b, t, index(1));
    Value at = arith::MulIOp::create(b, turn, index(bytes));
    at = arith::AddIOp::create(b, at, index(offset));
    Buffer now = table;
    now.memref =
        memref::ViewOp::create(b, cast<MemRefType>(table.memref.getType()),
                               scratchBase, at, ValueRange());
    return now;
  };
  Value number = op.getStep().front().getArgument(0);
  Value filled = memref::LoadOp::create(b, ahead.cell, index(0));
  Value isFilled =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, filled, tile);
  Value next = arith::AddIOp::create(b, tile, index(1));
  Value from = arith::SelectOp::create(b, isFilled, next, tile);
  Value to = arith::AddIOp::create(b, tile, index(2));
  to = arith::MinSIOp::create(b, to, end);
  loop(from, to, 1, [&](Value t) {
    scalars.map(number, t);
    for (Operation *inner : ahead.slice) {
      current = inner;
      auto it = llvm::find(ahead.loads, inner);
      if (it == ahead.loads.end()) {
        lowerOp(inner);
      } else {
        fillTable(*it, tableOf(it - ahead.loads.begin(), t));
      }
    }
  });
  scalars.map(number, tile);
  Value last = arith::SubIOp::create(b, to, index(1));
  memref::StoreOp::create(b, last, ahead.cell, index(0));
  for (size_t n = 0; n < ahead.loads.size(); ++n) {
    tables[ahead.loads[n]] = tableOf(n, tile);
    nextTables[ahead.loads[n]] = tableOf(n, last);
  }
}

bool KernelLowering::isFetchedByDots(LoadOp load) {
  SmallVector<Value> work{load.getResult()};
  while (!work.empty()) {
    Value v = work.pop_back_val();
    for (OpOperand &use : v.getUses()) {
      if (isa<arith::ExtFOp>(use.getOwner())) {
        work.push_back(use.getOwner()->getResult(0));
        continue;
      }
      if (!isa<DotOp>(use.getOwner()) || use.getOperandNumber() != 1) {
        return false;
      }
    }
  }
  return true;
}

static LoadOp getLoadOf(Value v) {
  if (auto extension = v.getDefiningOp<arith::ExtFOp>()) {
    v = extension.getIn();
  }
  return v.getDefiningOp<LoadOp>();
}

static int64_t getRows(LoadOp load) {
  return cast<VectorType>(load.getResult().getType()).getDimSize(0);
}

void KernelLowering::findFetchingDots(FoldOp op) {
  fetchingDots.clear();
  op.getStep().walk([&](DotOp dot) {
    LoadOp load = getLoadOf(dot.getB());
    if (load && nextTables.count(load) && planOf(dot).many == DotForm::tiles) {
      fetchingDots.push_back(dot);
    }
  });
}

/// Memory is busy all the time if each place fetches for as long as it works,
/// whichever block is next: with few rows the blocks are cut into as many parts
/// as there are places, which take about as long as each other. With many the
/// products take the time, and each fetches its own.
void KernelLowering::prefetchSite(FetchSite site, Value isFew, Value trip,
                                  Value trips) {
  if (!llvm::is_contained(fetchingDots, site.dot)) {
    return;
  }
  int64_t sites = 0, number = 0, all = 0;
  for (DotOp dot : fetchingDots) {
    bool packs = planOf(dot).few.form != DotForm::turnedTiles;
    if (dot == site.dot) {
      number = sites + (packs && !site.inPack);
    }
    sites += 1 + packs;
    all += getRows(getLoadOf(dot.getB()));
  }
  int64_t begin = all * number / sites, end = all * (number + 1) / sites;
  int64_t before = 0;
  for (DotOp dot : fetchingDots) {
    LoadOp load = getLoadOf(dot.getB());
    int64_t size = getRows(load);
    int64_t from = std::clamp(begin - before, int64_t(0), size);
    int64_t to = std::clamp(end - before, int64_t(0), size);
    before += size;
    bool isOwn = dot == site.dot && !site.inPack;
    if (from == to && !isOwn) {
      continue;
    }
    auto either = [&](int64_t few, int64_t many) {
      return b.createOrFold<arith::SelectOp>(isFew, index(few), index(many));
    };
    prefetchRows(load, either(from, 0), either(to, isOwn ? size : 0), trip,
                 trips);
  }
}

/// Rows of the next tile: those of one of `trips` from `from` to `to`.
void KernelLowering::prefetchRows(LoadOp load, Value from, Value to, Value trip,
                                  Value trips) {
  auto type = cast<VectorType>(load.getResult().getType());
  int64_t rowBytes = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
  Value count = arith::SubIOp::create(b, to, from);
  Value share = arith::CeilDivUIOp::create(b, count, trips);
  from = arith::AddIOp::create(b, from, arith::MulIOp::create(b, trip, share));
  to = arith::MinUIOp::create(b, to, arith::AddIOp::create(b, from, share));
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  loop(from, to, 1, [&](Value row) {
    Value p = LLVM::IntToPtrOp::create(
        b, ptr, loadBuffer(nextTables[load], Point{{row}}));
    prefetch(p, rowBytes, /*ahead=*/true);
  });
}

void KernelLowering::prefetchShare(Value v, Value trip, int64_t trips) {
  LoadOp load = getLoadOf(v);
  if (!load || !nextTables.count(load)) {
    return;
  }
  auto type = cast<VectorType>(load.getResult().getType());
  int64_t rowBytes = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
  int64_t inRow = (rowBytes + lineBytes - 1) / lineBytes;
  int64_t lines = type.getDimSize(0) * inRow;
  // Whole rows, or parts that a row is a multiple of.
  int64_t share = (lines + trips - 1) / trips;
  share = share >= inRow ? (share + inRow - 1) / inRow * inRow
                         : int64_t(llvm::PowerOf2Ceil(share));
  if (share < inRow && inRow % share) {
    share = inRow;
  }
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value line = arith::MulIOp::create(b, trip, index(share));
  // Shares are rounded up: the last trips have none.
  Value left = index(lines - share);
  line = arith::MinUIOp::create(b, line, left);
  for (int64_t at = 0; at < share; at += inRow) {
    Value here = arith::AddIOp::create(b, line, index(at));
    Value row = arith::DivUIOp::create(b, here, index(inRow));
    Value byte = arith::MulIOp::create(
        b, arith::RemUIOp::create(b, here, index(inRow)), index(lineBytes));
    Value p = LLVM::IntToPtrOp::create(
        b, ptr, loadBuffer(nextTables[load], Point{{row}}));
    p = LLVM::GEPOp::create(b, ptr, b.getI8Type(), p,
                            ArrayRef<LLVM::GEPArg>{toI64(byte)});
    prefetch(p, std::min(share, inRow) * lineBytes, /*ahead=*/true);
  }
}

/// Into the first level what is read at once; into the second, which has more
/// misses in flight, what is read a tile later.
void KernelLowering::prefetch(Value p, int64_t bytes, bool ahead) {
  for (int64_t k = 0; k < bytes; k += lineBytes) {
    Value line = LLVM::GEPOp::create(b, p.getType(), b.getI8Type(), p,
                                     ArrayRef<LLVM::GEPArg>{int32_t(k)});
    LLVM::Prefetch::create(b, line, /*rw=*/0, ahead ? 2 : 3, /*cache=*/1);
  }
}

/// The address of each row; where a point is absent, of zeros.
void KernelLowering::fillTable(LoadOp op, const Buffer &table) {
  Access access = accessOf(op);
  auto type = cast<VectorType>(op.getResult().getType());
  Type element = type.getElementType();
  int64_t bits = element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth();
  int64_t bytes = bits * type.getShape().back() / 8;
  Value absentRow = zeros(bytes);
  Value rows = rowCount(op.getResult(), /*rounded=*/true);
  auto address = [&](Value p) -> Value {
    return LLVM::PtrToIntOp::create(b, b.getI64Type(), p);
  };
  bool fetches = isa<FoldOp>(op->getParentOp()) && bytes <= 512 &&
                 !(nextTables.count(op) && isFetchedByDots(op));
  std::function<void(Point)> axisLoop = [&](Point q) {
    size_t a = q.idx.size();
    if (a < table.shape.size()) {
      Value end = a == 0 && rows ? rows : index(table.shape[a]);
      return loop(index(0), end, 1, [&](Value i) {
        Point r = q;
        r.idx.push_back(i);
        axisLoop(r);
      });
    }
    SmallVector<Value> idx(q.idx);
    idx.push_back(index(0));
    auto found = [&](Value p) {
      if (fetches) {
        prefetch(p, bytes, nextTables.count(op));
      }
      return SmallVector<Value>{address(p)};
    };
    SmallVector<Value> p =
        withAddress(access, idx, true, TypeRange(b.getI64Type()), found,
                    [&] { return SmallVector<Value>{address(absentRow)}; });
    storeBuffer(p[0], table, q);
  };
  nest([&] { axisLoop(Point{}); });
}
