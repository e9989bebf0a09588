//===- cpu_tiles.h - The permission to use AMX ------------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A process gets the tiles of AMX on request: the first tile instruction of one
// that has not asked is a fault. Linux gives them to all threads at once, and
// refuses where a thread has an alternate signal stack that is too small to
// save them (Documentation/arch/x86/xstate.rst).
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_CPU_TILES_H
#define ATTNRT_CPU_TILES_H

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/// Asks, and returns 1 if this process may use tiles. Asking again is cheap and
/// changes nothing; from any thread. CPUs without tiles: 0.
static inline int attnrt_request_tiles(void) {
#if defined(__linux__) && defined(__x86_64__)
  enum { request_permission = 0x1023, tile_data = 18 };
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return 0;
#endif
}

/// Whether the CPU multiplies tiles of bf16 ("amx-bf16"; leaf 7, EDX bit 22),
/// and this process may.
static inline int attnrt_has_bf16_tiles(void) {
#if defined(__linux__) && defined(__x86_64__)
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) &&
         attnrt_request_tiles();
#else
  return 0;
#endif
}

#endif // ATTNRT_CPU_TILES_H
