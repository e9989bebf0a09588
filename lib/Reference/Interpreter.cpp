//===- Interpreter.cpp - The reference interpreter of attn ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Reference/Interpreter.h"
#include "Machine.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace attn;
using namespace attn::reference;

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

std::string Machine::describe(Operation *op) {
  std::string text = "'" + op->getName().getStringRef().str() + "'";
  if (auto loc = dyn_cast<FileLineColLoc>(op->getLoc())) {
    text += " at " + loc.getFilename().str() + ":" +
            std::to_string(loc.getLine()) + ":" +
            std::to_string(loc.getColumn());
  }
  return text;
}

LogicalResult Machine::fail(Operation *op, const Twine &message) {
  error = describe(op) + " " + message.str();
  return failure();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Tensor &Machine::newTensor(ArrayRef<int64_t> shape, std::string label) {
  Tensor &tensor = arena.emplace_back();
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.label = std::move(label);
  return tensor;
}

LogicalResult Machine::allocate(Operation *op, HostArray &array,
                                ArrayRef<int64_t> shape) {
  std::optional<HostArray> memory = HostArray::create(DType::F64, shape);
  if (!memory) {
    return fail(op, "needs more memory than there is, for f64 of shape " +
                        formatShape(shape));
  }
  array = *memory;
  return success();
}

std::optional<Word> Machine::scalarOf(Value value) {
  auto found = scalars.find(value);
  if (found == scalars.end()) {
    return std::nullopt;
  }
  return found->second;
}

std::optional<int64_t> Machine::indexOf(Value value) {
  std::optional<Word> word = scalarOf(value);
  return word ? std::optional<int64_t>(word->i) : std::nullopt;
}

void Machine::setScalar(Value value, Word word) {
  scalars[value] = word;
  // A value inside of a fold has another number in each step.
  if (Tensor *tensor = tensors.lookup(value)) {
    if (isIntegerLike(value.getType())) {
      tensor->array.setInt(0, word.i);
    } else {
      tensor->array.setDouble(0, word.f);
    }
  }
}

Tensor *Machine::tensorOf(Value value) {
  if (Tensor *tensor = tensors.lookup(value)) {
    return tensor;
  }
  std::optional<Word> word = scalarOf(value);
  if (!word) {
    return nullptr;
  }
  Tensor &tensor = newTensor({}, "a scalar");
  bool isInteger = isIntegerLike(value.getType());
  tensor.array = isInteger ? HostArray::scalarInt(DType::I64, word->i)
                           : HostArray::scalar(DType::F64, word->f);
  tensors[value] = &tensor;
  return &tensor;
}

LogicalResult attn::checkArgument(Type type, const HostArray &array,
                                  std::string &error) {
  auto shaped = dyn_cast<ShapedType>(type);
  Type element = shaped ? shaped.getElementType() : type;
  std::optional<DType> dtype = dtypeOf(element);
  if (!dtype || (shaped && !shaped.hasRank())) {
    llvm::raw_string_ostream(error) << "has unsupported type " << type;
    return failure();
  }
  if (array.dtype() != *dtype) {
    error = "expects element type " + dtypeName(*dtype).str() + ", but got " +
            dtypeName(array.dtype()).str();
    return failure();
  }
  ArrayRef<int64_t> declared = shaped ? shaped.getShape() : ArrayRef<int64_t>();
  bool fits = declared.size() == array.rank();
  for (unsigned axis = 0; fits && axis < declared.size(); ++axis) {
    fits = ShapedType::isDynamic(declared[axis]) ||
           declared[axis] == array.dim(axis);
  }
  if (!fits) {
    llvm::raw_string_ostream os(error);
    os << "expects shape ";
    if (declared.empty()) {
      os << "scalar";
    }
    llvm::interleave(
        declared, os,
        [&](int64_t extent) {
          ShapedType::isDynamic(extent) ? os << '?' : os << extent;
        },
        "x");
    os << ", but got " << formatShape(array.shape());
    return failure();
  }
  return success();
}

LogicalResult Machine::bindArgument(BlockArgument argument,
                                    const HostArray &array, unsigned number) {
  std::string message;
  if (failed(checkArgument(argument.getType(), array, message))) {
    error = "argument #" + std::to_string(number) + " " + message;
    return failure();
  }
  if (isa<ShapedType>(argument.getType())) {
    Tensor &tensor =
        newTensor(array.shape(), "argument #" + std::to_string(number));
    tensor.array = array;
    tensors[argument] = &tensor;
    return success();
  }
  Word word;
  if (isIntegerLike(argument.getType())) {
    word.i = array.getInt(0);
  } else {
    word.f = array.getDouble(0);
  }
  setScalar(argument, word);
  return success();
}

FailureOr<HostArray> Machine::materialize(Operation *op, const Tensor &tensor) {
  // Only values of the function level come here, so the axes are the space.
  Space space;
  space.resize(tensor.shape.size());
  SmallVector<AffineExpr> at;
  SmallVector<int64_t> loops;
  for (auto [axis, extent] : llvm::enumerate(tensor.shape)) {
    space.names[axis] = "axis " + std::to_string(axis);
    space.extents[axis] = extent;
    at.push_back(getAffineDimExpr(axis, context));
    loops.push_back(axis);
  }
  Tensor target;
  target.shape = tensor.shape;
  if (failed(allocate(op, target.array, tensor.shape))) {
    return failure();
  }
  LoopNest nest(context, space, error);
  unsigned source = nest.addOperand(tensor, at);
  unsigned output = nest.addOperand(target, at);
  nest.compile(loops);
  auto *data = static_cast<double *>(target.array.data());
  LogicalResult done = nest.run([&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; x += LoopNest::kChunk) {
      int64_t count = std::min(LoopNest::kChunk, end - x);
      const double *values = nest.load(source, x, count);
      if (!values) {
        return failure();
      }
      int64_t step = nest.getStep(output);
      store(data + *nest.position(output, x, count) + x * step, step, values,
            count);
    }
    return success();
  });
  if (failed(done)) {
    return fail(op, error);
  }
  return target.array;
}

