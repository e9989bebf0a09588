//===- Memory.cpp - Loads and stores through memrefs and views ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attn/Dialect/Tile/IR/Tables.h"
#include <map>
#include <utility>

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

static MemRefType storageType(Value memory) {
  if (auto view = memory.getDefiningOp<tile::ViewOp>()) {
    return cast<MemRefType>(view.getStorage().getType());
  }
  return cast<MemRefType>(memory.getType());
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
// Addresses
//===----------------------------------------------------------------------===//

/// True for base + 0, 1, 2, .. with one base for all.
static bool isRun(Value v) {
  Operation *op = v.getDefiningOp();
  if (isa_and_nonnull<CoordOp>(op)) {
    return true;
  }
  auto uniform = [](Value x) {
    auto spread = x.getDefiningOp<vector::BroadcastOp>();
    DenseElementsAttr dense;
    return (spread && !isa<VectorType>(spread.getSourceType())) ||
           (matchPattern(x, m_Constant(&dense)) && dense.isSplat());
  };
  if (auto add = dyn_cast_or_null<arith::AddIOp>(op)) {
    return (isRun(add.getLhs()) && uniform(add.getRhs())) ||
           (uniform(add.getLhs()) && isRun(add.getRhs()));
  }
  if (auto sub = dyn_cast_or_null<arith::SubIOp>(op)) {
    return isRun(sub.getLhs()) && uniform(sub.getRhs());
  }
  return false;
}

/// The axis of the value along which elements lie side by side and exist
/// together (live range aside), or -1.
int64_t KernelLowering::contiguousAxis(const Access &access) {
  MemRefType storage = storageType(access.memory);
  SmallVector<int64_t> strides;
  int64_t offset;
  if (mlir::failed(storage.getStridesAndOffset(strides, offset))) {
    return -1;
  }
  auto view = access.memory.getDefiningOp<tile::ViewOp>();
  for (auto [i, axis] : llvm::enumerate(access.axes)) {
    if (axis < 0 || llvm::count(access.axes, axis) != 1 ||
        !isRun(access.indices[i])) {
      continue;
    }
    if (!view) {
      if (strides[i] == 1) {
        return axis;
      }
      continue;
    }
    auto uses = [&, dim = unsigned(i)](AffineExpr e) {
      return e.isFunctionOfDim(dim);
    };
    bool plain = true;
    for (Attribute m : view.getSymbolMaps()) {
      plain &=
          llvm::none_of(cast<AffineMapAttr>(m).getValue().getResults(), uses);
    }
    for (Attribute s : view.getWhere()) {
      plain &= llvm::none_of(
          cast<IntegerSetAttr>(s).getValue().getConstraints(), uses);
    }
    AffineMap address = view.getAddress();
    int64_t found = 0;
    for (auto [r, e] : llvm::enumerate(address.getResults())) {
      if (!uses(e)) {
        continue;
      }
      ++found;
      // A sum with d_i as one term and no other use of it.
      SmallVector<AffineExpr> terms{e};
      int64_t direct = 0;
      while (!terms.empty()) {
        AffineExpr t = terms.pop_back_val();
        if (t.getKind() == AffineExprKind::Add) {
          auto sum = cast<AffineBinaryOpExpr>(t);
          terms.append({sum.getLHS(), sum.getRHS()});
        } else if (t == getAffineDimExpr(i, b.getContext())) {
          ++direct;
        } else if (uses(t)) {
          plain = false;
        }
      }
      plain &= direct == 1 && strides[r] == 1 &&
               !canTablesLeave(view, e, storage.getDimSize(r));
    }
    if (plain && found == 1) {
      return axis;
    }
  }
  return -1;
}

/// Quotients and remainders by powers of two are shifts: floor division.
Value KernelLowering::expand(AffineExpr e, ValueRange dims,
                             ValueRange symbols) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    return index(c.getValue());
  }
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    return dims[d.getPosition()];
  }
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    return symbols[s.getPosition()];
  }
  auto bin = cast<AffineBinaryOpExpr>(e);
  Value l = expand(bin.getLHS(), dims, symbols);
  Value r = expand(bin.getRHS(), dims, symbols);
  auto k = dyn_cast<AffineConstantExpr>(bin.getRHS());
  int64_t c = k ? k.getValue() : 0;
  bool power = c > 0 && llvm::isPowerOf2_64(c);
  switch (e.getKind()) {
  case AffineExprKind::Add:
    return b.createOrFold<arith::AddIOp>(l, r);
  case AffineExprKind::Mul:
    return b.createOrFold<arith::MulIOp>(l, r);
  case AffineExprKind::FloorDiv:
    return power ? b.createOrFold<arith::ShRSIOp>(l, index(llvm::Log2_64(c)))
                 : b.createOrFold<arith::FloorDivSIOp>(l, r);
  case AffineExprKind::CeilDiv:
    return b.createOrFold<arith::CeilDivSIOp>(l, r);
  default: {
    if (power) {
      return b.createOrFold<arith::AndIOp>(l, index(c - 1));
    }
    Value q = b.createOrFold<arith::FloorDivSIOp>(l, r);
    return b.createOrFold<arith::SubIOp>(l,
                                         b.createOrFold<arith::MulIOp>(q, r));
  }
  }
}

