//===- ScalarAccess.cpp - Elements that are read and written alone --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A load or store of one element through a view is arithmetic on its indices
// and one access of the storage. It is written out in the tile kernel itself,
// so that the conversion meets nothing but upstream ops there.
//
//===----------------------------------------------------------------------===//
#include "ScalarAccess.h"

#include "attn/Dialect/Tile/IR/Tables.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;

namespace {
class ScalarAccess {
public:
  ScalarAccess(Operation *op, Value memory, ValueRange indices)
      : b(op->getLoc(), op), memory(memory),
        view(memory.getDefiningOp<tile::ViewOp>()) {
    for (Value index : indices) {
      dims.push_back(toIndex(index));
    }
    symbols.resize(view ? view.getSymbols().size() : 0);
  }

  /// What `access` gives for the storage and a place in it; `absent` gives the
  /// same where the view has no element.
  Value emit(Type type, function_ref<Value(Value, ValueRange)> access,
             function_ref<Value()> absent) {
    if (!view) {
      return access(memory, dims);
    }
    // Entries of tables that only the address wants exist in the domain only.
    auto reach = [&]() -> Value {
      SmallVector<Value> place = getPlace();
      return branch(
          isInMemory, type, [&] { return access(view.getStorage(), place); },
          absent);
    };
    return branch(isInDomain(), type, reach, absent);
  }

  ImplicitLocOpBuilder &builder() { return b; }

private:
  /// `then` where `condition` holds (null: everywhere), else `otherwise`. With
  /// no type neither gives a value, and nothing happens otherwise.
  Value branch(Value condition, Type type, function_ref<Value()> then,
               function_ref<Value()> otherwise) {
    if (!condition) {
      return then();
    }
    auto op =
        scf::IfOp::create(b, type ? TypeRange(type) : TypeRange(), condition,
                          /*addThenBlock=*/true, /*addElseBlock=*/bool(type));
    OpBuilder::InsertionGuard guard(b);
    auto fill = [&](Block &block, function_ref<Value()> make) {
      if (!block.empty()) {
        block.getTerminator()->erase();
      }
      b.setInsertionPointToEnd(&block);
      Value value = make();
      scf::YieldOp::create(b, value ? ValueRange(value) : ValueRange());
    };
    fill(op.getThenRegion().front(), then);
    if (type) {
      fill(op.getElseRegion().front(), otherwise);
    }
    return type ? op.getResult(0) : Value();
  }

  Value toIndex(Value value) {
    return value.getType().isIndex()
               ? value
               : arith::IndexCastOp::create(b, b.getIndexType(), value)
                     .getResult();
  }
  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }

  Value expand(AffineExpr e) {
    if (auto known = dyn_cast<AffineConstantExpr>(e)) {
      return constant(known.getValue());
    }
    if (auto dim = dyn_cast<AffineDimExpr>(e)) {
      return dims[dim.getPosition()];
    }
    if (auto symbol = dyn_cast<AffineSymbolExpr>(e)) {
      return lookUp(symbol.getPosition());
    }
    auto binary = cast<AffineBinaryOpExpr>(e);
    Value x = expand(binary.getLHS()), y = expand(binary.getRHS());
    switch (e.getKind()) {
    case AffineExprKind::Add:
      return arith::AddIOp::create(b, x, y);
    case AffineExprKind::Mul:
      return arith::MulIOp::create(b, x, y);
    case AffineExprKind::FloorDiv:
      return arith::FloorDivSIOp::create(b, x, y);
    case AffineExprKind::CeilDiv:
      return arith::CeilDivSIOp::create(b, x, y);
    default: {
      Value whole = arith::FloorDivSIOp::create(b, x, y);
      return arith::SubIOp::create(b, x, arith::MulIOp::create(b, whole, y));
    }
    }
  }

