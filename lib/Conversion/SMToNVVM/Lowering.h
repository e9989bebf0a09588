//===- Lowering.h - What the lowerings of sm's ops share --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A fragment becomes a vector of what a thread holds, in the order of its
// layout, and so does what a product still writes; slots, buffers and rings
// become the offset of their first byte in shared memory, a cursor the number
// of its place and the parity of its round, a record its address.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_SMTONVVM_LOWERING_H
#define ATTN_CONVERSION_SMTONVVM_LOWERING_H

#include "ThreadPosition.h"

#include "attn/Dialect/SM/IR/SM.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"
#include "llvm/ADT/DenseMap.h"

namespace attn::sm {

/// The address spaces of NVPTX.
constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;

/// What every op of a role may refer to; it dominates all of them.
struct KernelValues {
  bool merges = false;
  /// The arguments of the function: the program's by value, attnrt_plan, stage.
  Value args, plan, stage;
  /// The first byte of dynamic shared memory.
  Value shared;
  /// In the instance of the role.
  ThreadPosition thread;

  /// Whether it is the only role: its threads are all of the CTA.
  bool isAlone = true;
  int64_t warps = 0, instances = 1;
  /// The number of the instance, i32, where there are several.
  Value instance;
  /// The first of the hardware's barriers that its instances own, one each;
  /// behind them those of its turns.
  int64_t barrier = 0;
  /// Whether it has products that read what its threads have written.
  bool multiplies = false;
};

/// Attributes that live while a kernel is lowered: on a ring, that some fill
/// waits for its boxes; on turns, the hardware's barrier of the first instance.
constexpr llvm::StringLiteral kLandsAttr = "lands", kBarrierAttr = "barrier";
/// On a function: one dictionary for each parameter behind the third.
constexpr llvm::StringLiteral kTensorMapsAttr = "sm.tensor_maps";

/// A barrier in memory, and the parity of the round that is waited for.
struct Phase {
  Value barrier, parity;
};

/// A kernel while it is lowered.
struct KernelState {
  /// By number of the role.
  llvm::SmallVector<KernelValues> roles;
  /// The number of the warp in the CTA, where there are several roles.
  Value warp;
  /// Where copies of boxes report, and what waits for them: sm.fill knows.
  llvm::DenseMap<Operation *, Phase> phases;

  const KernelValues &of(Operation *op) const;
};

/// A kernel becomes a function that holds its ops, not yet lowered: of one role
/// those of the role, else sm.roles. The kernel is gone where it succeeds.
FailureOr<LLVM::LLVMFuncOp> createFunction(KernelOp kernel, KernelState &state);
/// Parameters for the maps of tensors, behind those that `func` has.
void bindTensorMaps(KernelOp kernel, LLVM::LLVMFuncOp func);
/// In front of several roles: the barriers of rings, which roles then own what
/// of the hardware. `lane` and `warp` are those of the thread in the CTA.
LogicalResult prepareRoles(ImplicitLocOpBuilder &b, RolesOp roles,
                           KernelState &state);
/// Each warp goes to what its role does: sm.roles is gone.
void branchToRoles(LLVM::LLVMFuncOp func, const KernelState &state);
/// The threads of an instance meet.
void synchronise(ImplicitLocOpBuilder &b, const KernelValues &role);

/// The types of sm as those of a thread.
class ThreadTypeConverter : public TypeConverter {
public:
  ThreadTypeConverter();
};

template <class Op> class Lowering : public OpConversionPattern<Op> {
public:
  Lowering(const TypeConverter &converter, MLIRContext *context,
           KernelState &state, PatternBenefit benefit = 1)
      : OpConversionPattern<Op>(converter, context, benefit), state(state) {}

protected:
  /// Of the role that an op belongs to.
  const KernelValues &kernelOf(Op op) const {
    return state.of(op.getOperation());
  }

  KernelState &state;
};

/// `convertsFloat8`: the chip has instructions for it.
void populateElementwise(const TypeConverter &converter, bool convertsFloat8,
                         RewritePatternSet &patterns);
void populateRecords(const TypeConverter &converter, KernelState &state,
                     RewritePatternSet &patterns);
void populateArguments(const TypeConverter &converter, KernelState &state,
                       RewritePatternSet &patterns);
/// What lanes hold parts of, and what several warps do.
void populateReductions(const TypeConverter &converter, KernelState &state,
                        RewritePatternSet &patterns);
void populateLayouts(const TypeConverter &converter, KernelState &state,
                     RewritePatternSet &patterns);
void populateGlobalMemory(const TypeConverter &converter, KernelState &state,
                          RewritePatternSet &patterns);
void populateRings(const TypeConverter &converter, KernelState &state,
                   RewritePatternSet &patterns);
void populateRoleRings(const TypeConverter &converter, KernelState &state,
                       RewritePatternSet &patterns);
void populateCopies(const TypeConverter &converter, KernelState &state,
                    RewritePatternSet &patterns);
void populateMatrices(const TypeConverter &converter, KernelState &state,
                      RewritePatternSet &patterns);
void populateSharedFragments(const TypeConverter &converter, KernelState &state,
                             RewritePatternSet &patterns);
void populateBoxes(const TypeConverter &converter, KernelState &state,
                   RewritePatternSet &patterns);
void populateProducts(const TypeConverter &converter, KernelState &state,
                      RewritePatternSet &patterns);
void populateTurns(const TypeConverter &converter, KernelState &state,
                   RewritePatternSet &patterns);
/// Behind all of these: each element of a vector becomes a value of its own, or
/// each two that one instruction works on, which two f32 are if `packsF32`.
void splitVectors(LLVM::LLVMFuncOp func, bool packsF32);
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
/// Elements of 16 bits as pairs, each an i32. Each pair is made by itself, so
/// that it need not live longer than its own two elements.
llvm::SmallVector<Value> unpackWords(ImplicitLocOpBuilder &b, Value vector);

/// A field of a record that nobody writes while the kernel runs.
Value loadField(ImplicitLocOpBuilder &b, Value record, int64_t offset,
                Type type);
/// The same as index; 16 bits have no sign.
Value loadIndex(ImplicitLocOpBuilder &b, Value record, int64_t offset,
                unsigned bits);
/// Record `index` of an array at `base`.
Value recordAt(ImplicitLocOpBuilder &b, Value base, Value index, int64_t size);

//===--- Barriers in memory -----------------------------------------------===//

/// What this thread has written to shared memory is there for products and
/// tensor copies that are ordered behind it.
void fenceProducts(ImplicitLocOpBuilder &b);
/// Waits until the round of this parity is over.
void waitForPhase(ImplicitLocOpBuilder &b, Phase phase);
/// Where the buffers of a ring's place lie; `place` is its number, i32.
llvm::SmallVector<Value> getRingBuffers(ImplicitLocOpBuilder &b, RingType type,
                                        Value ring, Value place);

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
