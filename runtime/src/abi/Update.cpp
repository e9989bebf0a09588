//===- Update.cpp - From shapes and lengths to plans ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Tensor.h"
#include "Updater.h"

#include <map>

using namespace attnrt;

/// Most arguments with inexact values: each doubles the questions to the range
/// functions.
static constexpr size_t kMostInexact = 4;

int64_t Step::product(const std::vector<uint32_t> &list) const {
  int64_t result = 1;
  for (uint32_t extent : list) {
    result = multiply(result, extents[extent], "extents");
  }
  return result;
}

static bool areSame(const attnrt_tensor &a, const attnrt_tensor &b) {
  return !std::memcmp(a.shape, b.shape, sizeof(a.shape));
}

bool Step::hasSameLayout(const Step &other) const {
  bool isSame =
      isPlanned == other.isPlanned && heldScalars == other.heldScalars &&
      workspaceAt == other.workspaceAt && statesAt == other.statesAt &&
      carriedAt == other.carriedAt && tensors.size() == other.tensors.size() &&
      works.size() == other.works.size();
  for (size_t i = 0; isSame && i < tensors.size(); ++i) {
    isSame = areSame(tensors[i], other.tensors[i]);
  }
  for (size_t l = 0; isSame && l < works.size(); ++l) {
    isSame = !works[l].plan == !other.works[l].plan;
  }
  return isSame;
}

/// The host's values of an argument that host functions read.
static void setValues(attnrt_tensor &tensor, const DLTensor *values,
                      const Argument &argument, TensorName name) {
  attnrt_tensor bound = bindTensor(values, argument, name);
  if (std::memcmp(bound.shape, tensor.shape, sizeof(bound.shape)) != 0) {
    raise(ATTNRT_INVALID_ARGUMENT, "%s %zu expects %s, but got %s", name.kind,
          name.number,
          describe(tensor.shape, tensor.rank, argument.dtype).c_str(),
          describe(bound.shape, bound.rank, argument.dtype).c_str());
  }
  bool isEmpty = false;
  for (uint32_t axis = 0; axis < bound.rank; ++axis) {
    isEmpty |= bound.shape[axis] == 0;
  }
  if (!values->data && !isEmpty) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "%s %zu is read when a step is planned, but has no data", name.kind,
          name.number);
  }
  if (!isHostMemory(values->device)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "%s %zu is read when a step is planned, but lies on a device: its "
          "values are expected in `host`",
          name.kind, name.number);
  }
  tensor = bound;
}

void Schedule::Updater::bind() {
  checkCount(given, kernel.entry->arguments.size());
  step.tensors.assign(schedule.numTensors, attnrt_tensor{});
  step.scalars.assign(schedule.numScalars, 0);
  std::vector<uint32_t> inexact; // buffers
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    const Buffer &buffer = program.buffers[n];
    if (buffer.kind > BufferKind::Scalar) {
      continue;
    }
    size_t i = buffer.index;
    const Argument &argument = kernel.entry->arguments[i];
    if (buffer.kind == BufferKind::Scalar) {
      step.scalars[schedule.numberOf[n]] =
          bindScalar(given.arguments[i], argument, {"argument", i});
      continue;
    }
    attnrt_tensor &tensor = step.tensors[schedule.numberOf[n]];
    tensor = bindTensor(given.arguments[i], argument, {"argument", i});
    tensor.data = nullptr; // nobody reads what is not said to be read
    if (kernel.isHostRead[i]) {
      bool isOwn = !given.host || !given.host[i];
      setValues(tensor, isOwn ? given.arguments[i] : given.host[i], argument,
                {isOwn ? "argument" : "host", i});
      if (given.low && given.low[i]) {
        inexact.push_back(uint32_t(n));
      }
    }
  }
  if (inexact.size() > kMostInexact) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects at most %zu arguments with smallest values, but got %zu",
          kMostInexact, inexact.size());
  }
  corners.assign(size_t(1) << inexact.size(), step.tensors);
  for (size_t k = 0; k < inexact.size(); ++k) {
    uint32_t i = program.buffers[inexact[k]].index;
    uint32_t number = schedule.numberOf[inexact[k]];
    attnrt_tensor low = step.tensors[number];
    setValues(low, given.low[i], kernel.entry->arguments[i], {"low", i});
    for (size_t corner = 0; corner < corners.size(); ++corner) {
      if (corner >> k & 1) {
        corners[corner][number] = low;
      }
    }
  }
}

