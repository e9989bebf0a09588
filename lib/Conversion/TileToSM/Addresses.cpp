//===- Addresses.cpp - Where the rows of a block lie ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every access of a block comes down to an address and a flag for each of its
// rows. Coordinates, symbols, domain and address of a view are evaluated on
// integers that are either one for all rows or one for each; what depends on
// no row costs one scalar.
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "attn/Dialect/Tile/IR/Tables.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;

namespace attn {

class RowLocator {
public:
  RowLocator(KernelConversion &conversion, Operation *op, RankedTensorType rows)
      : c(conversion), b(conversion.b), op(op), wide(rows) {}

  std::optional<RowAddresses> run(const BlockAccess &access, bool isBlock);

private:
  void fail(const Twine &message) { c.fail(op, message); }

  //===--- Integers
  //---------------------------------------------------------===//
  RowInteger constant(int64_t value) {
    return {arith::ConstantIntOp::create(b, value, 64), {}};
  }
  Value spread(RowInteger x) {
    return x.rows ? x.rows : sm::SplatOp::create(b, wide, x.scalar).getResult();
  }
  template <class Op> RowInteger apply(RowInteger x, RowInteger y) {
    if (x.scalar && y.scalar) {
      return {Op::create(b, x.scalar, y.scalar), {}};
    }
    return {{}, Op::create(b, spread(x), spread(y))};
  }
  RowInteger evaluate(AffineExpr e, ArrayRef<RowInteger> dims,
                      ArrayRef<RowInteger> symbols);

  //===--- Flags: null is true
  //----------------------------------------------===//
  /// A flag for each row; scalars of type i1 are spread.
  Value spreadFlag(Value flag);
  Value both(Value x, Value y);
  Value either(Value x, Value y);
  Value isPresent(IntegerSet set, ArrayRef<RowInteger> dims,
                  ArrayRef<RowInteger> symbols);

  /// The number of a row against a limit.
  Value compare(arith::CmpIPredicate predicate, RowInteger limit);
  void limitRows(const BlockAccess &access, Value &live);
  Value countColumns(const BlockAccess &access);

  RowInteger getIndex(const BlockAccess &access, unsigned i, bool isBlock);
  /// With `isGuarded` for live rows only, though it is one for all of them.
  RowInteger lookUp(Value table, ArrayRef<RowInteger> at, Value live,
                    bool isGuarded = false);
  /// Bytes between neighbours along an axis.
  RowInteger stepOf(Value memory, int64_t axis);
  RowInteger addressOf(Value memory, ArrayRef<RowInteger> at);
  /// Rows that tables lead outside of `memory` are not live; `at` is what `e`
  /// is for them, and the first of `columns` if the columns lie along the axis.
  void limitToMemory(tile::ViewOp view, AffineExpr e, Value memory,
                     int64_t axis, RowInteger at, Value columns, Value &live);

  KernelConversion &c;
  ImplicitLocOpBuilder &b;
  Operation *op;
  RankedTensorType wide; // i64 for each row
  /// The index along the columns of a block; -1: none yet.
  int column = -1;
};

} // namespace attn

RowInteger RowLocator::evaluate(AffineExpr e, ArrayRef<RowInteger> dims,
                                ArrayRef<RowInteger> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(e)) {
    return this->constant(constant.getValue());
  }
  if (auto dim = dyn_cast<AffineDimExpr>(e)) {
    return dims[dim.getPosition()];
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e)) {
    return symbols[symbol.getPosition()];
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  RowInteger x = evaluate(binary.getLHS(), dims, symbols);
  // Pages of 2^n tokens cost a shift and a mask; both round down.
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (divisor && divisor.getValue() > 0 &&
      llvm::isPowerOf2_64(uint64_t(divisor.getValue()))) {
    int64_t size = divisor.getValue();
    if (e.getKind() == AffineExprKind::FloorDiv) {
      return apply<arith::ShRSIOp>(x, constant(llvm::Log2_64(size)));
    }
    if (e.getKind() == AffineExprKind::Mod) {
      return apply<arith::AndIOp>(x, constant(size - 1));
    }
  }
  // Coordinates of rows have 32 bits, and so does what is left of them: to
  // divide 64 takes several times the registers.
  if (divisor && x.rows && isa<AffineDimExpr>(binary.getLHS()) &&
      llvm::isInt<32>(divisor.getValue())) {
    RankedTensorType narrow = wide.clone(b.getI32Type());
    Value rows = arith::TruncIOp::create(b, narrow, x.rows);
    Value by = sm::SplatOp::create(
        b, narrow, arith::ConstantIntOp::create(b, divisor.getValue(), 32));
    Value whole = arith::FloorDivSIOp::create(b, rows, by);
    if (e.getKind() == AffineExprKind::FloorDiv) {
      return {{}, arith::ExtSIOp::create(b, wide, whole)};
    }
    if (e.getKind() == AffineExprKind::Mod) {
      Value before = arith::MulIOp::create(b, whole, by);
      return {{},
              arith::ExtSIOp::create(
                  b, wide, arith::SubIOp::create(b, rows, before).getResult())};
    }
  }
  RowInteger y = evaluate(binary.getRHS(), dims, symbols);
  switch (e.getKind()) {
  case AffineExprKind::Add:
    return apply<arith::AddIOp>(x, y);
  case AffineExprKind::Mul:
    return apply<arith::MulIOp>(x, y);
  case AffineExprKind::FloorDiv:
    return apply<arith::FloorDivSIOp>(x, y);
  case AffineExprKind::CeilDiv:
    return apply<arith::CeilDivSIOp>(x, y);
  case AffineExprKind::Mod: {
    RowInteger whole = apply<arith::FloorDivSIOp>(x, y);
    return apply<arith::SubIOp>(x, apply<arith::MulIOp>(whole, y));
  }
  default:
    llvm_unreachable("an affine expression of two operands");
  }
}

