//===- Bundle.h - What a bundle holds, as checked data ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// readBundle() turns bytes into these structs and leaves nothing unchecked:
// every index, enumeration and limit below holds, so the rest of the runtime
// uses them without looking. Fields mean what runtime/schema/bundle.fbs says.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_BUNDLE_BUNDLE_H
#define ATTNRT_SRC_BUNDLE_BUNDLE_H

#include "attnrt/plan_format.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace attnrt {

/// Of the schema that this reader was written for.
constexpr uint32_t kBundleFormat = 3;

enum class TargetKind : uint8_t { Cpu, Cuda };
enum class CodeKind : uint8_t { SharedObject, Ptx, Cubin };
enum class BufferKind : uint8_t {
  Operand,
  Scalar,
  Extent,
  Result,
  Workspace,
  State
};
enum class StepKind : uint8_t {
  Constant,
  Axis,
  Symbol,
  Add,
  Mul,
  FloorDiv,
  Mod
};

struct Target {
  TargetKind kind;
  std::string chip;
  std::vector<std::string> features;
  uint32_t ptxLevel;
};

/// Points into the bundle's bytes. A NUL stands behind PTX.
struct Code {
  CodeKind kind;
  const char *data;
  size_t size;
};

/// An argument or a result; any size is -1.
struct Argument {
  std::string name;
  bool isScalar;
  attnrt_dtype dtype;
  std::vector<int64_t> sizes;
  bool isWritten;
};

/// Postfix; divisors are positive constants.
struct Expression {
  struct Step {
    StepKind kind;
    int64_t value;
  };
  std::vector<Step> steps;
};

struct Lookup {
  std::string name;
  uint32_t argument;
  std::vector<Expression> at;
};

struct Constraint {
  Expression expression;
  bool isEquality;
};

struct View {
  uint32_t argument;
  std::vector<std::string> axes;
  std::vector<Lookup> symbols;
  std::vector<std::vector<Constraint>> domain;
  std::vector<Expression> address;
  bool isWritten;
  std::vector<int64_t> sizes; ///< by axis; -1: the least that holds the domain
};

/// Coordinates that a fold visits: elements of a list, along the last axis of
/// the view, as many as its symbol 0 says, and at most `most`.
struct Selection {
  View list;
  int64_t most;
};

struct Buffer {
  BufferKind kind;
  uint32_t index;
  attnrt_dtype dtype;
  bool isMemory;
  std::vector<int64_t> sizes;
  std::vector<uint32_t> shape;
  bool isZero;
};

struct Extent {
  std::string source, rank;
  int32_t group;
};

struct KernelCode {
  std::string symbol;
  uint32_t code;
  uint32_t threads, sharedBytes;
  uint64_t scratchBytes;
  uint32_t argumentBytes;
  int32_t cubin; ///< code for the target's very chip; -1: none
};

/// Axes as in the schema; kKeyAxis and kOtherAxis beside numbers of ranks.
struct KeyView {
  static constexpr int32_t kOtherAxis = -1, kKeyAxis = -2;
  uint32_t view;
  std::vector<int32_t> axes;
};

struct LaunchRecord {
  uint32_t items;
  int32_t merge;
  std::string range, classes;
  uint32_t rows, cols;
  std::vector<uint32_t> segments, heads, subs, size;
  int32_t row, fold;
  std::vector<uint32_t> states; ///< buffers
  std::vector<double> units;
  bool isOrdered;
  bool shares; ///< items may hold rows of several segments
  std::vector<KeyView> keys;
  bool resumes; ///< items may keep and resume states

  bool isFold() const { return !range.empty(); }
};

struct Program {
  uint32_t target, hostCode, hostTarget;
  std::string extentsFunction;
  std::vector<uint32_t> hostReads;
  std::vector<Extent> extents;
  std::vector<Buffer> buffers;
  std::vector<KernelCode> kernels;
  std::vector<LaunchRecord> launches;

  /// Of the first parameter of a GPU's kernels.
  uint64_t argumentBytes() const {
    uint64_t bytes = 0;
    for (const Buffer &buffer : buffers) {
      bytes += buffer.isMemory ? sizeof(attnrt_tensor) : sizeof(uint64_t);
    }
    return bytes;
  }
};

struct Entry {
  std::string name;
  std::vector<Argument> arguments, results;
  std::vector<View> views;
  std::vector<Selection> selections;
  std::vector<Program> programs;
};

struct Bundle {
  std::string producer;
  std::vector<Target> targets;
  std::vector<Code> code;
  std::vector<Entry> entries;

  struct Free {
    void operator()(void *block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> bytes; ///< what code points into
};

/// Throws Failure: CORRUPT or INCOMPATIBLE. Digests are left out only by tests
/// of the other checks.
Bundle readBundle(const void *bytes, uint64_t size, bool checkDigests = true);

/// The second half of readBundle: all that concerns more than one table.
void checkBundle(const Bundle &bundle);

/// Bits of an element in memory; 0 for a number that is no type.
unsigned elementBits(uint32_t dtype);

} // namespace attnrt

#endif // ATTNRT_SRC_BUNDLE_BUNDLE_H