/// Extents that give a size, or a number of items. How many keys there are is
/// none of these: their largest number serves all shorter lengths.
std::vector<bool> Schedule::Updater::findSizes() const {
  std::vector<bool> isSize(program.extents.size());
  auto mark = [&](const std::vector<uint32_t> &list) {
    for (uint32_t extent : list) {
      isSize[extent] = true;
    }
  };
  for (const Buffer &buffer : program.buffers) {
    mark(buffer.shape);
  }
  for (const LaunchRecord &launch : program.launches) {
    for (auto *list :
         {&launch.segments, &launch.heads, &launch.subs, &launch.size}) {
      mark(*list);
    }
    if (launch.row >= 0) {
      isSize[size_t(launch.row)] = true;
    }
  }
  return isSize;
}

void Schedule::Updater::findExtents() {
  isSize = findSizes();
  step.extents.assign(program.extents.size(), 0);
  std::vector<int64_t> other(step.extents.size());
  for (size_t corner = 0; corner < corners.size(); ++corner) {
    kernel.findExtents(corners[corner].data(), step.scalars.data(),
                       corner ? other.data() : step.extents.data());
    for (size_t i = 0; corner && i < other.size(); ++i) {
      if (isSize[i] && other[i] != step.extents[i]) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "sizes depend on an argument that has smallest values: it must "
              "be exact");
      }
      step.extents[i] = std::max(step.extents[i], other[i]);
    }
  }
  std::map<int32_t, size_t> first;
  for (size_t i = 0; i < step.extents.size(); ++i) {
    const Extent &extent = program.extents[i];
    if (step.extents[i] < 0) {
      raise(ATTNRT_INVALID_ARGUMENT, "extent of %s is negative: %lld",
            extent.source.c_str(), static_cast<long long>(step.extents[i]));
    }
    if (extent.group < 0) {
      continue;
    }
    size_t j = first.emplace(extent.group, i).first->second;
    if (step.extents[j] != step.extents[i]) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "extents of rank '%s' disagree: %s gives %lld but %s gives %lld",
            extent.rank.c_str(), program.extents[j].source.c_str(),
            static_cast<long long>(step.extents[j]), extent.source.c_str(),
            static_cast<long long>(step.extents[i]));
    }
  }
}

/// Kernels that are joined write the same results.
void Schedule::Updater::checkResults() const {
  std::map<uint32_t, const attnrt_tensor *> first;
  for (size_t n = 0; kernel.isJoined() && n < program.buffers.size(); ++n) {
    const Buffer &buffer = program.buffers[n];
    if (buffer.kind != BufferKind::Result) {
      continue;
    }
    const attnrt_tensor &own = step.tensors[schedule.numberOf[n]];
    const attnrt_tensor &other =
        *first.emplace(buffer.index, &own).first->second;
    if (!areSame(own, other)) {
      raise(
          ATTNRT_INVALID_ARGUMENT,
          "kernels that are joined expect results of the same sizes, but "
          "result %u is %s and %s",
          buffer.index,
          describe(other.shape, other.rank, attnrt_dtype(other.dtype)).c_str(),
          describe(own.shape, own.rank, attnrt_dtype(own.dtype)).c_str());
    }
  }
}

/// Cells of extents; sizes of results, workspaces and (but for the slots)
/// states, row-major.
void Schedule::Updater::shapeBuffers() {
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    const Buffer &buffer = program.buffers[n];
    if (buffer.kind == BufferKind::Extent) {
      step.scalars[schedule.numberOf[n]] = uint64_t(step.extents[buffer.index]);
    }
    if (buffer.kind < BufferKind::Result) {
      continue;
    }
    attnrt_tensor &tensor = step.tensors[schedule.numberOf[n]];
    tensor.dtype = buffer.dtype;
    tensor.rank = uint32_t(buffer.sizes.size());
    size_t first = buffer.kind == BufferKind::State;
    int64_t stride = 1;
    for (size_t axis = 0; axis < ATTNRT_MAX_RANK; ++axis) {
      tensor.shape[axis] = 1;
    }
    for (size_t axis = tensor.rank; axis-- > first;) {
      tensor.stride[axis] = stride;
      tensor.shape[axis] = step.extents[buffer.shape[axis - first]];
      stride = multiply(stride, std::max<int64_t>(tensor.shape[axis], 1),
                        "elements");
    }
    if (first) {
      tensor.stride[0] = stride;
    }
  }
  checkResults();
  // Host functions may look at the sizes of results.
  for (auto &corner : corners) {
    for (size_t n = 0; n < program.buffers.size(); ++n) {
      if (program.buffers[n].kind >= BufferKind::Result) {
        corner[schedule.numberOf[n]] = step.tensors[schedule.numberOf[n]];
      }
    }
  }
}

bool Schedule::Updater::hasSameArguments(const Step &other) const {
  if (other.tensors.size() != step.tensors.size() ||
      other.scalars.size() != step.scalars.size() ||
      other.heldExtents.size() != step.extents.size()) {
    return false; // there was none
  }
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    const uint32_t number = schedule.numberOf[n];
    const BufferKind kind = program.buffers[n].kind;
    if ((kind == BufferKind::Operand &&
         !areSame(step.tensors[number], other.tensors[number])) ||
        (kind == BufferKind::Scalar &&
         step.scalars[number] != other.scalars[number])) {
      return false;
    }
  }
  return true;
}

