//===- SMOps.cpp - Parsing and verification of the sm ops -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Completion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace attn;
using namespace attn::sm;

#define GET_OP_CLASSES
#include "attn/Dialect/SM/IR/SMOps.cpp.inc"

//===----------------------------------------------------------------------===//
// KernelOp: sm.kernel @name(%a: t, ..) warps(4) {..}
//===----------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &p, OperationState &state) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  int64_t warps;
  Builder &b = p.getBuilder();
  if (succeeded(p.parseOptionalKeyword("merges"))) {
    state.addAttribute("merges", b.getUnitAttr());
  }
  if (p.parseSymbolName(name, "sym_name", state.attributes) ||
      p.parseArgumentList(args, AsmParser::Delimiter::Paren,
                          /*allowType=*/true) ||
      p.parseKeyword("warps") || p.parseLParen() || p.parseInteger(warps) ||
      p.parseRParen() || p.parseOptionalAttrDictWithKeyword(state.attributes)) {
    return failure();
  }
  SmallVector<Type> types;
  for (OpAsmParser::Argument &arg : args) {
    types.push_back(arg.type);
  }
  state.addAttribute("warps", b.getI64IntegerAttr(warps));
  state.addAttribute("function_type",
                     TypeAttr::get(b.getFunctionType(types, {})));
  return p.parseRegion(*state.addRegion(), args);
}

void KernelOp::print(OpAsmPrinter &p) {
  p << (getMerges() ? " merges " : " ");
  p.printSymbolName(getSymName());
  p << '(';
  llvm::interleaveComma(getBody().getArguments(), p,
                        [&](BlockArgument a) { p.printRegionArgument(a); });
  p << ") warps(" << getWarps() << ")";
  p.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {"sym_name", "function_type", "warps", "merges"});
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult KernelOp::verifyRegions() {
  if (int64_t(getWarps()) <= 0 || int64_t(getWarps()) > 32) {
    return emitOpError("expects 1 to 32 warps, but got ") << getWarps();
  }
  int64_t used = 0;
  for (auto roles : getBody().getOps<RolesOp>()) {
    if (used) {
      return roles.emitOpError("expects one sm.roles in a kernel, but got two");
    }
    used = roles.getFirstWarp(roles.getBodies().size());
  }
  if (used != int64_t(getWarps())) {
    return emitOpError("expects roles for its ")
           << getWarps() << " warps, but got roles for " << used;
  }
  return verifyCompletion(*this);
}

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

LogicalResult ItemsOp::verifyRegions() {
  Block &body = getBody().front();
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (body.getNumArguments() != getInit().size() + 1 ||
      !isa<ItemType>(body.getArgument(0).getType())) {
    return emitOpError("expects a block of a record and ")
           << getInit().size() << " carried values";
  }
  if (!yield || !llvm::equal(yield.getOperandTypes(), getResultTypes()) ||
      !llvm::equal(TypeRange(body.getArgumentTypes()).drop_front(),
                   getResultTypes())) {
    return emitOpError("expects sm.yield of the types that it carries");
  }
  return success();
}

