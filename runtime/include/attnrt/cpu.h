//===- cpu.h - Running plans on CPU threads --------------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_CPU_H
#define ATTNRT_CPU_H

#include "attnrt/plan_format.h"
#include "attnrt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A persistent pool of threads. The calling thread takes part as thread 0, so
/// a pool of n threads owns n - 1. Idle threads spin a few microseconds, then
/// sleep on a futex. Calls from several threads at once are served one after
/// the other. After fork() the child's first use starts its own threads.
typedef struct attnrt_pool attnrt_pool;

typedef struct attnrt_pool_options {
  int32_t threads; ///< 1..4096; 0 = CPUs this process may run on
  int32_t pin;     ///< 1 = pin each owned thread to one CPU of the affinity set
                   ///< of the creating thread; the caller is never pinned
} attnrt_pool_options;

/// Options may be null (all zero). RESOURCE_EXHAUSTED if threads cannot start.
ATTNRT_API attnrt_status attnrt_pool_create(const attnrt_pool_options *options,
                                            attnrt_pool **out);

/// Joins the threads; no call may be running. Null is allowed.
ATTNRT_API void attnrt_pool_destroy(attnrt_pool *pool);

/// Threads that take part, the caller included.
ATTNRT_API int32_t attnrt_pool_threads(const attnrt_pool *pool);

/// i = 0..n-1, thread = 0..threads-1. Must return normally.
typedef void (*attnrt_body_fn)(void *ctx, int64_t i, int32_t thread);

/// Calls body once for each i in [0, n), n < 2^31, and returns when all calls
/// have returned. No two calls are promised to run at the same time, so none
/// may wait for another. During body the floating-point mode is that of
/// kernels, whatever the caller's is: to nearest, denormals flushed to zero in
/// and out, exceptions masked; what was there is restored after. Called from
/// inside body it runs on that thread.
ATTNRT_API attnrt_status attnrt_pool_parallel_for(attnrt_pool *pool, int64_t n,
                                                  attnrt_body_fn body,
                                                  void *ctx);

/// Runs one stage of a plan: all its items by the worker lists, then all its
/// merges. Of args, the fields that belong to the plan (segments, rows, masks,
/// merge_slots) are ignored and taken from the plan. Each thread hands its
/// kernels scratch_bytes of 64-byte aligned memory, kept for later calls. The
/// plan must be one that attnrt_plan_verify accepts or the planner made; only
/// ranges of the stage are checked here. A null function is allowed where the
/// stage has nothing for it. pool may be null: all runs on the caller.
ATTNRT_API attnrt_status attnrt_cpu_run(const attnrt_plan *plan, int32_t stage,
                                        attnrt_item_fn item_fn,
                                        attnrt_merge_fn merge_fn,
                                        const attnrt_args *args,
                                        attnrt_pool *pool,
                                        uint64_t scratch_bytes);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_CPU_H
