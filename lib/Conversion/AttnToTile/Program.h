//===- Program.h - Buffers, extents and kernels of one function --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function becomes one program: a fixed list of arguments that all its
// kernels share, kernels, and the tile.program op that tells the runtime what
// to bind, allocate and launch. This class owns the list; the emitters ask it
// for the argument that stands for a value, in the kernel they are writing.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_PROGRAM_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_PROGRAM_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace attn {

/// A kernel that is being written. Its block arguments are made on demand and
/// brought into the program's order at the end.
struct Kernel {
  tile::KernelOp op; // null for a function that kernels call
  Block *body = nullptr;
  llvm::MapVector<int64_t, BlockArgument> args; // by buffer number
  SmallVector<BlockArgument> direct;            // host kernels only
  DenseMap<Value, Value> scalars;               // of the function, cloned here
  Operation *lastScalar = nullptr;              // the last of them
};

class Program {
public:
  Program(func::FuncOp func, OpBuilder &moduleBuilder);

  func::FuncOp getFunc() { return func; }
  Location getLoc() { return func.getLoc(); }

  /// Opens a kernel and sets `b` to the end of its body.
  Kernel &createKernel(OpBuilder &b, tile::KernelKind kind, const Twine &suffix,
                       int64_t rows, int64_t cols, TypeRange direct = {});

  /// The memref argument of `kernel` that stands for a tensor or memref of the
  /// function: an argument, a result, or the workspace registered for it.
  Value getMemory(Kernel &kernel, Value value);
  Value getBuffer(Kernel &kernel, int64_t buffer);
  /// Type of a buffer inside kernels.
  Type getBufferType(int64_t buffer) const { return buffers[buffer].type; }
  OpBuilder &getModuleBuilder() { return moduleBuilder; }

  /// The scalar `value` of the function inside `kernel` (cloned at its start).
  /// An index keeps its type. Fails (with a message on the function) where the
  /// value cannot be computed in a kernel.
  FailureOr<Value> getScalar(Kernel &kernel, Value value);

  /// Extent `axis` of a tensor or memref as an index value in `kernel`.
  Value getDim(OpBuilder &b, Kernel &kernel, Value shaped, int64_t axis);

  /// Number of the extent of `rank` of `cascade`; every source of it is
  /// registered, so that the runtime can check that they agree.
  FailureOr<int64_t> getRankExtent(CascadeOp cascade, int64_t rank);
  /// The same as a value in a kernel (a constant where it is static).
  FailureOr<Value> getRankExtentValue(OpBuilder &b, Kernel &kernel,
                                      CascadeOp cascade, int64_t rank);
  /// The static extent of a rank, or kDynamic.
  int64_t getStaticExtent(CascadeOp cascade, int64_t rank);

  int64_t addBuffer(tile::BufferKind kind, int64_t index, Type type,
                    ArrayRef<int64_t> shape, bool zero = false);
  /// A workspace (or result) for `value`, a tensor on the ranks of `map`.
  FailureOr<int64_t> addStorage(tile::BufferKind kind, int64_t index,
                                Value value, CascadeOp cascade, AffineMap map);
  /// Makes `value` stand for an existing buffer.
  void bind(Value value, int64_t buffer) { bufferOf[value] = buffer; }
  std::optional<int64_t> lookup(Value value) const {
    auto it = bufferOf.find(value);
    return it == bufferOf.end() ? std::nullopt : std::optional(it->second);
  }
  int64_t constantExtent(int64_t value);
  /// The extent that an index value of the function gives.
  int64_t scalarExtent(Value value);
  /// The scalar buffer that carries an extent.
  int64_t getExtentBuffer(int64_t extent) { return extentBuffer[extent]; }
  /// Extent of an axis of any tensor of the function.
  FailureOr<int64_t> getAxisExtent(Value shaped, int64_t axis, StringRef rank,
                                   int64_t group);

  /// Adds a launch (the caller fills the attributes).
  struct Launch {
    Kernel *kernel = nullptr, *merge = nullptr, *range = nullptr,
           *classes = nullptr;
    SmallVector<int64_t> segments, heads, subs, states, size;
    int64_t row = -1, fold = -1;
    bool ordered = false, shares = false, resumes = false;
    SmallVector<Attribute> keys; ///< tile.launch says what
  };
  void addLaunch(Launch launch) { launches.push_back(std::move(launch)); }

  /// Writes the extents kernel and the tile.program op and fixes the argument
  /// order of all kernels.
  LogicalResult finish();

private:
  struct Buffer {
    tile::BufferKind kind;
    int64_t index;
    Type type;
    SmallVector<int64_t> shape;
    bool zero;
  };
  struct Extent {
    std::string source, rank;
    int64_t group;
    Value shaped;     // axis of this value, or
    int64_t axis;     //
    Value scalar;     // this index value, or
    int64_t constant; // this number
  };

  Value emitExtent(OpBuilder &b, Kernel &host, Extent &extent);
  int64_t addExtent(Extent extent);
  BlockArgument addArg(Kernel &kernel, int64_t buffer);

  func::FuncOp func;
  OpBuilder &moduleBuilder;
  SmallVector<Buffer, 0> buffers;
  SmallVector<Extent, 0> extents;
  DenseMap<int64_t, int64_t> extentBuffer; // extent number -> buffer number
  DenseMap<Value, int64_t> bufferOf;
  DenseMap<std::pair<Operation *, int64_t>, int64_t> rankExtents;
  DenseMap<int64_t, int64_t> constants;
  std::vector<std::unique_ptr<Kernel>> kernels;
  SmallVector<Launch, 0> launches;
  int64_t numGroups = 0;
  // The extents kernel computes extents itself instead of reading them.
  Kernel *extentsKernel = nullptr;
};

/// The memref type a kernel sees for a tensor or memref of the function: inner
/// stride 1, other strides and the offset as the descriptor says.
MemRefType getMemoryType(Type type);

/// Extent `axis` of a view, in the extents kernel: one more than the largest
/// coordinate in its domain, else what the storage and its symbols allow.
Value emitViewExtent(OpBuilder &b, Program &program, Kernel &host, ViewOp view,
                     int64_t axis, function_ref<Value(Value, int64_t)> dim);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_PROGRAM_H
