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
// event behind each copy says when its buffer is free. The device's side needs
// one buffer: the stream orders copies and launches. Each launch has a region
// of it, which stays where it is until a plan needs more room. A run's tensors
// and cells are parameters of its launches: it copies nothing.
//
//===----------------------------------------------------------------------===//
#include "../../abi/Context.h"
#include "../Parameters.h"
#include "Module.h"

#include <cstring>
#include <numeric>
#include <optional>

using namespace attnrt;
using namespace attnrt::cuda;

static constexpr uint64_t kAlignment = 256;
static constexpr unsigned kNoTiming = 2; // CU_EVENT_DISABLE_TIMING

static uint64_t roundUp(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

namespace {

/// Pinned buffers that are written in turn, and one on the device.
class Ring {
public:
  Ring(const Gpu &cuda, size_t slots) : cuda(cuda), slots(slots) {}
  ~Ring();

  /// Memory for so many bytes that no copy reads any more.
  char *begin(uint64_t bytes);
  /// Where it will be on the device; known after begin().
  Pointer place() const { return grown ? grown : device; }
  /// Enqueues the copy of what was written.
  void end(uint64_t bytes, Stream stream);
  /// Has place for so many bytes from now on, in all of them. Nobody uses what
  /// is in them any more. Changes nothing if it throws.
  void reserve(uint64_t bytes);
  size_t depth() const { return slots.size(); }

private:
  struct Slot {
    void *host = nullptr;
    uint64_t size = 0;
    Event event = nullptr;
    bool isUsed = false;
  };
  const Gpu &cuda;
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
  KernelShape itemKernel, mergeKernel;
  KernelResources resources;
  // Of its part: where tensors and cells begin, and how many there are.
  size_t firstTensor = 0, numTensors = 0, firstScalar = 0, numScalars = 0;
};

struct CudaKernel : LoadedKernel {
  explicit CudaKernel(const Gpu &cuda) : cuda(cuda) {}
  std::unique_ptr<Session> makeSession(int32_t stepsInFlight,
                                       bool isCaptured) override;
  int32_t defaultWorkers() const override { return workers; }
  bool computesAllRows() const override { return true; }
  bool splitsVariants() const override { return true; }
  int32_t pointsPerItem(size_t launch) const override {
    return launches[launch].merges
               ? 0
               : int32_t(launches[launch].itemKernel.threads);
  }

  KernelResources resources(size_t launch) const override {
    return launches[launch].resources;
  }

  const Gpu &cuda;                                    ///< of the device
  std::vector<std::unique_ptr<LoadedModule>> modules; ///< of each part
  std::vector<CudaLaunch> launches;
  int32_t workers = 1;
  uint64_t argumentBytes = 0; ///< of the part that has most
};

class CudaSession : public Session {
public:
  CudaSession(CudaKernel &kernel, int32_t stepsInFlight, bool isCaptured)
      : kernel(kernel), isCaptured(isCaptured),
        plans(kernel.cuda, size_t(stepsInFlight) + 1),
        regions(kernel.launches.size() + 1), parameters(kernel.argumentBytes) {}
  std::pair<uint64_t, uint64_t> measure(const PlanRoom &room) const override;
  void reserve(const PlanRoom &room) override;
  void update(const std::vector<LaunchWork> &works, const void *carried,
              uint64_t carriedBytes, void *stream) override;
  char *carried() const override { return reinterpret_cast<char *>(planBlock); }
  void zero(const attnrt_tensor &tensor, void *stream) override;
  void run(const std::vector<LaunchWork> &works, const RunInput &input,
           void *stream) override;
  int64_t layout() const override { return moves; }

private:
  CudaKernel &kernel;
  bool isCaptured;
  Ring plans;
  /// Bytes that what steps carry may have, and then by launch the plan. They
  /// lie one behind the other.
  std::vector<uint64_t> regions;
  bool isReserved = false;
  std::vector<uint64_t> most; ///< of each region, once it is reserved
  Pointer planBlock = 0;
  int64_t moves = 0; ///< of a region
  std::vector<char> parameters;
};

class CudaDevice : public attnrt::Device {
public:
  CudaDevice(attnrt::Context &context, int ordinal);
  bool fits(const Target &target, std::string &why) const override;
  int rank(const Target &target) const override;
  std::unique_ptr<LoadedKernel>
  load(const std::vector<PartCode> &parts) override;
  bool reaches(DLDevice device) const override {
    return device.device_type == kDLCUDA && device.device_id == ordinal;
  }
  void *allocate(uint64_t bytes, uint64_t alignment) override;
  void free(void *memory, uint64_t bytes) override;

private:
  std::unique_ptr<CudaKernel> load(const std::vector<PartCode> &parts,
                                   std::string &notes) const;
  void loadPart(const PartCode &part, CudaKernel &kernel, int &resident,
                std::string &notes) const;

  const attnrt::Context &context;
  int ordinal;
  Gpu cuda; ///< of all kernels too: one context for a device
  int capability;
  std::optional<CubinCache> cubins;
};

} // namespace

//===----------------------------------------------------------------------===//
// Staging
//===----------------------------------------------------------------------===//

Ring::~Ring() {
  Entered inside(cuda, std::nothrow);
  if (!inside.ok()) {
    return; // with the context all of it is gone
  }
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

void Ring::reserve(uint64_t bytes) {
  struct Fresh {
    ~Fresh() {
      for (Pointer block : {device, grown}) {
        if (block) {
          (void)cuda.driver.free(block);
        }
      }
      for (void *memory : host) {
        if (memory) {
          (void)cuda.driver.hostFree(memory);
        }
      }
    }
    const Gpu &cuda;
    Pointer device = 0, grown = 0;
    std::vector<void *> host;
  } fresh{cuda, 0, 0, {}};
  if (bytes > deviceSize) {
    cuda.check(cuda.driver.allocate(&fresh.device, bytes),
               "allocating for steps");
  }
  fresh.host.reserve(slots.size());
  for (Slot &slot : slots) {
    if (slot.isUsed) {
      cuda.check(cuda.driver.eventSynchronize(slot.event),
                 "waiting for a copy");
      slot.isUsed = false;
    }
    if (!slot.event) {
      cuda.check(cuda.driver.eventCreate(&slot.event, kNoTiming),
                 "making an event");
    }
    if (bytes > slot.size) {
      void *memory = nullptr;
      cuda.check(cuda.driver.hostAllocate(&memory, bytes, 0),
                 "allocating pinned memory");
      fresh.host.push_back(memory);
    }
  }
  // What was there goes with `fresh`.
  size_t taken = 0;
  for (Slot &slot : slots) {
    if (bytes > slot.size) {
      std::swap(slot.host, fresh.host[taken++]);
      slot.size = bytes;
    }
  }
  if (bytes > deviceSize) {
    std::swap(device, fresh.device);
    deviceSize = bytes;
  }
  std::swap(grown, fresh.grown);
  grownSize = 0;
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

std::unique_ptr<Session> CudaKernel::makeSession(int32_t stepsInFlight,
                                                 bool isCaptured) {
  return std::make_unique<CudaSession>(*this, stepsInFlight, isCaptured);
}

/// Sizes of the regions for it.
static std::vector<uint64_t> regionsOf(const PlanRoom &room) {
  std::vector<uint64_t> regions{roundUp(room.carried)};
  for (uint64_t bytes : room.plans) {
    regions.push_back(roundUp(bytes));
  }
  return regions;
}

std::pair<uint64_t, uint64_t> CudaSession::measure(const PlanRoom &room) const {
  std::vector<uint64_t> wanted = regionsOf(room);
  uint64_t bytes = std::accumulate(wanted.begin(), wanted.end(), uint64_t(0));
  return {bytes, bytes * plans.depth()};
}

void CudaSession::reserve(const PlanRoom &room) {
  std::vector<uint64_t> wanted = regionsOf(room), same = wanted;
  if (uint64_t bytes = measure(room).first) {
    Entered inside(kernel.cuda);
    plans.reserve(bytes);
  }
  regions.swap(wanted);
  most.swap(same);
  isReserved = true;
  planBlock = plans.place();
  ++moves;
}

void CudaSession::update(const std::vector<LaunchWork> &works,
                         const void *carried, uint64_t carriedBytes,
                         void *stream) {
  struct Piece {
    const void *data;
    uint64_t bytes;
  };
  std::vector<Piece> pieces{{carried, carriedBytes}};
  for (const LaunchWork &work : works) {
    const attnrt_plan *plan = work.sent();
    pieces.push_back({plan, plan ? plan->bytes : 0});
  }
  std::vector<uint64_t> wanted = regions;
  // What is copied ends where the last piece does: there may be more room.
  uint64_t bytes = 0, used = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    uint64_t needed = roundUp(pieces[i].bytes);
    if (isReserved && needed > most[i]) {
      std::string what = i ? "the plan of launch " + std::to_string(i - 1)
                           : "what steps carry";
      raise(ATTNRT_RESOURCE_EXHAUSTED,
            "the schedule is bound to %llu bytes for %s, but the step needs "
            "%llu",
            static_cast<unsigned long long>(most[i]), what.c_str(),
            static_cast<unsigned long long>(needed));
    }
    if (needed > wanted[i]) {
      // Some to spare where moving costs more than copying.
      wanted[i] = isCaptured ? roundUp(needed + needed / 2) : needed;
    } else if (!isCaptured) {
      wanted[i] = needed;
    }
    used = needed ? bytes + needed : used;
    bytes += wanted[i];
  }
  if (used) {
    Entered inside(kernel.cuda);
    char *to = plans.begin(bytes);
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].bytes) {
        std::memcpy(to, pieces[i].data, pieces[i].bytes);
      }
      to += wanted[i];
    }
    plans.end(used, static_cast<Stream>(stream));
  }
  moves += wanted != regions || planBlock != plans.place();
  regions.swap(wanted);
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
    Entered inside(kernel.cuda);
    kernel.cuda.check(kernel.cuda.driver.fillLater(
                          reinterpret_cast<Pointer>(tensor.data), 0,
                          size_t(elements) * elementBits(tensor.dtype) / 8,
                          static_cast<Stream>(stream)),
                      "filling a result");
  }
}

