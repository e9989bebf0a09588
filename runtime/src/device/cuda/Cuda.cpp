//===- Cuda.cpp - Memory of a GPU for programs without a library ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/cuda.h"

#include "Gpu.h"

#include <memory>

using namespace attnrt;
using namespace attnrt::cuda;

static void expectGiven(bool isGiven, const char *what) {
  if (!isGiven) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects %s, but got null", what);
  }
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_cuda_create(const attnrt_cuda_options *options,
                                 attnrt_cuda **out) {
  return guard([&] {
    if (!out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a place for the device, but got null");
    }
    attnrt_cuda_options o = options ? *options : attnrt_cuda_options{};
    auto cuda = std::make_unique<attnrt_cuda>();
    cuda->start(o.library, o.device);
    *out = cuda.release();
  });
}

void attnrt_cuda_destroy(attnrt_cuda *cuda) { delete cuda; }

attnrt_status attnrt_cuda_describe(attnrt_cuda *cuda, attnrt_cuda_info *out) {
  return guard([&] {
    expectGiven(cuda && out, "a device and a place for what it is");
    *out = attnrt_cuda_info{};
    cuda->check(
        cuda->driver.deviceGetName(out->name, sizeof(out->name), cuda->device),
        "asking the device");
    out->major = cuda->ask(kMajor);
    out->minor = cuda->ask(kMinor);
    out->sms = cuda->ask(kMultiprocessors);
    out->l2_bytes = cuda->ask(kL2Bytes);
    out->shared_bytes_per_cta = cuda->ask(kSharedBytesPerCta);
  });
}

attnrt_status attnrt_cuda_allocate(attnrt_cuda *cuda, uint64_t bytes,
                                   uint64_t *out) {
  return guard([&] {
    expectGiven(cuda && out, "a device and a place for the address");
    Entered inside(*cuda);
    Pointer pointer = 0;
    cuda->check(cuda->driver.allocate(&pointer, bytes ? bytes : 1),
                "allocating");
    *out = pointer;
  });
}

attnrt_status attnrt_cuda_free(attnrt_cuda *cuda, uint64_t pointer) {
  return guard([&] {
    expectGiven(cuda, "a device");
    Entered inside(*cuda);
    cuda->check(cuda->driver.free(pointer), "freeing");
  });
}

attnrt_status attnrt_cuda_copy_in(attnrt_cuda *cuda, uint64_t to,
                                  const void *from, uint64_t bytes) {
  return guard([&] {
    expectGiven(cuda && (from || !bytes), "a device and memory to copy from");
    Entered inside(*cuda);
    cuda->check(cuda->driver.copyIn(to, from, bytes), "copying in");
  });
}

attnrt_status attnrt_cuda_copy_out(attnrt_cuda *cuda, void *to, uint64_t from,
                                   uint64_t bytes) {
  return guard([&] {
    expectGiven(cuda && (to || !bytes), "a device and memory to copy to");
    Entered inside(*cuda);
    cuda->check(cuda->driver.synchronize(), "waiting");
    cuda->check(cuda->driver.copyOut(to, from, bytes), "copying out");
  });
}

attnrt_status attnrt_cuda_synchronize(attnrt_cuda *cuda) {
  return guard([&] {
    expectGiven(cuda, "a device");
    Entered inside(*cuda);
    cuda->check(cuda->driver.synchronize(), "waiting");
  });
}
