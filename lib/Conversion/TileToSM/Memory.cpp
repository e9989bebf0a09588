//===- Memory.cpp - Loads, stores and the end of an item ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;

static BlockAccess getAccess(tile::LoadOp op) {
  return {op.getSource(),  SmallVector<Value>(op.getIndices()),
          op.getAxes(),    op.getLiveBegin(),
          op.getLiveEnd(), int64_t(op.getLiveAxis())};
}

static BlockAccess getAccess(tile::StoreOp op) {
  return {op.getDestination(), SmallVector<Value>(op.getIndices()),
          op.getAxes(),        op.getLiveBegin(),
          op.getLiveEnd(),     int64_t(op.getLiveAxis())};
}

/// As many neighbours as a row has pieces for, as long as the threads share all
/// rows evenly.
Attribute KernelConversion::getMover(int64_t rows, int64_t rowBytes) {
  if (rowBytes % 16) {
    return {};
  }
  for (int64_t threads = FragmentLayout::kLanes; threads > 0; threads /= 2) {
    auto mover = sm::MoverAttr::get(b.getContext(), threads, numWarps);
    if (rowBytes / 16 % threads == 0 && sm::getLayout(mover, {rows})) {
      return mover;
    }
  }
  return {};
}

Attribute KernelConversion::getMover(tile::LoadOp load) {
  auto type = cast<VectorType>(load.getResult().getType());
  int64_t rows = type.getDimSize(0);
  int64_t rowBytes = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
  Attribute mover = getMover(rows, rowBytes);
  if (!mover) {
    fail(load, "expects rows of a multiple of 16 bytes that " +
                   Twine(32 * numWarps) + " threads can share, but got " +
                   Twine(rows) + " rows of " + Twine(rowBytes) + " bytes");
  }
  return mover;
}

Value KernelConversion::loadScalar(tile::LoadOp load) {
  if (!isa<MemRefType>(load.getSource().getType()) || load.getLiveBegin() ||
      load.getLiveEnd()) {
    fail(load, "expects a scalar to be read from a memref");
    return load.getResult();
  }
  SmallVector<Value> indices;
  for (Value index : load.getIndices()) {
    indices.push_back(scalar(index));
  }
  return memref::LoadOp::create(b, scalar(load.getSource()), indices);
}

Value KernelConversion::loadFragment(tile::LoadOp load, Attribute layout) {
  RankedTensorType type = getType(load.getResult().getType(), layout);
  bool isBlock = type.getRank() == 2;
  if (isBlock && type.getElementTypeBitWidth() == 16 &&
      getMover(type.getDimSize(0), type.getDimSize(1) * 2)) {
    // Full lines through shared memory, instead of a few bytes for each thread.
    Value block = buffer(load);
    return failed ? load.getResult()
                  : sm::LoadSharedOp::create(b, type, block).getResult();
  }
  Attribute rowLayout =
      isBlock ? sm::SliceAttr::get(b.getContext(), 1, layout) : layout;
  auto rows =
      RankedTensorType::get(type.getDimSize(0), b.getI64Type(), rowLayout);
  std::optional<RowAddresses> where =
      locate(load, getAccess(load), rows, isBlock);
  if (!where) {
    return load.getResult();
  }
  // A flag in memory is a byte.
  bool isFlag = type.getElementType().isInteger(1);
  RankedTensorType stored = isFlag ? type.clone(b.getI8Type()) : type;
  Value value =
      isBlock ? sm::LoadRowsOp::create(b, stored, where->addresses, where->live)
                    .getResult()
              : sm::LoadOp::create(b, stored, where->addresses, where->live)
                    .getResult();
  if (!isFlag) {
    return value;
  }
  Value zero = arith::ConstantOp::create(b, stored, b.getZeroAttr(stored));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
}

Value KernelConversion::buffer(tile::LoadOp load) {
  auto type = cast<VectorType>(load.getResult().getType());
  for (Ring &ring : rings) {
    if (ring.load == load) {
      auto ringType = cast<sm::RingType>(ring.ring.getType());
      return sm::TakeOp::create(b, TypeRange(ringType.getBuffers()[0]),
                                ring.ring, ring.cursor, ring.token)
          .getResult(0);
    }
  }
  if (!getMover(load)) {
    return load.getResult();
  }
  return atDefinition(load.getResult(), [&]() -> Value {
    // Room lives as long as the kernel.
    Value room;
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&target.getBody().front());
      room = sm::AllocOp::create(
          b, sm::SlotType::get(b.getContext(), type.getDimSize(0),
                               type.getDimSize(1), type.getElementType()));
    }
    Value token = startCopy(load, room);
    auto buf = sm::BufType::get(b.getContext(), type.getDimSize(0),
                                type.getDimSize(1), type.getElementType());
    return failed ? load.getResult()
                  : sm::WaitOp::create(b, buf, room, token).getResult();
  });
}

Value KernelConversion::startCopy(tile::LoadOp load, Value room) {
  auto type = cast<VectorType>(load.getResult().getType());
  Attribute mover = getMover(load);
  auto rows = RankedTensorType::get(type.getDimSize(0), b.getI64Type(), mover);
  std::optional<RowAddresses> where =
      locate(load, getAccess(load), rows, /*isBlock=*/true);
  return where ? sm::CopyOp::create(b, where->addresses, where->live, room)
                     .getResult()
               : room;
}

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