  Value lookUp(unsigned number) {
    if (symbols[number]) {
      return symbols[number];
    }
    Value value = view.getSymbols()[number];
    if (isa<MemRefType>(value.getType())) {
      auto map = cast<AffineMapAttr>(view.getSymbolMaps()[number]).getValue();
      SmallVector<Value> place;
      bool isNested = false;
      for (AffineExpr e : map.getResults()) {
        place.push_back(expand(e));
        isNested |= limitToMemory(e, place.back(), value, place.size() - 1);
      }
      Type entry = cast<MemRefType>(value.getType()).getElementType();
      value = branch(
          isNested ? isInMemory : Value(), entry,
          [&]() -> Value { return memref::LoadOp::create(b, value, place); },
          [&]() -> Value {
            return arith::ConstantOp::create(b, b.getZeroAttr(entry));
          });
    }
    return symbols[number] = toIndex(value);
  }

  /// An index `at` of an axis that `e` computes from what a table says has to
  /// be inside of the axis; a negative one is a large one. Whether it is so.
  bool limitToMemory(AffineExpr e, Value at, Value memory, int64_t axis) {
    int64_t size = cast<MemRefType>(memory.getType()).getDimSize(axis);
    if (!canTablesLeave(view, e, size)) {
      return false;
    }
    Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at,
                                       memref::DimOp::create(b, memory, axis));
    isInMemory = isInMemory
                     ? arith::AndIOp::create(b, isInMemory, fits).getResult()
                     : fits;
    return true;
  }

  /// Null: everywhere.
  Value isInDomain() {
    Value any;
    for (Attribute attr : view.getWhere()) {
      IntegerSet set = cast<IntegerSetAttr>(attr).getValue();
      Value all;
      for (auto [i, e] : llvm::enumerate(set.getConstraints())) {
        auto predicate =
            set.isEq(i) ? arith::CmpIPredicate::eq : arith::CmpIPredicate::sge;
        Value holds =
            arith::CmpIOp::create(b, predicate, expand(e), constant(0));
        all = all ? arith::AndIOp::create(b, all, holds).getResult() : holds;
      }
      if (!all) {
        return {};
      }
      any = any ? arith::OrIOp::create(b, any, all).getResult() : all;
    }
    return any;
  }

  SmallVector<Value> getPlace() {
    SmallVector<Value> place;
    for (AffineExpr e : view.getAddress().getResults()) {
      place.push_back(expand(e));
      limitToMemory(e, place.back(), view.getStorage(), place.size() - 1);
    }
    return place;
  }

  ImplicitLocOpBuilder b;
  Value memory;
  tile::ViewOp view;
  SmallVector<Value> dims, symbols;
  /// Whether what tables say is inside of what they lead into; null: they have
  /// said nothing yet.
  Value isInMemory;
};
} // namespace

void attn::expandScalarAccesses(tile::KernelOp kernel) {
  SmallVector<Operation *> accesses;
  kernel.walk([&](Operation *op) {
    auto load = dyn_cast<tile::LoadOp>(op);
    auto store = dyn_cast<tile::StoreOp>(op);
    if ((load && !isa<VectorType>(load.getResult().getType())) ||
        (store && !isa<VectorType>(store.getValue().getType()))) {
      accesses.push_back(op);
    }
  });
  for (Operation *op : accesses) {
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      ScalarAccess access(op, load.getSource(), load.getIndices());
      ImplicitLocOpBuilder &b = access.builder();
      Type type = load.getResult().getType();
      Value value = access.emit(
          type,
          [&](Value memory, ValueRange place) -> Value {
            return memref::LoadOp::create(b, memory, place);
          },
          [&]() -> Value {
            return arith::ConstantOp::create(b, b.getZeroAttr(type));
          });
      load.getResult().replaceAllUsesWith(value);
    } else {
      auto store = cast<tile::StoreOp>(op);
      ScalarAccess access(op, store.getDestination(), store.getIndices());
      ImplicitLocOpBuilder &b = access.builder();
      access.emit(
          Type(),
          [&](Value memory, ValueRange place) -> Value {
            memref::StoreOp::create(b, store.getValue(), memory, place);
            return {};
          },
          [] { return Value(); });
    }
    op->erase();
  }
}
