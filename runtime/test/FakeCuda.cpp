//===- FakeCuda.cpp - A libcuda that does everything late -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FakeDriver.h"
#include "FakeKernels.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace attnrt_test;

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
EXPORT int fake_cuda_calls(const char *function) {
  MY_TURN
  return calls[function];
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
EXPORT int fake_cuda_compiled() { return compiled; }
EXPORT void fake_cuda_version(int version) { driverVersion = version; }
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
  *value = attribute == kMajor             ? capabilityOf(&primary[device]) / 10
           : attribute == kMinor           ? capabilityOf(&primary[device]) % 10
           : attribute == kMultiprocessors ? 3
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
  holdings.add(block, [block] { std::free(block); });
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
  holdings.release(memory);
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
  *event = as<Event>(hold(new FakeEvent{current()}));
  ++live;
  return 0;
}
EXPORT Status cuEventDestroy_v2(Event event) {
  MAY_FAIL("cuEventDestroy_v2")
  NEEDS(useOf(as<FakeEvent *>(event)->context))
  current()->drain();
  holdings.release(as<FakeEvent *>(event));
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
  FakeParameters args;
  std::memcpy(&args, parameters[0], sizeof(args));
  auto *plan = reinterpret_cast<attnrt_plan *>(*as<Pointer *>(parameters[1]));
  int32_t stage = *as<int32_t *>(parameters[2]);
  NEEDS(reach(plan))
  for (const attnrt_tensor &tensor : args.tensors) {
    NEEDS(reach(tensor.data))
  }
  ++launched.context->launches;
  enqueue(
      [=, name = launched.name] { runFakeKernel(name, args, plan, stage); });
  return 0;
}
