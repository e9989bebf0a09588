//===- Program.cpp - Buffers, extents and kernels of one function ------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace attn;

MemRefType attn::getMemoryType(Type type) {
  auto shaped = cast<ShapedType>(type);
  // The inner stride is 1 by contract of the ABI; the descriptor gives the
  // rest.
  SmallVector<int64_t> strides(shaped.getRank(), ShapedType::kDynamic);
  if (!strides.empty()) {
    strides.back() = 1;
  }
  return MemRefType::get(
      shaped.getShape(), shaped.getElementType(),
      StridedLayoutAttr::get(type.getContext(), /*offset=*/0, strides));
}

Program::Program(func::FuncOp func, OpBuilder &moduleBuilder)
    : func(func), moduleBuilder(moduleBuilder) {
  for (BlockArgument arg : func.getArguments()) {
    bool memory = isa<ShapedType>(arg.getType());
    bind(arg, addBuffer(
                  memory ? tile::BufferKind::operand : tile::BufferKind::scalar,
                  arg.getArgNumber(),
                  memory ? getMemoryType(arg.getType()) : arg.getType(), {}));
  }
}

int64_t Program::addBuffer(tile::BufferKind kind, int64_t index, Type type,
                           ArrayRef<int64_t> shape, bool zero) {
  buffers.push_back({kind, index, type, llvm::to_vector(shape), zero});
  return buffers.size() - 1;
}

FailureOr<int64_t> Program::addStorage(tile::BufferKind kind, int64_t index,
                                       Value value, CascadeOp cascade,
                                       AffineMap map) {
  SmallVector<int64_t> shape, sizes;
  for (AffineExpr e : map.getResults()) {
    int64_t rank = cast<AffineDimExpr>(e).getPosition();
    FailureOr<int64_t> extent = getRankExtent(cascade, rank);
    if (failed(extent)) {
      return failure();
    }
    shape.push_back(*extent);
    sizes.push_back(getStaticExtent(cascade, rank));
  }
  Type element = cast<ShapedType>(value.getType()).getElementType();
  int64_t buffer = addBuffer(
      kind, index, getMemoryType(RankedTensorType::get(sizes, element)), shape);
  bind(value, buffer);
  return buffer;
}

Kernel &Program::createKernel(OpBuilder &b, tile::KernelKind kind,
                              const Twine &suffix, int64_t rows, int64_t cols,
                              TypeRange direct) {
  auto kernel = std::make_unique<Kernel>();
  std::string name = (func.getName() + suffix).str();
  // The type is set by finish(), when all arguments are known.
  kernel->op = tile::KernelOp::create(
      moduleBuilder, getLoc(), name,
      FunctionType::get(func.getContext(), {}, {}), kind,
      /*numProgramArgs=*/0, rows, cols, /*sym_visibility=*/StringAttr(),
      /*arg_attrs=*/ArrayAttr(), /*res_attrs=*/ArrayAttr());
  Block *body = new Block;
  kernel->op.getBody().push_back(body);
  kernel->body = body;
  for (Type t : direct) {
    kernel->direct.push_back(body->addArgument(t, getLoc()));
  }
  b.setInsertionPointToEnd(body);
  kernels.push_back(std::move(kernel));
  return *kernels.back();
}

BlockArgument Program::addArg(Kernel &kernel, int64_t buffer) {
  auto it = kernel.args.find(buffer);
  if (it != kernel.args.end()) {
    return it->second;
  }
  BlockArgument arg = kernel.body->addArgument(buffers[buffer].type, getLoc());
  kernel.args[buffer] = arg;
  return arg;
}

Value Program::getBuffer(Kernel &kernel, int64_t buffer) {
  return addArg(kernel, buffer);
}

Value Program::getMemory(Kernel &kernel, Value value) {
  auto it = bufferOf.find(value);
  assert(it != bufferOf.end() && "value has no storage");
  return addArg(kernel, it->second);
}