LogicalResult StrideOp::verify() {
  int64_t rank = cast<MemRefType>(getMemory().getType()).getRank();
  if (int64_t(getAxis()) < 0 || int64_t(getAxis()) >= rank) {
    return emitOpError("expects an axis below ")
           << rank << ", but got " << getAxis();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

LogicalResult FillOp::verifyRegions() {
  ArrayRef<BufType> buffers = cast<RingType>(getRing().getType()).getBuffers();
  Block &body = getBody().front();
  bool fits = body.getNumArguments() == buffers.size();
  for (size_t i = 0; fits && i < buffers.size(); ++i) {
    fits = body.getArgument(i).getType() == buffers[i].getSlot();
  }
  if (!fits) {
    return emitOpError("expects a block of the slots of the ring's buffers");
  }
  for (Operation &op : body) {
    Value to;
    if (auto copy = dyn_cast<CopyOp>(op)) {
      to = copy.getTo();
    } else if (auto boxes = dyn_cast<CopyBoxesOp>(op)) {
      to = boxes.getTo();
    } else {
      continue;
    }
    auto slot = dyn_cast<BlockArgument>(to);
    if (!slot || slot.getOwner() != &body) {
      return op.emitOpError(
          "expects to copy into a slot of the sm.fill around it");
    }
  }
  return success();
}

LogicalResult TakeOp::verify() {
  ArrayRef<BufType> buffers = cast<RingType>(getRing().getType()).getBuffers();
  if (!llvm::equal(getBuffers().getTypes(), buffers)) {
    return emitOpError("expects the buffers of the ring");
  }
  return success();
}

static LogicalResult verifyRows(Operation *op, Value addresses, Value live,
                                int64_t rows) {
  auto a = cast<RankedTensorType>(addresses.getType());
  auto l = cast<RankedTensorType>(live.getType());
  if (a.getRank() != 1 || a.getShape() != l.getShape() ||
      a.getEncoding() != l.getEncoding() || a.getDimSize(0) != rows) {
    return op->emitOpError("expects an address and a flag in one layout for "
                           "each of ")
           << rows << " rows, but got " << a << " and " << l;
  }
  return success();
}

LogicalResult CopyOp::verify() {
  auto slot = cast<SlotType>(getTo().getType());
  auto addresses = cast<RankedTensorType>(getAddresses().getType());
  if (!isa_and_nonnull<MoverAttr>(addresses.getEncoding())) {
    return emitOpError("expects addresses with layout sm.mover, but got ")
           << addresses;
  }
  int64_t alignment = getAlignment();
  if (alignment != 4 && alignment != 8 && alignment != 16) {
    return emitOpError("expects addresses that are multiples of 4, 8 or 16 "
                       "bytes, but got ")
           << alignment;
  }
  std::optional<int64_t> columns = getColumns();
  int64_t bits = slot.getElementType().getIntOrFloatBitWidth();
  if (columns &&
      (*columns <= 0 || *columns > slot.getColumns() || *columns * bits % 8)) {
    return emitOpError("expects whole bytes of 1 to ")
           << slot.getColumns() << " columns, but got " << *columns;
  }
  return verifyRows(*this, getAddresses(), getLive(), slot.getRows());
}

/// Values of one axis have a row for each element.
static std::pair<int64_t, int64_t> getRowsAndColumns(RankedTensorType type) {
  return {type.getDimSize(0), type.getRank() == 2 ? type.getDimSize(1) : 1};
}

LogicalResult LoadSharedOp::verify() {
  auto from = cast<BufType>(getFrom().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  if (to.getElementType() != from.getElementType()) {
    return emitOpError("expects a block of elements like the buffer's, but got "
                       "")
           << from << " and " << to;
  }
  auto [rows, columns] = getRowsAndColumns(to);
  if (getTransposed()) {
    std::swap(rows, columns);
  }
  int64_t row = getRow(), column = getColumn();
  if (row < 0 || column < 0 || row % 8 || column % 8 ||
      row + rows > from.getRows() || column + columns > from.getColumns()) {
    return emitOpError("expects a part of ")
           << from.getRows() << " x " << from.getColumns()
           << " elements that begins at multiples of 8, but got " << rows
           << " x " << columns << " from row " << row << " and column "
           << column;
  }
  return success();
}

LogicalResult StoreSharedOp::verify() {
  auto from = cast<RankedTensorType>(getValue().getType());
  auto to = cast<SlotType>(getTo().getType());
  auto [rows, columns] = getRowsAndColumns(from);
  if (rows > to.getRows() || columns > to.getColumns() ||
      from.getElementType() != to.getElementType() ||
      cast<BufType>(getResult().getType()).getSlot() != to) {
    return emitOpError("expects a slot with room for a block and a buffer like "
                       "it, but got ")
           << from << ", " << to << " and " << getResult().getType();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Rows, columns and elements of a right operand, a buffer or a fragment.
static std::tuple<int64_t, int64_t, Type> describeBlock(Type type) {
  if (auto buf = dyn_cast<BufType>(type)) {
    return {buf.getRows(), buf.getColumns(), buf.getElementType()};
  }
  auto tensor = cast<RankedTensorType>(type);
  return {tensor.getDimSize(0),
          tensor.getRank() == 2 ? tensor.getDimSize(1) : 0,
          tensor.getElementType()};
}

LogicalResult GemmOp::verify() {
  auto a = cast<RankedTensorType>(getA().getType());
  Type b = getB().getType();
  auto [rows, columns, element] = describeBlock(b);
  auto d = cast<RankedTensorType>(getResult().getType());
  auto layout = dyn_cast<AccAttr>(d.getEncoding());
  auto isLeft = [](Attribute x) { return isa<AccAttr, LhsAttr>(x); };
  if (!isLeft(a.getEncoding()) || !layout) {
    return emitOpError("expects operands with layout sm.acc, but got ")
           << a << " and " << d;
  }
  if (a.getElementType() != element) {
    return emitOpError("expects operands of one type, but got ")
           << a.getElementType() << " and " << element;
  }
  // A part of a buffer: further columns are not looked at.
  bool isBuffer = isa<BufType>(b);
  int64_t used = getTransposeB() ? a.getDimSize(1) : d.getDimSize(1);
  int64_t column = getColumn();
  bool isInside = column >= 0 && column % 8 == 0 && column + used <= columns;
  int64_t k = getTransposeB() ? used : rows, n = getTransposeB() ? rows : used;
  if (a.getDimSize(0) != d.getDimSize(0) || a.getDimSize(1) != k ||
      d.getDimSize(1) != n || !isInside || (!isBuffer && used != columns)) {
    return emitOpError("expects [M, K] * [K, N] + [M, N], but got ")
           << a << ", " << b << (getTransposeB() ? " transposed" : "")
           << " from column " << column << " and " << d;
  }
  int64_t rowWarps = layout.getRowWarps(),
          columnWarps = layout.getColumnWarps();
  auto left = LhsAttr::get(getContext(), rowWarps, columnWarps);
  bool fits = a.getEncoding() == left ||
              (a.getEncoding() == layout && columnWarps == 1);
  if (!fits) {
    return emitOpError("expects a thread to have the rows of a that it has of "
                       "the result, and all their columns, but got ")
           << a.getEncoding() << " and " << layout;
  }
  auto right =
      RhsAttr::get(getContext(), rowWarps, columnWarps, getTransposeB());
  if (!isBuffer && cast<RankedTensorType>(b).getEncoding() != right) {
    return emitOpError("expects a buffer or a fragment with layout ")
           << right << ", but got " << b;
  }
  if (k % 16) {
    return emitOpError("expects a multiple of 16 products to sum, but got ")
           << k;
  }
  return success();
}

/// The encoding of a reduction of `source` along an axis.
static LogicalResult verifyDropped(Operation *op, RankedTensorType source,
                                   RankedTensorType result, int64_t axis,
                                   Attribute encoding) {
  if (source.getRank() != 2 || axis < 0 || axis > 1 || result.getRank() != 1 ||
      result.getDimSize(0) != source.getDimSize(1 - axis) ||
      result.getElementType() != source.getElementType() ||
      result.getEncoding() != encoding) {
    return op->emitOpError("expects ")
           << encoding << " of axis " << 1 - axis << " of " << source
           << ", but got " << result;
  }
  return success();
}

LogicalResult ReduceOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  if (int64_t axis = getAxis(); axis != 0 && axis != 1) {
    return emitOpError("expects axis 0 or 1, but got ") << axis;
  }
  if (!isBlockLayout(source.getEncoding())) {
    return emitOpError("expects a source of two axes, but got ") << source;
  }
  return verifyDropped(*this, source,
                       cast<RankedTensorType>(getResult().getType()), getAxis(),
                       PartialAttr::get(getContext(), getKind(), getAxis(),
                                        source.getEncoding()));
}

LogicalResult CompleteOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  auto partial = dyn_cast<PartialAttr>(source.getEncoding());
  if (!partial) {
    return emitOpError("expects a source with layout sm.partial, but got ")
           << source;
  }
  auto slice =
      SliceAttr::get(getContext(), partial.getAxis(), partial.getParent());
  if (result != source.cloneWithEncoding(slice)) {
    return emitOpError("expects ")
           << source.cloneWithEncoding(slice) << ", but got " << result;
  }
  FragmentLayout layout = getLayout(source);
  if (!getThrough()) {
    return success();
  }
  auto slot = cast<SlotType>(getThrough().getType());
  if (slot.getElementType() != source.getElementType() ||
      slot.getRows() < source.getDimSize(0) ||
      slot.getColumns() < layout.getNumPartialWarps()) {
    return emitOpError("expects a slot of ")
           << source.getDimSize(0) << " rows of at least "
           << layout.getNumPartialWarps() << " elements, but got " << slot;
  }
  return success();
}

LogicalResult FactorOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  auto partial = dyn_cast<PartialAttr>(result.getEncoding());
  if (!partial ||
      source != result.cloneWithEncoding(SliceAttr::get(
                    getContext(), partial.getAxis(), partial.getParent()))) {
    return emitOpError("expects what threads know of ")
           << result << ", but got " << source;
  }
  for (OpOperand &use : getResult().getUses()) {
    Operation *user = use.getOwner();
    unsigned place = use.getOperandNumber();
    bool isFactor = (isa<arith::MulFOp>(user) &&
                     !user->getOperand(1 - place).getDefiningOp<FactorOp>()) ||
                    (isa<arith::DivFOp>(user) && place == 1) ||
                    (isa<arith::SelectOp>(user) && place == 0);
    // Only sums can be scaled part by part.
    if (!isFactor ||
        (partial.getKind() != Kind::add && !isa<arith::SelectOp>(user))) {
      return emitOpError("expects to scale parts of a sum or to choose between "
                         "parts, but got a use of ")
             << result << " in '" << user->getName() << "'";
    }
  }
  return success();
}

LogicalResult ExpandOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (int64_t axis = getAxis(); axis != 0 && axis != 1) {
    return emitOpError("expects axis 0 or 1, but got ") << axis;
  }
  if (!isBlockLayout(result.getEncoding())) {
    return emitOpError("expects a result of two axes, but got ") << result;
  }
  return verifyDropped(
      *this, result, source, getAxis(),
      SliceAttr::get(getContext(), getAxis(), result.getEncoding()));
}

LogicalResult SplatOp::verify() {
  Type element = cast<RankedTensorType>(getResult().getType()).getElementType();
  if (element != getValue().getType()) {
    return emitOpError("expects a value of type ")
           << element << ", but got " << getValue().getType();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

/// An address and a flag for each element.
static LogicalResult verifyElements(Operation *op, Value addresses, Value live,
                                    Type elements) {
  auto value = cast<RankedTensorType>(elements);
  MLIRContext *ctx = op->getContext();
  if (addresses.getType() != value.clone(IntegerType::get(ctx, 64)) ||
      live.getType() != value.clone(IntegerType::get(ctx, 1))) {
    return op->emitOpError("expects an address and a flag in the layout of ")
           << value << ", but got " << addresses.getType() << " and "
           << live.getType();
  }
  return success();
}

LogicalResult LoadOp::verify() {
  return verifyElements(*this, getAddresses(), getLive(),
                        getResult().getType());
}

LogicalResult StoreOp::verify() {
  return verifyElements(*this, getAddresses(), getLive(), getValue().getType());
}

/// Rows of a block in the layout that goes with it.
static LogicalResult verifyBlockRows(Operation *op, Value addresses, Value live,
                                     Type block) {
  auto type = cast<RankedTensorType>(block);
  if (type.getRank() != 2) {
    return op->emitOpError("expects a block of two axes, but got ") << type;
  }
  auto slice = SliceAttr::get(op->getContext(), 1, type.getEncoding());
  auto rows = cast<RankedTensorType>(addresses.getType());
  if (rows.getEncoding() != slice) {
    return op->emitOpError("expects addresses with layout ")
           << slice << ", but got " << rows;
  }
  return verifyRows(op, addresses, live, type.getDimSize(0));
}

void sm::RowsOp::build(OpBuilder &b, OperationState &state, Type rows,
                       Value item, Value first, bool again) {
  build(b, state, {rows, rows, b.getIndexType(), rows}, item, first,
        again ? b.getUnitAttr() : UnitAttr());
}

LogicalResult LoadRowsOp::verify() {
  return verifyBlockRows(*this, getAddresses(), getLive(),
                         getResult().getType());
}

LogicalResult StoreRowsOp::verify() {
  return verifyBlockRows(*this, getAddresses(), getLive(),
                         getValue().getType());
}
