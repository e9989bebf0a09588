//===- TensorMap.h - What a tensor copy knows of its tensor -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operand of cp.async.bulk.tensor [5.5]: where a tensor of up to five
// dimensions lies in global memory, the box that one copy moves, and how the
// box lies in shared memory. A map is 128 opaque bytes that a kernel takes by
// value
// (`.param .align 64 .b8 map[128]`); the description's terms are those of
// cuTensorMapEncodeTiled of the CUDA driver.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TENSORMAP_H
#define PTXSIM_TENSORMAP_H

#include "ptxsim/Result.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ptxsim {

struct TensorMapDesc {
  enum class Element : uint8_t {
    U8,
    U16,
    U32,
    S32,
    U64,
    S64,
    F16,
    F32,
    F64,
    BF16,
    TF32
  };
  /// 16-byte cells of a row that are exchanged by the row's number: spans of
  /// 32, 64 and 128 bytes.
  enum class Swizzle : uint8_t { None, B32, B64, B128 };
  /// What elements outside of the tensor read as.
  enum class Fill : uint8_t { Zero, NaN };

  Element element = Element::BF16;
  /// 1 to 5. Dimension 0 is the innermost; its elements lie side by side.
  uint32_t rank = 1;
  /// A multiple of 16.
  uint64_t base = 0;
  /// In elements, 1 to 2^32.
  uint64_t dim[5] = {1, 1, 1, 1, 1};
  /// stride[d]: bytes from one index of dimension d to the next, for d >= 1; a
  /// multiple of 16 below 2^40. stride[0] is not looked at.
  uint64_t stride[5] = {0, 0, 0, 0, 0};
  /// In elements, 1 to 256; box[0] is a multiple of 16 bytes, and not longer
  /// than the span of the swizzle.
  uint32_t box[5] = {1, 1, 1, 1, 1};
  /// Every so many elements of the tensor, 1 to 8; elementStride[0] is not
  /// looked at. The box has ceil(box / elementStride) of them.
  uint32_t elementStride[5] = {1, 1, 1, 1, 1};
  Swizzle swizzle = Swizzle::None;
  Fill fill = Fill::Zero;
};

unsigned elementBytes(TensorMapDesc::Element element);

struct alignas(64) TensorMap {
  std::byte bytes[128];
};

/// The arguments of cuTensorMapEncodeTiled as they are: strides from dimension
/// 1 on, and the driver's numbers. An error where one means nothing here.
Result<TensorMapDesc> describeTiled(int type, uint32_t rank, uint64_t base,
                                    const uint64_t *dim, const uint64_t *stride,
                                    const uint32_t *box,
                                    const uint32_t *elementStride,
                                    int interleave, int swizzle, int fill);

/// Refuses what the driver would, with the value and the rule.
Result<TensorMap> encodeTensorMap(const TensorMapDesc &description);
/// The description of an encoded map; an error for other bytes.
Result<TensorMapDesc> decodeTensorMap(const TensorMap &map);

} // namespace ptxsim

#endif // PTXSIM_TENSORMAP_H