FailureOr<Value> Program::getScalar(Kernel &kernel, Value value) {
  if (auto it = kernel.scalars.find(value); it != kernel.scalars.end()) {
    return it->second;
  }
  if (isa<BlockArgument>(value)) {
    if (auto it = bufferOf.find(value); it != bufferOf.end()) {
      return Value(addArg(kernel, it->second));
    }
    return func.emitError("a scalar of a region cannot be used in a kernel");
  }
  Operation *op = value.getDefiningOp();
  OpBuilder b(func.getContext());
  // Scalars stand in front of everything else, in the order they were asked
  // for.
  auto place = [&] {
    if (kernel.lastScalar) {
      b.setInsertionPointAfter(kernel.lastScalar);
    } else {
      b.setInsertionPointToStart(kernel.body);
    }
  };
  Value result;
  if (isa<tensor::DimOp, memref::DimOp>(op)) {
    std::optional<int64_t> axis = getConstantIntValue(op->getOperand(1));
    if (!axis) {
      return op->emitOpError("expects a constant axis to be used in a kernel");
    }
    int64_t axes = cast<ShapedType>(op->getOperand(0).getType()).getRank();
    if (*axis < 0 || *axis >= axes) {
      return op->emitOpError("expects an axis below ")
             << axes << ", but got " << *axis;
    }
    place();
    result = getDim(b, kernel, op->getOperand(0), *axis);
    if (!result) {
      return failure();
    }
  } else {
    if (op->getNumRegions() || !isMemoryEffectFree(op) ||
        !llvm::all_of(op->getResultTypes(),
                      [](Type t) { return t.isIntOrIndexOrFloat(); })) {
      return op->emitOpError("cannot be computed in a kernel");
    }
    IRMapping map;
    for (Value operand : op->getOperands()) {
      if (isa<ShapedType>(operand.getType())) {
        return op->emitOpError("cannot be computed in a kernel");
      }
      FailureOr<Value> inner = getScalar(kernel, operand);
      if (failed(inner)) {
        return failure();
      }
      map.map(operand, *inner);
    }
    place();
    Operation *clone = b.clone(*op, map);
    result = clone->getResult(cast<OpResult>(value).getResultNumber());
  }
  if (Operation *def = result.getDefiningOp()) {
    kernel.lastScalar = def;
  }
  kernel.scalars[value] = result;
  return result;
}

Value Program::getDim(OpBuilder &b, Kernel &kernel, Value shaped,
                      int64_t axis) {
  auto type = cast<ShapedType>(shaped.getType());
  if (!type.isDynamicDim(axis)) {
    return arith::ConstantIndexOp::create(b, getLoc(), type.getDimSize(axis));
  }
  if (auto buffer = lookup(shaped)) {
    Value c = arith::ConstantIndexOp::create(b, getLoc(), axis);
    return memref::DimOp::create(b, getLoc(), addArg(kernel, *buffer), c);
  }
  FailureOr<int64_t> extent = getAxisExtent(shaped, axis, "", -1);
  if (failed(extent)) {
    return {};
  }
  return &kernel == extentsKernel
             ? emitExtent(b, kernel, extents[*extent])
             : Value(addArg(kernel, extentBuffer[*extent]));
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

int64_t Program::addExtent(Extent extent) {
  for (auto [i, e] : llvm::enumerate(extents)) {
    if (e.group == extent.group && e.shaped == extent.shaped &&
        e.axis == extent.axis && e.scalar == extent.scalar &&
        e.constant == extent.constant) {
      return i;
    }
  }
  extents.push_back(std::move(extent));
  int64_t number = extents.size() - 1;
  extentBuffer[number] = addBuffer(tile::BufferKind::extent, number,
                                   IndexType::get(func.getContext()), {});
  return number;
}

int64_t Program::constantExtent(int64_t value) {
  return addExtent({std::to_string(value), "", -1, {}, 0, {}, value});
}

int64_t Program::scalarExtent(Value value) {
  return addExtent({"a size", "", -1, {}, 0, value, 0});
}

/// What a message calls a value: its argument number or the op that makes it.
static std::string describe(Value value) {
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    return "argument " + std::to_string(arg.getArgNumber());
  }
  std::string name = value.getDefiningOp()->getName().getStringRef().str();
  if (auto view = value.getDefiningOp<ViewOp>()) {
    return "a view of " + describe(view.getStorage());
  }
  return "a result of " + name;
}

FailureOr<int64_t> Program::getAxisExtent(Value shaped, int64_t axis,
                                          StringRef rank, int64_t group) {
  auto type = cast<ShapedType>(shaped.getType());
  std::string source = describe(shaped) + ", axis " + std::to_string(axis);
  if (!type.isDynamicDim(axis)) {
    return addExtent(
        {source, rank.str(), group, {}, 0, {}, type.getDimSize(axis)});
  }
  if (auto cascade = shaped.getDefiningOp<CascadeOp>()) {
    // The extent of the rank that the yielded value has on this axis.
    auto yield = cast<YieldOp>(cascade.getBody().front().getTerminator());
    Value value = yield.getValues()[cast<OpResult>(shaped).getResultNumber()];
    AffineMap map;
    if (auto einsum = value.getDefiningOp<EinsumOp>()) {
      map = einsum.getResultMap();
    } else if (auto fold = value.getDefiningOp<FoldOp>()) {
      map = fold.getStateMap(cast<OpResult>(value).getResultNumber());
    }
    if (!map) {
      return cascade.emitOpError("yields a value that it does not compute");
    }
    return getRankExtent(
        cascade, cast<AffineDimExpr>(map.getResult(axis)).getPosition());
  }
  return addExtent({source, rank.str(), group, shaped, axis, {}, 0});
}

