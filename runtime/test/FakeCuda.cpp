//===- FakeCuda.cpp - A libcuda that does everything late -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Memory of the device is memory of this process. What is asynchronous is put
// into a queue of its context, and done when somebody waits: copies read their
// source as late as a driver may. Kernels are those of TestKernel.c, by name.
// Each function can be told to fail once. While a stream is captured all but
// launches and fills fail, as with a driver, and those are kept to be replayed.
//
// There are two devices. What is current is a stack of each thread; modules,
// functions, events and memory belong to the context in which they were made,
// and whoever uses one in another context is refused and counted. A real driver
// is milder here and there (it frees memory from anywhere).
//
//===----------------------------------------------------------------------===//
#include "../src/device/cuda/Driver.h"
#include "attnrt/plan_format.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

using namespace attnrt::cuda;

extern "C" {
void sums(const attnrt_args *, const attnrt_item *, void *);
void sums_merge(const attnrt_args *, const attnrt_merge *, void *);
void scale_stage(const attnrt_args *, const attnrt_item *, void *);
}

namespace {

constexpr int kDevices = 2;
constexpr Status kInvalidValue = 1, kInvalidDevice = 101, kInvalidContext = 201,
                 kNotFound = 500, kIllegalAddress = 700,
                 kCaptureUnsupported = 900;

using Task = std::function<void()>;

struct FakeContext {
  explicit FakeContext(int device) : device(device) {}
  int device;
  int retained = 0; ///< of a primary one
  int launches = 0; ///< that were enqueued
  std::deque<Task> queue;

