//===- Tensor.h - DLPack tensors and those of kernels -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_TENSOR_H
#define ATTNRT_SRC_ABI_TENSOR_H

#include "../bundle/Bundle.h"
#include "attnrt/dlpack.h"

namespace attnrt {

/// The type that DLPack has for an element type. Elements of 4 bits are packed,
/// the first one in the lower half of a byte.
DLDataType toDLPack(attnrt_dtype dtype);

/// Names a tensor in messages: "argument 3".
struct TensorName {
  const char *kind;
  size_t number;
};

/// Checks a tensor against an argument and describes it for kernels, data
/// included. Where a type of 8 bits has a format
/// (floats, bool), plain bytes are taken too. Throws INVALID_ARGUMENT.
attnrt_tensor bindTensor(const DLTensor *tensor, const Argument &argument,
                         TensorName name);

/// The cell of a scalar, its bits in the low bytes.
uint64_t bindScalar(const DLTensor *tensor, const Argument &argument,
                    TensorName name);

/// Bytes from element 0 to behind the last one of a tensor that starts there.
uint64_t bytesOf(attnrt_dtype dtype, uint64_t elements);

inline bool isHostMemory(DLDevice device) {
  return device.device_type == kDLCPU || device.device_type == kDLCUDAHost;
}

/// "2x?x16 of f16", for messages.
std::string describe(const int64_t *sizes, size_t rank, attnrt_dtype dtype);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_TENSOR_H
