// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Tensor.h"

#include "Error.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

/// What the framework says of a tensor that it does not export, as those of
/// PyTorch that require a gradient.
static std::string whyNot(nb::handle object) {
  try {
    if (nb::hasattr(object, "__dlpack__")) {
      object.attr("__dlpack__")();
    }
  } catch (const nb::python_error &error) {
    return std::string(": ") + nb::cast<std::string>(nb::str(error.value()));
  }
  return "";
}

Tensor Tensor::of(nb::handle object) {
  if (nb::isinstance<Tensor>(object)) {
    return nb::cast<Tensor>(object);
  }
  Tensor out;
  auto take = [&](auto array) {
    out.tensor.data =
        const_cast<void *>(static_cast<const void *>(array.data()));
    out.tensor.device = {DLDeviceType(array.device_type()), array.device_id()};
    out.tensor.ndim = int32_t(array.ndim());
    out.tensor.dtype = {array.dtype().code, array.dtype().bits,
                        array.dtype().lanes};
    for (size_t axis = 0; axis < array.ndim(); ++axis) {
      out.shape.push_back(int64_t(array.shape(axis)));
      out.strides.push_back(array.stride(axis));
    }
    // The handle of nanobind keeps what the framework exported.
    auto *held = new decltype(array)(std::move(array));
    out.owner = nb::capsule(
        held, [](void *p) noexcept { delete static_cast<decltype(held)>(p); });
  };
  nb::ndarray<> writable;
  nb::ndarray<nb::ro> readable;
  if (nb::try_cast(object, writable, false)) {
    take(std::move(writable));
  } else if (nb::try_cast(object, readable, false)) {
    take(std::move(readable));
    out.readOnly = true;
  } else {
    PyErr_Clear();
    raise(ATTNRT_INVALID_ARGUMENT,
          std::string("expects a tensor (DLPack or the buffer protocol), but "
                      "got ") +
              nb::cast<std::string>(nb::str(object.type().attr("__name__"))) +
              whyNot(object));
  }
  return out;
}

Tensor Tensor::number(nb::handle value, DLDataType dtype,
                      const std::string &what) {
  Tensor out;
  out.isNumber = true;
  out.tensor.device = {kDLCPU, 0};
  out.tensor.dtype = dtype;
  if (dtype.code == kDLFloat && (dtype.bits == 32 || dtype.bits == 64)) {
    double number = nb::cast<double>(value);
    float narrow = float(number);
    dtype.bits == 64 ? std::memcpy(&out.value, &number, 8)
                     : std::memcpy(&out.value, &narrow, 4);
    return out;
  }
  if (dtype.code == kDLInt || dtype.code == kDLUInt || dtype.code == kDLBool) {
    if (PyFloat_Check(value.ptr())) {
      raise(ATTNRT_INVALID_ARGUMENT, what + " expects an integer, but got " +
                                         nb::cast<std::string>(nb::str(value)));
    }
    int64_t number = nb::cast<int64_t>(value);
    int bits = dtype.code == kDLBool ? 1 : dtype.bits;
    bool isSigned = dtype.code == kDLInt;
    int64_t high =
        bits == 64 ? INT64_MAX : (int64_t(1) << (bits - isSigned)) - 1;
    int64_t low = isSigned ? -high - 1 : 0;
    if (number < low || number > high) {
      raise(ATTNRT_INVALID_ARGUMENT,
            what + " expects a number from " + std::to_string(low) + " to " +
                std::to_string(high) + ", but got " + std::to_string(number));
    }
    std::memcpy(&out.value, &number, 8); // little-endian: low bytes first
    return out;
  }
  raise(ATTNRT_INVALID_ARGUMENT,
        what + " expects a tensor without axes: numbers are made of f32, f64 "
               "and integers only");
}

const DLTensor *Tensor::get() const {
  // Vectors move with the object, so the pointers are set when asked for.
  tensor.shape = const_cast<int64_t *>(shape.data());
  tensor.strides = const_cast<int64_t *>(strides.data());
  if (isNumber) {
    tensor.data = const_cast<uint64_t *>(&value);
  }
  return &tensor;
}

std::string Tensor::dtypeName() const {
  static const char *const kKinds[] = {"i",  "u", "f",   "handle",
                                       "bf", "c", "bool"};
  DLDataType d = tensor.dtype;
  if (d.code == kDLBool) {
    return "bool";
  }
  return (d.code < 7 ? kKinds[d.code] : "code" + std::to_string(d.code) + "_") +
         std::to_string(d.bits);
}

size_t Tensor::checkAxis(int axis) const {
  if (axis < 0 || size_t(axis) >= shape.size()) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects an axis from 0 to " +
                                       std::to_string(int(shape.size()) - 1) +
                                       ", but got " + std::to_string(axis));
  }
  return size_t(axis);
}

