//===- abi_bench.cpp - What the C ABI costs beside the kernels ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// attnrt-abi-bench BUNDLE: microseconds, best of many, for a bundle of
// examples/paged_gqa.mlir and 256 ragged requests of up to 16,384 tokens:
// loading it, loading its kernel, planning a step, and a run on the null
// device, which is all that a launch costs the host. Nothing is asserted.
//
//===----------------------------------------------------------------------===//
#include "attnrt/attnrt.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>

using namespace attn;

static void report(const char *what, int rounds,
                   const std::function<void()> &body) {
  double best = 1e30, sum = 0;
  for (int i = 0; i < rounds; ++i) {
    auto start = std::chrono::steady_clock::now();
    body();
    double time = std::chrono::duration<double, std::micro>(
                      std::chrono::steady_clock::now() - start)
                      .count();
    best = std::min(best, time);
    sum += time;
  }
  std::printf("%-34s best %9.2f us, mean %9.2f us\n", what, best, sum / rounds);
}

namespace {
struct Tensor {
  Tensor(void *data, DLDataType dtype, std::vector<int64_t> sizes)
      : sizes(std::move(sizes)) {
    tensor.data = data;
    tensor.device = {kDLCPU, 0};
    tensor.dtype = dtype;
    tensor.ndim = int32_t(this->sizes.size());
    tensor.shape = this->sizes.data();
  }
  DLTensor tensor{};
  std::vector<int64_t> sizes;
};
} // namespace

int main(int argc, char **argv) {
  std::ifstream file(argc > 1 ? argv[1] : "", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) {
    std::fprintf(stderr,
                 "usage: attnrt-abi-bench BUNDLE of examples/paged_gqa.mlir\n");
    return 2;
  }
  try {
    rt::Context context;
    DLDevice null{kDLExtDev, ATTNRT_DEVICE_NULL};
    std::printf("bundle of %zu bytes\n", bytes.size());
    report("load the bundle", 500,
           [&] { rt::Bundle(context, bytes.data(), bytes.size()); });
    rt::Bundle bundle(context, bytes.data(), bytes.size());
    report("load the kernel", 500,
           [&] { rt::Kernel(bundle, "paged_gqa", null); });
    rt::Kernel kernel(bundle, "paged_gqa", null);

    constexpr int64_t kRequests = 256, kPage = 16;
    int64_t blocks = 0; // of the longest request, and no more
    std::vector<int32_t> lengths(kRequests), offsets(kRequests);
    for (int64_t b = 0; b < kRequests; ++b) {
      lengths[b] = int32_t(100 + b * 7919 % 16200);
      offsets[b] = lengths[b] - 1;
      blocks = std::max(blocks, (lengths[b] + kPage - 1) / kPage);
    }
    float scale = 1;
    char nothing = 0; // the null device looks at no data
    DLDataType f16{kDLFloat, 16, 1}, f32{kDLFloat, 32, 1}, i32{kDLInt, 32, 1};
    Tensor tensors[] = {{&nothing, f16, {kRequests, 1, 8, 4, 128}},
                        {&nothing, f16, {1 << 18, kPage, 8, 128}},
                        {&nothing, f16, {1 << 18, kPage, 8, 128}},
                        {&nothing, i32, {kRequests, blocks}},
                        {lengths.data(), i32, {kRequests}},
                        {offsets.data(), i32, {kRequests}},
                        {&scale, f32, {}},
                        {&nothing, f32, {kRequests, 1, 8, 4, 128}}};
    std::vector<const DLTensor *> all;
    for (Tensor &tensor : tensors) {
      all.push_back(&tensor.tensor);
    }
    std::vector<const DLTensor *> arguments(all.begin(), all.end() - 1);
    auto caps = rt::params<attnrt_schedule_caps>();
    caps.workers = 264;
    rt::Schedule schedule(kernel, &caps);
    report("plan 256 requests, 264 workers", 500,
           [&] { schedule.update(arguments); });
    report("verify that plan", 200, [&] { schedule.verify(); });
    report("run on the null device", 20000, [&] { schedule.run(all); });
  } catch (const rt::Error &error) {
    std::fprintf(stderr, "attnrt-abi-bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