//===----------------------------------------------------------------------===//
// Plain operations
//===----------------------------------------------------------------------===//

LogicalResult Machine::runScalar(Operation &op) {
  unsigned width = 64;
  Kernel kernel = kernelOf(&op, width);
  if (!kernel) {
    return fail(&op, "is not interpreted");
  }
  Word operands[3] = {}, result;
  for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
    std::optional<Word> word = scalarOf(operand);
    if (!word) {
      return fail(&op, "expects scalars that are known");
    }
    operands[i] = *word;
  }
  bool trap = false;
  kernel(&result, &operands[0], &operands[1], &operands[2], 1, width, &trap);
  if (trap) {
    return fail(&op, "divides integers without a quotient");
  }
  setScalar(op.getResult(0), result);
  return success();
}

/// The shape of a result type, its `?` extents taken from `dynamic` in order.
static std::optional<SmallVector<int64_t>>
shapeWith(ShapedType type, ArrayRef<std::optional<int64_t>> dynamic) {
  SmallVector<int64_t> shape;
  unsigned next = 0;
  for (int64_t extent : type.getShape()) {
    if (ShapedType::isDynamic(extent)) {
      if (next == dynamic.size() || !dynamic[next] || *dynamic[next] < 0) {
        return std::nullopt;
      }
      extent = *dynamic[next++];
    }
    shape.push_back(extent);
  }
  return shape;
}

