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
    Value inside = isInside();
    if (!inside) {
      return access(view.getStorage(), getPlace());
    }
    auto branch =
        scf::IfOp::create(b, type ? TypeRange(type) : TypeRange(), inside,
                          /*addThenBlock=*/true, /*addElseBlock=*/bool(type));
    OpBuilder::InsertionGuard guard(b);
    auto fill = [&](Block &block, function_ref<Value()> make) {
      b.setInsertionPointToEnd(&block);
      Value value = make();
      scf::YieldOp::create(b, value ? ValueRange(value) : ValueRange());
    };
    auto clear = [](Block &block) {
      if (!block.empty()) {
        block.getTerminator()->erase();
      }
    };
    clear(branch.getThenRegion().front());
    // Entries of tables that only the address wants exist inside only.
    fill(branch.getThenRegion().front(),
         [&] { return access(view.getStorage(), getPlace()); });
    if (type) {
      clear(branch.getElseRegion().front());
      fill(branch.getElseRegion().front(), absent);
    }
    return type ? branch.getResult(0) : Value();
  }

  ImplicitLocOpBuilder &builder() { return b; }

private:
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
      for (AffineExpr e : map.getResults()) {
        place.push_back(expand(e));
      }
      value = memref::LoadOp::create(b, value, place);
    }
    return symbols[number] = toIndex(value);
  }

  /// Null: everywhere.
  Value isInside() {
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
    AffineMap address = view.getAddress();
    for (AffineExpr e : address.getResults()) {
      place.push_back(expand(e));
    }
    return place;
  }

  ImplicitLocOpBuilder b;
  Value memory;
  tile::ViewOp view;
  SmallVector<Value> dims, symbols;
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
