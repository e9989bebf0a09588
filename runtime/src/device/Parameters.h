//===- Parameters.h - Arguments of a GPU's kernels --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels on a GPU take (arguments by value, plan, stage): nothing of a run but
// its launches needs the device, so a run can be captured in a graph.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_PARAMETERS_H
#define ATTNRT_SRC_DEVICE_PARAMETERS_H

#include "../Guard.h"
#include "../bundle/Bundle.h"

#include <cstring>

namespace attnrt {

/// Throws INCOMPATIBLE for kernels that find their arguments in another way.
inline void checkParameters(const KernelCode &kernel, const Program &program) {
  if (kernel.argumentBytes != program.argumentBytes()) {
    raise(ATTNRT_INCOMPATIBLE,
          "the GPU code of '%s' is of a bundle of format 1, whose kernels took "
          "their arguments in another way: compile it again",
          kernel.symbol.c_str());
  }
}

/// Records of tensors, then cells. `to` has Program::argumentBytes() of room.
inline void writeParameters(char *to, const attnrt_tensor *tensors,
                            size_t numTensors, const uint64_t *scalars,
                            size_t numScalars) {
  size_t bytes = numTensors * sizeof(attnrt_tensor);
  if (numTensors) {
    std::memcpy(to, tensors, bytes);
  }
  if (numScalars) {
    std::memcpy(to + bytes, scalars, numScalars * sizeof(uint64_t));
  }
}

} // namespace attnrt

#endif // ATTNRT_SRC_DEVICE_PARAMETERS_H
