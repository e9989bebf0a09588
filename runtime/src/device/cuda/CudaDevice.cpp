//===- CudaDevice.cpp - A GPU as a device of schedules --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step's plans go to the device in one asynchronous copy from pinned memory.
// There are as many pinned buffers as steps in flight and one more, so that the
// host can write the next step while copies of the others are still to come; an
// event behind each copy says when its buffer is free. A run's tensors and
// cells go the same way, from a longer ring, as many runs belong to a step. The
// device's side needs one buffer each: the stream orders copies and launches.
//
//===----------------------------------------------------------------------===//
#include "../../abi/Context.h"
#include "Module.h"

#include <cstring>

using namespace attnrt;
using namespace attnrt::cuda;

/// Runs whose tensors are on their way; the next one waits for the oldest copy.
static constexpr size_t kRunsInFlight = 32;
static constexpr uint64_t kAlignment = 256;
static constexpr unsigned kNoTiming = 2; // CU_EVENT_DISABLE_TIMING

static uint64_t roundUp(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

namespace {

using Gpu = ::attnrt_cuda;

/// Pinned buffers that are written in turn, and one on the device.
class Ring {
public:
  Ring(Gpu &cuda, size_t slots) : cuda(cuda), slots(slots) {}
  ~Ring();

  /// Memory for so many bytes that no copy reads any more.
  char *begin(uint64_t bytes);
  /// Where it will be on the device; known after begin().
  Pointer place() const { return grown ? grown : device; }
  /// Enqueues the copy of what was written.
  void end(uint64_t bytes, Stream stream);

private:
  struct Slot {
    void *host = nullptr;
    uint64_t size = 0;
    Event event = nullptr;
    bool isUsed = false;
  };
  Gpu &cuda;
  std::vector<Slot> slots;
  size_t next = 0;
  Pointer device = 0;
  uint64_t deviceSize = 0;
  /// A larger block that takes the place of the device's when a copy to it is
  /// on its way: what failed before leaves the old one in use.
  Pointer grown = 0;
  uint64_t grownSize = 0;
};

struct CudaLaunch {
  Function items = nullptr, merges = nullptr;
  attnrt_cuda_kernel itemKernel{}, mergeKernel{};
};

struct CudaKernel : LoadedKernel {
  std::unique_ptr<Session> makeSession(int32_t stepsInFlight) override;
  int32_t defaultWorkers() const override { return workers; }
  int32_t pointsPerItem(size_t launch) const override {
    return launches[launch].merges
               ? 0
               : int32_t(launches[launch].itemKernel.threads);
  }

  std::unique_ptr<Gpu> cuda;
  std::vector<CudaLaunch> launches;
  int32_t workers = 1;
};

class CudaSession : public Session {
public:
  CudaSession(CudaKernel &kernel, int32_t stepsInFlight)
      : kernel(kernel), plans(*kernel.cuda, size_t(stepsInFlight) + 1),
        calls(*kernel.cuda, kRunsInFlight) {}
  void update(const std::vector<LaunchWork> &works, void *stream) override;
  void zero(const attnrt_tensor &tensor, void *stream) override;
  void run(const std::vector<LaunchWork> &works, const RunInput &input,
           void *stream) override;

private:
  CudaKernel &kernel;
  Ring plans, calls;
  Pointer planBlock = 0;
};

class CudaDevice : public attnrt::Device {
public:
  CudaDevice(attnrt::Context &context, int ordinal);
  bool fits(const Target &target, std::string &why) const override;
  int rank(const Target &target) const override;
  std::unique_ptr<LoadedKernel> load(const Bundle &bundle,
                                     const Program &program,
                                     const Library &host) override;
  bool reaches(DLDevice device) const override {
    return device.device_type == kDLCUDA && device.device_id == ordinal;
  }
  void *allocate(uint64_t bytes, uint64_t alignment) override;
  void free(void *memory, uint64_t bytes) override;

private:
  attnrt::Context &context;
  int ordinal;
  Gpu cuda; ///< no module: to ask and to allocate
  int capability;
};

} // namespace

//===----------------------------------------------------------------------===//
// Staging
//===----------------------------------------------------------------------===//

Ring::~Ring() {
  cuda.enter();
  for (Slot &slot : slots) {
    // A copy that is still to come reads the memory.
    if (slot.isUsed) {
      (void)cuda.driver.eventSynchronize(slot.event);
    }
    if (slot.event) {
      (void)cuda.driver.eventDestroy(slot.event);
    }
    if (slot.host) {
      (void)cuda.driver.hostFree(slot.host);
    }
  }
  for (Pointer block : {device, grown}) {
    if (block) {
      (void)cuda.driver.free(block);
    }
  }
}

char *Ring::begin(uint64_t bytes) {
  Slot &slot = slots[next];
  if (slot.isUsed) {
    cuda.check(cuda.driver.eventSynchronize(slot.event), "waiting for a copy");
    slot.isUsed = false;
  }
  if (!slot.event) {
    cuda.check(cuda.driver.eventCreate(&slot.event, kNoTiming),
               "making an event");
  }
  // Room here and on the device, with some to spare.
  if (bytes > slot.size) {
    void *fresh = nullptr;
    cuda.check(cuda.driver.hostAllocate(&fresh, bytes + bytes / 2, 0),
               "allocating pinned memory");
    if (slot.host) {
      (void)cuda.driver.hostFree(slot.host);
    }
    slot.host = fresh;
    slot.size = bytes + bytes / 2;
  }
  if (bytes > deviceSize && bytes > grownSize) {
    Pointer fresh = 0;
    cuda.check(cuda.driver.allocate(&fresh, bytes + bytes / 2),
               "allocating for a step");
    if (grown) {
      (void)cuda.driver.free(grown);
    }
    grown = fresh;
    grownSize = bytes + bytes / 2;
  }
  return static_cast<char *>(slot.host);
}

void Ring::end(uint64_t bytes, Stream stream) {
  Slot &slot = slots[next];
  cuda.check(cuda.driver.copyInLater(place(), slot.host, bytes, stream),
             "copying to the device");
  if (grown) {
    if (device) {
      // Waits for the launches that read it.
      (void)cuda.driver.free(device);
    }
    device = grown;
    deviceSize = grownSize;
    grown = grownSize = 0;
  }
  // From here on the slot is being read and the device has the new content, so
  // that nothing may fail: without an event the copy is waited for.
  if (!cuda.driver.eventRecord(slot.event, stream)) {
    slot.isUsed = true;
  } else {
    cuda.check(cuda.driver.synchronize(), "waiting for a copy");
  }
  next = (next + 1) % slots.size();
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

std::unique_ptr<Session> CudaKernel::makeSession(int32_t stepsInFlight) {
  return std::make_unique<CudaSession>(*this, stepsInFlight);
}

void CudaSession::update(const std::vector<LaunchWork> &works, void *stream) {
  uint64_t bytes = 0;
  for (const LaunchWork &work : works) {
    bytes += work.plan ? roundUp(work.plan->bytes) : 0;
  }
  if (!bytes) {
    return;
  }
  kernel.cuda->enter();
  char *to = plans.begin(bytes);
  for (const LaunchWork &work : works) {
    if (work.plan) {
      std::memcpy(to, work.plan, work.plan->bytes);
      to += roundUp(work.plan->bytes);
    }
  }
  plans.end(bytes, static_cast<Stream>(stream));
  planBlock = plans.place();
}

void CudaSession::zero(const attnrt_tensor &tensor, void *stream) {
  int64_t elements = 1;
  for (uint32_t axis = tensor.rank; axis-- > 0;) {
    if (tensor.shape[axis] > 1 && tensor.stride[axis] != elements) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a result that is filled with zeros to be compact, but got "
            "stride %lld on axis %u",
            static_cast<long long>(tensor.stride[axis]), axis);
    }
    elements *= tensor.shape[axis];
  }
  if (elements) {
    kernel.cuda->enter();
    kernel.cuda->check(kernel.cuda->driver.fillLater(
                           reinterpret_cast<Pointer>(tensor.data), 0,
                           size_t(elements) * elementBits(tensor.dtype) / 8,
                           static_cast<Stream>(stream)),
                       "filling a result");
  }
}