  void drain() {
    while (!queue.empty()) {
      doNext();
    }
  }
  void doNext() {
    Task task = std::move(queue.front());
    queue.pop_front();
    task();
  }
};

struct FakeFunction {
  std::string name;
  FakeContext *context;
};

struct FakeModule {
  FakeContext *context;
  std::map<std::string, FakeFunction> functions;
};

struct FakeEvent {
  FakeContext *context;
  bool isDone = true;
};

struct FakeBlock {
  size_t bytes;
  FakeContext *context;
};

/// Of all that follows, and of the devices.
std::recursive_mutex turn;
std::string failingFunction;
int failingStatus = 0, failingCall = 0;
int live = 0; ///< blocks, events, modules and contexts that are held
int waits = 0;
int copies = 0;  ///< asynchronous ones
int misuses = 0; ///< of what belongs to another context
FakeContext primary[kDevices] = {FakeContext(0), FakeContext(1)};
std::set<FakeContext *> contexts; ///< that may be current
std::map<Pointer, FakeBlock> blocks;
bool isCapturing = false;
std::vector<std::pair<FakeContext *, Task>> graph;
thread_local std::vector<FakeContext *> stack;

FakeContext *current() { return stack.empty() ? nullptr : stack.back(); }

/// The status of using what belongs to `owner`.
Status useOf(const FakeContext *owner) {
  if (current() && current() == owner) {
    return 0;
  }
  ++misuses;
  return kInvalidContext;
}

/// The block that an address lies in; null: it is the test's.
const FakeBlock *blockOf(const void *data) {
  auto above = blocks.upper_bound(reinterpret_cast<Pointer>(data));
  if (above == blocks.begin()) {
    return nullptr;
  }
  --above;
  return reinterpret_cast<Pointer>(data) < above->first + above->second.bytes
             ? &above->second
             : nullptr;
}

/// Of an address that a copy, a fill or a kernel is given.
Status reach(const void *data) {
  const FakeBlock *block = blockOf(data);
  if (!block || block->context == current()) {
    return 0;
  }
  ++misuses;
  return kIllegalAddress;
}

/// Now, or when the graph is replayed.
void enqueue(Task task) {
  if (isCapturing) {
    graph.push_back({current(), std::move(task)});
  } else {
    current()->queue.push_back(std::move(task));
  }
}

/// The status that this call of a function must have, for once.
Status statusOf(const char *function) {
  if (isCapturing && function != std::string("cuLaunchKernel") &&
      function != std::string("cuMemsetD8Async") &&
      function != std::string("cuCtxGetCurrent") &&
      function != std::string("cuCtxPushCurrent_v2")) {
    return kCaptureUnsupported;
  }
  if (failingFunction == function && failingCall-- == 0) {
    failingFunction.clear();
    return failingStatus;
  }
  return 0;
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

template <class T, class P> T as(P *pointer) {
  return reinterpret_cast<T>(pointer);
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))
#define MY_TURN std::lock_guard<std::recursive_mutex> lock(turn);
#define MAY_FAIL(name)                                                         \
  MY_TURN                                                                      \
  if (Status status = statusOf(name)) {                                        \
    return status;                                                             \
  }
/// Nothing of it works without a context.
#define NEEDS_CONTEXT                                                          \
  if (!current()) {                                                            \
    return ++misuses, kInvalidContext;                                         \
  }
#define NEEDS(expression)                                                      \
  if (Status status = (expression)) {                                          \
    return status;                                                             \
  }

//===----------------------------------------------------------------------===//
// For tests (FakeCuda.h)
//===----------------------------------------------------------------------===//

EXPORT void fake_cuda_fail_at(const char *function, int status, int call) {
  MY_TURN
  failingFunction = function;
  failingStatus = status;
  failingCall = call;
}
EXPORT void fake_cuda_fail(const char *function, int status) {
  fake_cuda_fail_at(function, status, 0);
}
EXPORT int fake_cuda_forgive() {
  MY_TURN
  bool wasArmed = !failingFunction.empty();
  failingFunction.clear();
  return wasArmed;
}
EXPORT int fake_cuda_live() {
  MY_TURN
  return live;
}
EXPORT void fake_cuda_capture(int begin) {
  MY_TURN
  isCapturing = begin > 0;
  if (isCapturing) {
    graph.clear();
  }
}
EXPORT int fake_cuda_replay() {
  MY_TURN
  for (auto &[context, task] : graph) {
    context->queue.push_back(task);
  }
  return int(graph.size());
}
EXPORT int fake_cuda_waits() { return waits; }
EXPORT int fake_cuda_copies() { return copies; }
EXPORT int fake_cuda_misuses() { return misuses; }
EXPORT int fake_cuda_finish() {
  MY_TURN
  for (FakeContext *context : contexts) {
    context->drain();
  }
  return 0;
}
EXPORT void *fake_cuda_context(int device) {
  MY_TURN
  auto *context = new FakeContext(device);
  contexts.insert(context);
  return context;
}
EXPORT void fake_cuda_drop(void *context) {
  MY_TURN
  contexts.erase(static_cast<FakeContext *>(context));
  delete static_cast<FakeContext *>(context);
}
EXPORT void *fake_cuda_primary(int device) { return &primary[device]; }
EXPORT int fake_cuda_retained(int device) {
  MY_TURN
  return primary[device].retained;
}
EXPORT int fake_cuda_launches(void *context) {
  MY_TURN
  return static_cast<FakeContext *>(context)->launches;
}
EXPORT void *fake_cuda_current() { return current(); }
EXPORT int fake_cuda_depth() { return int(stack.size()); }

//===----------------------------------------------------------------------===//
// Devices and contexts
//===----------------------------------------------------------------------===//

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
  return ordinal < 0 || ordinal >= kDevices ? kInvalidDevice : 0;
}
EXPORT Status cuDeviceGetName(char *name, int bytes, Device) {
  std::snprintf(name, size_t(bytes), "fake");
  return 0;
}
EXPORT Status cuDeviceGetAttribute(int *value, int attribute, Device device) {
  MAY_FAIL("cuDeviceGetAttribute")
  // sm_86 and sm_80.
  *value = attribute == kMajor               ? 8
           : attribute == kMinor             ? (device ? 0 : 6)
           : attribute == kMultiprocessors   ? 3
           : attribute == kSharedBytesPerCta ? 100000
                                             : 0;
  return 0;
}
EXPORT Status cuDevicePrimaryCtxRetain(Context *context, Device device) {
  MAY_FAIL("cuDevicePrimaryCtxRetain")
  ++live;
  ++primary[device].retained;
  contexts.insert(&primary[device]);
  *context = as<Context>(&primary[device]);
  return 0;
}
EXPORT Status cuDevicePrimaryCtxRelease_v2(Device device) {
  MAY_FAIL("cuDevicePrimaryCtxRelease_v2")
  if (primary[device].retained == 0) {
    return ++misuses, kInvalidContext;
  }
  --live;
  if (--primary[device].retained == 0) {
    primary[device].drain();
    contexts.erase(&primary[device]);
  }
  return 0;
}
EXPORT Status cuCtxGetCurrent(Context *context) {
  MAY_FAIL("cuCtxGetCurrent")
  *context = as<Context>(current());
  return 0;
}
EXPORT Status cuCtxPushCurrent_v2(Context context) {
  MAY_FAIL("cuCtxPushCurrent_v2")
  auto *pushed = as<FakeContext *>(context);
  if (!contexts.count(pushed)) {
    return ++misuses, kInvalidContext;
  }
  stack.push_back(pushed);
  return 0;
}
EXPORT Status cuCtxPopCurrent_v2(Context *context) {
  MY_TURN // a driver has no reason to fail, and nobody could do anything
      NEEDS_CONTEXT *context = as<Context>(stack.back());
  stack.pop_back();
  return 0;
}
EXPORT Status cuCtxGetDevice(Device *device) {
  MAY_FAIL("cuCtxGetDevice")
  NEEDS_CONTEXT
  *device = current()->device;
  return 0;
}
EXPORT Status cuCtxSynchronize() {
  MAY_FAIL("cuCtxSynchronize")
  NEEDS_CONTEXT
  current()->drain();
  return 0;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

EXPORT Status cuModuleLoadDataEx(Module *module, const void *, unsigned count,
                                 int *options, void **values) {
  MY_TURN
  if (Status status = statusOf("cuModuleLoadDataEx")) {
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == kErrorLog) {
        std::strcpy(as<char *>(values[i]), "ptxas error: line 7");
      }
    }
    return status;
  }
  NEEDS_CONTEXT
  auto *made = new FakeModule{current(), {}};
  for (const char *name : {"sums", "sums_merge", "scale_stage"}) {
    made->functions[name] = {name, current()};
  }
  ++live;
  *module = as<Module>(made);
  return 0;
}
EXPORT Status cuModuleUnload(Module module) {
  MAY_FAIL("cuModuleUnload")
  auto *old = as<FakeModule *>(module);
  NEEDS(useOf(old->context))
  old->context->drain();
  delete old;
  --live;
  return 0;
}
EXPORT Status cuModuleGetFunction(Function *function, Module module,
                                  const char *name) {
  MAY_FAIL("cuModuleGetFunction")
  auto *known = as<FakeModule *>(module);
  NEEDS(useOf(known->context))
  auto found = known->functions.find(name);
  if (found == known->functions.end()) {
    return kNotFound;
  }
  *function = as<Function>(&found->second);
  return 0;
}
EXPORT Status cuFuncGetAttribute(int *value, int, Function function) {
  MAY_FAIL("cuFuncGetAttribute")
  *value = 0;
  return useOf(as<FakeFunction *>(function)->context);
}
EXPORT Status cuFuncSetAttribute(Function function, int, int) {
  MAY_FAIL("cuFuncSetAttribute")
  return useOf(as<FakeFunction *>(function)->context);
}
EXPORT Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int *ctas,
                                                          Function function,
                                                          int, size_t) {
  MAY_FAIL("cuOccupancyMaxActiveBlocksPerMultiprocessor")
  *ctas = 2;
  return useOf(as<FakeFunction *>(function)->context);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Of the device or pinned: both are released with their context.
static Status makeBlock(void **memory, size_t bytes) {
  NEEDS_CONTEXT
  if (bytes == 0) {
    return kInvalidValue;
  }
  void *block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!block) {
    return kOutOfMemory;
  }
  std::memset(block, 0x7b, bytes);
  blocks[reinterpret_cast<Pointer>(block)] = {bytes, current()};
  ++live;
  *memory = block;
  return 0;
}
static Status dropBlock(void *memory) {
  auto found = blocks.find(reinterpret_cast<Pointer>(memory));
  if (found == blocks.end()) {
    return kInvalidValue;
  }
  NEEDS(useOf(found->second.context))
  current()->drain();
  blocks.erase(found);
  std::free(memory);
  --live;
  return 0;
}

