//===- Gpu.h - A device of libcuda in its context ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Of each device the runtime works in one context: the one that was current on
// the thread that started it, if that is a context of this very device (memory
// of an engine's own context is its memory then), else the device's primary
// one, which libraries on the CUDA runtime share. Contexts are current per
// thread, and what is current belongs to the caller: it is changed inside an
// Entered only. All of it may be used by several threads once it is started.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CUDA_GPU_H
#define ATTNRT_SRC_DEVICE_CUDA_GPU_H

#include "../../Guard.h"
#include "Driver.h"
#include "attnrt/cuda.h"

#include <new>

struct attnrt_cuda {
  attnrt_cuda() = default;
  ~attnrt_cuda();
  attnrt_cuda(const attnrt_cuda &) = delete;
  attnrt_cuda &operator=(const attnrt_cuda &) = delete;

  /// Loads the driver and takes a context of the device `ordinal`; nothing is
  /// made current. Throws UNAVAILABLE without driver or device.
  void start(const char *library, int ordinal);
  /// Throws what a status of the driver means.
  void check(attnrt::cuda::Status status, const char *what) const;
  int ask(attnrt::cuda::DeviceAttribute attribute) const;

  attnrt::cuda::Driver driver;
  attnrt::cuda::Device device = 0;
  attnrt::cuda::Context context = nullptr;

private:
  bool isRetained = false; ///< the primary context
};

namespace attnrt::cuda {

using Gpu = ::attnrt_cuda;

/// While it lives the GPU's context is current on this thread; then the one
/// that was current before is again.
class Entered {
public:
  /// Throws if the context cannot be entered.
  explicit Entered(const Gpu &gpu) : Entered(gpu, std::nothrow) {
    gpu.check(status, "entering the context");
  }
  /// Does not throw; ok() says whether the context is current.
  Entered(const Gpu &gpu, std::nothrow_t);
  ~Entered();
  Entered(const Entered &) = delete;
  Entered &operator=(const Entered &) = delete;

  bool ok() const { return status == 0; }

private:
  const Gpu &gpu;
  Status status = 0;
  bool isPushed = false;
};

} // namespace attnrt::cuda

#endif // ATTNRT_SRC_DEVICE_CUDA_GPU_H