int64_t Program::getStaticExtent(CascadeOp cascade, int64_t rank) {
  int64_t found = ShapedType::kDynamic;
  if (Value given = cascade.getGivenExtent(rank)) {
    if (std::optional<int64_t> size = getConstantIntValue(given)) {
      return *size;
    }
  }
  auto visit = [&](Type type, AffineMap map) {
    auto shaped = dyn_cast<ShapedType>(type);
    for (auto [axis, e] : llvm::enumerate(map.getResults())) {
      auto d = dyn_cast<AffineDimExpr>(e);
      if (shaped && d && d.getPosition() == rank &&
          !shaped.isDynamicDim(axis)) {
        found = shaped.getDimSize(axis);
      }
    }
  };
  cascade.walk([&](EinsumOp e) {
    for (unsigned i = 0; i < e.getInputs().size(); ++i) {
      visit(e.getInputs()[i].getType(), e.getInputMap(i));
    }
    visit(e.getResult().getType(), e.getResultMap());
  });
  return found;
}

FailureOr<int64_t> Program::getRankExtent(CascadeOp cascade, int64_t rank) {
  auto key = std::make_pair(cascade.getOperation(), rank);
  if (auto it = rankExtents.find(key); it != rankExtents.end()) {
    return it->second;
  }
  StringRef name = cascade.getRankName(rank);
  int64_t group = numGroups++;
  std::optional<int64_t> first;
  auto add = [&](FailureOr<int64_t> extent) {
    if (succeeded(extent) && !first) {
      first = *extent;
    }
    return success(succeeded(extent));
  };
  Value given = cascade.getGivenExtent(rank);
  WalkResult result = cascade.walk([&](Operation *op) {
    if (auto fold = dyn_cast<FoldOp>(op)) {
      if ((int64_t)fold.getRank() == rank) {
        given = fold.getExtent();
      }
      return WalkResult::advance();
    }
    if (auto select = dyn_cast<SelectOp>(op)) {
      for (auto [i, input] : llvm::enumerate(select.getInputs())) {
        AffineMap map = select.getInputMap(i);
        if (input.getParentBlock() == &cascade.getBody().front()) {
          continue;
        }
        for (auto [axis, e] : llvm::enumerate(map.getResults())) {
          auto d = dyn_cast<AffineDimExpr>(e);
          if (d && d.getPosition() == rank &&
              failed(add(getAxisExtent(input, axis, name, group)))) {
            return WalkResult::interrupt();
          }
        }
      }
      return WalkResult::advance();
    }
    auto einsum = dyn_cast<EinsumOp>(op);
    if (!einsum) {
      return WalkResult::advance();
    }
    for (auto [i, input] : llvm::enumerate(einsum.getInputs())) {
      if (!isa<ShapedType>(input.getType()) ||
          cascade->isProperAncestor(input.getParentBlock()->getParentOp()) ||
          input.getParentBlock() == &cascade.getBody().front()) {
        continue; // computed inside
      }
      for (auto [axis, e] :
           llvm::enumerate(einsum.getInputMap(i).getResults())) {
        auto d = dyn_cast<AffineDimExpr>(e);
        if (d && d.getPosition() == rank &&
            failed(add(getAxisExtent(input, axis, name, group)))) {
          return WalkResult::interrupt();
        }
      }
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted()) {
    return failure();
  }
  if (!first && given) {
    first = addExtent({"given", name.str(), group, {}, 0, given, 0});
  }
  if (!first) {
    int64_t size = getStaticExtent(cascade, rank);
    if (size == ShapedType::kDynamic) {
      return cascade.emitOpError("rank '") << name << "' has no extent";
    }
    first = addExtent({"the tile size", name.str(), group, {}, 0, {}, size});
  }
  rankExtents[key] = *first;
  return *first;
}

FailureOr<Value> Program::getRankExtentValue(OpBuilder &b, Kernel &kernel,
                                             CascadeOp cascade, int64_t rank) {
  int64_t size = getStaticExtent(cascade, rank);
  if (size != ShapedType::kDynamic) {
    return Value(arith::ConstantIndexOp::create(b, getLoc(), size));
  }
  FailureOr<int64_t> extent = getRankExtent(cascade, rank);
  if (failed(extent)) {
    return failure();
  }
  if (&kernel == extentsKernel) {
    return emitExtent(b, kernel, extents[*extent]);
  }
  return Value(addArg(kernel, extentBuffer[*extent]));
}

Value Program::emitExtent(OpBuilder &b, Kernel &host, Extent &extent) {
  if (extent.scalar) {
    FailureOr<Value> v = getScalar(host, extent.scalar);
    return succeeded(v) ? *v : Value();
  }
  if (!extent.shaped) {
    return arith::ConstantIndexOp::create(b, getLoc(), extent.constant);
  }
  if (auto view = extent.shaped.getDefiningOp<ViewOp>()) {
    return emitViewExtent(b, *this, host, view, extent.axis,
                          [&](Value shaped, int64_t axis) {
                            return getDim(b, host, shaped, axis);
                          });
  }
  if (!lookup(extent.shaped)) {
    func.emitError("the extent of ")
        << describe(extent.shaped) << " cannot be found";
    return {};
  }
  return getDim(b, host, extent.shaped, extent.axis);
}

//===----------------------------------------------------------------------===//
// The end: extents kernel, program op, argument order
//===----------------------------------------------------------------------===//

LogicalResult Program::finish() {
  MLIRContext *ctx = func.getContext();
  Location loc = getLoc();
  OpBuilder b(ctx);
  Type i64 = b.getI64Type();
  auto outType = MemRefType::get({ShapedType::kDynamic}, i64);
  Kernel &host =
      createKernel(b, tile::KernelKind::host, ".extents", 0, 0, {outType});
  extentsKernel = &host;
  // Emitting an extent may register further ones.
  for (size_t i = 0; i < extents.size(); ++i) {
    Extent extent = extents[i];
    Value v = emitExtent(b, host, extent);
    if (!v) {
      return failure();
    }
    Value at = arith::ConstantIndexOp::create(b, loc, i);
    memref::StoreOp::create(b, loc, arith::IndexCastOp::create(b, loc, i64, v),
                            host.direct[0], at);
  }

  for (auto &kernel : kernels) {
    Block &body = kernel->op.getBody().front();
    b.setInsertionPointToEnd(&body);
    tile::ReturnOp::create(b, loc);
    SmallVector<Type> types;
    unsigned at = 0;
    for (auto [number, buffer] : llvm::enumerate(buffers)) {
      BlockArgument fresh = body.insertArgument(at++, buffer.type, loc);
      types.push_back(buffer.type);
      if (auto it = kernel->args.find(number); it != kernel->args.end()) {
        it->second.replaceAllUsesWith(fresh);
      }
    }
    unsigned program = at;
    for (BlockArgument old : kernel->direct) {
      BlockArgument fresh = body.insertArgument(at++, old.getType(), loc);
      types.push_back(old.getType());
      old.replaceAllUsesWith(fresh);
    }
    body.eraseArguments(at, body.getNumArguments() - at);
    kernel->op.setNumProgramArgs(program);
    kernel->op.setFunctionTypeAttr(
        TypeAttr::get(FunctionType::get(ctx, types, {})));
  }

  auto program = tile::ProgramOp::create(moduleBuilder, loc,
                                         (func.getName() + ".program").str(),
                                         host.op.getSymName());
  Block *body = new Block;
  program.getBody().push_back(body);
  b.setInsertionPointToEnd(body);
  for (Extent &e : extents) {
    tile::ExtentOp::create(b, loc, e.source, e.rank, e.group);
  }
  for (Buffer &buffer : buffers) {
    tile::BufferOp::create(b, loc, buffer.kind, buffer.index, buffer.type,
                           buffer.shape, buffer.zero);
  }
  auto symbol = [&](Kernel *k) {
    return k ? FlatSymbolRefAttr::get(ctx, k->op.getSymName())
             : FlatSymbolRefAttr();
  };
  for (Launch &l : launches) {
    tile::LaunchOp::create(
        b, loc, l.kernel->op.getSymName(), symbol(l.merge), symbol(l.range),
        symbol(l.classes), l.segments, l.heads, l.subs, l.row, l.fold, l.states,
        l.size, l.ordered, l.shares, b.getArrayAttr(l.keys), l.resumes);
  }
  return success();
}
