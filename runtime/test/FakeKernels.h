//===- FakeKernels.h - A launch of TestKernel.c -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a GPU's kernels of the entry "sums" would do in a launch, for devices of
// tests that have no compiled ones.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_FAKEKERNELS_H
#define ATTNRT_TEST_FAKEKERNELS_H

#include "attnrt/plan_format.h"

#include <string>

namespace attnrt_test {

/// Six tensors and five cells by value (TestKernel.c).
struct FakeParameters {
  attnrt_tensor tensors[6];
  uint64_t cells[5];
};

/// All workers of a stage of the plan, one after the other: items of "sums" and
/// "scale_stage", merges of "sums_merge".
void runFakeKernel(const std::string &name, const FakeParameters &given,
                   const attnrt_plan *plan, int32_t number);

} // namespace attnrt_test

#endif // ATTNRT_TEST_FAKEKERNELS_H
