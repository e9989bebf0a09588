//===- cuda.h - Memory of an NVIDIA GPU -----------------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For programs that have no other library for the memory of a GPU: benchmarks
// and tools. Engines need attnrt/attnrt.h alone. libcuda is found when a device
// is created, and nothing else of CUDA is needed, neither to build nor to run.
//
// The context is the one that is current on the thread that creates the device,
// if it is a context of that device (so memory of another library can be used),
// else the device's primary one. What is current on a thread is the same behind
// each call as before. Functions may be called by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_CUDA_H
#define ATTNRT_CUDA_H

#include "attnrt/status.h"

#ifdef __cplusplus
#include <cstdint>
extern "C" {
#else
#include <stdint.h>
#endif

/// A device in its context.
typedef struct attnrt_cuda attnrt_cuda;

typedef struct attnrt_cuda_options {
  const char *library; ///< path of the driver; null = libcuda.so.1
  int32_t device;      ///< ordinal
} attnrt_cuda_options;

/// Options may be null (all zero). UNAVAILABLE without a driver or a device.
ATTNRT_API attnrt_status attnrt_cuda_create(const attnrt_cuda_options *options,
                                            attnrt_cuda **out);

/// Null is allowed.
ATTNRT_API void attnrt_cuda_destroy(attnrt_cuda *cuda);

typedef struct attnrt_cuda_info {
  char name[96];
  int32_t major, minor; ///< compute capability
  int32_t sms;
  int64_t l2_bytes;
  int64_t shared_bytes_per_cta; ///< most that a kernel can ask for
} attnrt_cuda_info;

ATTNRT_API attnrt_status attnrt_cuda_describe(attnrt_cuda *cuda,
                                              attnrt_cuda_info *out);

/// Device memory. copy_out waits for all that was enqueued.
ATTNRT_API attnrt_status attnrt_cuda_allocate(attnrt_cuda *cuda, uint64_t bytes,
                                              uint64_t *out);
ATTNRT_API attnrt_status attnrt_cuda_free(attnrt_cuda *cuda, uint64_t pointer);
ATTNRT_API attnrt_status attnrt_cuda_copy_in(attnrt_cuda *cuda, uint64_t to,
                                             const void *from, uint64_t bytes);
ATTNRT_API attnrt_status attnrt_cuda_copy_out(attnrt_cuda *cuda, void *to,
                                              uint64_t from, uint64_t bytes);

/// Waits until the device is done; INTERNAL with the driver's words if a kernel
/// failed.
ATTNRT_API attnrt_status attnrt_cuda_synchronize(attnrt_cuda *cuda);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_CUDA_H
