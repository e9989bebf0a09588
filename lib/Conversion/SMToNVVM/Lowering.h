//===- Lowering.h - What the lowerings of sm's ops share --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A fragment becomes a vector of what a thread holds, in the order of its
// layout; slots, buffers and rings become the offset of their first byte in
// shared memory, a cursor the number of its place, a record its address.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_SMTONVVM_LOWERING_H
#define ATTN_CONVERSION_SMTONVVM_LOWERING_H

#include "ThreadPosition.h"

#include "attn/Dialect/SM/IR/SM.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"

namespace attn::sm {

/// The address spaces of NVPTX.
constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;

/// What every op of a kernel may refer to; it dominates all of them.
struct KernelValues {
  bool merges = false;
  /// The arguments of the function: attnrt_args, attnrt_plan, stage.
  Value args, plan, stage;
  /// The first byte of dynamic shared memory.
  Value shared;
  ThreadPosition thread;
};

/// A kernel of one role becomes a function that holds the role's ops, not yet
/// lowered. The kernel is gone where it succeeds.
FailureOr<LLVM::LLVMFuncOp> createFunction(KernelOp kernel,
                                           KernelValues &values);

/// The types of sm as those of a thread.
class ThreadTypeConverter : public TypeConverter {
public:
  ThreadTypeConverter();
};

template <class Op> class Lowering : public OpConversionPattern<Op> {
public:
  Lowering(const TypeConverter &converter, MLIRContext *context,
           const KernelValues &kernel)
      : OpConversionPattern<Op>(converter, context), kernel(kernel) {}

protected:
  const KernelValues &kernel;
};

void populateElementwise(const TypeConverter &converter,
                         RewritePatternSet &patterns);
void populateRecords(const TypeConverter &converter, const KernelValues &kernel,
                     RewritePatternSet &patterns);
void populateArguments(const TypeConverter &converter,
                       const KernelValues &kernel, RewritePatternSet &patterns);
void populateLayouts(const TypeConverter &converter, const KernelValues &kernel,
                     RewritePatternSet &patterns);
void populateGlobalMemory(const TypeConverter &converter,
                          const KernelValues &kernel,
                          RewritePatternSet &patterns);
void populateRings(const TypeConverter &converter, const KernelValues &kernel,
                   RewritePatternSet &patterns);
void populateCopies(const TypeConverter &converter, const KernelValues &kernel,
                    RewritePatternSet &patterns);
void populateMatrices(const TypeConverter &converter,
                      const KernelValues &kernel, RewritePatternSet &patterns);
/// Functions of math as instructions of the hardware, on LLVM's types.
void populateMath(const LLVMTypeConverter &converter,
                  RewritePatternSet &patterns);

//===--- Values -----------------------------------------------------------===//

Value constantI32(ImplicitLocOpBuilder &b, int64_t value);
Value constantIndex(ImplicitLocOpBuilder &b, int64_t value);
Value toI64(ImplicitLocOpBuilder &b, Value index);
Value toI32(ImplicitLocOpBuilder &b, Value index);
LLVM::LLVMPointerType globalPointer(MLIRContext *context);
/// `bytes` behind a pointer; a constant, or a value that is i32 or i64.
Value addBytes(ImplicitLocOpBuilder &b, Value pointer, int64_t bytes);
Value addBytes(ImplicitLocOpBuilder &b, Value pointer, Value bytes);

/// The elements of a vector, and a vector of elements.
llvm::SmallVector<Value> unpack(ImplicitLocOpBuilder &b, Value vector);
Value pack(ImplicitLocOpBuilder &b, llvm::ArrayRef<Value> elements);

/// A field of a record that nobody writes while the kernel runs.
Value loadField(ImplicitLocOpBuilder &b, Value record, int64_t offset,
                Type type);
/// The same as index; 16 bits have no sign.
Value loadIndex(ImplicitLocOpBuilder &b, Value record, int64_t offset,
                unsigned bits);
/// Record `index` of an array at `base`.
Value recordAt(ImplicitLocOpBuilder &b, Value base, Value index, int64_t size);

//===--- Elements in memory -----------------------------------------------===//

/// What an element is in memory: i1 takes a byte, 0 or not.
Type getMemoryType(Type element);
/// Bytes of an element in memory.
int64_t getMemoryBytes(Type element);
/// Of an element or a vector of them.
Value fromMemory(ImplicitLocOpBuilder &b, Value value, Type element);
Value toMemory(ImplicitLocOpBuilder &b, Value value);

} // namespace attn::sm

#endif // ATTN_CONVERSION_SMTONVVM_LOWERING_H