void CudaSession::run(const std::vector<LaunchWork> &works,
                      const RunInput &input, void *stream) {
  const Gpu &cuda = kernel.cuda;
  Entered inside(cuda);
  Pointer plan = planBlock + regions[0];
  for (size_t l = 0; l < works.size(); plan += regions[++l]) {
    input.enter(l);
    const attnrt_plan *p = works[l].sent();
    if (!p) {
      continue;
    }
    const attnrt_stage *stages = attnrt_plan_stages(p);
    auto launch = [&](const CudaLaunch &code, int32_t number, Function function,
                      const KernelShape &k) {
      writeParameters(parameters.data(), input.tensors + code.firstTensor,
                      code.numTensors, input.scalars + code.firstScalar,
                      code.numScalars);
      // The driver keeps a copy of what these point to.
      void *given[] = {parameters.data(), &plan, &number};
      cuda.check(cuda.driver.launch(function, unsigned(stages[0].workers), 1, 1,
                                    k.threads, 1, 1, k.sharedBytes,
                                    static_cast<Stream>(stream), given,
                                    nullptr),
                 "launching a kernel");
    };
    // A later step, for which the graph is replayed, may have what this has
    // not.
    for (uint32_t v = 0; v < works[l].variants; ++v) {
      const CudaLaunch &code = kernel.launches[l + v];
      if (stages[v].item_count || isCaptured) {
        launch(code, int32_t(v), code.items, code.itemKernel);
      }
    }
    const CudaLaunch &code = kernel.launches[l];
    if (code.merges && (stages[0].merge_count || isCaptured)) {
      launch(code, 0, code.merges, code.mergeKernel);
    }
  }
}

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

