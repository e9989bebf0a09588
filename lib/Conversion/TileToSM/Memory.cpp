//===- Memory.cpp - Loads, stores and the end of an item ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "attnrt/plan_format.h"

#include "attn/Layout/RowCopy.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace attn;

/// Bytes of the smallest cp.async.
constexpr int64_t kLeastCopy = 4;

/// A number of columns, if the fragment has more.
static Value limitOf(Type fragment, Value columns) {
  APInt known;
  bool isAll =
      columns && matchPattern(columns, m_ConstantInt(&known)) &&
      known.getSExtValue() >= cast<RankedTensorType>(fragment).getDimSize(1);
  return isAll ? Value() : columns;
}

/// The layout in which rows of such a block are copied at the least cost, in
/// pieces of `size` bytes. Where threads do not divide what is to be moved,
/// some have nothing to do at the end of a row.
/// `rowBytes`: of a row in memory.
static Attribute chooseMover(sm::BufType buf, int64_t rowBytes, int64_t size,
                             int64_t numWarps) {
  int64_t bits = buf.getElementType().getIntOrFloatBitWidth();
  auto to = SharedLayout::get(buf.getRows(), buf.getColumns() * bits / 8);
  int64_t pieces = to ? to->getRowBytes() / size : 0, least = 0;
  Attribute best;
  for (int64_t warps = 1; to && warps <= numWarps; ++warps) {
    for (int64_t threads : {8, 4, 2, 1, 16, 32}) {
      auto mover =
          sm::MoverAttr::get(buf.getContext(), threads, numWarps, warps);
      auto layout = sm::getLayout(mover, {buf.getRows()});
      // Half of the warps on a row would do.
      if (!layout || (best && threads * warps >= 2 * pieces)) {
        continue;
      }
      int64_t cost = countRowCopy(*layout, *to, rowBytes, size).getTotal();
      if (!best || cost < least) {
        best = mover;
        least = cost;
      }
    }
  }
  return best;
}

/// Why a block cannot be copied; empty: it can.
static std::string findObstacle(tile::LoadOp load) {
  auto type = cast<VectorType>(load.getResult().getType());
  BlockAccess access = BlockAccess::get(load);
  unsigned bits = type.getElementTypeBitWidth();
  if (type.getRank() != 2) {
    return "it has one axis";
  }
  if (bits % 8) {
    return "elements of " + std::to_string(bits) + " bits are no bytes";
  }
  if (access.liveAxis == 1 && (access.liveBegin || access.liveEnd)) {
    return "columns of a row are left out";
  }
  if (!access.hasNeighbours()) {
    return "columns of a row are not known to be neighbours";
  }
  if (int64_t alignment = access.getAlignment(); alignment < kLeastCopy) {
    return "a copy begins at a multiple of " + std::to_string(kLeastCopy) +
           " bytes, but rows at multiples of " + std::to_string(alignment);
  }
  return "";
}

Attribute KernelConversion::getMover(tile::LoadOp load) {
  if (!findObstacle(load).empty()) {
    return {};
  }
  sm::BufType buf = getBuffer(load);
  auto type = cast<VectorType>(load.getResult().getType());
  int64_t rowBytes = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
  int64_t size = BlockAccess::get(load).getAlignment();
  Attribute &known = movers[{buf, size}];
  if (!known) {
    known = chooseMover(buf, rowBytes, size, numWarps);
  }
  return known;
}

