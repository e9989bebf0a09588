//===- npy.h - Arrays in .npy files ----------------------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TOOLS_NPY_H
#define ATTNRT_TOOLS_NPY_H

#include <stddef.h>
#include <stdint.h>

#define NPY_MAX_AXES 8

/// A row-major array; `kind` and `bytes` as NumPy writes them: 'f' and 2.
typedef struct npy_array {
  char kind;
  int bytes;
  int axes;
  int64_t shape[NPY_MAX_AXES];
  size_t size; ///< bytes of data
  void *data;  ///< from malloc
} npy_array;

/// Null, or what is wrong with the file in words; `out` is then unchanged.
const char *npy_read(const char *path, npy_array *out);
const char *npy_write(const char *path, const npy_array *array);

#endif // ATTNRT_TOOLS_NPY_H