EXPORT Status cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
  MAY_FAIL("cuMemAlloc_v2")
  void *block = nullptr;
  NEEDS(makeBlock(&block, bytes))
  *pointer = reinterpret_cast<Pointer>(block);
  return 0;
}
EXPORT Status cuMemFree_v2(Pointer pointer) {
  MAY_FAIL("cuMemFree_v2")
  return dropBlock(reinterpret_cast<void *>(pointer));
}
EXPORT Status cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  MAY_FAIL("cuMemHostAlloc")
  return makeBlock(memory, bytes);
}
EXPORT Status cuMemFreeHost(void *memory) {
  MAY_FAIL("cuMemFreeHost")
  return dropBlock(memory);
}
EXPORT Status cuMemcpyHtoD_v2(Pointer to, const void *from, size_t bytes) {
  MAY_FAIL("cuMemcpyHtoD_v2")
  NEEDS_CONTEXT
  NEEDS(reach(reinterpret_cast<void *>(to)))
  current()->drain();
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return 0;
}
EXPORT Status cuMemcpyDtoH_v2(void *to, Pointer from, size_t bytes) {
  MAY_FAIL("cuMemcpyDtoH_v2")
  NEEDS_CONTEXT
  NEEDS(reach(reinterpret_cast<void *>(from)))
  current()->drain();
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return 0;
}
EXPORT Status cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes,
                                   Stream) {
  MAY_FAIL("cuMemcpyHtoDAsync_v2")
  NEEDS_CONTEXT
  NEEDS(reach(reinterpret_cast<void *>(to)))
  NEEDS(reach(from))
  ++copies;
  enqueue([=] { std::memcpy(reinterpret_cast<void *>(to), from, bytes); });
  return 0;
}
EXPORT Status cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes,
                              Stream) {
  MAY_FAIL("cuMemsetD8Async")
  NEEDS_CONTEXT
  NEEDS(reach(reinterpret_cast<void *>(to)))
  enqueue([=] { std::memset(reinterpret_cast<void *>(to), value, bytes); });
  return 0;
}

