//===- Memory.cpp - Memory that kernels of the CPU work in ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Memory.h"

#include <algorithm>
#include <cstdlib>
#include <sys/mman.h>

using namespace attnrt;

/// Of x86-64 and of AArch64 with pages of 4 KiB. Where a system's are larger,
/// only blocks of such a size get one.
static constexpr uint64_t largePage = uint64_t(2) << 20;
static constexpr uint64_t leastInLargePages = uint64_t(512) << 10;

void *attnrt::allocateForKernels(uint64_t bytes, uint64_t alignment) {
  bool isLarge = bytes >= leastInLargePages;
  if (isLarge) {
    alignment = std::max(alignment, largePage);
  }
  if (bytes > uint64_t(PTRDIFF_MAX) - alignment) {
    return nullptr;
  }
  bytes = (bytes + alignment - 1) / alignment * alignment;
  void *block = std::aligned_alloc(alignment, bytes);
#ifdef MADV_HUGEPAGE
  if (block && isLarge) {
    // Advice: without large pages the block is as good as any.
    (void)madvise(block, bytes, MADV_HUGEPAGE);
  }
#endif
  return block;
}
