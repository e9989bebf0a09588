//===- Memory.cpp - Loads and stores through memrefs and views ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

using namespace attn;
using namespace attn::tile;

static const char *zerosName = "tile.zeros";

Access KernelLowering::accessOf(LoadOp op) {
  return {op,
          op.getSource(),
          op.getIndices(),
          op.getAxes(),
          op.getLiveBegin(),
          op.getLiveEnd(),
          int64_t(op.getLiveAxis())};
}

static Access accessOf(StoreOp op) {
  return {op,
          op.getDestination(),
          op.getIndices(),
          op.getAxes(),
          op.getLiveBegin(),
          op.getLiveEnd(),
          int64_t(op.getLiveAxis())};
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Type attn::tile::storedType(Type element) {
  bool isByte = element.isInteger(1) || (isa<FloatType>(element) &&
                                         element.getIntOrFloatBitWidth() == 8);
  return isByte ? IntegerType::get(element.getContext(), 8) : element;
}

Value KernelLowering::elementPointer(Value pointer, Value index, Type element) {
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::GEPOp::create(b, ptr, storedType(element), pointer,
                             ArrayRef<LLVM::GEPArg>{toI64(index)});
}

/// Users' memory is aligned to its elements only.
Value KernelLowering::loadElement(Value pointer, Type element, int64_t width) {
  Type stored = storedType(element);
  auto wide = [&](Type type) {
    return width > 1 ? Type(VectorType::get({width}, type)) : type;
  };
  Value v = LLVM::LoadOp::create(b, wide(stored), pointer,
                                 stored.getIntOrFloatBitWidth() / 8);
  return fromStored(v, element);
}

Value KernelLowering::fromStored(Value v, Type element) {
  Type stored = getElementTypeOrSelf(v.getType());
  if (stored == element) {
    return v;
  }
  if (isa<FloatType>(element)) {
    auto vec = dyn_cast<VectorType>(v.getType());
    return arith::BitcastOp::create(b, vec ? Type(vec.clone(element)) : element,
                                    v);
  }
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, v,
                               zeroOf(v.getType()));
}

void KernelLowering::storeElement(Value v, Value pointer) {
  Type element = getElementTypeOrSelf(v.getType());
  Type stored = storedType(element);
  auto vec = dyn_cast<VectorType>(v.getType());
  Type type = vec ? Type(vec.clone(stored)) : stored;
  if (isa<FloatType>(element) && stored != element) {
    v = arith::BitcastOp::create(b, type, v);
  } else if (stored != element) {
    v = arith::ExtUIOp::create(b, type, v);
  }
  LLVM::StoreOp::create(b, v, pointer, stored.getIntOrFloatBitWidth() / 8);
}

/// Zeros to read where a point is absent: then loads need no mask.
Value KernelLowering::zeros(int64_t bytes) {
  auto module = kernel->getParentOfType<ModuleOp>();
  auto global = module.lookupSymbol<LLVM::GlobalOp>(zerosName);
  int64_t have =
      global ? cast<LLVM::LLVMArrayType>(global.getType()).getNumElements() : 0;
  if (have < bytes) {
    if (global) {
      global.erase();
    }
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes);
    global = LLVM::GlobalOp::create(top, b.getLoc(), type, /*isConstant=*/true,
                                    LLVM::Linkage::Internal, zerosName,
                                    Attribute(), 64);
    Block *init = top.createBlock(&global.getInitializerRegion());
    top.setInsertionPointToStart(init);
    Value zero = LLVM::ZeroOp::create(top, b.getLoc(), type);
    LLVM::ReturnOp::create(top, b.getLoc(), zero);
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(prologueEnd);
  return LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext()), zerosName);
}

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

