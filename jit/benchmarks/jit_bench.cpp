//===- jit_bench.cpp - From text to a launch, what an engine waits for ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// attnjit-bench PAGED_GQA.mlir FOLDER [ROUNDS]: best and mean, in microseconds,
// of compiling the text for this CPU cold, from memory and from FOLDER, beside
// loading the bundle and its kernel, planning one request of one token, and a
// launch on the null device and on the CPU. Nothing is asserted.
//
//===----------------------------------------------------------------------===//
#include "attnjit/attnjit.h"
#include "attnrt/attnrt.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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
  std::printf("%-28s best %11.2f us, mean %11.2f us\n", what, best,
              sum / rounds);
}

/// The bundle, which must come from where it is said to.
static std::string compile(const std::string &text, uint32_t flags,
                           const char *folder, attnjit_origin origin) {
  auto options = rt::params<attnjit_options>();
  options.flags = flags;
  options.cache_dir = folder;
  attnjit_result *result = nullptr;
  attnrt_status status =
      attnjit_compile(text.data(), text.size(), &options, &result);
  std::string said = attnjit_result_diagnostics(result);
  std::string bytes(static_cast<const char *>(attnjit_result_bytes(result)),
                    attnjit_result_size(result));
  if (!status && attnjit_result_origin(result) != origin) {
    status = ATTNRT_INTERNAL;
    said = "the bundle is of another origin";
  }
  attnjit_result_release(result);
  if (status) {
    throw rt::Error(status, said.c_str());
  }
  return bytes;
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

static void measure(const std::string &text, const char *folder, int rounds) {
  constexpr uint32_t kNoMemory = ATTNJIT_NO_MEMORY_CACHE;
  report("compile, cold", rounds,
         [&] { compile(text, kNoMemory, nullptr, ATTNJIT_COMPILED); });
  std::string bytes = compile(text, 0, nullptr, ATTNJIT_COMPILED);
  report("compile, from memory", 100 * rounds,
         [&] { compile(text, 0, nullptr, ATTNJIT_FROM_MEMORY); });
  compile(text, kNoMemory, folder, ATTNJIT_COMPILED);
  report("compile, from disk", 20 * rounds,
         [&] { compile(text, kNoMemory, folder, ATTNJIT_FROM_DISK); });

  rt::Context context;
  report("load the bundle", 20 * rounds,
         [&] { rt::Bundle(context, bytes.data(), bytes.size()); });
  rt::Bundle bundle(context, bytes.data(), bytes.size());
  report("load the kernel", 20 * rounds,
         [&] { rt::Kernel(bundle, "paged_gqa", {kDLCPU, 0}); });
  std::vector<char> zeros(1 << 17);
  int32_t page = 0, length = 1, offset = 0;
  float scale = 1;
  DLDataType f16{kDLFloat, 16, 1}, f32{kDLFloat, 32, 1}, i32{kDLInt, 32, 1};
  std::vector<char> result(1 << 14);
  Tensor tensors[] = {{zeros.data(), f16, {1, 1, 8, 4, 128}},
                      {zeros.data(), f16, {1, 16, 8, 128}},
                      {zeros.data(), f16, {1, 16, 8, 128}},
                      {&page, i32, {1, 1}},
                      {&length, i32, {1}},
                      {&offset, i32, {1}},
                      {&scale, f32, {}},
                      {result.data(), f32, {1, 1, 8, 4, 128}}};
  std::vector<const DLTensor *> all;
  for (Tensor &tensor : tensors) {
    all.push_back(&tensor.tensor);
  }
  std::vector<const DLTensor *> arguments(all.begin(), all.end() - 1);
  const std::pair<const char *, DLDevice> devices[] = {
      {"launch on the null device", {kDLExtDev, ATTNRT_DEVICE_NULL}},
      {"launch on the CPU", {kDLCPU, 0}}};
  for (auto &[name, device] : devices) {
    rt::Kernel kernel(bundle, "paged_gqa", device);
    rt::Schedule schedule(kernel);
    schedule.update(arguments);
    if (device.device_type == kDLCPU) {
      report("plan one token", 100 * rounds,
             [&] { schedule.update(arguments); });
    }
    report(name, 200 * rounds, [&] { schedule.run(all); });
  }
}

int main(int argc, char **argv) {
  std::ifstream file(argc > 2 ? argv[1] : "", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  int rounds = argc > 3 ? std::atoi(argv[3]) : 10;
  if (text.empty() || rounds < 1) {
    std::fprintf(stderr, "usage: attnjit-bench examples/paged_gqa.mlir FOLDER "
                         "[ROUNDS], FOLDER empty or not there\n");
    return 2;
  }
  try {
    measure(text, argv[2], rounds);
  } catch (const rt::Error &error) {
    std::fprintf(stderr, "attnjit-bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