SmallVector<Value>
KernelLowering::withAddress(const Access &access, ArrayRef<Value> idx,
                            bool checkLive, TypeRange types,
                            function_ref<SmallVector<Value>(Value)> found,
                            function_ref<SmallVector<Value>()> absent) {
  SmallVector<Value> dims;
  for (auto [operand, axis] : llvm::zip(access.indices, access.axes)) {
    if (axis < 0) {
      dims.push_back(scalar(operand));
      continue;
    }
    Value i = at(operand, Point{{idx[axis]}});
    dims.push_back(arith::IndexCastOp::create(b, b.getIndexType(), i));
  }
  auto view = access.memory.getDefiningOp<tile::ViewOp>();
  Value storage = view ? view.getStorage() : access.memory;
  Tensor t = tensor(storage);
  auto reach = [&](ValueRange coordinates) {
    Value offset = index(0);
    for (auto [c, stride] : llvm::zip(coordinates, t.strides)) {
      offset = b.createOrFold<arith::AddIOp>(
          offset, b.createOrFold<arith::MulIOp>(c, stride));
    }
    return found(elementPointer(t.base, offset, t.type.getElementType()));
  };
  SmallVector<Value> symbols(view ? view.getSymbols().size() : 0);
  // Whether what tables say is inside of what they lead into; null: they say
  // nothing. A negative index is a large one.
  Value isInside;
  auto both = [&](Value x, Value y) {
    return x && y ? b.createOrFold<arith::AndIOp>(x, y) : x ? x : y;
  };
  auto check = [&](AffineExpr e, Value at, Value memory, int64_t axis) {
    int64_t size = cast<MemRefType>(memory.getType()).getDimSize(axis);
    if (!canTablesLeave(view, e, size)) {
      return;
    }
    Value fits =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at,
                              memref::DimOp::create(b, memrefOf(memory), axis));
    isInside = both(isInside, fits);
  };
  // Where in its table a symbol is; what it needs is known.
  std::map<unsigned, SmallVector<Value>> places;
  auto findPlace = [&](unsigned s) {
    auto [it, isNew] = places.try_emplace(s);
    AffineMap map = cast<AffineMapAttr>(view.getSymbolMaps()[s]).getValue();
    if (isNew) {
      for (AffineExpr e : map.getResults()) {
        it->second.push_back(expand(e, dims, symbols));
        check(e, it->second.back(), view.getSymbols()[s],
              it->second.size() - 1);
      }
    }
  };
  std::function<void(unsigned)> lookUp = [&](unsigned s) {
    Value operand = view.getSymbols()[s];
    AffineMap map = cast<AffineMapAttr>(view.getSymbolMaps()[s]).getValue();
    Value v;
    if (auto table = dyn_cast<MemRefType>(operand.getType())) {
      for (unsigned other = 0; other < map.getNumSymbols(); ++other) {
        if (!symbols[other] && llvm::any_of(map.getResults(), [&](auto e) {
              return e.isFunctionOfSymbol(other);
            })) {
          lookUp(other);
        }
      }
      Value before = std::exchange(isInside, Value());
      findPlace(s);
      auto load = [&]() -> SmallVector<Value> {
        return {memref::LoadOp::create(b, memrefOf(operand), places.at(s))};
      };
      Type entry = table.getElementType();
      v = isInside ? branch(isInside, entry, load,
                            [&]() -> SmallVector<Value> {
                              return {constant(b.getZeroAttr(entry))};
                            })[0]
                   : load()[0];
      isInside = both(before, isInside);
    } else {
      v = scalar(operand);
    }
    if (!v.getType().isIndex()) {
      v = arith::IndexCastOp::create(b, b.getIndexType(), v);
    }
    symbols[s] = v;
  };
  // Table entries of the address are looked at inside of the domain only.
  auto inDomain = [&] {
    for (unsigned s = 0; s < symbols.size(); ++s) {
      if (!symbols[s]) {
        lookUp(s);
      }
    }
    SmallVector<Value> coordinates;
    for (AffineExpr e : view.getAddress().getResults()) {
      Value at = expand(e, dims, symbols);
      check(e, at, storage, coordinates.size());
      coordinates.push_back(at);
    }
    return isInside ? branch(
                          isInside, types, [&] { return reach(coordinates); },
                          absent)
                    : reach(coordinates);
  };
  auto isLive = [&]() -> SmallVector<Value> {
    if (!view) {
      return reach(dims);
    }
    Value any;
    for (Attribute s : view.getWhere()) {
      IntegerSet set = cast<IntegerSetAttr>(s).getValue();
      Value all = constant(b.getBoolAttr(true));
      for (auto [k, e] : llvm::enumerate(set.getConstraints())) {
        for (unsigned n = 0; n < symbols.size(); ++n) {
          if (!symbols[n] && e.isFunctionOfSymbol(n)) {
            lookUp(n);
          }
        }
        Value x = expand(e, dims, symbols);
        auto pred =
            set.isEq(k) ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge;
        Value holds = arith::CmpIOp::create(b, pred, x, index(0));
        all = b.createOrFold<arith::AndIOp>(all, holds);
      }
      any = any ? b.createOrFold<arith::OrIOp>(any, all) : all;
    }
    // One question for the domain and for entries that no other table leads to.
    for (unsigned n = 0; n < symbols.size(); ++n) {
      AffineMap map = cast<AffineMapAttr>(view.getSymbolMaps()[n]).getValue();
      if (!symbols[n] && map.getNumSymbols() == 0) {
        findPlace(n);
      }
    }
    any = both(any, std::exchange(isInside, Value()));
    return any ? branch(any, types, inDomain, absent) : inDomain();
  };
  if (!checkLive || !access.liveBegin) {
    return isLive();
  }
  Value i = idx[access.liveAxis];
  Value from = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i,
                                     scalar(access.liveBegin));
  Value to = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, i,
                                   scalar(access.liveEnd));
  return branch(arith::AndIOp::create(b, from, to), types, isLive, absent);
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
