//===- FoldMerge.cpp - Joining the states of a fold ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldLowering.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace attn;

LogicalResult FoldLowering::emitMerge(OpBuilder &b, Kernel &kernel,
                                      StringRef name) {
  Location loc = fold.getLoc();
  TileEmitter em(program, kernel, cascade, b);
  int64_t mergeRows = kernel.op.getRows();
  em.sizes[kRowAxis] = mergeRows;
  if (failed(setItem(em))) {
    return failure();
  }
  auto field = [&](tile::Field f) -> Value {
    return tile::ItemOp::create(b, loc, b.getIndexType(), f);
  };
  Value zero = constantIndex(b, loc, 0);
  Value total = arith::MulIOp::create(b, loc, field(tile::Field::row_count),
                                      field(tile::Field::sub_count));
  Value parts = field(tile::Field::part_count);
  auto rowsLoop =
      scf::ForOp::create(b, loc, zero, total, constantIndex(b, loc, mergeRows));
  b.setInsertionPointToStart(rowsLoop.getBody());
  Value first = rowsLoop.getInductionVar();
  FailureOr<Value> rowsHere = setRows(em, first, /*ofManySegments=*/true);
  if (failed(rowsHere)) {
    return failure();
  }
  Value count = *rowsHere;
  FailureOr<SmallVector<Value>> init = units(em);
  if (failed(init)) {
    return failure();
  }

  // The derived merge as a pure function on tile values; what it reads besides
  // the two states is loaded by the caller.
  unsigned n = fold.getNumStates();
  Region &region = fold.getMerge();
  SmallVector<std::pair<Value, AffineMap>> reads;
  for (EinsumOp e : region.getOps<EinsumOp>()) {
    for (auto [i, input] : llvm::enumerate(e.getInputs())) {
      std::pair<Value, AffineMap> read{input, e.getInputMap(i)};
      if (!region.isAncestor(input.getParentRegion()) &&
          isa<ShapedType>(input.getType()) &&
          !llvm::is_contained(reads, read)) {
        reads.push_back(read);
      }
    }
  }
  SmallVector<TileValue> loaded;
  SmallVector<Type> types;
  for (unsigned side = 0; side < 2; ++side) {
    llvm::append_range(types, ValueRange(*init).getTypes());
  }
  for (auto &[value, map] : reads) {
    FailureOr<TileValue> v = em.load(value, map);
    if (failed(v)) {
      return failure();
    }
    loaded.push_back(*v);
    types.push_back(v->value.getType());
  }
  auto combine = func::FuncOp::create(
      program.getModuleBuilder(), loc, name,
      b.getFunctionType(types, ValueRange(*init).getTypes()));
  combine.setPrivate();
  Kernel function;
  function.body = combine.addEntryBlock();
  {
    OpBuilder fb = OpBuilder::atBlockEnd(function.body);
    TileEmitter inner(program, function, cascade, fb);
    inner.sizes = em.sizes;
    for (unsigned i = 0; i < 2 * n; ++i) {
      inner.env[region.getArgument(i)] = {function.body->getArgument(i),
                                          stateAxes(i % n)};
    }
    for (auto [i, read] : llvm::enumerate(reads)) {
      inner.loads[{read.first, read.second, 0}] = {
          function.body->getArgument(2 * n + i), loaded[i].axes};
    }
    for (Operation &op : region.front().without_terminator()) {
      auto e = dyn_cast<EinsumOp>(op);
      if (!e) {
        return op.emitOpError("cannot stand in the merge of a fold");
      }
      FailureOr<TileValue> v = inner.einsum(e, {});
      if (failed(v)) {
        return failure();
      }
      inner.env[e.getResult()] = *v;
    }
    SmallVector<Value> results;
    auto yield = cast<attn::YieldOp>(region.front().getTerminator());
    for (auto [i, value] : llvm::enumerate(yield.getValues())) {
      results.push_back(
          inner.t.spread(inner.env.lookup(value), stateAxes(i)).value);
    }
    func::ReturnOp::create(fb, loc, results);
  }
  // Scalars of the program that the function uses are passed on.
  SmallVector<Value> passed;
  for (auto &[buffer, arg] : function.args) {
    types.push_back(arg.getType());
    passed.push_back(program.getBuffer(kernel, buffer));
  }
  combine.setFunctionType(
      b.getFunctionType(types, ValueRange(*init).getTypes()));

  auto loop = tile::FoldOp::create(b, loc, ValueRange(*init).getTypes(),
                                   ValueRange{zero}, ValueRange{parts}, *init);
  SmallVector<Value> memory;
  for (unsigned i = 0; i < n; ++i) {
    memory.push_back(program.getBuffer(kernel, states[i]));
  }
  {
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&loop.getClass_(), {}, {b.getIndexType()}, {loc});
    Value yes = arith::ConstantIntOp::create(b, loc, 1, 1);
    Value no = arith::ConstantIntOp::create(b, loc, 0, 1);
    tile::YieldOp::create(b, loc, ValueRange{yes, no});
    SmallVector<Type> args{b.getIndexType(), b.getI1Type()};
    llvm::append_range(args, loop.getResultTypes());
    Block *block = b.createBlock(&loop.getStep(), {}, args,
                                 SmallVector<Location>(args.size(), loc));
    auto part = tile::LoadStateOp::create(b, loc, loop.getResultTypes(),
                                          block->getArgument(0), first, memory);
    SmallVector<Value> operands(block->getArguments().drop_front(2));
    llvm::append_range(operands, part.getResults());
    for (const TileValue &v : loaded) {
      operands.push_back(v.value);
    }
    llvm::append_range(operands, passed);
    auto call = func::CallOp::create(b, loc, combine, operands);
    tile::YieldOp::create(b, loc, call.getResults());
  }
  for (unsigned i = 0; i < n; ++i) {
    em.env[fold.getResult(i)] = {loop.getResult(i), stateAxes(i)};
  }
  // A state that stays one, or outputs.
  Value slot = field(tile::Field::slot);
  Value keeps =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, slot, zero);
  slot = arith::SelectOp::create(
      b, loc, keeps, arith::AddIOp::create(b, loc, slot, first), slot);
  auto finish =
      tile::FinishOp::create(b, loc, slot, count, loop.getResults(), memory);
  b.createBlock(&finish.getEpilogue());
  if (failed(emitEpilogue(em, count))) {
    return failure();
  }
  b.setInsertionPointAfter(rowsLoop);
  return success();
}