Value RowLocator::spreadFlag(Value flag) {
  auto type = wide.clone(b.getI1Type());
  if (!flag) {
    return arith::ConstantOp::create(b, type,
                                     DenseElementsAttr::get(type, true));
  }
  return flag.getType() == type
             ? flag
             : sm::SplatOp::create(b, type, flag).getResult();
}

Value RowLocator::both(Value x, Value y) {
  if (!x || !y) {
    return x ? x : y;
  }
  if (x.getType() != y.getType()) {
    x = spreadFlag(x);
    y = spreadFlag(y);
  }
  return arith::AndIOp::create(b, x, y);
}

Value RowLocator::either(Value x, Value y) {
  if (!x || !y) {
    return {};
  }
  if (x.getType() != y.getType()) {
    x = spreadFlag(x);
    y = spreadFlag(y);
  }
  return arith::OrIOp::create(b, x, y);
}

Value RowLocator::isPresent(IntegerSet set, ArrayRef<RowInteger> dims,
                            ArrayRef<RowInteger> symbols) {
  Value result;
  for (unsigned i = 0; i < set.getNumConstraints(); ++i) {
    AffineExpr e = set.getConstraint(i);
    if (column >= 0 && e.isFunctionOfDim(unsigned(column))) {
      fail("expects a domain that is the same for all columns of a row");
      return {};
    }
    RowInteger value = evaluate(e, dims, symbols), zero = constant(0);
    auto predicate =
        set.isEq(i) ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge;
    Value x = value.rows ? value.rows : value.scalar;
    Value y = value.rows ? spread(zero) : zero.scalar;
    result = both(result, arith::CmpIOp::create(b, predicate, x, y));
  }
  return result;
}

RowInteger RowLocator::getIndex(const BlockAccess &access, unsigned i,
                                bool isBlock) {
  Value index = access.indices[i];
  auto widen = [&](Value x) -> Value {
    return x.getType().isIndex()
               ? arith::IndexCastOp::create(b, b.getI64Type(), x).getResult()
               : arith::ExtSIOp::create(b, b.getI64Type(), x).getResult();
  };
  if (access.axes[i] < 0) {
    return {widen(c.scalar(index)), {}};
  }
  if (access.axes[i] == 0) {
    Value rows = c.fragment(index, wide.getEncoding());
    return {{}, c.failed ? rows : arith::ExtSIOp::create(b, wide, rows)};
  }
  std::optional<SmallVector<Value>> terms = getColumnBase(index);
  if (!isBlock || column >= 0 || !terms) {
    fail("expects one index that counts along the columns of a block");
    return constant(0);
  }
  column = int(i);
  RowInteger base = constant(0);
  for (Value term : *terms) {
    base = apply<arith::AddIOp>(base, {widen(c.scalar(term)), {}});
  }
  return base;
}

RowInteger RowLocator::stepOf(Value memory, int64_t axis) {
  auto type = cast<MemRefType>(memory.getType());
  int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  int64_t stride = type.getStridesAndOffset().first[axis];
  if (!ShapedType::isDynamic(stride)) {
    return constant(stride * bytes);
  }
  Value elements = arith::IndexCastOp::create(
      b, b.getI64Type(), sm::StrideOp::create(b, c.scalar(memory), axis));
  return apply<arith::MulIOp>({elements, {}}, constant(bytes));
}

