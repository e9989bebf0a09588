//===- Cuda.h - A few functions of the CUDA driver --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Found in libcuda.so.1 at run time, so that neither headers nor the library
// are needed to build.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_GOLDEN_CUDA_H
#define PTXSIM_TEST_GOLDEN_CUDA_H

#include "Probe.h"

namespace ptxsim::golden {

struct GpuInfo {
  std::string name;
  unsigned major = 0, minor = 0;
  /// "12.8"
  std::string driver;
};

/// The first GPU of this process. One per process: a kernel that faults makes
/// the GPU unusable for it.
class Gpu {
public:
  /// An error says what is missing: the library, a GPU, a function.
  static Result<Gpu> open();

  const GpuInfo &info() const { return properties; }
  /// The bytes of the probe's output.
  Result<std::vector<uint8_t>> run(const Probe &probe);

private:
  GpuInfo properties;
};

} // namespace ptxsim::golden

#endif // PTXSIM_TEST_GOLDEN_CUDA_H
