//===- Module.h - A module in a context of libcuda --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CUDA_MODULE_H
#define ATTNRT_SRC_DEVICE_CUDA_MODULE_H

#include "../../Guard.h"
#include "Driver.h"
#include "attnrt/cuda.h"

namespace attnrt::cuda {
/// What a launch of a kernel must say.
struct KernelShape {
  const char *name = nullptr;
  uint32_t threads = 0, sharedBytes = 0;
};
} // namespace attnrt::cuda

struct attnrt_cuda {
  attnrt::cuda::Driver driver;
  attnrt::cuda::Device device = 0;
  attnrt::cuda::Context context = nullptr;
  bool ownsContext = false;
  attnrt::cuda::Module module = nullptr;

  ~attnrt_cuda();

  /// Throws what a status of the driver means.
  void check(attnrt::cuda::Status status, const char *what) const;
  /// Makes the context current: another library may have changed it.
  void enter() const;
  /// In the context that is current, else in the device's primary one.
  void start(int ordinal);
  /// PTX or a cubin; a refusal carries the driver's log.
  void load(const char *image);
  /// With its shared memory asked for. Throws if it is not there or asks for
  /// too much.
  attnrt::cuda::Function find(const attnrt::cuda::KernelShape &kernel) const;
  int ask(attnrt::cuda::DeviceAttribute attribute) const;
};

#endif // ATTNRT_SRC_DEVICE_CUDA_MODULE_H