void CudaSession::run(const std::vector<LaunchWork> &works,
                      const RunInput &input, void *stream) {
  Gpu &cuda = *kernel.cuda;
  uint64_t tensorBytes = input.numTensors * sizeof(attnrt_tensor),
           cellBytes = input.numScalars * sizeof(uint64_t);
  // For each launch: arguments, tensors, cells.
  uint64_t stride = roundUp(sizeof(attnrt_args) + tensorBytes + cellBytes);
  uint64_t bytes = stride * works.size();
  if (!bytes) {
    return;
  }
  cuda.enter();
  char *host = calls.begin(bytes);
  // The ring's device buffer is known now; plans lie one behind the other.
  Pointer block = calls.place(), plan = planBlock;
  for (size_t l = 0; l < works.size(); ++l) {
    input.enter(l);
    const attnrt_plan *p = works[l].plan;
    attnrt_args args{};
    auto set = [](auto &field, Pointer pointer) {
      std::memcpy(&field, &pointer, sizeof(pointer));
    };
    Pointer own = block + stride * l;
    set(args.tensors, own + sizeof(args));
    set(args.scalars, own + sizeof(args) + tensorBytes);
    if (p) {
      set(args.segments, plan + p->segments.offset);
      set(args.rows, plan + p->rows.offset);
      set(args.masks, plan + p->masks.offset);
      set(args.merge_slots, plan + p->merge_slots.offset);
      plan += roundUp(p->bytes);
    }
    char *to = host + stride * l;
    std::memcpy(to, &args, sizeof(args));
    std::memcpy(to + sizeof(args), input.tensors, tensorBytes);
    std::memcpy(to + sizeof(args) + tensorBytes, input.scalars, cellBytes);
  }
  Stream on = static_cast<Stream>(stream);
  calls.end(bytes, on);
  plan = planBlock;
  for (size_t l = 0; l < works.size(); ++l) {
    const attnrt_plan *p = works[l].plan;
    if (!p) {
      continue;
    }
    const attnrt_stage &stage = attnrt_plan_stages(p)[0];
    Pointer args = block + stride * l;
    int32_t number = 0;
    void *parameters[] = {&args, &plan, &number};
    auto launch = [&](Function function, const attnrt_cuda_kernel &k) {
      cuda.check(cuda.driver.launch(function, unsigned(stage.workers), 1, 1,
                                    k.threads, 1, 1, k.shared_bytes, on,
                                    parameters, nullptr),
                 "launching a kernel");
    };
    const CudaLaunch &code = kernel.launches[l];
    if (stage.item_count) {
      launch(code.items, code.itemKernel);
    }
    if (stage.merge_count) {
      launch(code.merges, code.mergeKernel);
    }
    plan += roundUp(p->bytes);
  }
}

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

