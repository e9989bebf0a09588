//===- ScalarProgram.cpp - The region of an einsum, compiled --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ScalarProgram.h"
#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace attn;
using namespace attn::reference;

bool reference::isIntegerLike(Type type) { return type.isIntOrIndex(); }

static unsigned widthOf(Type type) {
  return type.isInteger() ? type.getIntOrFloatBitWidth() : 64;
}

Kernel reference::kernelOf(Operation *op, unsigned &width) {
  if (op->getNumResults() != 1 || op->getNumOperands() > 3 ||
      op->getNumRegions() != 0) {
    return nullptr;
  }
  std::string name = op->getName().getStringRef().str();
  Type type = op->getResult(0).getType();
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    name += " " + stringifyCmpIPredicate(compare.getPredicate()).str();
    type = compare.getLhs().getType();
  } else if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    name += " " + stringifyCmpFPredicate(compare.getPredicate()).str();
  } else if (isa<arith::ExtSIOp, arith::ExtUIOp, arith::SIToFPOp,
                 arith::UIToFPOp, arith::IndexCastOp, arith::IndexCastUIOp>(
                 op)) {
    type = op->getOperand(0).getType();
    if (isIntegerLike(op->getResult(0).getType()) &&
        widthOf(op->getResult(0).getType()) < widthOf(type)) {
      // A cast of an index to a narrower integer.
      name = "arith.trunci";
      type = op->getResult(0).getType();
    }
  }
  if (!type.isIntOrIndexOrFloat() || widthOf(type) > 64) {
    return nullptr;
  }
  width = widthOf(type);
  return findKernel(name.c_str());
}

std::optional<Word> reference::constantValue(Attribute value) {
  Word word;
  if (auto number = dyn_cast<FloatAttr>(value)) {
    // An APFloat of any width; getValueAsDouble rounds only wider ones.
    word.f = number.getValueAsDouble();
    return word;
  }
  auto number = dyn_cast<IntegerAttr>(value);
  if (!number || number.getValue().getBitWidth() > 64) {
    return std::nullopt;
  }
  bool isBool = number.getType().isInteger(1);
  word.i = isBool ? number.getValue().getZExtValue()
                  : number.getValue().getSExtValue();
  return word;
}

unsigned ScalarProgram::newRegister() {
  unsigned number = registers.size() / LoopNest::kChunk;
  registers.resize(registers.size() + LoopNest::kChunk);
  return number;
}

std::optional<unsigned>
ScalarProgram::registerOf(Value value, const Environment &environment) {
  auto [entry, isNew] = numbers.try_emplace(value, 0);
  if (isNew) {
    std::optional<Word> word = environment.scalar(value);
    if (!word) {
      numbers.erase(entry);
      return std::nullopt;
    }
    entry->second = newRegister();
    std::fill_n(reg(entry->second), LoopNest::kChunk, *word);
    captured.push_back({value, entry->second});
  }
  return entry->second;
}

void ScalarProgram::refresh(const Environment &environment) {
  for (auto [value, number] : captured) {
    std::fill_n(reg(number), LoopNest::kChunk, *environment.scalar(value));
  }
}

