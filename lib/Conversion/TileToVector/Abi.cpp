//===- Abi.cpp - The C side of a kernel: arguments, items, rows -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attnrt/plan_format.h"

using namespace attn;
using namespace attn::tile;

#define OFFSET(record, member) offsetof(attnrt_##record, member)

/// A field of a record that nobody writes during the call.
Value KernelLowering::field(Value record, int64_t offset, Type type,
                            bool zeroExtend) {
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value p = record;
  if (offset) {
    p = LLVM::GEPOp::create(b, ptr, b.getI8Type(), record,
                            ArrayRef<LLVM::GEPArg>{int32_t(offset)},
                            LLVM::GEPNoWrapFlags::inbounds);
  }
  auto load = LLVM::LoadOp::create(b, type, p);
  load.setInvariant(true);
  if (!type.isInteger()) {
    return load;
  }
  Value v = load;
  if (zeroExtend) {
    v = arith::ExtUIOp::create(b, b.getI64Type(), v);
  } else if (!type.isInteger(64)) {
    v = arith::ExtSIOp::create(b, b.getI64Type(), v);
  }
  return arith::IndexCastOp::create(b, b.getIndexType(), v);
}

Value KernelLowering::fieldIndex(Value record, int64_t offset, unsigned bits) {
  return field(record, offset, b.getIntegerType(bits),
               /*zeroExtend=*/bits == 16);
}

Value KernelLowering::recordAt(Value base, Value index, int64_t size) {
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value bytes = toI64(arith::MulIOp::create(b, index, this->index(size)));
  return LLVM::GEPOp::create(b, ptr, b.getI8Type(), base,
                             ArrayRef<LLVM::GEPArg>{bytes},
                             LLVM::GEPNoWrapFlags::inbounds);
}

void KernelLowering::createFunction() {
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  bool host = kernel.getKind() == KernelKind::host;
  Block &body = kernel.getBody().front();
  int64_t numProgram = kernel.getNumProgramArgs();
  SmallVector<Type> types{ptr};
  if (host) {
    for (BlockArgument a : body.getArguments().drop_front(numProgram)) {
      types.push_back(isa<MemRefType>(a.getType()) ? Type(ptr)
                      : a.getType().isIndex()      ? Type(b.getI64Type())
                                                   : a.getType());
    }
  } else {
    types.append({ptr, ptr});
  }
  b.setInsertionPoint(kernel);
  func = func::FuncOp::create(b, kernel.getSymName(),
                              b.getFunctionType(types, {}));
  Block *entry = func.addEntryBlock();
  for (auto [i, t] : llvm::enumerate(types)) {
    if (isa<LLVM::LLVMPointerType>(t)) {
      func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                      b.getUnitAttr());
      func.setArgAttr(i, LLVM::LLVMDialect::getNonNullAttrName(),
                      b.getUnitAttr());
    }
  }
  b.setInsertionPointToStart(entry);
  auto end = func::ReturnOp::create(b);
  // A mark between prologue and body; removed at the end.
  b.setInsertionPoint(end);
  prologueEnd = arith::ConstantOp::create(b, b.getIndexAttr(0));
  b.setInsertionPoint(prologueEnd);
  args = entry->getArgument(0);
  if (!host) {
    item = entry->getArgument(1);
    Value base = entry->getArgument(2);
    func.setArgAttr(2, LLVM::LLVMDialect::getAlignAttrName(),
                    b.getI64IntegerAttr(64));
    auto bytes = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    Type i64 = b.getI64Type();
    auto descriptor = LLVM::LLVMStructType::getLiteral(
        b.getContext(), {ptr, ptr, i64, LLVM::LLVMArrayType::get(i64, 1),
                         LLVM::LLVMArrayType::get(i64, 1)});
    Value d = LLVM::PoisonOp::create(b, descriptor);
    d = LLVM::InsertValueOp::create(b, d, base, ArrayRef<int64_t>{0});
    d = LLVM::InsertValueOp::create(b, d, base, ArrayRef<int64_t>{1});
    d = LLVM::InsertValueOp::create(b, d, constant(b.getI64IntegerAttr(0)),
                                    ArrayRef<int64_t>{2});
    d = LLVM::InsertValueOp::create(
        b, d, constant(b.getI64IntegerAttr(int64_t(1) << 40)),
        ArrayRef<int64_t>{3, 0});
    d = LLVM::InsertValueOp::create(b, d, constant(b.getI64IntegerAttr(1)),
                                    ArrayRef<int64_t>{4, 0});
    scratchBase = UnrealizedConversionCastOp::create(b, bytes, d).getResult(0);
  }
  if (host) {
    // No scratch is handed in: it lies on the stack; `run` sets the size.
    stackSize = arith::ConstantOp::create(b, b.getIndexAttr(0));
    scratchBase = memref::AllocaOp::create(
        b, MemRefType::get({ShapedType::kDynamic}, b.getI8Type()),
        ValueRange(stackSize), b.getI64IntegerAttr(64));
  }
  // Scalars of the program: one cell each, in order.
  int64_t cell = 0;
  Value cells;
  for (BlockArgument a : body.getArguments().take_front(numProgram)) {
    if (isa<MemRefType>(a.getType())) {
      continue;
    }
    if (!cells) {
      cells = field(args, OFFSET(args, scalars), ptr);
    }
    Type t = a.getType();
    int64_t offset = 8 * cell++;
    Value v;
    if (t.isIndex()) {
      v = fieldIndex(cells, offset, 64);
    } else if (t.isInteger(1)) {
      Value i = fieldIndex(cells, offset, 8);
      v = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, i, index(0));
    } else if (auto it = dyn_cast<IntegerType>(t)) {
      v = arith::IndexCastOp::create(b, t,
                                     fieldIndex(cells, offset, it.getWidth()));
    } else {
      v = field(cells, offset, t);
    }
    scalars.map(a, v);
  }
  if (host) {
    for (auto [i, a] :
         llvm::enumerate(body.getArguments().drop_front(numProgram))) {
      Value v = entry->getArgument(i + 1);
      if (a.getType().isIndex()) {
        scalars.map(
            a, arith::IndexCastOp::create(b, b.getIndexType(), v).getResult());
      } else if (!isa<MemRefType>(a.getType())) {
        scalars.map(a, v);
      }
    }
  }
  b.setInsertionPoint(end);
}

