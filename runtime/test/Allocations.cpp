//===- Allocations.cpp - Allocations that fail on request -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

static thread_local long left = -1;
static thread_local bool hasFiles = true;

long &attnrt_test::allocationsLeft() { return left; }
bool &attnrt_test::hasAnonymousFiles() { return hasFiles; }

static std::atomic<long> made{0}, blocks{0};
long attnrt_test::allocationsMade() { return made.load(); }
long attnrt_test::blocksMade() { return blocks.load(); }

static bool mayAllocate() {
  made.fetch_add(1, std::memory_order_relaxed);
  return left < 0 || left-- > 0;
}

void *operator new(size_t size) {
  void *block = mayAllocate() ? std::malloc(size ? size : 1) : nullptr;
  if (!block) {
    throw std::bad_alloc();
  }
  return block;
}
void *operator new(size_t size, const std::nothrow_t &) noexcept {
  return mayAllocate() ? std::malloc(size ? size : 1) : nullptr;
}
void operator delete(void *block) noexcept { std::free(block); }
void operator delete(void *block, size_t) noexcept { std::free(block); }

// The linker hands calls of these to the functions here (--wrap).
extern "C" void *__real_aligned_alloc(size_t alignment, size_t size);
extern "C" void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  blocks.fetch_add(1, std::memory_order_relaxed);
  return mayAllocate() ? __real_aligned_alloc(alignment, size) : nullptr;
}

extern "C" int __real_memfd_create(const char *name, unsigned flags);
extern "C" int __wrap_memfd_create(const char *name, unsigned flags) {
  if (!hasFiles) {
    errno = EACCES;
    return -1;
  }
  return __real_memfd_create(name, flags);
}