void KernelConversion::storeTo(Operation *op, Value value,
                               const BlockAccess &access) {
  auto type = dyn_cast<VectorType>(value.getType());
  if (!type || type.getRank() > 2) {
    return fail(op, "expects a value of one or two axes to be stored");
  }
  bool isBlock = type.getRank() == 2;
  Attribute wanted = isBlock ? layout : getRowLayout();
  auto rows =
      RankedTensorType::get(type.getDimSize(0), b.getI64Type(), getRowLayout());
  std::optional<RowAddresses> where = locate(op, access, rows, isBlock);
  Value converted = failed ? value : fragment(value, wanted);
  if (failed) {
    return;
  }
  if (isBlock) {
    sm::StoreRowsOp::create(b, converted, where->addresses, where->live);
  } else {
    sm::StoreOp::create(b, converted, where->addresses, where->live);
  }
}

void KernelConversion::store(tile::StoreOp op) {
  storeTo(op, op.getValue(), getAccess(op));
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

/// One address per row, like every other access.
RowAddresses KernelConversion::locateStates(Value state, Value first,
                                            Value count,
                                            RankedTensorType rows) {
  Value memory = scalar(state);
  int64_t bytes =
      cast<MemRefType>(memory.getType()).getElementTypeBitWidth() / 8;
  auto toI64 = [&](Value x) -> Value {
    return arith::IndexCastOp::create(b, b.getI64Type(), x);
  };
  auto spread = [&](Value x) -> Value {
    return sm::SplatOp::create(b, rows, x);
  };
  Value step = toI64(arith::MulIOp::create(
      b, sm::StrideOp::create(b, memory, 0), index(bytes)));
  Value begin =
      arith::AddIOp::create(b, sm::AddressOp::create(b, memory),
                            arith::MulIOp::create(b, toI64(first), step));
  Value number = arith::ExtSIOp::create(
      b, rows, sm::CoordOp::create(b, rows.clone(b.getI32Type()), index(0)));
  Value away = arith::MulIOp::create(b, number, spread(step));
  return {arith::AddIOp::create(b, spread(begin), away),
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, number,
                                spread(toI64(count)))};
}

/// Whether the columns of a component are neighbours, if it has any.
static bool hasNeighbours(Value state) {
  auto type = cast<MemRefType>(state.getType());
  return type.getRank() == 1 ||
         (type.getRank() == 2 && type.getStridesAndOffset().first[1] == 1);
}

void KernelConversion::storeStates(tile::FinishOp op) {
  for (auto [value, state] : llvm::zip_equal(op.getValues(), op.getStates())) {
    auto type = cast<VectorType>(value.getType());
    if (!hasNeighbours(state)) {
      return fail(op, "expects channels of a state to be neighbours");
    }
    bool isBlock = type.getRank() == 2;
    auto rows = RankedTensorType::get(type.getDimSize(0), b.getI64Type(),
                                      getRowLayout());
    RowAddresses where =
        locateStates(state, scalar(op.getSlot()), scalar(op.getCount()), rows);
    Value converted = fragment(value, isBlock ? layout : getRowLayout());
    if (failed) {
      return;
    }
    if (isBlock) {
      sm::StoreRowsOp::create(b, converted, where.addresses, where.live);
    } else {
      sm::StoreOp::create(b, converted, where.addresses, where.live);
    }
  }
}

Value KernelConversion::loadState(tile::LoadStateOp op, unsigned component) {
  Value result = op.getResult(component), state = op.getStates()[component];
  auto vector = dyn_cast<VectorType>(result.getType());
  if (!vector || vector.getRank() > 2 || !hasNeighbours(state)) {
    fail(op, "expects a state of vectors whose channels are neighbours");
    return result;
  }
  bool isBlock = vector.getRank() == 2;
  RankedTensorType type = getType(vector, isBlock ? layout : getRowLayout());
  auto rows =
      RankedTensorType::get(type.getDimSize(0), b.getI64Type(), getRowLayout());
  Value first = scalar(op.getFirst());
  auto narrow = rows.clone(b.getI32Type());
  Value count =
      sm::RowsOp::create(b, narrow, narrow, b.getIndexType(), item, first)
          .getCount();
  Value slot = arith::AddIOp::create(
      b, sm::PartOp::create(b, item, scalar(op.getPart())), first);
  RowAddresses where = locateStates(state, slot, count, rows);
  if (isBlock) {
    return sm::LoadRowsOp::create(b, type, where.addresses, where.live);
  }
  return sm::LoadOp::create(b, type, where.addresses, where.live);
}

void KernelConversion::finish(tile::FinishOp op) {
  // What both ends want is made in front of the branch.
  for (Value value : op.getValues()) {
    auto type = dyn_cast<VectorType>(value.getType());
    if (!type) {
      return fail(op, "expects a state of vectors");
    }
    fragment(value, type.getRank() == 2 ? layout : getRowLayout());
  }
  Value isPart = arith::CmpIOp::create(b, arith::CmpIPredicate::sge,
                                       scalar(op.getSlot()), index(0));
  auto branch = scf::IfOp::create(b, TypeRange(), isPart,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  Block *then = &branch.getThenRegion().front();
  Block *other = &branch.getElseRegion().front();
  for (Block *block : {then, other}) {
    if (!block->empty()) {
      block->getTerminator()->erase();
    }
  }
  Block *epilogue = &op.getEpilogue().front();
  // Neither end may keep values for the other: each is a scope of its own.
  inScope(branch, nullptr, then, [&] {
    storeStates(op);
    b.setInsertionPointToEnd(then);
    scf::YieldOp::create(b);
  });
  inScope(branch, epilogue, other, [&] {
    convertBlock(*epilogue);
    b.setInsertionPointToEnd(other);
    scf::YieldOp::create(b);
  });
}
