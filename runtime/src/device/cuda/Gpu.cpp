//===- Gpu.cpp - A device of libcuda in its context -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Gpu.h"

using namespace attnrt;
using namespace attnrt::cuda;

attnrt_cuda::~attnrt_cuda() {
  if (isRetained) {
    (void)driver.primaryRelease(device);
  }
}

void attnrt_cuda::check(Status status, const char *what) const {
  if (status) {
    throw Failure{status == kOutOfMemory ? ATTNRT_RESOURCE_EXHAUSTED
                                         : ATTNRT_INTERNAL,
                  std::string(what) + ": " + driver.describe(status)};
  }
}

int attnrt_cuda::ask(DeviceAttribute attribute) const {
  int value = 0;
  check(driver.deviceGetAttribute(&value, attribute, device),
        "asking the device");
  return value;
}

void attnrt_cuda::start(const char *library, int ordinal) {
  attnrt::check(driver.load(library));
  if (Status status = driver.deviceGet(&device, ordinal)) {
    throw Failure{ATTNRT_UNAVAILABLE, "there is no device " +
                                          std::to_string(ordinal) + ": " +
                                          driver.describe(status)};
  }
  Context now = nullptr;
  check(driver.getCurrent(&now), "asking for the context");
  if (now) {
    cuda::Device its = 0;
    check(driver.getDevice(&its), "asking for the context");
    if (its == device) {
      context = now;
      return;
    }
  }
  check(driver.primaryRetain(&context, device), "making a context");
  isRetained = true;
}

Entered::Entered(const Gpu &gpu, std::nothrow_t) : gpu(gpu) {
  // Mostly it is current already: that costs one question.
  Context now = nullptr;
  if (gpu.driver.getCurrent(&now) || now != gpu.context) {
    status = gpu.driver.pushCurrent(gpu.context);
    isPushed = ok();
  }
}

Entered::~Entered() {
  if (isPushed) {
    Context own = nullptr;
    (void)gpu.driver.popCurrent(&own);
  }
}
