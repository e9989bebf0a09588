//===- FakeCuda.cpp - A libcuda that does everything late -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Memory of the device is memory of this process. What is asynchronous is put
// into a queue, and done when somebody waits: copies read their source as late
// as a driver may. Kernels are those of TestKernel.c, by name. Each function
// can be told to fail once. While a stream is captured all but launches and
// fills fail, as with a driver, and those are kept to be replayed.
//
//===----------------------------------------------------------------------===//
#include "../src/device/cuda/Driver.h"
#include "attnrt/plan_format.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <vector>

using namespace attnrt::cuda;

extern "C" {
void sums(const attnrt_args *, const attnrt_item *, void *);
void sums_merge(const attnrt_args *, const attnrt_merge *, void *);
void scale_stage(const attnrt_args *, const attnrt_item *, void *);
}

namespace {

std::string failingFunction;
int failingStatus = 0;
int live = 0; ///< blocks, events, modules and contexts that are held
int waits = 0;
int copies = 0; ///< asynchronous ones
std::deque<std::function<void()>> queue;
bool isCurrent = false;
bool isCapturing = false;
std::vector<std::function<void()>> graph;
constexpr Status kCaptureUnsupported = 900;

/// Now, or when the graph is replayed.
void enqueue(std::function<void()> task) {
  if (isCapturing) {
    graph.push_back(std::move(task));
  } else {
    queue.push_back(std::move(task));
  }
}

/// The status that this call of a function must have, for once.
Status statusOf(const char *function) {
  if (isCapturing && function != std::string("cuLaunchKernel") &&
      function != std::string("cuMemsetD8Async") &&
      function != std::string("cuCtxSetCurrent")) {
    return kCaptureUnsupported;
  }
  if (failingFunction == function) {
    failingFunction.clear();
    return failingStatus;
  }
  return 0;
}

void drain() {
  while (!queue.empty()) {
    auto task = std::move(queue.front());
    queue.pop_front();
    task();
  }
}

/// Six tensors and five cells by value (TestKernel.c).
constexpr size_t kTensors = 6, kCells = 5;
struct Parameters {
  attnrt_tensor tensors[kTensors];
  uint64_t cells[kCells];
};

void runKernel(const std::string &name, const Parameters &given,
               const attnrt_plan *plan, int32_t number) {
  attnrt_args all{};
  all.tensors = given.tensors;
  all.scalars = given.cells;
  all.segments = attnrt_plan_segments(plan);
  all.rows = attnrt_plan_rows(plan);
  all.masks = attnrt_plan_masks(plan);
  all.merge_slots = attnrt_plan_merge_slots(plan);
  const attnrt_args *args = &all;
  const attnrt_stage &stage = attnrt_plan_stages(plan)[number];
  const int32_t *work = attnrt_plan_work(plan);
  alignas(64) char scratch[64];
  if (name == "sums_merge") {
    for (int32_t m = work[stage.merge_work_begin];
         m < work[stage.merge_work_begin + stage.workers]; ++m) {
      sums_merge(args, &attnrt_plan_merges(plan)[m], scratch);
    }
    return;
  }
  auto item = name == "sums" ? sums : scale_stage;
  for (int32_t i = work[stage.work_begin];
       i < work[stage.work_begin + stage.workers]; ++i) {
    item(args, &attnrt_plan_items(plan)[i], scratch);
  }
}

template <class T> T as(void *pointer) { return reinterpret_cast<T>(pointer); }

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))
#define MAY_FAIL(name)                                                         \
  if (Status status = statusOf(name)) {                                        \
    return status;                                                             \
  }

EXPORT void fake_cuda_fail(const char *function, int status) {
  failingFunction = function;
  failingStatus = status;
}
EXPORT int fake_cuda_live() { return live; }
/// What is enqueued from now on is kept, until 0.
EXPORT void fake_cuda_capture(int begin) {
  isCapturing = begin > 0;
  if (isCapturing) {
    graph.clear();
  }
}
/// Enqueues what was captured, and says how many tasks that are.
EXPORT int fake_cuda_replay() {
  queue.insert(queue.end(), graph.begin(), graph.end());
  return int(graph.size());
}
/// How often somebody waited for an event that was still to come.
EXPORT int fake_cuda_waits() { return waits; }
EXPORT int fake_cuda_copies() { return copies; }