Value KernelConversion::loadFragment(tile::LoadOp load, Attribute layout) {
  RankedTensorType type = getType(load.getResult().getType(), layout);
  bool isBlock = type.getRank() == 2;
  // Full lines through shared memory, instead of a few bytes for each thread:
  // where ldmatrix brings them on, or several warps want the same.
  bool isShared = isBlock && (type.getElementTypeBitWidth() == 16 ||
                              isa<sm::RhsAttr>(layout));
  if (isBlock && (findRing(load) || (isShared && getMover(load)))) {
    sm::BufType buf =
        findRing(load) ? findRing(load)->getBuffer() : getBuffer(load);
    if (type.getDimSize(0) <= buf.getRows() &&
        type.getDimSize(1) <= buf.getColumns()) {
      Value block = buffer(load);
      return failed ? load.getResult()
                    : sm::LoadSharedOp::create(b, type, block).getResult();
    }
  }
  Attribute rowLayout =
      isBlock ? sm::SliceAttr::get(b.getContext(), 1, layout) : layout;
  auto rows =
      RankedTensorType::get(type.getDimSize(0), b.getI64Type(), rowLayout);
  std::optional<RowAddresses> where =
      locate(load, BlockAccess::get(load), rows, isBlock);
  if (!where) {
    return load.getResult();
  }
  // A flag in memory is a byte.
  bool isFlag = type.getElementType().isInteger(1);
  RankedTensorType stored = isFlag ? type.clone(b.getI8Type()) : type;
  Value value =
      where->columnBytes ? loadElements(stored, *where)
      : isBlock
          ? sm::LoadRowsOp::create(b, stored, where->addresses, where->live,
                                   limitOf(type, where->columns),
                                   where->alignment)
                .getResult()
          : sm::LoadOp::create(b, stored, where->addresses, where->live)
                .getResult();
  if (!isFlag) {
    return value;
  }
  Value zero = arith::ConstantOp::create(b, stored, b.getZeroAttr(stored));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
}

Value KernelConversion::loadElements(RankedTensorType type,
                                     const RowAddresses &where) {
  auto slice = sm::SliceAttr::get(b.getContext(), 0, type.getEncoding());
  auto wide = RankedTensorType::get(type.getDimSize(1), b.getI64Type(), slice);
  auto spread = [&](Value x) -> Value {
    return sm::SplatOp::create(b, wide, x);
  };
  Value number = arith::ExtSIOp::create(
      b, wide, sm::CoordOp::create(b, wide.clone(b.getI32Type()), index(0)));
  Value away = arith::MulIOp::create(b, number, spread(where.columnBytes));
  RankedTensorType addresses = type.clone(b.getI64Type());
  Value row = sm::ExpandOp::create(b, addresses, where.addresses, 1);
  Value column = sm::ExpandOp::create(b, addresses, away, 0);
  Value at = arith::AddIOp::create(b, row, column);
  RankedTensorType flags = type.clone(b.getI1Type());
  Value live = sm::ExpandOp::create(b, flags, where.live, 1);
  if (Value columns = limitOf(type, where.columns)) {
    Value limit = arith::IndexCastOp::create(b, b.getI64Type(), columns);
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, number,
                                         spread(limit));
    live = arith::AndIOp::create(b, live,
                                 sm::ExpandOp::create(b, flags, inside, 0));
  }
  return sm::LoadOp::create(b, type, at, live);
}

/// The loads that an operand is computed from, element by element.
static void findLoads(Value value, SmallVectorImpl<tile::LoadOp> &loads) {
  Operation *op = value.getDefiningOp();
  if (auto load = dyn_cast_or_null<tile::LoadOp>(op)) {
    loads.push_back(load);
  } else if (op && OpTrait::hasElementwiseMappableTraits(op)) {
    for (Value operand : op->getOperands()) {
      findLoads(operand, loads);
    }
  }
}

bool KernelConversion::isRightOperand(tile::LoadOp load) {
  if (!knowsRightOperands) {
    SmallVector<tile::LoadOp> loads;
    source.walk([&](tile::DotOp dot) { findLoads(dot.getB(), loads); });
    rightOperands.insert(loads.begin(), loads.end());
    knowsRightOperands = true;
  }
  return rightOperands.contains(load);
}

sm::BufType KernelConversion::getBuffer(int64_t rows, int64_t columns,
                                        Type element) {
  int64_t chunk =
      SharedLayout::kChunkBytes * 8 / element.getIntOrFloatBitWidth();
  return sm::BufType::get(
      b.getContext(), rows,
      llvm::alignTo(columns, columns < getStep() ? chunk : getStep()), element);
}