CudaDevice::CudaDevice(attnrt::Context &context, int ordinal)
    : context(context), ordinal(ordinal) {
  cuda.start(context.params.cuda_library, ordinal);
  capability = cuda.ask(kMajor) * 10 + cuda.ask(kMinor);
  if (context.params.cache_dir) {
    cubins.emplace(cuda, context.params.cache_dir,
                   context.params.cache_dir_bytes);
  }
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

static KernelResources describe(const Gpu &cuda, Function function,
                                const KernelShape &kernel) {
  KernelResources resources;
  const char *what = "asking for a kernel";
  cuda.check(
      cuda.driver.functionGet(&resources.registers, kRegisters, function),
      what);
  cuda.check(
      cuda.driver.functionGet(&resources.localBytes, kLocalBytes, function),
      what);
  cuda.check(cuda.driver.occupancy(&resources.residentCtas, function,
                                   int(kernel.threads), kernel.sharedBytes),
             what);
  return resources;
}

void CudaDevice::loadPart(const PartCode &part, CudaKernel &kernel,
                          int &resident, std::string &notes) const {
  const Program &program = *part.program;
  kernel.modules.push_back(std::make_unique<LoadedModule>(cuda));
  LoadedModule &module = *kernel.modules.back();
  const Code *image = nullptr;
  bool isBound = false;
  const bool isOwnChip =
      numberOf(part.bundle->targets[program.target], isBound) == capability;
  auto kernelOf = [&](uint32_t number, Function &function) {
    const KernelCode &code = program.kernels[number];
    checkParameters(code, program);
    const Code *own = &part.bundle->code[code.code];
    if (image && image != own) {
      raise(ATTNRT_INCOMPATIBLE, "a GPU expects one image for an entry");
    }
    if (!image) {
      image = own;
      const Code *cubin = code.cubin < 0 || !isOwnChip
                              ? nullptr
                              : &part.bundle->code[size_t(code.cubin)];
      if (!cubin || !module.loadCubin(*cubin, notes)) {
        module.load(*own, cubins ? &*cubins : nullptr, notes);
      }
    }
    KernelShape shape{code.symbol.c_str(), code.threads, code.sharedBytes};
    function = module.find(shape);
    return shape;
  };
  for (const LaunchRecord &record : program.launches) {
    CudaLaunch launch;
    launch.firstTensor = part.firstTensor;
    launch.numTensors = part.numTensors();
    launch.firstScalar = part.firstScalar;
    launch.numScalars = part.numScalars();
    launch.itemKernel = kernelOf(record.items, launch.items);
    launch.resources = describe(cuda, launch.items, launch.itemKernel);
    if (record.isFold()) {
      launch.mergeKernel = kernelOf(uint32_t(record.merge), launch.merges);
      resident = std::max(resident, launch.resources.residentCtas);
    }
    kernel.launches.push_back(launch);
  }
  kernel.argumentBytes =
      std::max(kernel.argumentBytes, program.argumentBytes());
}

std::unique_ptr<CudaKernel> CudaDevice::load(const std::vector<PartCode> &parts,
                                             std::string &notes) const {
  Entered inside(cuda);
  auto loaded = std::make_unique<CudaKernel>(cuda);
  int resident = 0;
  for (const PartCode &part : parts) {
    loadPart(part, *loaded, resident, notes);
  }
  loaded->workers =
      std::min(cuda.ask(kMultiprocessors) * std::max(resident, 1), 1 << 16);
  return loaded;
}

std::unique_ptr<LoadedKernel>
CudaDevice::load(const std::vector<PartCode> &parts) {
  std::string notes;
  std::unique_ptr<CudaKernel> loaded = load(parts, notes);
  // The engine is called when its own context is current again.
  for (size_t at = 0, end; (end = notes.find('\n', at)) != notes.npos;
       at = end + 1) {
    context.log(1, notes.substr(at, end - at).c_str());
  }
  return loaded;
}

void *CudaDevice::allocate(uint64_t bytes, uint64_t) {
  Entered inside(cuda);
  Pointer pointer = 0; // the driver aligns to 256 bytes
  cuda.check(cuda.driver.allocate(&pointer, bytes), "allocating a workspace");
  return reinterpret_cast<void *>(pointer);
}

void CudaDevice::free(void *memory, uint64_t) {
  if (Entered inside(cuda, std::nothrow); inside.ok()) {
    (void)cuda.driver.free(reinterpret_cast<Pointer>(memory));
  }
}

std::unique_ptr<attnrt::Device> attnrt::makeCudaDevice(Context &context,
                                                       int ordinal) {
  return std::make_unique<CudaDevice>(context, ordinal);
}
