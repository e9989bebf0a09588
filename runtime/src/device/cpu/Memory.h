//===- Memory.h - Memory that kernels of the CPU work in --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_DEVICE_CPU_MEMORY_H
#define ATTNRT_DEVICE_CPU_MEMORY_H

#include <cstdint>

namespace attnrt {

/// At least `bytes` bytes at a multiple of `alignment` (a power of two, at
/// least 64), for std::free; null if there are none. Blocks from 512 KiB on lie
/// in large pages where Linux gives them (transparent_hugepage: madvise or
/// always): a kernel's loops touch more small pages than the first level of
/// the TLB has entries.
void *allocateForKernels(uint64_t bytes, uint64_t alignment);

} // namespace attnrt

#endif // ATTNRT_DEVICE_CPU_MEMORY_H
