//===- Npy.h - Files of NumPy arrays ----------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads and writes `.npy` files, format versions 1 to 3 (NumPy Enhancement
// Proposal 1). Types: f2 f4 f8, i1 i2 i4 i8, u1 u2, b1, little endian. bf16
// travels as the bits in u2, i4 packed two to a u1 and f8 as the bits in u1:
// the caller reinterprets. An array in Fortran order is copied to row-major.
// Errors are a failure and a text; no file, however broken, ends the program,
// and nothing is allocated that the file is not long enough to fill.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_NPY_H
#define ATTN_SUPPORT_NPY_H

#include "attn/Support/HostArray.h"

namespace attn {

FailureOr<HostArray> parseNpy(StringRef bytes, std::string &error);
/// The error names the file.
FailureOr<HostArray> readNpy(StringRef path, std::string &error);

/// The array as a file, version 1. bf16 is written as u2, f8 as u1, and i4
/// packed as u1 with the last axis halved (rounded up).
std::string formatNpy(const HostArray &array);
LogicalResult writeNpy(StringRef path, const HostArray &array,
                       std::string &error);

} // namespace attn

#endif // ATTN_SUPPORT_NPY_H
