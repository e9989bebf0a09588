//===- Tensor.cpp - DLPack tensors and those of kernels -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Tensor.h"

#include "../Guard.h"
#include "attnrt/attnrt.h"

#include <cstring>

using namespace attnrt;

namespace {
struct TypeName {
  attnrt_dtype dtype;
  uint8_t code, bits;
  const char *name;
};
} // namespace

static constexpr TypeName kTypes[] = {
    {ATTNRT_F64, kDLFloat, 64, "f64"},
    {ATTNRT_F32, kDLFloat, 32, "f32"},
    {ATTNRT_F16, kDLFloat, 16, "f16"},
    {ATTNRT_BF16, kDLBfloat, 16, "bf16"},
    {ATTNRT_F8E4M3FN, kDLFloat8_e4m3fn, 8, "f8E4M3FN"},
    {ATTNRT_F8E5M2, kDLFloat8_e5m2, 8, "f8E5M2"},
    {ATTNRT_I64, kDLInt, 64, "i64"},
    {ATTNRT_I32, kDLInt, 32, "i32"},
    {ATTNRT_I16, kDLInt, 16, "i16"},
    {ATTNRT_I8, kDLInt, 8, "i8"},
    {ATTNRT_U64, kDLUInt, 64, "u64"},
    {ATTNRT_U32, kDLUInt, 32, "u32"},
    {ATTNRT_U16, kDLUInt, 16, "u16"},
    {ATTNRT_U8, kDLUInt, 8, "u8"},
    {ATTNRT_BOOL, kDLBool, 8, "bool"},
    {ATTNRT_U4X2, kDLUInt, 4, "u4"},
};

static const TypeName &typeOf(attnrt_dtype dtype) {
  for (const TypeName &type : kTypes) {
    if (type.dtype == dtype) {
      return type;
    }
  }
  raise(ATTNRT_INTERNAL, "element type %d has no name", int(dtype));
}

DLDataType attnrt::toDLPack(attnrt_dtype dtype) {
  const TypeName &type = typeOf(dtype);
  return {type.code, type.bits, 1};
}

std::string attnrt::describe(const int64_t *sizes, size_t rank,
                             attnrt_dtype dtype) {
  std::string text = rank ? "" : "scalar";
  for (size_t axis = 0; axis < rank; ++axis) {
    text += (axis ? "x" : "") +
            (sizes[axis] < 0 ? "?" : std::to_string(sizes[axis]));
  }
  return text + " of " + typeOf(dtype).name;
}

static bool hasType(DLDataType given, attnrt_dtype wanted) {
  const TypeName &type = typeOf(wanted);
  if (given.lanes != 1 || given.bits != type.bits) {
    return false;
  }
  // Engines keep 8-bit floats as plain bytes; the sign of 4 bits is the
  // program's matter.
  bool isLoose = wanted == ATTNRT_F8E4M3FN || wanted == ATTNRT_F8E5M2 ||
                 wanted == ATTNRT_BOOL;
  return given.code == type.code || (isLoose && given.code == kDLUInt) ||
         (wanted == ATTNRT_U4X2 && given.code == kDLInt);
}

/// Of a tensor whose axes are known to be there.
static std::string describeGiven(const DLTensor &t) {
  for (const TypeName &type : kTypes) {
    if (t.dtype.code == type.code && t.dtype.bits == type.bits &&
        t.dtype.lanes == 1) {
      return describe(t.shape, size_t(t.ndim), type.dtype);
    }
  }
  return std::to_string(t.ndim) + " axes of type code " +
         std::to_string(t.dtype.code) + ", " + std::to_string(t.dtype.bits) +
         " bits, " + std::to_string(t.dtype.lanes) + " lanes";
}

static void checkTensor(const DLTensor *tensor, const Argument &argument,
                        TensorName name) {
  if (!tensor) {
    raise(ATTNRT_INVALID_ARGUMENT, "%s %zu expects a tensor, but got null",
          name.kind, name.number);
  }
  // First of all: messages print as many sizes as it says there are.
  if (tensor->ndim < 0 || tensor->ndim > ATTNRT_MAX_AXES) {
    raise(ATTNRT_INVALID_ARGUMENT, "%s %zu expects 0..%d axes, but got %d",
          name.kind, name.number, ATTNRT_MAX_AXES, tensor->ndim);
  }
  if (tensor->ndim && !tensor->shape) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "%s %zu expects sizes of its %d axes, but got null", name.kind,
          name.number, tensor->ndim);
  }
  size_t rank = argument.sizes.size();
  bool fits =
      hasType(tensor->dtype, argument.dtype) && tensor->ndim == int32_t(rank);
  for (size_t axis = 0; fits && axis < rank; ++axis) {
    int64_t size = tensor->shape[axis];
    fits = size >= 0 && size <= INT64_MAX / 64 &&
           (argument.sizes[axis] < 0 || argument.sizes[axis] == size);
  }
  if (!fits) {
    raise(ATTNRT_INVALID_ARGUMENT, "%s %zu expects %s, but got %s", name.kind,
          name.number,
          describe(argument.sizes.data(), rank, argument.dtype).c_str(),
          describeGiven(*tensor).c_str());
  }
}

attnrt_tensor attnrt::bindTensor(const DLTensor *tensor,
                                 const Argument &argument, TensorName name) {
  checkTensor(tensor, argument, name);
  attnrt_tensor out{};
  size_t rank = argument.sizes.size();
  out.dtype = argument.dtype;
  out.rank = uint32_t(rank);
  out.data = static_cast<char *>(tensor->data) + tensor->byte_offset;
  for (size_t axis = 0; axis < ATTNRT_MAX_RANK; ++axis) {
    out.shape[axis] = axis < rank ? tensor->shape[axis] : 1;
  }
  __int128 next = 1;
  for (size_t axis = rank; axis-- > 0;) {
    out.stride[axis] = tensor->strides ? tensor->strides[axis] : int64_t(next);
    next *= out.shape[axis] ? out.shape[axis] : 1;
    if (next > INT64_MAX) {
      raise(ATTNRT_INVALID_ARGUMENT, "%s %zu is too large: %s", name.kind,
            name.number, describeGiven(*tensor).c_str());
    }
  }
  if (rank && out.shape[rank - 1] > 1 && out.stride[rank - 1] != 1) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "%s %zu expects stride 1 for its last axis, but got %lld", name.kind,
          name.number, static_cast<long long>(out.stride[rank - 1]));
  }
  return out;
}

uint64_t attnrt::bindScalar(const DLTensor *tensor, const Argument &argument,
                            TensorName name) {
  checkTensor(tensor, argument, name);
  if (tensor->device.device_type != kDLCPU) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "%s %zu expects a scalar in host memory, but got device type %d",
          name.kind, name.number, int(tensor->device.device_type));
  }
  if (!tensor->data) {
    raise(ATTNRT_INVALID_ARGUMENT, "%s %zu expects data, but got null",
          name.kind, name.number);
  }
  uint64_t cell = 0;
  std::memcpy(&cell, static_cast<char *>(tensor->data) + tensor->byte_offset,
              (elementBits(argument.dtype) + 7) / 8);
  return cell;
}

uint64_t attnrt::bytesOf(attnrt_dtype dtype, uint64_t elements) {
  return (elements * elementBits(dtype) + 7) / 8;
}