/// Base, sizes and strides of a memref argument, read once in the prologue.
Tensor &KernelLowering::tensor(Value argument) {
  auto it = tensors.find(argument);
  if (it != tensors.end()) {
    return it->second;
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(prologueEnd);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  auto arg = cast<BlockArgument>(argument);
  Tensor t;
  t.type = cast<MemRefType>(arg.getType());
  SmallVector<int64_t> strides;
  int64_t offset;
  if (mlir::failed(t.type.getStridesAndOffset(strides, offset))) {
    fail(kernel, "expects strided arguments");
    strides.assign(t.type.getRank(), 1);
  }
  int64_t numProgram = kernel.getNumProgramArgs();
  Value record;
  if (arg.getArgNumber() < numProgram) {
    int64_t k = llvm::count_if(
        kernel.getBody().getArguments().take_front(arg.getArgNumber()),
        [](BlockArgument a) { return isa<MemRefType>(a.getType()); });
    record = field(args, OFFSET(args, tensors), ptr);
    if (k) {
      record = LLVM::GEPOp::create(
          b, ptr, b.getI8Type(), record,
          ArrayRef<LLVM::GEPArg>{int32_t(k * sizeof(attnrt_tensor))},
          LLVM::GEPNoWrapFlags::inbounds);
    }
    t.base = field(record, OFFSET(tensor, data), ptr);
  } else {
    t.base = func.getArgument(arg.getArgNumber() - numProgram + 1);
  }
  for (int64_t d = 0; d < t.type.getRank(); ++d) {
    bool known = !t.type.isDynamicDim(d) || !record;
    t.sizes.push_back(
        known ? index(t.type.isDynamicDim(d) ? 0 : t.type.getDimSize(d))
              : fieldIndex(record, OFFSET(tensor, shape) + 8 * d, 64));
    known = !ShapedType::isDynamic(strides[d]) || !record;
    t.strides.push_back(
        known ? index(ShapedType::isDynamic(strides[d]) ? 1 : strides[d])
              : fieldIndex(record, OFFSET(tensor, stride) + 8 * d, 64));
  }
  return tensors[argument] = t;
}

/// The argument as a memref, for upstream's memref ops.
Value KernelLowering::memrefOf(Value argument) {
  if (Value v = scalars.lookupOrNull(argument)) {
    return v;
  }
  Tensor t = tensor(argument);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(prologueEnd);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  int64_t rank = t.type.getRank();
  SmallVector<Type> fields{ptr, ptr, i64};
  if (rank) {
    fields.append(2, LLVM::LLVMArrayType::get(i64, rank));
  }
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), fields);
  Value d = LLVM::PoisonOp::create(b, type);
  auto set = [&](Value v, ArrayRef<int64_t> where) {
    d = LLVM::InsertValueOp::create(b, d, v, where);
  };
  set(t.base, {0});
  set(t.base, {1});
  set(constant(b.getI64IntegerAttr(0)), {2});
  for (int64_t i = 0; i < rank; ++i) {
    set(toI64(t.sizes[i]), {3, i});
    set(toI64(t.strides[i]), {4, i});
  }
  Value v = UnrealizedConversionCastOp::create(b, t.type, d).getResult(0);
  scalars.map(argument, v);
  return v;
}

