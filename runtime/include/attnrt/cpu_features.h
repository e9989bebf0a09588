//===- cpu_features.h - Names of CPUs that bundles are made for -*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Host code in a bundle names a level of the x86-64 psABI and features beyond
// it, out of these lists and no others: a loader can check just what stands
// here, so a compiler may use just that. Lists only grow, at their ends.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_CPU_FEATURES_H
#define ATTNRT_CPU_FEATURES_H

/// From the lowest to the highest.
#define ATTNRT_CPU_LEVELS(X) X("x86-64-v2") X("x86-64-v3") X("x86-64-v4")

/// What compilers have names for in __builtin_cpu_supports, and what
/// cpu_tiles.h asks the CPU and the system for.
#define ATTNRT_CPU_VECTOR_FEATURES(X) X("avx512bf16") X("avx512vnni")
#define ATTNRT_CPU_TILE_FEATURES(X) X("amx-bf16")
#define ATTNRT_CPU_FEATURES(X)                                                 \
  ATTNRT_CPU_VECTOR_FEATURES(X) ATTNRT_CPU_TILE_FEATURES(X)

#endif // ATTNRT_CPU_FEATURES_H