void KernelLowering::lowerLoad(LoadOp op) {
  Access access = accessOf(op);
  auto type = dyn_cast<VectorType>(op.getResult().getType());
  Type element = getElementTypeOrSelf(op.getResult().getType());
  if (!type) {
    nest([&] {
      SmallVector<Value> v = withAddress(
          access, {}, /*checkLive=*/false, element,
          [&](Value p) {
            return SmallVector<Value>{loadElement(p, element, 1)};
          },
          [&] { return SmallVector<Value>{zeroOf(element)}; });
      scalars.map(op.getResult(), v[0]);
    });
    return;
  }
  int64_t rank = type.getRank(), axis = contiguousAxis(access);
  bool lazy = isLazyLoad(op);
  bool runs = lazy || (axis >= 0 && axis == rank - 1);
  bool liveRuns = runs && access.liveBegin && access.liveAxis == axis;
  // One loop nest over the axes that are no run of elements.
  SmallVector<int64_t> outer(type.getShape());
  if (runs) {
    outer.pop_back();
  }
  if (lazy) {
    if (!nextTables.count(op)) {
      tables[op] = makeBuffer(outer, b.getI64Type());
      fillTable(op, tables[op]);
    }
    return;
  }
  Buffer buffer = makeBuffer(type.getShape(), element);
  auto copyRun = [&](Value p, Point q) {
    int64_t size = type.getDimSize(axis),
            w = liveRuns ? target.lanes : lanesFor(size);
    auto copy = [&](Value from, Value to, int64_t step) {
      loop(from, to, step, [&](Value j) {
        Point r = q;
        r.idx.push_back(j);
        if (step > 1) {
          r.lane = axis;
          r.width = step;
        }
        storeBuffer(loadElement(elementPointer(p, j, element), element, step),
                    buffer, r);
      });
    };
    if (!liveRuns) {
      return copy(index(0), index(size), w);
    }
    Value from = arith::MaxSIOp::create(b, scalar(access.liveBegin), index(0));
    Value to = arith::MinSIOp::create(b, scalar(access.liveEnd), index(size));
    Value n =
        arith::MaxSIOp::create(b, arith::SubIOp::create(b, to, from), index(0));
    Value whole = arith::MulIOp::create(
        b, arith::DivUIOp::create(b, n, index(w)), index(w));
    Value split = arith::AddIOp::create(b, from, whole);
    copy(from, split, w);
    copy(split, to, 1);
  };
  auto clearRun = [&](Point q) {
    int64_t size = cast<MemRefType>(buffer.memref.getType()).getShape().back();
    loop(index(0), index(size), target.lanes, [&](Value j) {
      Point r = q;
      r.idx.push_back(j);
      r.lane = axis;
      r.width = target.lanes;
      Value zero = zeroOf(element);
      storeBuffer(target.lanes > 1 ? broadcast(zero, target.lanes) : zero,
                  buffer, r);
    });
  };
  Value rows = rowCount(op.getResult(), /*rounded=*/true);
  std::function<void(Point)> axisLoop = [&](Point q) {
    size_t a = q.idx.size();
    if (a < outer.size()) {
      Value end = a == 0 && rows ? rows : index(outer[a]);
      return loop(index(0), end, 1, [&](Value i) {
        Point r = q;
        r.idx.push_back(i);
        axisLoop(r);
      });
    }
    SmallVector<Value> idx(q.idx);
    if (runs) {
      idx.push_back(index(0));
    }
    if (runs) {
      bool guarded =
          access.liveBegin || access.memory.getDefiningOp<tile::ViewOp>();
      if (guarded) {
        clearRun(q);
      }
      withAddress(
          access, idx, !liveRuns, TypeRange(),
          [&](Value p) {
            copyRun(p, q);
            return SmallVector<Value>();
          },
          nullptr);
      return;
    }
    SmallVector<Value> v = withAddress(
        access, idx, true, element,
        [&](Value p) { return SmallVector<Value>{loadElement(p, element, 1)}; },
        [&] { return SmallVector<Value>{zeroOf(element)}; });
    storeBuffer(v[0], buffer, q);
  };
  nest([&] { axisLoop(Point{}); });
  buffers[op.getResult()] = buffer;
}