/// A launch that is captured has cells of its own step, but serves later ones.
/// What differs between steps whose arguments have the same sizes comes from
/// lengths: of these extents it gets the largest so far, which serves all
/// shorter lengths, as kernels mask what is past them by the lengths
/// themselves. Plans are made with those of the step.
void Schedule::Updater::holdExtents() {
  step.heldExtents = step.extents;
  step.heldScalars = step.scalars;
  if (!schedule.isCaptured() || !hasSameArguments(schedule.now)) {
    return;
  }
  for (size_t i = 0; i < isSize.size(); ++i) {
    if (!isSize[i]) {
      step.heldExtents[i] =
          std::max(step.heldExtents[i], schedule.now.heldExtents[i]);
    }
  }
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    const Buffer &buffer = program.buffers[n];
    if (buffer.kind == BufferKind::Extent) {
      step.heldScalars[schedule.numberOf[n]] =
          uint64_t(step.heldExtents[buffer.index]);
    }
  }
}

/// A copy of the engine's arrays, for the device to take or to stay here.
void Schedule::Updater::carry() {
  step.carriedAt.clear();
  if (given.num_carried < 0 || (given.num_carried && !given.carried)) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects carried arrays, but got %d%s",
          given.num_carried, given.carried ? "" : " at null");
  }
  uint64_t lines = 0;
  for (int32_t i = 0; i < given.num_carried; ++i) {
    const attnrt_carried &array = given.carried[i];
    if (array.bytes >> 40 || (array.bytes && !array.data)) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects carried array %d to have data and less than 2^40 bytes, "
            "but got %llu%s",
            i, static_cast<unsigned long long>(array.bytes),
            array.data ? "" : " at null");
    }
    step.carriedAt.push_back(lines * sizeof(CacheLine));
    lines += (array.bytes + sizeof(CacheLine) - 1) / sizeof(CacheLine);
  }
  step.carried.resize(lines);
  for (int32_t i = 0; i < given.num_carried; ++i) {
    if (given.carried[i].bytes) {
      std::memcpy(reinterpret_cast<char *>(step.carried.data()) +
                      step.carriedAt[size_t(i)],
                  given.carried[i].data, given.carried[i].bytes);
    }
  }
}

/// Variants have the states of their launch. Behind its own in the list, so
/// that components count from 0.
void Schedule::Updater::shareStates(size_t number) {
  for (uint32_t v = 1; v < step.works[number].variants; ++v) {
    const std::vector<uint32_t> &own = program.launches[number].states;
    const std::vector<uint32_t> &other = program.launches[number + v].states;
    for (size_t c = 0; c < own.size(); ++c) {
      auto [first, at] = step.statesAt[number][c];
      attnrt_tensor &tensor = step.tensors[schedule.numberOf[other[c]]];
      tensor.shape[0] = step.tensors[first].shape[0];
      if (!areSame(tensor, step.tensors[first])) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "kernels that are joined expect states of the same sizes, but "
              "component %zu of kernel %u differs from that of kernel 0",
              c, v);
      }
      step.statesAt[number].push_back({schedule.numberOf[other[c]], at});
    }
  }
}

uint64_t attnrt::place(uint64_t &end, const attnrt_tensor &tensor) {
  int64_t elements = 1;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    elements = multiply(elements, tensor.shape[axis], "elements");
  }
  uint64_t start = end;
  end += (bytesOf(attnrt_dtype(tensor.dtype), uint64_t(elements)) +
          kWorkspaceAlignment - 1) /
         kWorkspaceAlignment * kWorkspaceAlignment;
  if (end > uint64_t(1) << 62) {
    raise(ATTNRT_RESOURCE_EXHAUSTED, "workspaces are too large");
  }
  return start;
}

/// What a step may take at most.
uint64_t Schedule::Updater::bytesLeft() const {
  uint64_t most = UINT64_MAX;
  if (schedule.caps.max_workspace_bytes) {
    most = uint64_t(schedule.caps.max_workspace_bytes);
  }
  return schedule.isBound ? std::min(most, schedule.memory.size()) : most;
}

/// Where runs are captured there is room for more states than those of the
/// step, so that those of later steps lie where a captured launch has them: as
/// much as fits.
void Schedule::Updater::layOut() {
  if (schedule.isCaptured()) {
    const uint64_t most = bytesLeft();
    for (int64_t part : {int64_t(2), int64_t(4), int64_t(8), INT64_MAX}) {
      if (layOut(part, true) <= most) {
        return;
      }
    }
  }
  layOut(0, false);
}

