//===- NullDevice.cpp - A device that computes nothing --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../Device.h"

#include "../../Guard.h"

using namespace attnrt;

namespace {

/// Everything but the launches happens: checks, extents, plans.
struct NullSession : Session {
  void zero(const attnrt_tensor &, void *) override {}
  void run(const std::vector<LaunchWork> &, const RunInput &, void *) override {
  }
};

struct NullKernel : LoadedKernel {
  std::unique_ptr<Session> makeSession(int32_t, bool) override {
    return std::make_unique<NullSession>();
  }
  int32_t defaultWorkers() const override { return 1; }
};

struct NullDevice : Device {
  bool fits(const Target &, std::string &) const override { return true; }
  int rank(const Target &) const override { return 0; }
  std::unique_ptr<LoadedKernel> load(const std::vector<PartCode> &) override {
    return std::make_unique<NullKernel>();
  }
  bool reaches(DLDevice) const override { return true; }
  void *allocate(uint64_t bytes, uint64_t alignment) override {
    void *block = std::aligned_alloc(alignment, (bytes + alignment - 1) /
                                                    alignment * alignment);
    if (!block) {
      throw std::bad_alloc();
    }
    return block;
  }
  void free(void *memory, uint64_t) override { std::free(memory); }
};

} // namespace

std::unique_ptr<Device> attnrt::makeNullDevice() {
  return std::make_unique<NullDevice>();
}