//===----------------------------------------------------------------------===//
// Events and launches
//===----------------------------------------------------------------------===//

EXPORT Status cuEventCreate(Event *event, unsigned) {
  MAY_FAIL("cuEventCreate")
  NEEDS_CONTEXT
  *event = as<Event>(new FakeEvent{current()});
  ++live;
  return 0;
}
EXPORT Status cuEventDestroy_v2(Event event) {
  MAY_FAIL("cuEventDestroy_v2")
  NEEDS(useOf(as<FakeEvent *>(event)->context))
  current()->drain();
  delete as<FakeEvent *>(event);
  --live;
  return 0;
}
EXPORT Status cuEventRecord(Event event, Stream) {
  MAY_FAIL("cuEventRecord")
  auto *recorded = as<FakeEvent *>(event);
  NEEDS(useOf(recorded->context))
  recorded->isDone = false;
  enqueue([=] { recorded->isDone = true; });
  return 0;
}
EXPORT Status cuEventSynchronize(Event event) {
  MAY_FAIL("cuEventSynchronize")
  auto *awaited = as<FakeEvent *>(event);
  waits += !awaited->isDone;
  // No more than must be: what is behind it stays late.
  while (!awaited->isDone && !awaited->context->queue.empty()) {
    awaited->context->doNext();
  }
  return 0;
}
EXPORT Status cuLaunchKernel(Function function, unsigned, unsigned, unsigned,
                             unsigned, unsigned, unsigned, unsigned, Stream,
                             void **parameters, void **) {
  MAY_FAIL("cuLaunchKernel")
  const FakeFunction &launched = *as<FakeFunction *>(function);
  NEEDS(useOf(launched.context))
  Parameters args;
  std::memcpy(&args, parameters[0], sizeof(args));
  auto *plan = reinterpret_cast<attnrt_plan *>(*as<Pointer *>(parameters[1]));
  int32_t stage = *as<int32_t *>(parameters[2]);
  NEEDS(reach(plan))
  for (const attnrt_tensor &tensor : args.tensors) {
    NEEDS(reach(tensor.data))
  }
  ++launched.context->launches;
  enqueue([=, name = launched.name] { runKernel(name, args, plan, stage); });
  return 0;
}
