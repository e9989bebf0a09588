//===- Module.h - Code on a GPU ---------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CUDA_MODULE_H
#define ATTNRT_SRC_DEVICE_CUDA_MODULE_H

#include "../../bundle/Bundle.h"
#include "CubinCache.h"

namespace attnrt::cuda {

/// What a launch of a kernel must say.
struct KernelShape {
  const char *name = nullptr;
  uint32_t threads = 0, sharedBytes = 0;
};

/// A module in the context of a GPU, which must outlive it. load() and find()
/// expect that context to be current.
class LoadedModule {
public:
  explicit LoadedModule(const Gpu &gpu) : gpu(gpu) {}
  ~LoadedModule();
  LoadedModule(const LoadedModule &) = delete;
  LoadedModule &operator=(const LoadedModule &) = delete;

  /// PTX, by way of the cache if there is one, or a cubin. A refusal carries
  /// the driver's log. Appends lines for the engine's log to `notes`.
  void load(const Code &code, const CubinCache *cache, std::string &notes);
  /// A cubin that there is PTX beside; false, and a line in `notes`, if the
  /// driver does not take it.
  bool loadCubin(const Code &code, std::string &notes);
  /// With its shared memory asked for. Throws if it is not there or asks for
  /// too much.
  Function find(const KernelShape &kernel) const;

private:
  const Gpu &gpu;
  Module module = nullptr;
};

} // namespace attnrt::cuda

#endif // ATTNRT_SRC_DEVICE_CUDA_MODULE_H
