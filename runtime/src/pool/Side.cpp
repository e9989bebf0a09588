//===- Side.cpp - Original positions and counts beside the pages ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Side.h"

using namespace attnrt;

static DLDevice deviceOf(const attnrt_page_pool_params &params) {
  return params.side_device.device_type ? params.side_device
                                        : DLDevice{kDLCPU, 0};
}

SidePools::SidePools(Context &context, const attnrt_page_pool_params &params)
    : which(params.side), heads(params.side_heads), device(deviceOf(params)),
      shape{params.num_pages, params.page_size, params.side_heads},
      positions(context, device), counts(context, device),
      onHost(device.device_type == kDLCPU) {
  const uint64_t bytes = uint64_t(params.num_pages) *
                         uint64_t(params.page_size) *
                         uint64_t(heads ? heads : 1) * 4;
  auto make = [&](uint32_t one, Memory &memory) {
    if (which & one) {
      memory.reserve(bytes, params.stream);
      if (onHost) {
        std::memset(memory.data(), 0, bytes);
      }
    }
  };
  make(ATTNRT_SIDE_POSITION, positions);
  make(ATTNRT_SIDE_COUNT, counts);
}

void SidePools::append(int64_t slot, int64_t count, int64_t position) {
  if (!onHost) {
    return;
  }
  const int64_t width = heads ? heads : 1;
  if (char *memory = positions.data()) {
    int32_t *out = reinterpret_cast<int32_t *>(memory) + slot * width;
    for (int64_t i = 0; i < count * width; ++i) {
      out[i] = int32_t(position + i / width);
    }
  }
  if (char *memory = counts.data()) {
    float *out = reinterpret_cast<float *>(memory) + slot * width;
    std::fill(out, out + count * width, 1.0f);
  }
}

void SidePools::copy(const attnrt_slot_copy &copy) {
  if (!onHost) {
    return;
  }
  const int64_t width = heads ? heads : 1;
  for (char *memory : {positions.data(), counts.data()}) {
    if (!memory) {
      continue;
    }
    int32_t *numbers = reinterpret_cast<int32_t *>(memory);
    if (copy.head < 0) {
      std::memcpy(numbers + copy.dst * width, numbers + copy.src * width,
                  size_t(copy.count * width) * 4);
      continue;
    }
    for (int64_t i = 0; i < copy.count; ++i) {
      numbers[(copy.dst + i) * width + copy.head] =
          numbers[(copy.src + i) * width + copy.head];
    }
  }
}

void SidePools::describe(uint32_t wanted, DLTensor *out) const {
  if (!out || (wanted != ATTNRT_SIDE_POSITION && wanted != ATTNRT_SIDE_COUNT)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects one of ATTNRT_SIDE_* and a place for a tensor, but got %u%s",
          wanted, out ? "" : " and null");
  }
  if (!(which & wanted)) {
    raise(ATTNRT_NOT_FOUND,
          "expects a side pool that was asked for (0x%x), but got 0x%x", which,
          wanted);
  }
  const bool position = wanted == ATTNRT_SIDE_POSITION;
  *out = DLTensor{};
  out->data = (position ? positions : counts).data();
  out->device = device;
  out->ndim = heads ? 3 : 2;
  out->dtype = {uint8_t(position ? kDLInt : kDLFloat), 32, 1};
  out->shape = shape;
}
