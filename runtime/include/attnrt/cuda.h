//===- cuda.h - Runs compiled kernels on an NVIDIA GPU --------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// PTX goes to the driver as it is: libcuda is found when a device is created,
// and nothing else of CUDA is needed, neither to build nor to run.
//
// The context is the one that is current on the calling thread (so memory of
// another library can be used), else the primary one of the device. Functions
// may be called by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_CUDA_H
#define ATTNRT_CUDA_H

#include "attnrt/plan_format.h"
#include "attnrt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A device with one module.
typedef struct attnrt_cuda attnrt_cuda;

typedef struct attnrt_cuda_options {
  const char *library; ///< path of the driver; null = libcuda.so.1
  int32_t device;      ///< ordinal, where no context is current
} attnrt_cuda_options;

/// `image` is PTX with its null, or a cubin. Options may be null (all zero).
/// UNAVAILABLE without a driver or a device; INVALID_ARGUMENT with the driver's
/// log if it does not take the image.
ATTNRT_API attnrt_status attnrt_cuda_create(const char *image,
                                            const attnrt_cuda_options *options,
                                            attnrt_cuda **out);

/// Calls must be released before. Null is allowed.
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

/// A kernel of the module: `.entry name(args, plan, stage)`.
typedef struct attnrt_cuda_kernel {
  const char *name;
  uint32_t threads;      ///< of a CTA
  uint32_t shared_bytes; ///< dynamic, of a CTA
} attnrt_cuda_kernel;

/// What the driver made of a kernel.
typedef struct attnrt_cuda_kernel_info {
  int32_t registers;     ///< per thread
  int32_t local_bytes;   ///< per thread: spills, and arrays by index
  int32_t resident_ctas; ///< that an SM holds at the same time: as many workers
                         ///< per SM as a plan should have
} attnrt_cuda_kernel_info;

ATTNRT_API attnrt_status
attnrt_cuda_describe_kernel(attnrt_cuda *cuda, const attnrt_cuda_kernel *kernel,
                            attnrt_cuda_kernel_info *out);

/// Device memory, for callers that have no library for it. copy_out waits for
/// all that was enqueued.
ATTNRT_API attnrt_status attnrt_cuda_allocate(attnrt_cuda *cuda, uint64_t bytes,
                                              uint64_t *out);
ATTNRT_API attnrt_status attnrt_cuda_free(attnrt_cuda *cuda, uint64_t pointer);
ATTNRT_API attnrt_status attnrt_cuda_copy_in(attnrt_cuda *cuda, uint64_t to,
                                             const void *from, uint64_t bytes);
ATTNRT_API attnrt_status attnrt_cuda_copy_out(attnrt_cuda *cuda, void *to,
                                              uint64_t from, uint64_t bytes);

/// What a stage is launched with.
typedef struct attnrt_cuda_stage {
  const attnrt_plan *plan; ///< verified, or made by the planner; on the host
  int32_t stage;
  const attnrt_cuda_kernel *items;  ///< null where the stage has no items
  const attnrt_cuda_kernel *merges; ///< null where it has no merges
  const attnrt_tensor *tensors;     ///< args.tensors with device pointers
  int64_t num_tensors;
  const uint64_t *scalars;
  int64_t num_scalars;
  const int32_t *lengths; ///< may be null
  int64_t num_lengths;
} attnrt_cuda_stage;

/// A stage that is ready: plan and arguments lie on the device.
typedef struct attnrt_cuda_call attnrt_cuda_call;

/// Copies plan and arguments to the device. Tensors stay the caller's.
/// INVALID_ARGUMENT for a kernel that is not there or asks for more shared
/// memory than the device has.
ATTNRT_API attnrt_status attnrt_cuda_prepare(attnrt_cuda *cuda,
                                             const attnrt_cuda_stage *stage,
                                             attnrt_cuda_call **out);

/// Launches items, then merges, one CTA for each worker, on a CUstream (null:
/// the default one), and returns. Nothing else is done, so a stream that is
/// being captured may be given.
ATTNRT_API attnrt_status attnrt_cuda_enqueue(attnrt_cuda_call *call,
                                             void *stream);

/// Waits until the device is done; INTERNAL with the driver's words if a kernel
/// failed.
ATTNRT_API attnrt_status attnrt_cuda_synchronize(attnrt_cuda *cuda);

/// Launches of the call must be done. Null is allowed.
ATTNRT_API void attnrt_cuda_release(attnrt_cuda_call *call);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_CUDA_H