EXPORT Status cuInit(unsigned) {
  MAY_FAIL("cuInit")
  return 0;
}
EXPORT Status cuGetErrorString(Status status, const char **text) {
  static thread_local char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "fake error %d", status);
  *text = buffer;
  return 0;
}
EXPORT Status cuDeviceGet(Device *device, int ordinal) {
  MAY_FAIL("cuDeviceGet")
  *device = ordinal;
  return ordinal ? 101 : 0;
}
EXPORT Status cuDeviceGetName(char *name, int bytes, Device) {
  std::snprintf(name, size_t(bytes), "fake");
  return 0;
}
EXPORT Status cuDeviceGetAttribute(int *value, int attribute, Device) {
  MAY_FAIL("cuDeviceGetAttribute")
  *value = attribute == kMajor               ? 8
           : attribute == kMinor             ? 6
           : attribute == kMultiprocessors   ? 3
           : attribute == kSharedBytesPerCta ? 100000
                                             : 0;
  return 0;
}
EXPORT Status cuDevicePrimaryCtxRetain(Context *context, Device) {
  MAY_FAIL("cuDevicePrimaryCtxRetain")
  ++live;
  *context = as<Context>(&live);
  return 0;
}
EXPORT Status cuDevicePrimaryCtxRelease_v2(Device) {
  --live;
  isCurrent = false;
  return 0;
}
EXPORT Status cuCtxGetCurrent(Context *context) {
  *context = isCurrent ? as<Context>(&live) : nullptr;
  return 0;
}
EXPORT Status cuCtxSetCurrent(Context) {
  MAY_FAIL("cuCtxSetCurrent")
  // Never left current: each user has one of its own.
  return 0;
}
EXPORT Status cuCtxGetDevice(Device *device) {
  *device = 0;
  return 0;
}
EXPORT Status cuCtxSynchronize() {
  MAY_FAIL("cuCtxSynchronize")
  drain();
  return 0;
}
EXPORT Status cuModuleLoadDataEx(Module *module, const void *, unsigned count,
                                 int *options, void **values) {
  if (Status status = statusOf("cuModuleLoadDataEx")) {
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == kErrorLog) {
        std::strcpy(as<char *>(values[i]), "ptxas error: line 7");
      }
    }
    return status;
  }
  ++live;
  *module = as<Module>(&queue);
  return 0;
}
EXPORT Status cuModuleUnload(Module) {
  drain();
  --live;
  return 0;
}
EXPORT Status cuModuleGetFunction(Function *function, Module,
                                  const char *name) {
  MAY_FAIL("cuModuleGetFunction")
  static const std::string names[] = {"sums", "sums_merge", "scale_stage"};
  for (const std::string &known : names) {
    if (known == name) {
      *function = as<Function>(const_cast<std::string *>(&known));
      return 0;
    }
  }
  return 500;
}
EXPORT Status cuFuncGetAttribute(int *value, int, Function) {
  *value = 0;
  return 0;
}
EXPORT Status cuFuncSetAttribute(Function, int, int) {
  MAY_FAIL("cuFuncSetAttribute")
  return 0;
}
EXPORT Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int *ctas, Function,
                                                          int, size_t) {
  MAY_FAIL("cuOccupancyMaxActiveBlocksPerMultiprocessor")
  *ctas = 2;
  return 0;
}
EXPORT Status cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
  MAY_FAIL("cuMemAlloc_v2")
  void *block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(block, 0x7b, bytes);
  ++live;
  *pointer = reinterpret_cast<Pointer>(block);
  return block ? 0 : 2;
}
EXPORT Status cuMemFree_v2(Pointer pointer) {
  MAY_FAIL("cuMemFree_v2")
  drain();
  std::free(as<void *>(reinterpret_cast<void *>(pointer)));
  --live;
  return 0;
}
EXPORT Status cuMemcpyHtoD_v2(Pointer to, const void *from, size_t bytes) {
  drain();
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return 0;
}
EXPORT Status cuMemcpyDtoH_v2(void *to, Pointer from, size_t bytes) {
  drain();
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return 0;
}
EXPORT Status cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  MAY_FAIL("cuMemHostAlloc")
  *memory = std::malloc(bytes);
  ++live;
  return 0;
}
EXPORT Status cuMemFreeHost(void *memory) {
  MAY_FAIL("cuMemFreeHost")
  std::free(memory);
  --live;
  return 0;
}
EXPORT Status cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes,
                                   Stream) {
  MAY_FAIL("cuMemcpyHtoDAsync_v2")
  ++copies;
  queue.push_back(
      [=] { std::memcpy(reinterpret_cast<void *>(to), from, bytes); });
  return 0;
}
EXPORT Status cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes,
                              Stream) {
  MAY_FAIL("cuMemsetD8Async")
  enqueue([=] { std::memset(reinterpret_cast<void *>(to), value, bytes); });
  return 0;
}
EXPORT Status cuEventCreate(Event *event, unsigned) {
  MAY_FAIL("cuEventCreate")
  *event = as<Event>(new bool(true));
  ++live;
  return 0;
}
EXPORT Status cuEventDestroy_v2(Event event) {
  delete as<bool *>(reinterpret_cast<void *>(event));
  --live;
  return 0;
}
EXPORT Status cuEventRecord(Event event, Stream) {
  MAY_FAIL("cuEventRecord")
  bool *done = as<bool *>(reinterpret_cast<void *>(event));
  *done = false;
  queue.push_back([=] { *done = true; });
  return 0;
}
EXPORT Status cuEventSynchronize(Event event) {
  MAY_FAIL("cuEventSynchronize")
  waits += !*as<bool *>(reinterpret_cast<void *>(event));
  // No more than must be: what is behind it stays late.
  while (!*as<bool *>(reinterpret_cast<void *>(event)) && !queue.empty()) {
    auto task = std::move(queue.front());
    queue.pop_front();
    task();
  }
  return 0;
}
EXPORT Status cuLaunchKernel(Function function, unsigned, unsigned, unsigned,
                             unsigned, unsigned, unsigned, unsigned, Stream,
                             void **parameters, void **) {
  MAY_FAIL("cuLaunchKernel")
  std::string name = *as<std::string *>(reinterpret_cast<void *>(function));
  Parameters args;
  std::memcpy(&args, parameters[0], sizeof(args));
  Pointer plan = *as<Pointer *>(parameters[1]);
  int32_t stage = *as<int32_t *>(parameters[2]);
  enqueue([=] {
    runKernel(name, args, reinterpret_cast<attnrt_plan *>(plan), stage);
  });
  return 0;
}