Value KernelLowering::itemField(Field f) {
  Value &v = itemFields[unsigned(f)];
  if (v) {
    return v;
  }
  bool merge = kernel.getKind() == KernelKind::merge;
  if (!item) {
    fail(current, "expects a kernel that is called with an item");
    return v = index(0);
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(prologueEnd);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  auto row = [&](Value i, int64_t offset) {
    Value rows = field(args, OFFSET(args, rows), ptr);
    return fieldIndex(recordAt(rows, i, sizeof(attnrt_row)), offset, 32);
  };
  auto segment = [&](int64_t offset) {
    Value segments = field(args, OFFSET(args, segments), ptr);
    Value s = fieldIndex(item, OFFSET(item, seg), 32);
    return fieldIndex(recordAt(segments, s, sizeof(attnrt_segment)), offset,
                      32);
  };
  auto pick = [&](int64_t inItem, int64_t inMerge, unsigned bits) {
    return fieldIndex(item, merge ? inMerge : inItem, bits);
  };
  auto none = [&] {
    fail(current, "expects a field of the merge");
    return index(0);
  };
  switch (f) {
  case Field::row_begin:
    return v = pick(OFFSET(item, row_begin), OFFSET(merge, first), 32);
  case Field::row_count:
    return v = pick(OFFSET(item, row_count), OFFSET(merge, n), 32);
  case Field::kv_begin:
    return v = merge ? none() : fieldIndex(item, OFFSET(item, kv_begin), 32);
  case Field::kv_count:
    return v = merge ? none() : fieldIndex(item, OFFSET(item, kv_count), 32);
  case Field::slot:
    return v = pick(OFFSET(item, slot), OFFSET(merge, dst), 32);
  case Field::carry:
    return v = merge ? none() : fieldIndex(item, OFFSET(item, carry), 32);
  case Field::head:
    return v = pick(OFFSET(item, head), OFFSET(merge, head), 16);
  case Field::sub_begin:
    return v = pick(OFFSET(item, sub_begin), OFFSET(merge, sub_begin), 16);
  case Field::sub_count:
    return v = pick(OFFSET(item, sub_count), OFFSET(merge, sub_count), 16);
  case Field::param:
    return v = merge ? none() : segment(OFFSET(segment, param));
  case Field::coord0:
    return v = merge ? none() : segment(OFFSET(segment, coord0));
  case Field::sym_first:
    return v = row(itemField(Field::row_begin), OFFSET(row, sym));
  case Field::flags:
    return v = merge ? none() : fieldIndex(item, OFFSET(item, flags), 32);
  case Field::row_first:
    return v = row(itemField(Field::row_begin), OFFSET(row, coord));
  case Field::row_last: {
    Value begin = itemField(Field::row_begin), n = itemField(Field::row_count);
    Value end = arith::AddIOp::create(b, begin, n);
    Value last = arith::SubIOp::create(b, end, index(1));
    return v = row(last, OFFSET(row, coord));
  }
  case Field::part_count:
    if (!merge) {
      fail(current, "expects a merge kernel");
      return v = index(0);
    }
    return v = fieldIndex(item, OFFSET(merge, count), 32);
  }
  llvm_unreachable("field");
}

/// Counts the rows from `first` on, and returns the number of the last row.
Value KernelLowering::liveRows(Operation *op, Value first, int64_t size) {
  Value n = itemField(Field::row_count), group = itemField(Field::sub_count);
  Value total = arith::MulIOp::create(b, n, group);
  Value left = arith::SubIOp::create(b, total, first);
  Value count = arith::MinSIOp::create(b, left, index(size));
  count = arith::MaxSIOp::create(b, count, index(0));
  Value up = arith::AddIOp::create(b, count, index(rowBlock - 1));
  Value blocks = arith::DivUIOp::create(b, up, index(rowBlock));
  counts[op] = {count, arith::MulIOp::create(b, blocks, index(rowBlock))};
  return arith::SubIOp::create(b, total, index(1));
}

/// Rows past the live ones repeat the last live row, in the padding as well:
/// loads through these coordinates stay inside.
void KernelLowering::lowerRows(RowsOp op) {
  Value begin = itemField(Field::row_begin), sub = itemField(Field::sub_begin);
  Value group = itemField(Field::sub_count);
  int64_t size = op.getCoord().getType().getDimSize(0);
  Value first = scalar(op.getFirst());
  Value last = liveRows(op, first, size);
  scalars.map(op.getCount(), counts[op].first);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value rows = field(args, OFFSET(args, rows), ptr);
  Buffer coord = makeBuffer({size}, b.getI32Type());
  Buffer minor = makeBuffer({size}, b.getI32Type());
  Buffer sym;
  if (!op.getSym().use_empty()) {
    sym = makeBuffer({size}, b.getI32Type());
    buffers[op.getSym()] = sym;
  }
  // Of live rows in whole blocks, those of a matrix unit too; nothing reads
  // more.
  int64_t padded = cast<MemRefType>(coord.memref.getType()).getDimSize(0);
  Value end =
      arith::CeilDivUIOp::create(b, counts[op].second, index(kMatrixRows));
  end = arith::MulIOp::create(b, end, index(kMatrixRows));
  end = arith::MinUIOp::create(b, end, index(padded));
  nest([&] {
    loop(index(0), end, 1, [&](Value i) {
      Value r = arith::AddIOp::create(b, first, i);
      r = arith::MinSIOp::create(b, r, last);
      Value q = arith::DivUIOp::create(b, r, group);
      Value s = arith::SubIOp::create(b, r, arith::MulIOp::create(b, q, group));
      Value record = recordAt(rows, arith::AddIOp::create(b, begin, q),
                              sizeof(attnrt_row));
      Value c = fieldIndex(record, OFFSET(row, coord), 32);
      Value m = arith::AddIOp::create(b, sub, s);
      auto i32 = [&](Value x) -> Value {
        return arith::IndexCastOp::create(b, b.getI32Type(), x);
      };
      storeBuffer(i32(c), coord, Point{{i}});
      storeBuffer(i32(m), minor, Point{{i}});
      if (sym.memref) {
        storeBuffer(i32(fieldIndex(record, OFFSET(row, sym), 32)), sym,
                    Point{{i}});
      }
    });
  });
  buffers[op.getCoord()] = coord;
  buffers[op.getMinor()] = minor;
}

void KernelLowering::lowerLoadState(LoadStateOp op) {
  if (kernel.getKind() != KernelKind::merge) {
    return fail(op, "expects a merge kernel");
  }
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value slots = field(args, OFFSET(args, merge_slots), ptr);
  Value first = scalar(op.getFirst());
  Value part = arith::AddIOp::create(
      b, fieldIndex(item, OFFSET(merge, begin), 32), scalar(op.getPart()));
  Value slot = fieldIndex(recordAt(slots, part, 4), 0, 32);
  for (auto [result, state] : llvm::zip(op.getResults(), op.getStates())) {
    auto type = dyn_cast<VectorType>(result.getType());
    if (!type ||
        type.getRank() != cast<MemRefType>(state.getType()).getRank()) {
      return fail(op, "expects results of the rank of their states");
    }
    Value last = liveRows(op, first, type.getDimSize(0));
    Tensor t = tensor(state);
    Buffer buffer = makeBuffer(type.getShape(), type.getElementType());
    int64_t rank = type.getRank();
    nest([&] {
      std::function<void(int64_t, SmallVector<Value>, Value)> axis =
          [&](int64_t a, SmallVector<Value> idx, Value offset) {
            if (a == rank) {
              Value p = elementPointer(t.base, offset, buffer.element);
              return storeBuffer(loadElement(p, buffer.element, 1), buffer,
                                 Point{idx});
            }
            int64_t size =
                a == 0 ? cast<MemRefType>(buffer.memref.getType()).getDimSize(0)
                       : type.getDimSize(a);
            SmallVector<int64_t> strides;
            int64_t o;
            (void)t.type.getStridesAndOffset(strides, o);
            // Full vectors of statistics are read past the rounded count.
            Value end = a == 0 && rank > 1 ? counts[op].second : index(size);
            if (a > 0 && a == rank - 1 && strides[a] == 1) {
              int64_t w = lanesFor(size);
              return loop(index(0), index(size), w, [&](Value i) {
                Value p =
                    elementPointer(t.base, arith::AddIOp::create(b, offset, i),
                                   buffer.element);
                idx.push_back(i);
                storeBuffer(loadElement(p, buffer.element, w), buffer,
                            Point{idx, a, w});
              });
            }
            loop(index(0), end, 1, [&](Value i) {
              Value at = i;
              if (a == 0) {
                at = arith::AddIOp::create(b, first, i);
                at = arith::MinSIOp::create(b, at, last);
                at = arith::AddIOp::create(b, slot, at);
              }
              Value step = arith::MulIOp::create(b, at, t.strides[a]);
              SmallVector<Value> next(idx);
              next.push_back(i);
              axis(a + 1, next, arith::AddIOp::create(b, offset, step));
            });
          };
      axis(0, {}, index(0));
    });
    buffers[result] = buffer;
  }
}
