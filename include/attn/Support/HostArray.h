//===- HostArray.h - Plain arrays in host memory ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arrays that go into and out of a run: an element type, a shape, strides
// in elements and shared bytes. Copies of a HostArray share the bytes. Elements
// are read as double or int64 and written with round to nearest, ties to even.
// i4 is packed, element 0 in the low half of a byte; i1 takes one byte.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_HOSTARRAY_H
#define ATTN_SUPPORT_HOSTARRAY_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace attn {

enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  F8E4M3FN,
  F8E5M2,
  I64,
  I32,
  I16,
  U16,
  I8,
  U8,
  I4,
  I1,
};

/// Bits that one element takes in memory: 4 for i4, 8 for i1.
unsigned storageBits(DType dtype);
bool isFloat(DType dtype);
/// The name as MLIR writes the type; `u8` and `u16` for the unsigned ones.
StringRef dtypeName(DType dtype);
/// The element type of arrays that stand for values of `type` (a scalar type);
/// `index` is i64. None if the type cannot live in a HostArray.
std::optional<DType> dtypeOf(Type type);

/// "2x16x8"; "scalar" for rank 0.
std::string formatShape(ArrayRef<int64_t> shape);
/// Product of the extents; none if one is negative or it exceeds 2^62.
std::optional<int64_t> countElements(ArrayRef<int64_t> shape);

class HostArray {
public:
  /// An empty f64 array of shape 0.
  HostArray() : theShape{0}, theStrides{1} {}

  /// A new array of zeros in row-major order. None if the shape has a negative
  /// extent or memory does not suffice. The bytes are aligned to 64.
  static std::optional<HostArray> create(DType dtype, ArrayRef<int64_t> shape);
  /// The same, but ends the program if there is no memory: for small arrays.
  static HostArray zeros(DType dtype, ArrayRef<int64_t> shape);
  /// A scalar (rank 0).
  static HostArray scalar(DType dtype, double value);
  static HostArray scalarInt(DType dtype, int64_t value);
  static HostArray fromDoubles(DType dtype, ArrayRef<int64_t> shape,
                               ArrayRef<double> values);

  DType dtype() const { return theType; }
  ArrayRef<int64_t> shape() const { return theShape; }
  ArrayRef<int64_t> strides() const { return theStrides; }
  unsigned rank() const { return theShape.size(); }
  int64_t dim(unsigned axis) const { return theShape[axis]; }
  int64_t numElements() const;
  /// First byte of element 0; null only if there are no elements.
  void *data() const { return bytes.get(); }
  /// Bytes that a row-major array of this shape takes.
  int64_t numBytes() const;
  bool isRowMajor() const;

  /// Element at a position counted in elements from element 0 (not checked).
  double getDouble(int64_t offset) const;
  int64_t getInt(int64_t offset) const;
  void setDouble(int64_t offset, double value);
  void setInt(int64_t offset, int64_t value);
  /// Position of a coordinate; the coordinate must be inside of the shape.
  int64_t offsetOf(ArrayRef<int64_t> coordinate) const;
  double at(ArrayRef<int64_t> coordinate) const {
    return getDouble(offsetOf(coordinate));
  }

  /// The same bytes as another type of `storageBits` (u16 as bf16), or packed
  /// u8 as i4, whose last axis then counts `lastExtent` elements (a row starts
  /// at a byte). The array must be row-major.
  HostArray reinterpret(DType dtype,
                        std::optional<int64_t> lastExtent = {}) const;
  /// This array under other strides; the caller keeps them inside of the bytes.
  HostArray withLayout(ArrayRef<int64_t> shape,
                       ArrayRef<int64_t> strides) const;
  /// A row-major copy with the given element type (rounded).
  std::optional<HostArray> copyAs(DType dtype) const;

private:
  DType theType = DType::F64;
  SmallVector<int64_t, 6> theShape, theStrides;
  std::shared_ptr<char> bytes;
};

/// Row-major strides of a shape.
SmallVector<int64_t, 6> rowMajorStrides(ArrayRef<int64_t> shape);

/// Reads `count` elements from `offset` on, `stride` apart, as doubles. Much
/// faster than element by element. `base` is HostArray::data().
void loadDoubles(DType dtype, const void *base, int64_t offset, int64_t stride,
                 int64_t count, double *out);
/// The same for scattered elements.
void gatherDoubles(DType dtype, const void *base, const int64_t *offsets,
                   int64_t count, double *out);

} // namespace attn

#endif // ATTN_SUPPORT_HOSTARRAY_H
