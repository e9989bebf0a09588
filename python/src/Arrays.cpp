// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Arrays.h"

#include "Error.h"
#include "Tensor.h"

#include <cstring>
#include <nanobind/stl/string.h>

namespace nb = nanobind;
using namespace attn::python;

static bool isSequence(nb::handle object) {
  return PyList_Check(object.ptr()) || PyTuple_Check(object.ptr());
}

static int32_t narrow(int64_t value, const char *what) {
  if (value != int32_t(value)) {
    raise(ATTNRT_INVALID_ARGUMENT, std::string(what) +
                                       " expects numbers of 32 bits, but got " +
                                       std::to_string(value));
  }
  return int32_t(value);
}

template <typename T>
static std::vector<int32_t> read(const Tensor &tensor, const char *what) {
  const DLTensor *t = tensor.get();
  const T *data = static_cast<const T *>(t->data);
  std::vector<int32_t> out(size_t(t->shape[0]));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = narrow(int64_t(data[int64_t(i) * t->strides[0]]), what);
  }
  return out;
}

[[noreturn]] static void refuse(const char *what, const char *wanted,
                                const Tensor &tensor) {
  raise(ATTNRT_INVALID_ARGUMENT,
        std::string(what) + " expects " + wanted +
            " in host memory, but got a tensor of " + tensor.dtypeName() +
            " with " + std::to_string(tensor.sizes().size()) + " axes");
}

static std::vector<int32_t> readTensor(nb::handle object, const char *what) {
  Tensor tensor = Tensor::of(object);
  const DLDataType type = tensor.get()->dtype;
  const bool isSigned = type.code == kDLInt;
  if (tensor.sizes().size() == 1 && tensor.device().first == kDLCPU &&
      type.lanes == 1 && (isSigned || type.code == kDLUInt)) {
    switch (type.bits) {
    case 8:
      return isSigned ? read<int8_t>(tensor, what)
                      : read<uint8_t>(tensor, what);
    case 16:
      return isSigned ? read<int16_t>(tensor, what)
                      : read<uint16_t>(tensor, what);
    case 32:
      return isSigned ? read<int32_t>(tensor, what)
                      : read<uint32_t>(tensor, what);
    case 64:
      if (isSigned) {
        return read<int64_t>(tensor, what);
      }
      break;
    default:
      break;
    }
  }
  refuse(what,
         "signed integers, or unsigned ones of up to 32 bits, with one axis",
         tensor);
}

std::vector<int32_t> attn::python::intsOf(nb::handle object, const char *what) {
  if (!isSequence(object)) {
    return readTensor(object, what);
  }
  std::vector<int32_t> out;
  out.reserve(nb::len(object));
  for (nb::handle item : object) {
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(item.ptr(), &overflow);
    if (overflow || (value == -1 && PyErr_Occurred())) {
      PyErr_Clear();
      raise(ATTNRT_INVALID_ARGUMENT,
            std::string(what) + " expects numbers of 32 bits, but got " +
                nb::cast<std::string>(nb::repr(item)));
    }
    out.push_back(narrow(value, what));
  }
  return out;
}

static attnrt_block_key keyOf(nb::handle item) {
  // Python's integers have no end: from 16 bytes, the low ones first.
  PyObject *bytes =
      PyObject_CallMethod(item.ptr(), "to_bytes", "is", 16, "little");
  if (!bytes) {
    PyErr_Clear();
    raise(ATTNRT_INVALID_ARGUMENT,
          "keys expects numbers from 0 to 2^128 - 1, but got " +
              nb::cast<std::string>(nb::repr(item)));
  }
  attnrt_block_key key;
  std::memcpy(&key, PyBytes_AS_STRING(bytes), sizeof(key));
  Py_DECREF(bytes);
  return key;
}

std::vector<attnrt_block_key> attn::python::keysOf(nb::handle object) {
  std::vector<attnrt_block_key> out;
  if (isSequence(object)) {
    for (nb::handle item : object) {
      out.push_back(keyOf(item));
    }
    return out;
  }
  Tensor tensor = Tensor::of(object);
  const DLTensor *t = tensor.get();
  if (t->ndim != 2 || t->shape[1] != 2 || t->dtype.code != kDLUInt ||
      t->dtype.bits != 64 || tensor.device().first != kDLCPU) {
    refuse("keys", "u64 [n, 2]", tensor);
  }
  const auto *data = static_cast<const uint64_t *>(t->data);
  for (int64_t i = 0; i < t->shape[0]; ++i) {
    const uint64_t *row = data + i * t->strides[0];
    out.push_back({row[0], row[t->strides[1]]});
  }
  return out;
}