sm::BufType KernelConversion::getBuffer(tile::LoadOp load) {
  // Every layout of a block finds its rows and columns in it.
  auto type = cast<VectorType>(load.getResult().getType());
  int64_t most = llvm::alignTo(type.getDimSize(0), getStep());
  // Rows of whole sectors: then the threads that share one have a panel.
  int64_t sector = kSectorBytes * 8 / type.getElementTypeBitWidth();
  int64_t columns =
      llvm::alignTo(type.getDimSize(1), std::lcm(getStep(), sector));
  // Rows of accumulators and of left operands are not shared by warps beside
  // each other: no room for more of them.
  int64_t step = kGpuRowStep * rowWarps;
  int64_t rows =
      isRightOperand(load) ? most : llvm::alignTo(type.getDimSize(0), step);
  return getBuffer(rows, columns, type.getElementType());
}

Value KernelConversion::makeRoom(sm::BufType type) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&target.getBody().front());
  return sm::AllocOp::create(b, type.getSlot());
}

/// Whether a block has all rows of another one, and its columns from the first
/// on: then both are one block in shared memory.
static bool covers(tile::LoadOp wide, tile::LoadOp load) {
  auto type = cast<VectorType>(wide.getResult().getType());
  auto other = cast<VectorType>(load.getResult().getType());
  if (wide.getSource() != load.getSource() ||
      wide.getLiveBegin() != load.getLiveBegin() ||
      wide.getLiveEnd() != load.getLiveEnd() ||
      wide.getLiveAxis() != load.getLiveAxis() ||
      wide.getAxes() != load.getAxes() || type.getRank() != 2 ||
      other.getRank() != 2 || type.getDimSize(0) != other.getDimSize(0) ||
      type.getDimSize(1) < other.getDimSize(1)) {
    return false;
  }
  for (auto [axis, x, y] :
       llvm::zip_equal(wide.getAxes(), wide.getIndices(), load.getIndices())) {
    if (x == y) {
      continue;
    }
    auto a = getColumnBase(x), z = getColumnBase(y);
    if (axis != 1 || !a || !z || *a != *z) {
      return false;
    }
  }
  return true;
}

SmallVector<tile::LoadOp> KernelConversion::findColumnBlocks(tile::FoldOp op) {
  SmallVector<tile::LoadOp> found, loads;
  op.getStep().walk([&](tile::DotOp dot) { findLoads(dot.getB(), loads); });
  for (tile::LoadOp load : loads) {
    bool isKnown = llvm::any_of(
        found, [&](tile::LoadOp other) { return covers(other, load); });
    auto type = dyn_cast<VectorType>(load.getResult().getType());
    if (isKnown || load->getBlock() != &op.getStep().front() || !type) {
      continue;
    }
    if (!getMover(load)) {
      if (type.getRank() == 2) {
        load.emitRemark() << "block is read from memory by each thread for "
                             "itself: "
                          << findObstacle(load);
      }
      continue;
    }
    llvm::erase_if(found,
                   [&](tile::LoadOp other) { return covers(load, other); });
    found.push_back(load);
  }
  return found;
}

KernelConversion::Ring *KernelConversion::findRing(tile::LoadOp load) {
  for (Ring &ring : rings) {
    if (covers(ring.load, load)) {
      return &ring;
    }
  }
  return nullptr;
}

Value KernelConversion::buffer(tile::LoadOp load) {
  if (Ring *ring = findRing(load)) {
    return sm::TakeOp::create(b, TypeRange(ring->getBuffer()), ring->ring,
                              ring->cursor, ring->token)
        .getResult(0);
  }
  if (Value known = scopeOf(load.getResult()).buffers.lookup(load)) {
    return known;
  }
  Value made = atDefinition(load.getResult(), [&]() -> Value {
    sm::BufType buf = getBuffer(load);
    Value room = makeRoom(buf);
    Value token = startCopy(load, room);
    return failed ? load.getResult()
                  : sm::WaitOp::create(b, buf, room, token).getResult();
  });
  scopeOf(load.getResult()).buffers[load] = made;
  return made;
}

