//===- ScalarProgram.h - The region of an einsum, compiled -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Straight-line scalar code over registers of `kChunk` points each, so that the
// cost of interpretation is paid once per run of points.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_REFERENCE_SCALARPROGRAM_H
#define ATTN_LIB_REFERENCE_SCALARPROGRAM_H

#include "LoopNest.h"
#include "ScalarKernels.h"
#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"

namespace attn::reference {

/// Whether values of this scalar type are kept as integers in a Word.
bool isIntegerLike(Type type);
/// The kernel of a scalar op, and the width it works in; null if there is none.
Kernel kernelOf(Operation *op, unsigned &width);
/// The value of a scalar constant.
std::optional<Word> constantValue(Attribute value);

class ScalarProgram {
public:
  /// What the program needs from around it.
  struct Environment {
    /// The value of a scalar defined outside of the region.
    function_ref<std::optional<Word>(Value)> scalar;
    /// A tensor or memref defined outside of the region, or null.
    function_ref<const Tensor *(Value)> tensor;
  };

  /// Compiles a block of one input per argument. Failure: `error` is set.
  LogicalResult compile(Block &block, const Environment &environment,
                        std::string &error);

  /// Takes the values of scalars from around the region anew.
  void refresh(const Environment &environment);
  /// Where argument i is to be written before `run`.
  Word *argument(unsigned i) { return reg(arguments[i]); }
  bool isIntegerArgument(unsigned i) const { return integerArguments[i]; }
  /// Computes `count` <= kChunk points from `begin` of the innermost rank on.
  LogicalResult run(const LoopNest &nest, int64_t begin, int64_t count,
                    std::string &error);
  /// The yielded value, and whether it is an integer.
  const Word *result() { return reg(yielded); }
  bool isIntegerResult() const { return integerResult; }

private:
  struct Instruction {
    enum Kind { Apply, Coordinate, Extract } kind;
    Kernel kernel = nullptr;
    unsigned width = 64;
    unsigned target = 0;
    SmallVector<unsigned, 4> sources;
    int64_t rank = 0;               // Coordinate
    const Tensor *tensor = nullptr; // Extract
    bool isInteger = false;         // Extract
    Operation *op = nullptr;
  };

  Word *reg(unsigned number) {
    return registers.data() + number * LoopNest::kChunk;
  }
  unsigned newRegister();
  std::optional<unsigned> registerOf(Value value,
                                     const Environment &environment);
  LogicalResult compileOp(Operation &op, const Environment &environment,
                          std::string &error);
  LogicalResult extract(const Instruction &instruction, int64_t count,
                        std::string &error);

  llvm::DenseMap<Value, unsigned> numbers;
  SmallVector<std::pair<Value, unsigned>> captured;
  std::vector<Word> registers;
  SmallVector<unsigned> arguments;
  SmallVector<bool> integerArguments;
  std::vector<Instruction> code;
  unsigned yielded = 0;
  bool integerResult = false;
};

} // namespace attn::reference

#endif // ATTN_LIB_REFERENCE_SCALARPROGRAM_H
