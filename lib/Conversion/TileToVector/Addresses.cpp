//===- Addresses.cpp - Where the elements of loads and stores lie ---------===//
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

static MemRefType storageType(Value memory) {
  if (auto view = memory.getDefiningOp<tile::ViewOp>()) {
    return cast<MemRefType>(view.getStorage().getType());
  }
  return cast<MemRefType>(memory.getType());
}

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

/// Finds the address of one element of a view: first what its domain needs,
/// then, where the point exists, what its address needs.
class KernelLowering::AddressFinder {
public:
  using Emit = function_ref<SmallVector<Value>()>;
  using EmitAt = function_ref<SmallVector<Value>(Value)>;

  AddressFinder(KernelLowering &kernel, Value memory, ArrayRef<Value> dims,
                TypeRange types, EmitAt found, Emit absent)
      : k(kernel), b(kernel.b), view(memory.getDefiningOp<ViewOp>()),
        storage(view ? view.getStorage() : memory), dims(dims), types(types),
        found(found), absent(absent),
        symbols(view ? view.getSymbols().size() : 0) {}

  SmallVector<Value> run() { return view ? inView() : reach(dims); }

private:
  SmallVector<Value> reach(ArrayRef<Value> coordinates);
  SmallVector<Value> inView();
  SmallVector<Value> inDomain();
  Value isInDomain();
  void check(AffineExpr e, Value at, Value memory, int64_t axis);
  void findPlace(unsigned symbol);
  void lookUp(unsigned symbol);
  void lookUpAll(AffineExpr e);
  Value tableEntry(Value table, unsigned symbol);

  Value both(Value x, Value y) {
    return x && y ? b.createOrFold<arith::AndIOp>(x, y) : x ? x : y;
  }
  AffineMap mapOf(unsigned symbol) {
    return cast<AffineMapAttr>(view.getSymbolMaps()[symbol]).getValue();
  }

  KernelLowering &k;
  ImplicitLocOpBuilder &b;
  ViewOp view; // null: memory is addressed by its own coordinates
  Value storage;
  ArrayRef<Value> dims;
  TypeRange types;
  EmitAt found;
  Emit absent;
  /// Those looked up so far; the others are null.
  SmallVector<Value> symbols;
  /// Where in its table a symbol is; what it needs is known.
  std::map<unsigned, SmallVector<Value>> places;
  /// Whether what tables say is inside of what they lead into; null: they say
  /// nothing.
  Value isInside;
};

SmallVector<Value>
KernelLowering::AddressFinder::reach(ArrayRef<Value> coordinates) {
  Tensor t = k.tensor(storage);
  Value offset = k.index(0);
  for (auto [c, stride] : llvm::zip(coordinates, t.strides)) {
    offset = b.createOrFold<arith::AddIOp>(
        offset, b.createOrFold<arith::MulIOp>(c, stride));
  }
  return found(k.elementPointer(t.base, offset, t.type.getElementType()));
}

/// A negative index is a large one.
void KernelLowering::AddressFinder::check(AffineExpr e, Value at, Value memory,
                                          int64_t axis) {
  int64_t size = cast<MemRefType>(memory.getType()).getDimSize(axis);
  if (!canTablesLeave(view, e, size)) {
    return;
  }
  Value fits =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at,
                            memref::DimOp::create(b, k.memrefOf(memory), axis));
  isInside = both(isInside, fits);
}

void KernelLowering::AddressFinder::findPlace(unsigned symbol) {
  auto [it, isNew] = places.try_emplace(symbol);
  if (!isNew) {
    return;
  }
  for (auto [axis, e] : llvm::enumerate(mapOf(symbol).getResults())) {
    it->second.push_back(k.expand(e, dims, symbols));
    check(e, it->second.back(), view.getSymbols()[symbol], axis);
  }
}

void KernelLowering::AddressFinder::lookUpAll(AffineExpr e) {
  for (unsigned s = 0; s < symbols.size(); ++s) {
    if (!symbols[s] && e.isFunctionOfSymbol(s)) {
      lookUp(s);
    }
  }
}

/// 0 where tables lead to outside of this one.
Value KernelLowering::AddressFinder::tableEntry(Value table, unsigned symbol) {
  for (AffineExpr e : mapOf(symbol).getResults()) {
    lookUpAll(e);
  }
  Value before = std::exchange(isInside, Value());
  findPlace(symbol);
  auto load = [&]() -> SmallVector<Value> {
    return {memref::LoadOp::create(b, k.memrefOf(table), places.at(symbol))};
  };
  Type entry = cast<MemRefType>(table.getType()).getElementType();
  auto nothing = [&]() -> SmallVector<Value> {
    return {k.constant(b.getZeroAttr(entry))};
  };
  Value v = isInside ? k.branch(isInside, entry, load, nothing)[0] : load()[0];
  isInside = both(before, isInside);
  return v;
}

void KernelLowering::AddressFinder::lookUp(unsigned symbol) {
  Value operand = view.getSymbols()[symbol];
  Value v = isa<MemRefType>(operand.getType()) ? tableEntry(operand, symbol)
                                               : k.scalar(operand);
  symbols[symbol] = v.getType().isIndex()
                        ? v
                        : arith::IndexCastOp::create(b, b.getIndexType(), v);
}

/// Table entries of the address are looked at inside of the domain only.
SmallVector<Value> KernelLowering::AddressFinder::inDomain() {
  for (unsigned s = 0; s < symbols.size(); ++s) {
    if (!symbols[s]) {
      lookUp(s);
    }
  }
  SmallVector<Value> coordinates;
  for (auto [axis, e] : llvm::enumerate(view.getAddress().getResults())) {
    coordinates.push_back(k.expand(e, dims, symbols));
    check(e, coordinates.back(), storage, axis);
  }
  auto reachIt = [&] { return reach(coordinates); };
  return isInside ? k.branch(isInside, types, reachIt, absent) : reachIt();
}

/// Null where the domain is everything.
Value KernelLowering::AddressFinder::isInDomain() {
  Value any;
  for (Attribute s : view.getWhere()) {
    IntegerSet set = cast<IntegerSetAttr>(s).getValue();
    Value all = k.constant(b.getBoolAttr(true));
    for (auto [i, e] : llvm::enumerate(set.getConstraints())) {
      lookUpAll(e);
      auto predicate =
          set.isEq(i) ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge;
      Value holds = arith::CmpIOp::create(
          b, predicate, k.expand(e, dims, symbols), k.index(0));
      all = b.createOrFold<arith::AndIOp>(all, holds);
    }
    any = any ? b.createOrFold<arith::OrIOp>(any, all) : all;
  }
  return any;
}

SmallVector<Value> KernelLowering::AddressFinder::inView() {
  Value exists = isInDomain();
  // One question for the domain and for entries that no other table leads to.
  for (unsigned s = 0; s < symbols.size(); ++s) {
    if (!symbols[s] && mapOf(s).getNumSymbols() == 0) {
      findPlace(s);
    }
  }
  exists = both(exists, std::exchange(isInside, Value()));
  return exists ? k.branch(
                      exists, types, [&] { return inDomain(); }, absent)
                : inDomain();
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
  AddressFinder finder(*this, access.memory, dims, types, found, absent);
  if (!checkLive || !access.liveBegin) {
    return finder.run();
  }
  Value i = idx[access.liveAxis];
  Value from = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i,
                                     scalar(access.liveBegin));
  Value to = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, i,
                                   scalar(access.liveEnd));
  return branch(
      arith::AndIOp::create(b, from, to), types, [&] { return finder.run(); },
      absent);
}
