//===- tensor_map.h - Tensors as a GPU copies them in boxes ---*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel that copies by tensor maps has a recipe for each (`sm.tensor_maps`,
// docs/rationale/sm.md). Whoever launches it encodes the maps by
// cuTensorMapEncodeTiled of the driver; what it says there is made here, for
// GPUs and for the simulator alike. Needs neither.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TENSOR_MAP_H
#define ATTNRT_TENSOR_MAP_H

#include "attnrt/plan_format.h"
#include "attnrt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ATTNRT_MAP_RANK 5 ///< most axes of a tensor that a map describes

typedef struct attnrt_map_recipe {
  uint32_t dtype;                ///< attnrt_dtype of 8 or 16 bits
  uint32_t swizzle;              ///< span in bytes: 128, 64, 32, or 16 for none
  uint32_t box[ATTNRT_MAX_RANK]; ///< elements along each axis of the tensor
} attnrt_map_recipe;

/// Arguments of cuTensorMapEncodeTiled in its order and its numbers, axes from
/// the innermost on. Entries past rank: 1 (strides: 0).
typedef struct attnrt_map {
  int32_t type;                         ///<   0: CUtensorMapDataType
  uint32_t rank;                        ///<   4: 1..5
  uint64_t base;                        ///<   8: globalAddress
  uint64_t dim[ATTNRT_MAP_RANK];        ///<  16: globalDim, elements
  uint64_t stride[ATTNRT_MAP_RANK - 1]; ///<  56: globalStrides, bytes, from
                                        ///<      axis 1 on
  uint32_t box[ATTNRT_MAP_RANK];        ///<  88: boxDim, elements
  uint32_t step[ATTNRT_MAP_RANK];       ///< 108: elementStrides, all 1
  int32_t interleave;                   ///< 128: 0, none
  int32_t swizzle;                      ///< 132: CUtensorMapSwizzle
  int32_t promotion; ///< 136: CUtensorMapL2promotion, of as many bytes as lie
                     ///<      side by side in a box
  int32_t fill;      ///< 140: 0, zeros outside of the tensor
} attnrt_map;

ATTNRT_STATIC_ASSERT(sizeof(attnrt_map_recipe) == 32, "recipe layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_map) == 144, "map layout");

/// INVALID_ARGUMENT, and *out as it was, for what the driver would refuse of
/// this tensor: more than 5 axes, elements of the last axis that are apart, an
/// axis without elements, an address or strides that are no multiples of 16
/// bytes, boxes of more than 256 elements along an axis or, along the last one,
/// of more bytes than the span or of no multiple of 16.
ATTNRT_API attnrt_status attnrt_describe_map(const attnrt_map_recipe *recipe,
                                             const attnrt_tensor *tensor,
                                             attnrt_map *out);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_TENSOR_MAP_H
