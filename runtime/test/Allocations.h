//===- Allocations.h - Allocations that fail on request ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_ALLOCATIONS_H
#define ATTNRT_TEST_ALLOCATIONS_H

namespace attnrt_test {

/// Allocations that this thread still gets (operator new, and aligned_alloc of
/// the runtime); negative: all.
long &allocationsLeft();

/// Whether this thread gets anonymous files.
bool &hasAnonymousFiles();

} // namespace attnrt_test

#endif // ATTNRT_TEST_ALLOCATIONS_H
