// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integers that come from Python, and arrays of NumPy that go there.
#ifndef ATTN_PYTHON_ARRAYS_H
#define ATTN_PYTHON_ARRAYS_H

#include "attnrt/pool.h"

#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <string>
#include <vector>

namespace attn::python {

/// Values of a tensor of integers with one axis (any type, any stride, host
/// memory) or of a sequence of Python's. Error where one is no i32; `what`
/// names the argument.
std::vector<int32_t> intsOf(nanobind::handle object, const char *what);

/// Keys of 128 bits: a tensor of u64 [n, 2] of (low, high), or a sequence of
/// Python's integers from 0 to 2^128 - 1.
std::vector<attnrt_block_key> keysOf(nanobind::handle object);

template <typename T> using Array = nanobind::ndarray<nanobind::numpy, T>;

/// A new array of NumPy, [rows, sizeof(Row) / sizeof(T)], of plain structs that
/// consist of T. A struct of one T gives an array without the second axis.
template <typename T, typename Row>
Array<T> arrayOf(std::vector<Row> rows, std::vector<size_t> shape = {}) {
  static_assert(sizeof(Row) % sizeof(T) == 0, "no padding");
  auto kept = std::make_unique<std::vector<Row>>(std::move(rows));
  if (shape.empty()) {
    shape.push_back(kept->size());
    if (sizeof(Row) > sizeof(T)) {
      shape.push_back(sizeof(Row) / sizeof(T));
    }
  }
  void *data = kept->data();
  nanobind::capsule owner(kept.get(), [](void *p) noexcept {
    delete static_cast<std::vector<Row> *>(p);
  });
  kept.release();
  return Array<T>(data, shape.size(), shape.data(), owner);
}

} // namespace attn::python

#endif // ATTN_PYTHON_ARRAYS_H
