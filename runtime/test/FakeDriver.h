//===- FakeDriver.h - What a libcuda of tests keeps -------------*- C++ -*-===//
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
#ifndef ATTNRT_TEST_FAKEDRIVER_H
#define ATTNRT_TEST_FAKEDRIVER_H

#include "../src/device/cuda/Driver.h"

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace attnrt_test {

using namespace attnrt::cuda;

constexpr int kDevices = 2;
constexpr Status kInvalidValue = 1, kInvalidDevice = 101, kInvalidImage = 200,
                 kInvalidContext = 201, kInvalidPtx = 218, kNotFound = 500,
                 kIllegalAddress = 700, kCaptureUnsupported = 900;

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

struct FakeLinking {
  FakeContext *context;
  std::string cubin;
};

/// A cubin is this, the number of its chip, and the PTX.
inline const std::string kElf = "\x7f"
                                "ELF for sm_";

inline bool isPtx(const std::string &text) {
  return text.compare(0, 8, ".version") == 0;
}

/// sm_86 and sm_80.
inline int capabilityOf(const FakeContext *context) {
  return context->device ? 80 : 86;
}

inline std::map<std::string, int> calls; ///< that may fail, by name
/// Of all that follows, and of the devices.
inline std::recursive_mutex turn;
inline std::string failingFunction;
inline int failingStatus = 0, failingCall = 0;
inline int live = 0; ///< blocks, events, modules and contexts that are held
inline int waits = 0;
inline int copies = 0;   ///< asynchronous ones
inline int compiled = 0; ///< texts of PTX
inline int driverVersion = 12040;
inline int misuses = 0; ///< of what belongs to another context
inline FakeContext primary[kDevices] = {FakeContext(0), FakeContext(1)};
inline std::set<FakeContext *> contexts; ///< that may be current
inline std::map<Pointer, FakeBlock> blocks;

/// What is released when the driver is unloaded at the latest: where a function
/// that releases fails, nobody else can.
class Holdings {
public:
  ~Holdings() {
    for (auto &[thing, release] : all) {
      release();
    }
  }
  void add(void *thing, std::function<void()> release) {
    all[thing] = std::move(release);
  }
  void release(void *thing) {
    auto found = all.find(thing);
    found->second();
    all.erase(found);
  }

private:
  std::map<void *, std::function<void()>> all;
};
inline Holdings holdings;

template <class T> T *hold(T *made) {
  holdings.add(made, [made] { delete made; });
  return made;
}
inline bool isCapturing = false;
inline std::vector<std::pair<FakeContext *, Task>> graph;
inline thread_local std::vector<FakeContext *> stack;

inline FakeContext *current() { return stack.empty() ? nullptr : stack.back(); }

/// The status of using what belongs to `owner`.
inline Status useOf(const FakeContext *owner) {
  if (current() && current() == owner) {
    return 0;
  }
  ++misuses;
  return kInvalidContext;
}

/// The block that an address lies in; null: it is the test's.
inline const FakeBlock *blockOf(const void *data) {
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
inline Status reach(const void *data) {
  const FakeBlock *block = blockOf(data);
  if (!block || block->context == current()) {
    return 0;
  }
  ++misuses;
  return kIllegalAddress;
}

/// Now, or when the graph is replayed.
inline void enqueue(Task task) {
  if (isCapturing) {
    graph.push_back({current(), std::move(task)});
  } else {
    current()->queue.push_back(std::move(task));
  }
}

/// The status that this call of a function must have, for once.
inline Status statusOf(const char *function) {
  ++calls[function];
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

template <class T, class P> T as(P *pointer) {
  return reinterpret_cast<T>(pointer);
}

} // namespace attnrt_test

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

#endif // ATTNRT_TEST_FAKEDRIVER_H