LogicalResult Machine::runPlain(Operation &op, bool &done) {
  done = true;
  // The extent of an axis.
  if (isa<tensor::DimOp, memref::DimOp>(op)) {
    Tensor *tensor = tensorOf(op.getOperand(0));
    std::optional<int64_t> axis = indexOf(op.getOperand(1));
    if (!tensor || !axis || *axis < 0 ||
        *axis >= int64_t(tensor->shape.size())) {
      return fail(&op, "expects an axis of a tensor that is known");
    }
    Word word;
    word.i = tensor->shape[*axis];
    setScalar(op.getResult(0), word);
    return success();
  }
  if (isa<tensor::CastOp, memref::CastOp>(op)) {
    Tensor *tensor = tensorOf(op.getOperand(0));
    auto type = dyn_cast<ShapedType>(op.getResult(0).getType());
    if (!tensor || !type || !type.hasRank() ||
        failed(verifyCompatibleShape(tensor->shape, type.getShape()))) {
      return fail(&op, "expects a shape that agrees with the result type");
    }
    tensors[op.getResult(0)] = tensor;
    return success();
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (std::optional<Word> word = constantValue(constant.getValue())) {
      setScalar(op.getResult(0), *word);
      return success();
    }
    auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!dense || !dense.getElementType().isIntOrIndexOrFloat()) {
      return fail(&op, "expects a scalar or dense constant");
    }
    Tensor &tensor = newTensor(dense.getType().getShape(), "a constant");
    if (failed(allocate(&op, tensor.array, tensor.shape))) {
      return failure();
    }
    bool isInteger = isIntegerLike(dense.getElementType());
    for (auto [i, value] : llvm::enumerate(dense.getValues<Attribute>())) {
      Word word = *constantValue(value);
      tensor.array.setDouble(i, isInteger ? double(word.i) : word.f);
    }
    tensors[op.getResult(0)] = &tensor;
    return success();
  }
  if (isa<tensor::SplatOp, tensor::EmptyOp>(op)) {
    auto type = cast<ShapedType>(op.getResult(0).getType());
    bool isSplat = isa<tensor::SplatOp>(op);
    SmallVector<std::optional<int64_t>> dynamic;
    for (Value size : op.getOperands().drop_front(isSplat)) {
      dynamic.push_back(indexOf(size));
    }
    std::optional<SmallVector<int64_t>> shape = shapeWith(type, dynamic);
    std::optional<Word> value =
        isSplat ? scalarOf(op.getOperand(0)) : std::optional<Word>(Word{0.0});
    if (!shape || !value) {
      return fail(&op, "expects extents and a value that are known");
    }
    Tensor &tensor = newTensor(*shape, describe(&op));
    if (failed(allocate(&op, tensor.array, *shape))) {
      return failure();
    }
    bool isInteger = isIntegerLike(type.getElementType());
    double fill = isInteger ? double(value->i) : value->f;
    // What an empty tensor holds is nobody's business: make reading it visible.
    fill = isSplat || isInteger ? fill : std::nan("");
    auto *data = static_cast<double *>(tensor.array.data());
    std::fill_n(data, tensor.array.numElements(), fill);
    tensors[op.getResult(0)] = &tensor;
    return success();
  }
  if (isa<tensor::ExtractOp, memref::LoadOp>(op)) {
    Tensor *tensor = tensorOf(op.getOperand(0));
    if (!tensor || !tensor->isKnown() || tensor->storage) {
      return fail(&op, "expects a tensor that is known");
    }
    SmallVector<int64_t> at;
    for (auto [axis, operand] :
         llvm::enumerate(op.getOperands().drop_front())) {
      std::optional<int64_t> index = indexOf(operand);
      if (!index || *index < 0 || *index >= tensor->shape[axis]) {
        return fail(&op, "expects coordinate " + Twine(axis) + " of " +
                             tensor->label + " in [0, " +
                             Twine(tensor->shape[axis]) + ")" +
                             (index ? ", but got " + std::to_string(*index)
                                    : std::string()));
      }
      at.push_back(*index);
    }
    Word word;
    if (isIntegerLike(op.getResult(0).getType())) {
      word.i = tensor->array.getInt(tensor->array.offsetOf(at));
    } else {
      word.f = tensor->array.at(at);
    }
    setScalar(op.getResult(0), word);
    return success();
  }
  done = false;
  return success();
}