/// Through the table of addresses that lowerLoad has written.
Value KernelLowering::loadAt(LoadOp op, const Point &p) {
  Type element = cast<VectorType>(op.getResult().getType()).getElementType();
  if (p.lane >= 0 && p.lane != int64_t(p.idx.size()) - 1) {
    return lanesFromScalars(op.getResult(), p);
  }
  // The address depends on the outer axes only.
  Point row;
  row.idx.assign(p.idx.begin(), p.idx.end() - 1);
  Value base = tableAt(op, row);
  return loadElement(elementPointer(base, p.idx.back(), element), element,
                     p.width);
}

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

void KernelLowering::lowerStore(StoreOp op) {
  Access access = ::accessOf(op);
  Value v = op.getValue();
  if (!isa<VectorType>(v.getType())) {
    return nest([&] {
      withAddress(
          access, {}, false, TypeRange(),
          [&](Value p) {
            storeElement(scalar(v), p);
            return SmallVector<Value>();
          },
          nullptr);
    });
  }
  versioned(v, [&] { store(v, access); });
}

void KernelLowering::store(Value v, const Access &access) {
  auto type = cast<VectorType>(v.getType());
  int64_t rank = type.getRank(), last = rank - 1;
  bool runs = contiguousAxis(access) == last;
  Value rows = rowCount(v, /*rounded=*/false);
  for (auto [index, axis] : llvm::zip(access.indices, access.axes)) {
    if (axis == 0 && !rows) {
      rows = rowCount(index, /*rounded=*/false);
    }
  }
  // Loops over the live range itself; no row past the live ones is written.
  auto range = [&](int64_t a) -> std::pair<Value, Value> {
    Value from = index(0), to = index(type.getDimSize(a));
    if (access.liveBegin && access.liveAxis == a) {
      from = arith::MaxSIOp::create(b, scalar(access.liveBegin), from);
      to = arith::MinSIOp::create(b, scalar(access.liveEnd), to);
    }
    if (a == 0 && rows) {
      to = arith::MinSIOp::create(b, rows, to);
    }
    return {from, to};
  };
  std::function<void(Point)> axisLoop = [&](Point q) {
    int64_t a = q.idx.size();
    auto [from, to] = range(std::min(a, last));
    auto one = [&](Point r, Value p) {
      storeElement(at(v, r), p);
      return SmallVector<Value>();
    };
    if (a < last || !runs) {
      if (a == rank) {
        withAddress(
            access, q.idx, false, TypeRange(),
            [&](Value p) { return one(q, p); }, nullptr);
        return;
      }
      return loop(from, to, 1, [&](Value i) {
        Point r = q;
        r.idx.push_back(i);
        axisLoop(r);
      });
    }
    SmallVector<Value> idx(q.idx);
    idx.push_back(index(0));
    withAddress(
        access, idx, false, TypeRange(),
        [&](Value p) {
          auto copy = [&](Value lo, Value hi, int64_t step) {
            loop(lo, hi, step, [&](Value j) {
              Point r = q;
              r.idx.push_back(j);
              if (step > 1) {
                r.lane = last;
                r.width = step;
              }
              one(r, elementPointer(p, j, type.getElementType()));
            });
          };
          bool whole = !(access.liveBegin && access.liveAxis == last) &&
                       !(last == 0 && rows);
          int64_t w = whole ? lanesFor(type.getDimSize(last)) : target.lanes;
          if (whole || w == 1) {
            copy(from, to, w);
            return SmallVector<Value>();
          }
          Value n = arith::MaxSIOp::create(
              b, arith::SubIOp::create(b, to, from), index(0));
          n = arith::MulIOp::create(b, arith::DivUIOp::create(b, n, index(w)),
                                    index(w));
          Value split = arith::AddIOp::create(b, from, n);
          copy(from, split, w);
          copy(split, to, 1);
          return SmallVector<Value>();
        },
        nullptr);
  };
  axisLoop(Point{});
}