LogicalResult ScalarProgram::compileOp(Operation &op,
                                       const Environment &environment,
                                       std::string &error) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (std::optional<Word> word = constantValue(constant.getValue())) {
      unsigned number = newRegister();
      std::fill_n(reg(number), LoopNest::kChunk, *word);
      numbers[op.getResult(0)] = number;
      return success();
    }
  }
  Instruction instruction;
  instruction.op = &op;
  ValueRange scalars = op.getOperands();
  if (auto coord = dyn_cast<CoordOp>(op)) {
    instruction.kind = Instruction::Coordinate;
    instruction.rank = coord.getRank();
  } else if (isa<tensor::ExtractOp, memref::LoadOp>(op)) {
    instruction.kind = Instruction::Extract;
    instruction.tensor = environment.tensor(op.getOperand(0));
    instruction.isInteger = isIntegerLike(op.getResult(0).getType());
    scalars = scalars.drop_front();
    if (!instruction.tensor || instruction.tensor->storage ||
        !instruction.tensor->presence.allOf.empty()) {
      error = "expects '" + op.getName().getStringRef().str() +
              "' to read a tensor without absent points";
      return failure();
    }
  } else {
    instruction.kind = Instruction::Apply;
    instruction.kernel = kernelOf(&op, instruction.width);
    if (!instruction.kernel) {
      error = "does not interpret '" + op.getName().getStringRef().str() +
              "' inside of an einsum";
      return failure();
    }
  }
  for (Value operand : scalars) {
    std::optional<unsigned> source = registerOf(operand, environment);
    if (!source) {
      error = "expects the operands of '" + op.getName().getStringRef().str() +
              "' to be scalars that are known";
      return failure();
    }
    instruction.sources.push_back(*source);
  }
  instruction.target = newRegister();
  numbers[op.getResult(0)] = instruction.target;
  code.push_back(std::move(instruction));
  return success();
}

LogicalResult ScalarProgram::compile(Block &block,
                                     const Environment &environment,
                                     std::string &error) {
  for (BlockArgument argument : block.getArguments()) {
    unsigned number = newRegister();
    numbers[argument] = number;
    arguments.push_back(number);
    integerArguments.push_back(isIntegerLike(argument.getType()));
  }
  for (Operation &op : block.without_terminator()) {
    if (failed(compileOp(op, environment, error))) {
      return failure();
    }
  }
  Value value = block.getTerminator()->getOperand(0);
  std::optional<unsigned> number = registerOf(value, environment);
  if (!number) {
    error = "expects a scalar that is known as the yielded value";
    return failure();
  }
  yielded = *number;
  integerResult = isIntegerLike(value.getType());
  return success();
}

LogicalResult ScalarProgram::extract(const Instruction &instruction,
                                     int64_t count, std::string &error) {
  const Tensor &tensor = *instruction.tensor;
  Word *target = reg(instruction.target);
  for (int64_t i = 0; i < count; ++i) {
    int64_t position = 0;
    for (auto [axis, source] : llvm::enumerate(instruction.sources)) {
      int64_t index = reg(source)[i].i;
      if (index < 0 || index >= tensor.shape[axis]) {
        error = "expects coordinate " + std::to_string(axis) + " of " +
                tensor.label + " in [0, " + std::to_string(tensor.shape[axis]) +
                "), but got " + std::to_string(index);
        return failure();
      }
      position += index * tensor.array.strides()[axis];
    }
    if (instruction.isInteger) {
      target[i].i = tensor.array.getInt(position);
    } else {
      target[i].f = tensor.array.getDouble(position);
    }
  }
  return success();
}

LogicalResult ScalarProgram::run(const LoopNest &nest, int64_t begin,
                                 int64_t count, std::string &error) {
  for (const Instruction &instruction : code) {
    Word *target = reg(instruction.target);
    if (instruction.kind == Instruction::Extract) {
      if (failed(extract(instruction, count, error))) {
        return failure();
      }
      continue;
    }
    if (instruction.kind == Instruction::Coordinate) {
      bool moves = nest.innermost() == instruction.rank;
      for (int64_t i = 0; i < count; ++i) {
        target[i].i = moves ? begin + i : nest.coordinate(instruction.rank);
      }
      continue;
    }
    const Word *sources[3] = {};
    for (auto [i, source] : llvm::enumerate(instruction.sources)) {
      sources[i] = reg(source);
    }
    bool trap = false;
    instruction.kernel(target, sources[0], sources[1], sources[2], count,
                       instruction.width, &trap);
    if (trap) {
      error = "divides integers without a quotient in '" +
              instruction.op->getName().getStringRef().str() + "'";
      return failure();
    }
  }
  return success();
}