std::optional<RowAddresses> KernelConversion::locateRows(tile::LoadOp load,
                                                         sm::SlotType slot) {
  copiedRows = slot.getRows();
  auto rows = RankedTensorType::get(copiedRows, b.getI64Type(), getMover(load));
  return locate(load, BlockAccess::get(load), rows, /*isBlock=*/true);
}

Value KernelConversion::copyRows(tile::LoadOp load, const RowAddresses &where,
                                 Value room) {
  auto type = cast<VectorType>(load.getResult().getType());
  auto slot = cast<sm::SlotType>(room.getType());
  IntegerAttr columns;
  if (slot.getColumns() != type.getDimSize(1)) {
    columns = b.getI64IntegerAttr(type.getDimSize(1));
  }
  return sm::CopyOp::create(b, sm::TokenType::get(b.getContext()),
                            where.addresses, where.live, room, columns,
                            b.getI64IntegerAttr(where.alignment));
}

Value KernelConversion::startCopy(tile::LoadOp load, Value room) {
  std::optional<RowAddresses> where =
      locateRows(load, cast<sm::SlotType>(room.getType()));
  return where ? copyRows(load, *where, room) : room;
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
  auto rows = RankedTensorType::get(getType(type, wanted).getDimSize(0),
                                    b.getI64Type(), getRowLayout());
  std::optional<RowAddresses> where = locate(op, access, rows, isBlock);
  if (where && where->columnBytes) {
    return fail(op, "expects columns of a block to be neighbours in memory");
  }
  Value converted = failed ? value : fragment(value, wanted);
  if (failed) {
    return;
  }
  if (isBlock) {
    sm::StoreRowsOp::create(b, converted, where->addresses, where->live,
                            limitOf(converted.getType(), where->columns),
                            where->alignment);
  } else {
    sm::StoreOp::create(b, converted, where->addresses, where->live);
  }
}

void KernelConversion::store(tile::StoreOp op) {
  storeTo(op, op.getValue(), BlockAccess::get(op));
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

/// One address per row, like every other access.
RowAddresses KernelConversion::locateStates(Value state, Value first,
                                            Value count, VectorType type,
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
  Value columns;
  if (type.getRank() == 2) {
    columns = index(type.getDimSize(1));
  }
  // Planes of a state begin at multiples of 16 bytes.
  int64_t rowBytes = type.getRank() == 2 ? type.getDimSize(1) * bytes : bytes;
  return {arith::AddIOp::create(b, spread(begin), away),
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, number,
                                spread(toI64(count))),
          columns, std::gcd<int64_t>(rowBytes, 16)};
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
    Attribute wanted = isBlock ? layout : getRowLayout();
    auto rows = RankedTensorType::get(getType(type, wanted).getDimSize(0),
                                      b.getI64Type(), getRowLayout());
    RowAddresses where = locateStates(state, scalar(op.getSlot()),
                                      scalar(op.getCount()), type, rows);
    Value converted = fragment(value, isBlock ? layout : getRowLayout());
    if (failed) {
      return;
    }
    if (isBlock) {
      sm::StoreRowsOp::create(b, converted, where.addresses, where.live,
                              limitOf(converted.getType(), where.columns),
                              where.alignment);
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
  Value count = sm::RowsOp::create(b, narrow, item, first).getCount();
  Value slot = arith::AddIOp::create(
      b, sm::PartOp::create(b, item, scalar(op.getPart())), first);
  RowAddresses where = locateStates(state, slot, count, vector, rows);
  if (isBlock) {
    return sm::LoadRowsOp::create(b, type, where.addresses, where.live,
                                  limitOf(type, where.columns),
                                  where.alignment);
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
  if (op.getKeeps()) {
    // Nothing stands behind the end of an item.
    Value ends = arith::XOrIOp::create(b, hasFlag(ATTNRT_ITEM_KEEP),
                                       arith::ConstantIntOp::create(b, 1, 1));
    auto ending = scf::IfOp::create(b, ends);
    b.setInsertionPointToStart(&ending.getThenRegion().front());
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