LogicalResult Machine::runReturn(func::ReturnOp op) {
  for (Value value : op.getOperands()) {
    Tensor *tensor = tensorOf(value);
    if (!tensor) {
      return fail(op, "expects values that are known");
    }
    FailureOr<HostArray> array = materialize(op, *tensor);
    if (failed(array)) {
      return failure();
    }
    results.push_back(*array);
  }
  return success();
}

LogicalResult Machine::runOp(Operation &op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<ViewOp>([&](auto view) { return runView(view); })
      .Case<PlaceOp>([&](auto place) { return runPlace(place); })
      .Case<CascadeOp>([&](auto cascade) { return runCascade(cascade); })
      .Case<EinsumOp>([&](auto einsum) { return runEinsum(einsum); })
      .Case<SelectOp>([&](auto select) { return runSelect(select); })
      .Case<FoldOp>([&](auto fold) { return runFold(fold); })
      .Case<CoordOp>([&](auto coord) -> LogicalResult {
        if (!ranks.bound.test(coord.getRank())) {
          return fail(coord, "expects a rank that a fold binds");
        }
        Word word;
        word.i = ranks.current[coord.getRank()];
        setScalar(coord.getResult(), word);
        return success();
      })
      .Default([&](Operation *other) -> LogicalResult {
        bool done = false;
        if (failed(runPlain(*other, done))) {
          return failure();
        }
        return done ? success() : runScalar(*other);
      });
}

LogicalResult Machine::run(ArrayRef<HostArray> args) {
  if (function.isExternal() || !function.getBody().hasOneBlock()) {
    return fail(function, "expects a body of one block");
  }
  Block &block = function.getBody().front();
  if (args.size() != block.getNumArguments()) {
    error = "expects " + std::to_string(block.getNumArguments()) +
            " arguments, but got " + std::to_string(args.size());
    return failure();
  }
  for (auto [i, array] : llvm::enumerate(args)) {
    if (failed(bindArgument(block.getArgument(i), array, i))) {
      return failure();
    }
  }
  auto isComputed = [&](Value value) {
    return !tensorOf(value) || !tensorOf(value)->isKnown();
  };
  for (Operation &op : block) {
    if (checkOnly) {
      bool ours = isa<ViewOp, PlaceOp, CascadeOp>(op);
      bool isReturn = isa<func::ReturnOp>(op);
      // A place may write what is unknown; anything else about computed
      // values cannot be checked.
      bool stops = ours ? llvm::any_of(op.getOperands(),
                                       [&](Value v) { return !tensorOf(v); })
                        : !isa<tensor::DimOp, memref::DimOp, tensor::CastOp,
                               memref::CastOp>(op) &&
                              llvm::any_of(op.getOperands(), isComputed);
      if (isReturn || stops) {
        continue;
      }
    }
    LogicalResult done = isa<func::ReturnOp>(op)
                             ? runReturn(cast<func::ReturnOp>(op))
                             : runOp(op);
    if (failed(done)) {
      return failure();
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<HostArray>>
attn::interpret(func::FuncOp function, ArrayRef<HostArray> args,
                const InterpreterOptions &options, std::string &error) {
  Machine machine(function, options, /*checkOnly=*/false, error);
  if (failed(machine.run(args))) {
    return failure();
  }
  return machine.takeResults();
}

LogicalResult attn::checkArguments(func::FuncOp function,
                                   ArrayRef<HostArray> args,
                                   std::string &error) {
  InterpreterOptions options;
  return Machine(function, options, /*checkOnly=*/true, error).run(args);
}

FailureOr<RankExtents> attn::findRankExtents(func::FuncOp function,
                                             ArrayRef<HostArray> args,
                                             std::string &error) {
  InterpreterOptions options;
  Machine machine(function, options, /*checkOnly=*/true, error);
  if (failed(machine.run(args))) {
    return failure();
  }
  return machine.takeExtents();
}
