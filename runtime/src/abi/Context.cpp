//===- Context.cpp - What all handles of an engine share ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Context.h"

#include <sched.h>
#include <utility>

using namespace attnrt;

static int32_t allowedCpus() {
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof(allowed), &allowed) == 0
             ? CPU_COUNT(&allowed)
             : 1;
}

Context::Context(const attnrt_context_params &given) : params(given) {
  if (params.flags & ~uint32_t(ATTNRT_CONTEXT_NO_MEMFD)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects flags of ATTNRT_CONTEXT_*, but got "
          "0x%x",
          params.flags);
  }
  if (params.cpu_threads < 0 || params.cpu_threads > 4096 ||
      params.cpu_pin < 0 || params.cpu_pin > 1) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects cpu_threads in 0..4096 and cpu_pin 0 or 1, but got %d and "
          "%d",
          params.cpu_threads, params.cpu_pin);
  }
  if (params.allocator) {
    allocator = readParams(params.allocator, "attnrt_allocator");
    if (!allocator.allocate || !allocator.free) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects an allocator with allocate and free, but got null");
    }
    params.allocator = &allocator;
  }
  auto keep = [](const char *&text, std::string &own) {
    if (text) {
      own = text;
      text = own.c_str();
    }
  };
  keep(params.cache_dir, cacheDir);
  keep(params.cuda_library, cudaLibrary);
  numThreads = params.cpu_threads ? params.cpu_threads : allowedCpus();
}

Context::~Context() {
  devices.clear();
  attnrt_pool_destroy(threadPool);
}

attnrt_pool *Context::pool() {
  attnrt_pool *now = threadPool.load();
  if (!now) {
    attnrt_pool_options options{numThreads, params.cpu_pin};
    attnrt_pool *fresh = nullptr;
    check(attnrt_pool_create(&options, &fresh));
    if (threadPool.compare_exchange_strong(now, fresh)) {
      return fresh;
    }
    attnrt_pool_destroy(fresh); // another thread was faster
  }
  return now;
}

Device &Context::device(DLDevice which) {
  std::lock_guard<std::mutex> lock(mutex);
  auto &device =
      devices[{int32_t(which.device_type), int32_t(which.device_id)}];
  if (!device) {
    device = makeDevice(*this, which);
  }
  return *device;
}

static std::atomic<DeviceMaker> simDevice{nullptr};

void attnrt::setSimDevice(DeviceMaker maker) { simDevice.store(maker); }

std::unique_ptr<Device> attnrt::makeDevice(Context &context, DLDevice which) {
  if (which.device_type == kDLCPU && which.device_id == 0) {
    return makeCpuDevice(context);
  }
  if (which.device_type == kDLCUDA && which.device_id >= 0) {
    return makeCudaDevice(context, which.device_id);
  }
  if (which.device_type == kDLExtDev && which.device_id == ATTNRT_DEVICE_NULL) {
    return makeNullDevice();
  }
  if (which.device_type == kDLExtDev && which.device_id == ATTNRT_DEVICE_SIM) {
    if (DeviceMaker maker = simDevice.load()) {
      return maker();
    }
    raise(ATTNRT_UNAVAILABLE,
          "the simulator is not enabled (attnrt_sim_enable of attnrt_sim)");
  }
  raise(
      ATTNRT_INVALID_ARGUMENT,
      "expects the CPU (type 1, number 0), a GPU (type 2), the null device "
      "(type 12, number 0) or the simulator (type 12, number 1), but got type "
      "%d, number %d",
      int(which.device_type), int(which.device_id));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static constexpr uint64_t kAlignment = 256;

void Memory::reserve(uint64_t wanted, void *newStream) {
  if (wanted <= block.bytes) {
    return;
  }
  void *fresh = nullptr;
  if (const attnrt_allocator *own = context.params.allocator) {
    attnrt_status status =
        own->allocate(own->self, device, wanted, kAlignment, newStream, &fresh);
    if (status != ATTNRT_OK || !fresh) {
      raise(status == ATTNRT_OK ? ATTNRT_RESOURCE_EXHAUSTED : status,
            "the engine's allocator has no %llu bytes",
            static_cast<unsigned long long>(wanted));
    }
  } else {
    where = where ? where : &context.device(device);
    fresh = where->allocate(wanted, kAlignment);
  }
  // The engine's free may throw: what it got is no longer held then, and what
  // took its place is.
  Block old = std::exchange(block, {fresh, wanted, newStream});
  giveBack(old);
}

void Memory::borrow(void *data, uint64_t bytes) {
  giveBack(std::exchange(block, {data, bytes, nullptr, true}));
}

void Memory::take(Memory &other) {
  where = where ? where : other.where;
  Block old = std::exchange(block, std::exchange(other.block, Block()));
  giveBack(old);
}

void Memory::giveBack(const Block &old) {
  if (!old.data || old.isBorrowed) {
    return;
  }
  if (const attnrt_allocator *own = context.params.allocator) {
    own->free(own->self, device, old.data, old.bytes, old.stream);
  } else {
    where->free(old.data, old.bytes);
  }
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

uint32_t attnrt_abi_version(void) { return ATTNRT_ABI_VERSION; }

attnrt_status attnrt_check_abi(uint32_t header) {
  uint32_t major = header >> 16, minor = header & 0xffff;
  if (major != ATTNRT_ABI_MAJOR || minor > ATTNRT_ABI_MINOR) {
    return fail(
        ATTNRT_INCOMPATIBLE,
        "the program was built for ABI %u.%u, but the library has %u.%u", major,
        minor, ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  }
  return ATTNRT_OK;
}

attnrt_status attnrt_context_create(const attnrt_context_params *params,
                                    attnrt_context **out) {
  return guard([&] {
    if (!out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a place for the context, but got null");
    }
    auto handle = std::make_unique<attnrt_context>();
    handle->impl =
        std::make_shared<Context>(readParams(params, "attnrt_context_params"));
    *out = handle.release();
  });
}

void attnrt_context_release(attnrt_context *context) { delete context; }