/// Workspaces live through a run. States live through a launch: those of
/// different launches share their place. With `keepsRoom` there is place for as
/// many states as before, or for one `part` more than the step has.
uint64_t Schedule::Updater::layOut(int64_t part, bool keepsRoom) {
  uint64_t end = 0;
  step.workspaceAt.assign(schedule.numTensors, 0);
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    if (program.buffers[n].kind == BufferKind::Workspace) {
      uint32_t number = schedule.numberOf[n];
      step.workspaceAt[number] = place(end, step.tensors[number]);
    }
  }
  step.statesAt.resize(program.launches.size());
  // States that the engine sees keep their place through the step.
  std::vector<size_t> order;
  for (bool isFixed : {true, false}) {
    for (size_t l = 0; l < program.launches.size(); ++l) {
      if ((step.launches[l].fixedSlots() > 0) == isFixed) {
        order.push_back(l);
      }
    }
  }
  step.workspaceBytes = end;
  step.slotsRoom.assign(program.launches.size(), 0);
  for (size_t l : order) {
    uint64_t at = end;
    step.statesAt[l].clear();
    if (isVariant(l)) {
      continue; // its states are those of launch 0
    }
    for (uint32_t state : program.launches[l].states) {
      attnrt_tensor &tensor = step.tensors[schedule.numberOf[state]];
      int64_t slots = step.works[l].plan ? step.works[l].plan->slots : 0;
      if (keepsRoom) {
        const int64_t before = schedule.slotsRoom[l];
        int64_t room = slots + slots / part;
        if (schedule.caps.max_slots) {
          room = std::max(std::min(room, schedule.caps.max_slots), slots);
        }
        slots = slots > before ? room : before;
      }
      step.slotsRoom[l] = slots;
      tensor.shape[0] = slots;
      step.statesAt[l].push_back({schedule.numberOf[state], place(at, tensor)});
    }
    shareStates(l);
    step.workspaceBytes = std::max(step.workspaceBytes, at);
    end = step.launches[l].fixedSlots() ? at : end;
  }
  return step.workspaceBytes;
}

static void checkRoom(const char *what, int64_t most, int64_t needed) {
  if (most && needed > most) {
    raise(ATTNRT_RESOURCE_EXHAUSTED,
          "the schedule has room for %lld %s, but the step needs %lld",
          static_cast<long long>(most), what, static_cast<long long>(needed));
  }
}

void Schedule::Updater::checkRecords() const {
  const attnrt_schedule_caps &caps = schedule.caps;
  checkRoom("segments", caps.max_segments, step.stats.segments);
  checkRoom("rows", caps.max_rows, step.stats.rows);
  checkRoom("items", caps.max_items, step.stats.items);
  checkRoom("merges", caps.max_merges, step.stats.merges);
  checkRoom("slots", caps.max_slots, step.stats.slots);
}

void Schedule::Updater::checkBytes(uint64_t workspaceBytes) const {
  checkRoom("bytes of workspace", schedule.caps.max_workspace_bytes,
            int64_t(workspaceBytes));
  if (schedule.isBound && workspaceBytes > schedule.memory.size()) {
    raise(
        ATTNRT_RESOURCE_EXHAUSTED,
        "the schedule is bound to %llu bytes of workspace, but the step needs "
        "%llu",
        static_cast<unsigned long long>(schedule.memory.size()),
        static_cast<unsigned long long>(workspaceBytes));
  }
}

void Schedule::update(const attnrt_step &given, void *stream) {
  next.isPlanned = false;
  Updater updater(*this, given);
  updater.bind();
  updater.findExtents();
  updater.shapeBuffers();
  updater.holdExtents();
  updater.plan();
  updater.checkRecords();
  updater.layOut();
  updater.checkBytes(next.workspaceBytes);
  updater.carry();
  // The step before, and a graph that was captured of it, use the block that is
  // there until nothing can fail any more.
  Memory fresh(kernel->context(), kernel->device, kernel->where);
  const bool isGrowing = next.workspaceBytes > memory.size();
  if (isGrowing) {
    fresh.reserve(next.workspaceBytes, stream);
  }
  runTensors.reserve(numTensors);
  runScalars.reserve(numScalars);
  session->update(next.works, next.carried.data(),
                  next.carried.size() * sizeof(CacheLine), stream);
  // Nothing fails from here on, but the engine's free may throw.
  const Memory &used = isGrowing ? fresh : memory;
  next.stats.workspace_bytes = int64_t(used.size());
  next.isPlanned = true;
  bool isSame = next.hasSameLayout(now) && used.data() == knownMemory &&
                session->layout() == knownLayout;
  knownMemory = used.data();
  knownLayout = session->layout();
  next.stats.layout = now.stats.layout + !isSame;
  hasRun = false;
  slotsRoom = next.slotsRoom;
  std::swap(now, next);
  if (isGrowing) {
    memory.take(fresh);
  }
}