CudaDevice::CudaDevice(attnrt::Context &context, int ordinal)
    : context(context), ordinal(ordinal) {
  attnrt::check(cuda.driver.load(context.params.cuda_library));
  cuda.start(ordinal);
  capability = cuda.ask(kMajor) * 10 + cuda.ask(kMinor);
}

/// "sm_90a" is 90 and bound to it.
static int numberOf(const Target &target, bool &isBound) {
  char *end = nullptr;
  long number = target.chip.compare(0, 3, "sm_") == 0
                    ? std::strtol(target.chip.c_str() + 3, &end, 10)
                    : 0;
  isBound = end && *end;
  return int(number);
}

bool CudaDevice::fits(const Target &target, std::string &why) const {
  bool isBound = false;
  int number = numberOf(target, isBound);
  if (target.kind != TargetKind::Cuda || number == 0) {
    why = "it is for a CPU";
    return false;
  }
  why = "the device is sm_" + std::to_string(capability);
  return isBound ? number == capability : number <= capability;
}

int CudaDevice::rank(const Target &target) const {
  bool isBound = false;
  int number = numberOf(target, isBound);
  return 2 * number + isBound;
}

std::unique_ptr<LoadedKernel> CudaDevice::load(const Bundle &bundle,
                                               const Program &program,
                                               const Library &) {
  auto loaded = std::make_unique<CudaKernel>();
  loaded->cuda = std::make_unique<Gpu>();
  Gpu &own = *loaded->cuda;
  attnrt::check(own.driver.load(context.params.cuda_library));
  own.start(ordinal);
  const char *image = nullptr;
  int resident = 0;
  auto kernelOf = [&](uint32_t number, Function &function) {
    const KernelCode &code = program.kernels[number];
    const char *data = bundle.code[code.code].data;
    if (image && image != data) {
      raise(ATTNRT_INCOMPATIBLE, "a GPU expects one image for an entry");
    }
    if (!image) {
      own.load(data);
      image = data;
    }
    attnrt_cuda_kernel kernel{code.symbol.c_str(), code.threads,
                              code.sharedBytes};
    function = own.find(kernel);
    return kernel;
  };
  for (const LaunchRecord &record : program.launches) {
    CudaLaunch launch;
    launch.itemKernel = kernelOf(record.items, launch.items);
    if (record.isFold()) {
      launch.mergeKernel = kernelOf(uint32_t(record.merge), launch.merges);
      int ctas = 0;
      own.check(own.driver.occupancy(&ctas, launch.items,
                                     int(launch.itemKernel.threads),
                                     launch.itemKernel.shared_bytes),
                "asking for a kernel");
      resident = std::max(resident, ctas);
    }
    loaded->launches.push_back(launch);
  }
  loaded->workers =
      std::min(own.ask(kMultiprocessors) * std::max(resident, 1), 1 << 16);
  return loaded;
}

void *CudaDevice::allocate(uint64_t bytes, uint64_t) {
  cuda.enter();
  Pointer pointer = 0; // the driver aligns to 256 bytes
  cuda.check(cuda.driver.allocate(&pointer, bytes), "allocating a workspace");
  return reinterpret_cast<void *>(pointer);
}

void CudaDevice::free(void *memory, uint64_t) {
  cuda.enter();
  (void)cuda.driver.free(reinterpret_cast<Pointer>(memory));
}

std::unique_ptr<attnrt::Device> attnrt::makeCudaDevice(Context &context,
                                                       int ordinal) {
  return std::make_unique<CudaDevice>(context, ordinal);
}
