//===- dlpack.h - Tensors as DLPack describes them -------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DLTensor and what it is made of: from <dlpack/dlpack.h> where that is
// installed or was included before, else declared here with the same layout.
// The layout is that of DLPack 1.x (https://dmlc.github.io/dlpack), whose
// tensors have not changed since 0.2.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_DLPACK_H
#define ATTNRT_DLPACK_H

#if defined(DLPACK_DLPACK_H_)
// Included by the program, under whatever name.
#elif defined(__has_include)
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#endif
#endif

#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_

#ifdef __cplusplus
#include <cstdint>
extern "C" {
#else
#include <stdint.h>
#endif

#ifdef __cplusplus
typedef enum : int32_t {
#else
typedef enum {
#endif
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3,
  kDLExtDev = 12
} DLDeviceType;

typedef struct {
  DLDeviceType device_type;
  int32_t device_id;
} DLDevice;

typedef enum {
  kDLInt = 0U,
  kDLUInt = 1U,
  kDLFloat = 2U,
  kDLBfloat = 4U,
  kDLBool = 6U,
  kDLFloat8_e4m3fn = 10U,
  kDLFloat8_e5m2 = 12U
} DLDataTypeCode;

typedef struct {
  uint8_t code; ///< DLDataTypeCode
  uint8_t bits; ///< of one lane
  uint16_t lanes;
} DLDataType;

typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides; ///< in elements; null = compact, row-major
  uint64_t byte_offset;
} DLTensor;

#ifdef __cplusplus
} // extern "C"
#endif

#endif // DLPACK_DLPACK_H_

#endif // ATTNRT_DLPACK_H
