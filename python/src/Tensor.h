// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors of any framework, in place.
#ifndef ATTN_PYTHON_TENSOR_H
#define ATTN_PYTHON_TENSOR_H

#include "attnrt/attnrt.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <vector>

namespace attn::python {

/// A tensor of a framework, seen with sizes and strides of our own. Keeps the
/// framework's memory alive; copies nothing.
class Tensor {
public:
  /// Anything with DLPack or the buffer protocol; raises Error otherwise.
  static Tensor of(nanobind::handle object);

  /// A number as a tensor without axes, of the given element type.
  static Tensor number(nanobind::handle value, DLDataType dtype,
                       const std::string &what);

  /// Valid as long as the object and not moved.
  const DLTensor *get() const;

  const std::vector<int64_t> &sizes() const { return shape; }
  const std::vector<int64_t> &steps() const { return strides; }
  std::string dtypeName() const;
  std::pair<int, int> device() const {
    return {tensor.device.device_type, tensor.device.device_id};
  }
  /// As an array of NumPy over the same memory.
  nanobind::object numpy() const;
  bool isReadOnly() const { return readOnly; }

  /// Axis of size n as two of sizes n / inner and inner.
  Tensor split(int axis, int64_t inner) const;
  /// Any sizes and strides, from an element of the memory on. Refused unless
  /// every element that it names is one of this tensor's range.
  Tensor restride(int64_t offset, std::vector<int64_t> sizes,
                  std::vector<int64_t> steps) const;
  /// The first `size` coordinates of an axis.
  Tensor narrow(int axis, int64_t size) const;

private:
  size_t checkAxis(int axis) const;

  nanobind::object owner; ///< the ndarray of nanobind, which holds the memory
  mutable DLTensor tensor{};
  std::vector<int64_t> shape, strides;
  uint64_t value = 0; ///< of a number
  bool isNumber = false;
  bool readOnly = false;
};

void bindTensor(nanobind::module_ &m);
void bindRuntime(nanobind::module_ &m);
void bindCompiler(nanobind::module_ &m);

} // namespace attn::python

#endif // ATTN_PYTHON_TENSOR_H
