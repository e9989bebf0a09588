//===- FakeMemory.cpp - What the driver that stands in keeps for itself ---===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A driver is C: it reports that memory is out, and throws nothing. Tests that
// let the host's allocations fail mean those of the runtime, and its books do
// not take part.
//
//===----------------------------------------------------------------------===//
#include <cstdlib>
#include <new>

void *operator new(std::size_t bytes) {
  void *memory = std::malloc(bytes ? bytes : 1);
  return memory ? memory : (std::abort(), nullptr);
}
void *operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t) noexcept {
  std::free(memory);
}
