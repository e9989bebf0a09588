//===- Cuda.cpp - Runs compiled kernels on an NVIDIA GPU ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/cuda.h"

#include "Module.h"

#include <cstring>
#include <memory>
#include <vector>

using namespace attnrt;
using namespace attnrt::cuda;

[[noreturn]] static void refuse(const std::string &message) {
  throw Failure{ATTNRT_INVALID_ARGUMENT, message};
}

struct attnrt_cuda_call {
  attnrt_cuda &cuda;
  std::vector<Pointer> memory;
  Pointer args = 0, plan = 0;
  int32_t stage = 0;
  unsigned workers = 0;
  struct Launch {
    Function function = nullptr;
    unsigned threads = 0, sharedBytes = 0;
  } items, merges;

  explicit attnrt_cuda_call(attnrt_cuda &cuda) : cuda(cuda) {}
  ~attnrt_cuda_call() {
    cuda.enter();
    for (Pointer pointer : memory) {
      (void)cuda.driver.free(pointer);
    }
  }

  Pointer copy(const void *data, uint64_t bytes) {
    Pointer pointer = 0;
    cuda.check(cuda.driver.allocate(&pointer, bytes ? bytes : 1),
               "allocating for a call");
    memory.push_back(pointer);
    if (bytes) {
      cuda.check(cuda.driver.copyIn(pointer, data, bytes), "copying a call");
    }
    return pointer;
  }
  void prepare(const attnrt_cuda_stage &s);
  void launch(const Launch &what, Stream stream) {
    void *parameters[] = {&args, &plan, &stage};
    cuda.check(cuda.driver.launch(what.function, workers, 1, 1, what.threads, 1,
                                  1, what.sharedBytes, stream, parameters,
                                  nullptr),
               "launching a kernel");
  }
};

void attnrt_cuda_call::prepare(const attnrt_cuda_stage &s) {
  if (!s.plan || s.stage < 0 || uint32_t(s.stage) >= s.plan->stages.count) {
    refuse("expects a stage of the plan, but got " + std::to_string(s.stage));
  }
  const attnrt_stage &record = attnrt_plan_stages(s.plan)[s.stage];
  stage = s.stage;
  workers = unsigned(record.workers);
  auto ready = [&](const attnrt_cuda_kernel *kernel, int32_t count) {
    if (!kernel || count == 0) {
      return Launch{};
    }
    return Launch{cuda.find(*kernel), kernel->threads, kernel->shared_bytes};
  };
  items = ready(s.items, record.item_count);
  merges = ready(s.merges, record.merge_count);
  plan = copy(s.plan, s.plan->bytes);
  attnrt_args host{};
  auto set = [](auto &field, Pointer pointer) {
    std::memcpy(&field, &pointer, sizeof(pointer));
  };
  set(host.tensors,
      copy(s.tensors, uint64_t(s.num_tensors) * sizeof(attnrt_tensor)));
  set(host.scalars, copy(s.scalars, uint64_t(s.num_scalars) * 8));
  set(host.segments, plan + s.plan->segments.offset);
  set(host.rows, plan + s.plan->rows.offset);
  set(host.masks, plan + s.plan->masks.offset);
  set(host.merge_slots, plan + s.plan->merge_slots.offset);
  if (s.lengths) {
    set(host.lengths, copy(s.lengths, uint64_t(s.num_lengths) * 4));
  }
  args = copy(&host, sizeof(host));
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_cuda_create(const char *image,
                                 const attnrt_cuda_options *options,
                                 attnrt_cuda **out) {
  if (!image || !out) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects code and a place for the device, but got null");
  }
  *out = nullptr;
  attnrt_cuda_options o = options ? *options : attnrt_cuda_options{};
  std::unique_ptr<attnrt_cuda> cuda(new (std::nothrow) attnrt_cuda);
  if (!cuda) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "not enough memory");
  }
  if (attnrt_status status = cuda->driver.load(o.library)) {
    return status;
  }
  return guard([&] {
    cuda->start(o.device);
    cuda->load(image);
    *out = cuda.release();
  });
}

void attnrt_cuda_destroy(attnrt_cuda *cuda) { delete cuda; }

attnrt_status attnrt_cuda_describe(attnrt_cuda *cuda, attnrt_cuda_info *out) {
  return guard([&] {
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

attnrt_status attnrt_cuda_describe_kernel(attnrt_cuda *cuda,
                                          const attnrt_cuda_kernel *kernel,
                                          attnrt_cuda_kernel_info *out) {
  return guard([&] {
    cuda->enter();
    Function function = cuda->find(*kernel);
    auto get = [&](FunctionAttribute attribute, int32_t &value) {
      cuda->check(cuda->driver.functionGet(&value, attribute, function),
                  "asking for a kernel");
    };
    get(kRegisters, out->registers);
    get(kLocalBytes, out->local_bytes);
    cuda->check(cuda->driver.occupancy(&out->resident_ctas, function,
                                       int(kernel->threads),
                                       kernel->shared_bytes),
                "asking for a kernel");
  });
}

attnrt_status attnrt_cuda_allocate(attnrt_cuda *cuda, uint64_t bytes,
                                   uint64_t *out) {
  return guard([&] {
    cuda->enter();
    Pointer pointer = 0;
    cuda->check(cuda->driver.allocate(&pointer, bytes ? bytes : 1),
                "allocating");
    *out = pointer;
  });
}

attnrt_status attnrt_cuda_free(attnrt_cuda *cuda, uint64_t pointer) {
  return guard([&] {
    cuda->enter();
    cuda->check(cuda->driver.free(pointer), "freeing");
  });
}

attnrt_status attnrt_cuda_copy_in(attnrt_cuda *cuda, uint64_t to,
                                  const void *from, uint64_t bytes) {
  return guard([&] {
    cuda->enter();
    cuda->check(cuda->driver.copyIn(to, from, bytes), "copying in");
  });
}

attnrt_status attnrt_cuda_copy_out(attnrt_cuda *cuda, void *to, uint64_t from,
                                   uint64_t bytes) {
  return guard([&] {
    cuda->enter();
    cuda->check(cuda->driver.synchronize(), "waiting");
    cuda->check(cuda->driver.copyOut(to, from, bytes), "copying out");
  });
}

attnrt_status attnrt_cuda_prepare(attnrt_cuda *cuda,
                                  const attnrt_cuda_stage *stage,
                                  attnrt_cuda_call **out) {
  return guard([&] {
    *out = nullptr;
    cuda->enter();
    auto call = std::make_unique<attnrt_cuda_call>(*cuda);
    call->prepare(*stage);
    *out = call.release();
  });
}

attnrt_status attnrt_cuda_enqueue(attnrt_cuda_call *call, void *stream) {
  return guard([&] {
    call->cuda.enter();
    for (const auto *launch : {&call->items, &call->merges}) {
      if (launch->function) {
        call->launch(*launch, static_cast<Stream>(stream));
      }
    }
  });
}

attnrt_status attnrt_cuda_synchronize(attnrt_cuda *cuda) {
  return guard([&] {
    cuda->enter();
    cuda->check(cuda->driver.synchronize(), "waiting");
  });
}

void attnrt_cuda_release(attnrt_cuda_call *call) { delete call; }