void RowLocator::limitToMemory(tile::ViewOp view, AffineExpr e, Value memory,
                               int64_t axis, RowInteger at, Value columns,
                               Value &live) {
  int64_t known = cast<MemRefType>(memory.getType()).getDimSize(axis);
  if (!canTablesLeave(view, e, known)) {
    return;
  }
  RowInteger size = constant(known);
  if (ShapedType::isDynamic(known)) {
    Value points = memref::DimOp::create(b, c.scalar(memory), axis);
    size = {arith::IndexCastOp::create(b, b.getI64Type(), points), {}};
  }
  if (columns) {
    Value count = arith::IndexCastOp::create(b, b.getI64Type(), columns);
    size = apply<arith::AddIOp>(size, constant(1));
    size = apply<arith::MaxSIOp>(apply<arith::SubIOp>(size, {count, {}}),
                                 constant(0));
  }
  // A negative index is a large one.
  Value x = at.rows ? at.rows : at.scalar;
  Value y = at.rows ? spread(size) : size.scalar;
  live = both(live, arith::CmpIOp::create(b, arith::CmpIPredicate::ult, x, y));
}

RowInteger RowLocator::addressOf(Value memory, ArrayRef<RowInteger> at) {
  RowInteger address{sm::AddressOp::create(b, c.scalar(memory)), {}};
  for (auto [axis, coordinate] : llvm::enumerate(at)) {
    RowInteger step = stepOf(memory, axis);
    address =
        apply<arith::AddIOp>(address, apply<arith::MulIOp>(coordinate, step));
  }
  return address;
}

/// An element of a table, sign-extended. Rows that are not live look at none.
RowInteger RowLocator::lookUp(Value table, ArrayRef<RowInteger> at, Value live,
                              bool isGuarded) {
  auto type = dyn_cast<MemRefType>(table.getType());
  if (!type) {
    Value value = c.scalar(table);
    if (value.getType().isIndex()) {
      return {arith::IndexCastOp::create(b, b.getI64Type(), value), {}};
    }
    return {value.getType().isInteger(64)
                ? value
                : arith::ExtSIOp::create(b, b.getI64Type(), value).getResult(),
            {}};
  }
  bool isOfRows =
      isGuarded || llvm::any_of(at, [](RowInteger x) { return bool(x.rows); });
  Type element = type.getElementType();
  if (!isOfRows) {
    SmallVector<Value> indices;
    for (RowInteger x : at) {
      indices.push_back(
          arith::IndexCastOp::create(b, b.getIndexType(), x.scalar));
    }
    Value value = memref::LoadOp::create(b, c.scalar(table), indices);
    return {element.isInteger(64)
                ? value
                : arith::ExtSIOp::create(b, b.getI64Type(), value).getResult(),
            {}};
  }
  Value value = sm::LoadOp::create(
      b, wide.clone(element), spread(addressOf(table, at)), spreadFlag(live));
  return {{},
          element.isInteger(64)
              ? value
              : arith::ExtSIOp::create(b, wide, value).getResult()};
}

Value RowLocator::compare(arith::CmpIPredicate predicate, RowInteger limit) {
  // Rows of a block are few: a limit past them is as good as their number.
  RankedTensorType narrow = wide.clone(b.getI32Type());
  Value most = arith::ConstantIntOp::create(b, wide.getDimSize(0), 64);
  Value near = arith::MinSIOp::create(b, limit.scalar, most);
  near =
      arith::MaxSIOp::create(b, near, arith::ConstantIntOp::create(b, -1, 64));
  near = arith::TruncIOp::create(b, b.getI32Type(), near);
  return arith::CmpIOp::create(b, predicate,
                               sm::CoordOp::create(b, narrow, c.index(0)),
                               sm::SplatOp::create(b, narrow, near));
}

void RowLocator::limitRows(const BlockAccess &access, Value &live) {
  auto limit = [&](Value bound, arith::CmpIPredicate predicate) {
    if (bound) {
      Value limit =
          arith::IndexCastOp::create(b, b.getI64Type(), c.scalar(bound));
      live = both(live, compare(predicate, {limit, {}}));
    }
  };
  if (!access.liveBegin || !matchPattern(access.liveBegin, m_Zero())) {
    limit(access.liveBegin, arith::CmpIPredicate::sge);
  }
  limit(access.liveEnd, arith::CmpIPredicate::slt);
}

/// How many columns there are, if not all that the fragment has.
Value RowLocator::countColumns(const BlockAccess &access) {
  Value size = c.index(access.type.getDimSize(1));
  if (access.liveAxis == 1 && access.liveEnd) {
    return arith::MinSIOp::create(b, size, c.scalar(access.liveEnd));
  }
  return size;
}