Tensor Tensor::split(int axis, int64_t inner) const {
  size_t at = checkAxis(axis);
  if (inner < 1 || shape[at] % inner) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a divisor of " +
                                       std::to_string(shape[at]) +
                                       ", but got " + std::to_string(inner));
  }
  Tensor out = *this;
  out.shape[at] = shape[at] / inner;
  out.strides[at] = strides[at] * inner;
  out.shape.insert(out.shape.begin() + ptrdiff_t(at) + 1, inner);
  out.strides.insert(out.strides.begin() + ptrdiff_t(at) + 1, strides[at]);
  out.tensor.ndim += 1;
  return out;
}

Tensor Tensor::narrow(int axis, int64_t size) const {
  size_t at = checkAxis(axis);
  if (size < 0 || size > shape[at]) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a size from 0 to " +
                                       std::to_string(shape[at]) +
                                       ", but got " + std::to_string(size));
  }
  Tensor out = *this;
  out.shape[at] = size;
  return out;
}

/// First and last element that sizes and strides name, from the start.
static std::pair<int64_t, int64_t> range(const std::vector<int64_t> &sizes,
                                         const std::vector<int64_t> &steps) {
  int64_t low = 0, high = 0;
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    int64_t span = (sizes[axis] - 1) * steps[axis];
    (span < 0 ? low : high) += span;
  }
  return {low, high};
}

static bool isEmpty(const std::vector<int64_t> &sizes) {
  return std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
}

Tensor Tensor::restride(int64_t offset, std::vector<int64_t> sizes,
                        std::vector<int64_t> steps) const {
  bool fits = sizes.size() == steps.size();
  for (size_t axis = 0; fits && axis < sizes.size(); ++axis) {
    // Products of the two stay far from the ends of int64_t.
    fits = sizes[axis] >= 0 && sizes[axis] < (int64_t(1) << 31) &&
           std::abs(steps[axis]) < (int64_t(1) << 31);
  }
  if (fits && !isEmpty(sizes)) {
    auto [low, high] = range(sizes, steps);
    auto [first, last] = range(shape, strides);
    fits = !isEmpty(shape) && offset + low >= first && offset + high <= last;
  }
  if (!fits) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects sizes and strides inside of the tensor, but got some that "
          "lead outside");
  }
  Tensor out = *this;
  size_t bytes = (tensor.dtype.bits * size_t(tensor.dtype.lanes) + 7) / 8;
  out.tensor.data = static_cast<char *>(tensor.data) + offset * int64_t(bytes);
  out.shape = std::move(sizes);
  out.strides = std::move(steps);
  out.tensor.ndim = int32_t(out.shape.size());
  return out;
}

nb::object Tensor::numpy() const {
  const DLTensor *t = get();
  if (t->device.device_type != kDLCPU) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a tensor in host memory, but got device type " +
              std::to_string(int(t->device.device_type)));
  }
  std::vector<size_t> sizes(shape.begin(), shape.end());
  nb::dlpack::dtype dtype = {t->dtype.code, t->dtype.bits, t->dtype.lanes};
  // The array holds a copy of this object, which holds the memory.
  nb::object keeper = nb::cast(*this);
  nb::ndarray<nb::numpy> array(t->data, sizes.size(), sizes.data(), keeper,
                               strides.data(), dtype);
  return nb::cast(array, nb::rv_policy::reference);
}

void attn::python::bindTensor(nb::module_ &m) {
  nb::class_<Tensor>(
      m, "Tensor",
      "A tensor of any framework, in place: sizes and strides in elements over "
      "memory that the framework keeps. Nothing is copied.")
      .def(
          "__init__",
          [](Tensor *self, nb::handle tensor) {
            new (self) Tensor(Tensor::of(tensor));
          },
          "tensor"_a.none(), // refused as other objects are
          "Of anything with __dlpack__ or the buffer protocol. Error (invalid "
          "argument) otherwise.")
      .def_prop_ro("shape", &Tensor::sizes, "Sizes of the axes.")
      .def_prop_ro("strides", &Tensor::steps, "Steps of the axes, in elements.")
      .def_prop_ro("dtype", &Tensor::dtypeName,
                   "Element type: \"f32\", \"bf16\", \"i64\", \"bool\", ..")
      .def_prop_ro("device", &Tensor::device,
                   "DLPack's type and number of the device; (1, 0) is the CPU.")
      .def_prop_ro("read_only", &Tensor::isReadOnly,
                   "True if the framework allows no writes.")
      .def("numpy", &Tensor::numpy,
           "An array of NumPy over the same memory, in host memory.")
      .def("split", &Tensor::split, "axis"_a, "inner"_a,
           "The same memory with one axis of size n as two of n / inner and "
           "inner. Error if inner does not divide n.")
      .def("restride", &Tensor::restride, "offset"_a, "shape"_a, "strides"_a,
           "The same memory from element `offset` on with any sizes and "
           "strides; strides may be negative. Error if one leads outside of "
           "the tensor's memory.")
      .def("narrow", &Tensor::narrow, "axis"_a, "size"_a,
           "The same memory with the first `size` coordinates of an axis.");
}
