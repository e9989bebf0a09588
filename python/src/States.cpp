// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// States of a schedule, by copies: its memory may move with every update.
#include "Error.h"
#include "Runtime.h"
#include "Tensor.h"

#include <cstring>
#include <memory>

namespace nb = nanobind;
using namespace attn::python;

static attnrt_state_info infoOf(const attnrt_schedule *schedule, int32_t launch,
                                int32_t component) {
  attnrt_state_info info = {};
  info.struct_size = sizeof(info);
  check(attnrt_schedule_state(schedule, launch, component, &info));
  if (info.device.device_type != kDLCPU) {
    raise(ATTNRT_UNAVAILABLE, "states of a device are not in reach of Python");
  }
  return info;
}

static size_t countOf(const attnrt_state_info &info) {
  size_t count = 1;
  for (int32_t axis = 0; axis < info.num_axes; ++axis) {
    count *= size_t(info.sizes[axis]);
  }
  return count;
}

nb::object attn::python::statesOf(const attnrt_schedule *schedule,
                                  int32_t launch, int32_t component) {
  const attnrt_state_info info = infoOf(schedule, launch, component);
  const size_t bytes = countOf(info) * size_t(info.dtype.bits) / 8;
  auto copy = std::make_unique<char[]>(bytes + 1);
  if (bytes) {
    std::memcpy(copy.get(), info.data, bytes);
  }
  size_t sizes[ATTNRT_MAX_AXES];
  std::copy(info.sizes, info.sizes + info.num_axes, sizes);
  char *data = copy.release();
  nb::capsule owner(data,
                    [](void *p) noexcept { delete[] static_cast<char *>(p); });
  const nb::dlpack::dtype dtype{info.dtype.code, info.dtype.bits,
                                info.dtype.lanes};
  return nb::cast(nb::ndarray<nb::numpy>(data, size_t(info.num_axes), sizes,
                                         owner, nullptr, dtype));
}

void attn::python::setStates(const attnrt_schedule *schedule, int32_t launch,
                             int32_t component, nb::handle values) {
  const attnrt_state_info info = infoOf(schedule, launch, component);
  Tensor tensor = Tensor::of(values);
  const DLTensor &from = *tensor.get();
  const std::vector<int64_t> wanted(info.sizes, info.sizes + info.num_axes);
  if (tensor.sizes() != wanted || from.dtype.code != info.dtype.code ||
      from.dtype.bits != info.dtype.bits || from.device.device_type != kDLCPU) {
    std::string text;
    for (int64_t size : wanted) {
      text += std::to_string(size) + " ";
    }
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects states of the sizes and type of Schedule.state, [ " + text +
              "], in host memory, but got another tensor");
  }
  const size_t bytes = info.dtype.bits / 8;
  auto *to = static_cast<char *>(info.data);
  const auto *data = static_cast<const char *>(from.data) + from.byte_offset;
  std::vector<int64_t> at(wanted.size());
  for (size_t n = countOf(info); n-- > 0; to += bytes) {
    int64_t offset = 0;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      offset += at[axis] * tensor.steps()[axis];
    }
    std::memcpy(to, data + offset * int64_t(bytes), bytes);
    for (size_t axis = at.size(); axis-- > 0 && ++at[axis] == wanted[axis];) {
      at[axis] = 0;
    }
  }
}