std::optional<RowAddresses> RowLocator::run(const BlockAccess &access,
                                            bool isBlock) {
  SmallVector<RowInteger> indices;
  for (unsigned i = 0; i < access.indices.size(); ++i) {
    indices.push_back(getIndex(access, i, isBlock));
    if (c.failed) {
      return std::nullopt;
    }
  }
  Value live;
  if (access.liveBegin || access.liveEnd) {
    if (access.liveAxis == 0) {
      limitRows(access, live);
    } else if (!isBlock || access.liveAxis != 1 ||
               (access.liveBegin &&
                !matchPattern(access.liveBegin, m_Zero()))) {
      fail("expects what is live to be rows, or columns from the first on");
      return std::nullopt;
    }
  }
  int64_t size = access.type.getDimSize(0);
  if (wide.getDimSize(0) != size) {
    live = both(live, compare(arith::CmpIPredicate::slt, constant(size)));
  }
  Value memory = access.memory;
  SmallVector<RowInteger> at = indices;
  int last = column;
  if (auto view = memory.getDefiningOp<tile::ViewOp>()) {
    memory = view.getStorage();
    SmallVector<RowInteger> symbols(view.getSymbols().size());
    SmallVector<bool> isKnown(symbols.size());
    auto find = [&](bool ofRows) {
      for (auto [i, table] : llvm::enumerate(view.getSymbols())) {
        AffineMap map = cast<AffineMapAttr>(view.getSymbolMaps()[i]).getValue();
        // What a table leads to is there for live rows only.
        bool isGuarded = false;
        auto type = dyn_cast<MemRefType>(table.getType());
        for (auto [axis, e] : llvm::enumerate(map.getResults())) {
          isGuarded |= canTablesLeave(view, e, type.getDimSize(axis));
        }
        bool isOfRows = isGuarded;
        for (unsigned d = 0; d < indices.size(); ++d) {
          isOfRows |= indices[d].rows && map.isFunctionOfDim(d);
        }
        if (isKnown[i] || (isOfRows && !ofRows)) {
          continue;
        }
        SmallVector<RowInteger> place;
        for (AffineExpr e : map.getResults()) {
          place.push_back(evaluate(e, indices, symbols));
          limitToMemory(view, e, table, place.size() - 1, place.back(), {},
                        live);
        }
        symbols[i] = lookUp(table, place, live, isGuarded);
        isKnown[i] = true;
      }
    };
    // Symbols of all rows first: with them the domain says which rows may look
    // at theirs.
    find(/*ofRows=*/false);
    auto restrict = [&](bool onlyKnown) {
      Value any;
      bool isFirst = true;
      for (Attribute attr : view.getWhere()) {
        IntegerSet set = cast<IntegerSetAttr>(attr).getValue();
        bool fits = true;
        for (AffineExpr e : set.getConstraints()) {
          for (unsigned s = 0; s < symbols.size(); ++s) {
            fits &= isKnown[s] || !e.isFunctionOfSymbol(s);
          }
        }
        Value here = fits ? isPresent(set, indices, symbols) : Value();
        any = isFirst ? here : either(any, here);
        isFirst = false;
      }
      live = both(live, any);
    };
    bool isComplete = llvm::all_of(isKnown, [](bool known) { return known; });
    restrict(true);
    if (!isComplete) {
      find(/*ofRows=*/true);
      restrict(false);
    }
    at.clear();
    last = -1;
    for (auto [axis, e] : llvm::enumerate(view.getAddress().getResults())) {
      if (column >= 0 && e.isFunctionOfDim(unsigned(column))) {
        last = int(access.getColumnAxis().value_or(-1));
        if (last != int(axis)) {
          fail("expects columns that one axis of the storage holds");
          return std::nullopt;
        }
      }
      at.push_back(evaluate(e, indices, symbols));
      limitToMemory(view, e, memory, axis, at.back(),
                    last == int(axis) ? countColumns(access) : Value(), live);
    }
  }
  Value columnBytes;
  if (isBlock) {
    if (last < 0) {
      fail("expects columns of a block along an axis of the storage");
      return std::nullopt;
    }
    if (cast<MemRefType>(memory.getType()).getStridesAndOffset().first[last] !=
        1) {
      columnBytes = stepOf(memory, last).scalar;
    }
  }
  if (c.failed) {
    return std::nullopt;
  }
  RowAddresses result{spread(addressOf(memory, at)), spreadFlag(live)};
  if (isBlock) {
    result.columns = countColumns(access);
    result.alignment = access.getAlignment();
    result.columnBytes = columnBytes;
  }
  return result;
}

std::optional<RowAddresses> KernelConversion::locate(Operation *op,
                                                     const BlockAccess &access,
                                                     RankedTensorType rows,
                                                     bool isBlock) {
  return RowLocator(*this, op, rows).run(access, isBlock);
}
