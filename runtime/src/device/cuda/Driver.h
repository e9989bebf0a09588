//===- Driver.h - The functions of libcuda that are used --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declared here, as CUDA's headers are not needed to build. The driver keeps
// these names and signatures for ever; `_v2` is the 64-bit form.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CUDA_DRIVER_H
#define ATTNRT_SRC_DEVICE_CUDA_DRIVER_H

#include "attnrt/status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace attnrt::cuda {

using Status = int;
using Device = int;
using Context = struct OpaqueContext *;
using Module = struct OpaqueModule *;
using Function = struct OpaqueFunction *;
using Stream = struct OpaqueStream *;
using Event = struct OpaqueEvent *;
using Linking = struct OpaqueLinking *;
using Pointer = unsigned long long;

/// CUresult, of what means something else than a defect.
enum : Status {
  kOutOfMemory = 2,
  kNoBinaryForGpu = 209,
  kNoPtxCompiler = 221,
  kUnsupportedPtx = 222
};
enum DeviceAttribute : int {
  kMultiprocessors = 16,
  kL2Bytes = 38,
  kMajor = 75,
  kMinor = 76,
  kSharedBytesPerCta = 97 // with opting in
};
enum FunctionAttribute : int {
  kLocalBytes = 3,
  kRegisters = 4,
  kMostDynamicShared = 8
};
enum JitOption : int { kErrorLog = 5, kErrorLogBytes = 6 };
enum JitInput : int { kPtxInput = 1 };

/// name(C symbol, parameters)
#define ATTNRT_CUDA_FUNCTIONS(X)                                               \
  X(init, "cuInit", (unsigned))                                                \
  X(getVersion, "cuDriverGetVersion", (int *))                                 \
  X(getErrorString, "cuGetErrorString", (Status, const char **))               \
  X(deviceGet, "cuDeviceGet", (Device *, int))                                 \
  X(deviceGetName, "cuDeviceGetName", (char *, int, Device))                   \
  X(deviceGetAttribute, "cuDeviceGetAttribute", (int *, int, Device))          \
  X(primaryRetain, "cuDevicePrimaryCtxRetain", (Context *, Device))            \
  X(primaryRelease, "cuDevicePrimaryCtxRelease_v2", (Device))                  \
  X(getCurrent, "cuCtxGetCurrent", (Context *))                                \
  X(pushCurrent, "cuCtxPushCurrent_v2", (Context))                             \
  X(popCurrent, "cuCtxPopCurrent_v2", (Context *))                             \
  X(getDevice, "cuCtxGetDevice", (Device *))                                   \
  X(synchronize, "cuCtxSynchronize", ())                                       \
  X(linkCreate, "cuLinkCreate_v2", (unsigned, int *, void **, Linking *))      \
  X(linkAdd, "cuLinkAddData_v2",                                               \
    (Linking, int, void *, size_t, const char *, unsigned, int *, void **))    \
  X(linkComplete, "cuLinkComplete", (Linking, void **, size_t *))              \
  X(linkDestroy, "cuLinkDestroy", (Linking))                                   \
  X(moduleLoad, "cuModuleLoadDataEx",                                          \
    (Module *, const void *, unsigned, int *, void **))                        \
  X(moduleUnload, "cuModuleUnload", (Module))                                  \
  X(moduleGetFunction, "cuModuleGetFunction",                                  \
    (Function *, Module, const char *))                                        \
  X(functionGet, "cuFuncGetAttribute", (int *, int, Function))                 \
  X(functionSet, "cuFuncSetAttribute", (Function, int, int))                   \
  X(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor",                  \
    (int *, Function, int, size_t))                                            \
  X(allocate, "cuMemAlloc_v2", (Pointer *, size_t))                            \
  X(free, "cuMemFree_v2", (Pointer))                                           \
  X(copyIn, "cuMemcpyHtoD_v2", (Pointer, const void *, size_t))                \
  X(copyOut, "cuMemcpyDtoH_v2", (void *, Pointer, size_t))                     \
  X(hostAllocate, "cuMemHostAlloc", (void **, size_t, unsigned))               \
  X(hostFree, "cuMemFreeHost", (void *))                                       \
  X(copyInLater, "cuMemcpyHtoDAsync_v2",                                       \
    (Pointer, const void *, size_t, Stream))                                   \
  X(fillLater, "cuMemsetD8Async", (Pointer, unsigned char, size_t, Stream))    \
  X(eventCreate, "cuEventCreate", (Event *, unsigned))                         \
  X(eventDestroy, "cuEventDestroy_v2", (Event))                                \
  X(eventRecord, "cuEventRecord", (Event, Stream))                             \
  X(eventSynchronize, "cuEventSynchronize", (Event))                           \
  X(launch, "cuLaunchKernel",                                                  \
    (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,     \
     unsigned, Stream, void **, void **))

struct Driver {
#define X(name, symbol, parameters) Status(*name) parameters = nullptr;
  ATTNRT_CUDA_FUNCTIONS(X)
#undef X

  /// Loads the library (kept until the process ends: kernels may run in it) and
  /// calls init. Says UNAVAILABLE if it cannot.
  attnrt_status load(const char *path);
  /// "out of memory" of a status.
  std::string describe(Status status) const;
  /// What tells drivers apart: the version of its interface, and the name of
  /// the file, which has the driver's own ("12040 libcuda.so.550.54.14").
  std::string build() const;
};

} // namespace attnrt::cuda

#endif // ATTNRT_SRC_DEVICE_CUDA_DRIVER_H
