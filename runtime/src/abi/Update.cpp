//===- Update.cpp - From shapes and lengths to plans ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Given.h"
#include "Tensor.h"

#include <map>
#include <optional>

using namespace attnrt;

/// Most arguments with inexact values: each doubles the questions to the range
/// functions.
static constexpr size_t kMostInexact = 4;
static constexpr uint64_t kAlignment = 256;

/// The product, or a refusal past 2^62.
static int64_t multiply(int64_t a, int64_t b, const char *what) {
  if (b != 0 && a > (int64_t(1) << 62) / b) {
    raise(ATTNRT_RESOURCE_EXHAUSTED, "%s of %lld times %lld are too many", what,
          static_cast<long long>(a), static_cast<long long>(b));
  }
  return a * b;
}

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
  bool isSame = isPlanned == other.isPlanned && scalars == other.scalars &&
                workspaceAt == other.workspaceAt &&
                statesAt == other.statesAt &&
                tensors.size() == other.tensors.size() &&
                works.size() == other.works.size();
  for (size_t i = 0; isSame && i < tensors.size(); ++i) {
    isSame = areSame(tensors[i], other.tensors[i]);
  }
  for (size_t l = 0; isSame && l < works.size(); ++l) {
    isSame = !works[l].plan == !other.works[l].plan;
  }
  return isSame;
}

class Schedule::Updater {
public:
  Updater(Schedule &schedule, const attnrt_step &given)
      : schedule(schedule), kernel(*schedule.kernel), program(*kernel.program),
        given(given), step(schedule.next) {
    if (given.prefixes) {
      prefixes = readParams(given.prefixes, "attnrt_prefixes");
    }
  }

  void bind();
  std::vector<bool> findSizes() const;
  void findExtents();
  void shapeBuffers();
  void plan();
  void layOut();
  void checkCaps();

private:
  const DLTensor *valuesOf(uint32_t argument, const DLTensor *const *list,
                           attnrt_tensor &shaped);
  attnrt_args argsOf(std::vector<attnrt_tensor> &tensors) {
    attnrt_args args{};
    args.tensors = tensors.data();
    args.scalars = step.scalars.data();
    return args;
  }
  const attnrt_problem *problemOf(size_t number) const {
    return given.problems && int64_t(number) < given.num_problems
               ? given.problems[number]
               : nullptr;
  }
  void plan(size_t number);

  Schedule &schedule;
  const Kernel &kernel;
  const Program &program;
  const attnrt_step &given;
  Step &step;
  std::optional<attnrt_prefixes> prefixes;
  /// Tensors with a combination of smallest and largest values; the first has
  /// the largest everywhere.
  std::vector<std::vector<attnrt_tensor>> corners;
};

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
  std::vector<bool> isSize = findSizes();
  step.extents.assign(program.extents.size(), 0);
  std::vector<int64_t> other(step.extents.size());
  for (size_t corner = 0; corner < corners.size(); ++corner) {
    attnrt_args args = argsOf(corners[corner]);
    kernel.extents(&args, corner ? other.data() : step.extents.data());
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
  // Host functions may look at the sizes of results.
  for (auto &corner : corners) {
    for (size_t n = 0; n < program.buffers.size(); ++n) {
      if (program.buffers[n].kind >= BufferKind::Result) {
        corner[schedule.numberOf[n]] = step.tensors[schedule.numberOf[n]];
      }
    }
  }
}

void Schedule::Updater::plan(size_t number) {
  const LaunchRecord &launch = program.launches[number];
  PlannedLaunch &planned = step.launches[number];
  LaunchWork &work = step.works[number];
  const attnrt_schedule_caps &caps = schedule.caps;
  planned.plan = nullptr;
  planned.options = attnrt_plan_options{};
  planned.options.struct_size = sizeof(planned.options);
  planned.options.workers = schedule.workers;
  planned.options.split = caps.split;
  planned.options.strategy = caps.strategy;
  planned.options.max_slots = caps.max_slots;
  planned.entry = attnrt_entry{};
  planned.entry.struct_size = sizeof(planned.entry);
  bool isPosed = false;
  if (launch.isFold()) {
    int64_t ordinals =
        multiply(step.extents[size_t(launch.fold)], launch.cols, "keys");
    LaunchSizes sizes{step.product(launch.segments),
                      launch.row < 0 ? 1 : step.extents[size_t(launch.row)],
                      step.product(launch.heads),
                      step.product(launch.subs),
                      ordinals,
                      launch.cols};
    planned.entry.max_packed_rows = int32_t(launch.rows);
    planned.entry.kv_tile = int32_t(launch.cols);
    planned.entry.states = int32_t(launch.states.size());
    planned.entry.ordered = launch.isOrdered;
    planned.entry.resumes = launch.resumes;
    if (const attnrt_problem *problem = problemOf(number)) {
      isPosed = takeFold(planned, *problem, sizes, launch.shares);
    } else {
      std::vector<attnrt_args> args;
      for (auto &corner : corners) {
        args.push_back(argsOf(corner));
      }
      isPosed = poseFold(planned, sizes, kernel.ranges[number], args,
                         launch.shares && prefixes ? &*prefixes : nullptr);
    }
  } else {
    if (problemOf(number)) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "launch %zu expects no problem, as it is a stage of points",
            number);
    }
    work.points = step.product(launch.size);
    if (work.points > INT32_MAX) {
      raise(ATTNRT_RESOURCE_EXHAUSTED, "a stage of %lld points is too large",
            static_cast<long long>(work.points));
    }
    if (int32_t perItem = kernel.code->pointsPerItem(number)) {
      isPosed = posePoints(planned, work.points);
      planned.entry.max_packed_rows = perItem;
      planned.entry.kv_tile = 1;
      planned.options.split = 1;
      planned.options.strategy = ATTNRT_STRATEGY_FIXED;
    }
  }
  if (isPosed) {
    planned.makePlan();
    work.plan = planned.plan;
  }
}

void Schedule::Updater::plan() {
  size_t count = program.launches.size();
  if (given.num_problems < 0 || size_t(given.num_problems) > count) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects problems of at most %zu launches, but got %d", count,
          given.num_problems);
  }
  step.launches.resize(count);
  step.works.assign(count, LaunchWork{});
  step.stats = attnrt_schedule_stats{};
  for (size_t number = 0; number < count; ++number) {
    plan(number);
    const attnrt_plan *plan = step.works[number].plan;
    // How a device cuts points is its own matter.
    if (!plan || !program.launches[number].isFold()) {
      continue;
    }
    step.stats.segments += plan->segments.count;
    step.stats.rows += plan->rows.count;
    step.stats.items += plan->items.count;
    step.stats.merges += plan->merges.count;
    step.stats.slots += plan->slots;
    for (uint32_t i = 0; i < plan->items.count; ++i) {
      step.stats.keys_read += attnrt_plan_items(plan)[i].kv_count;
    }
  }
}

/// Workspaces live through a run. States live through a launch: those of
/// different launches share their place.
void Schedule::Updater::layOut() {
  uint64_t end = 0;
  auto place = [](uint64_t &at, const attnrt_tensor &tensor) {
    int64_t elements = 1;
    for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
      elements = multiply(elements, tensor.shape[axis], "elements");
    }
    uint64_t start = at;
    at += (bytesOf(attnrt_dtype(tensor.dtype), uint64_t(elements)) +
           kAlignment - 1) /
          kAlignment * kAlignment;
    if (at > uint64_t(1) << 62) {
      raise(ATTNRT_RESOURCE_EXHAUSTED, "workspaces are too large");
    }
    return start;
  };
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
  for (size_t l : order) {
    uint64_t at = end;
    step.statesAt[l].clear();
    for (uint32_t state : program.launches[l].states) {
      attnrt_tensor &tensor = step.tensors[schedule.numberOf[state]];
      int64_t slots = step.works[l].plan ? step.works[l].plan->slots : 0;
      if (schedule.isCaptured()) {
        int64_t &room = schedule.slotsRoom[l];
        room = std::max(room, slots > room ? slots + slots / 2 : 0);
        slots = room;
      }
      tensor.shape[0] = slots;
      step.statesAt[l].push_back({schedule.numberOf[state], place(at, tensor)});
    }
    step.workspaceBytes = std::max(step.workspaceBytes, at);
    end = step.launches[l].fixedSlots() ? at : end;
  }
}

void Schedule::Updater::checkCaps() {
  const attnrt_schedule_caps &caps = schedule.caps;
  const struct {
    const char *what;
    int64_t most, needed;
  } limits[] = {{"segments", caps.max_segments, step.stats.segments},
                {"rows", caps.max_rows, step.stats.rows},
                {"items", caps.max_items, step.stats.items},
                {"merges", caps.max_merges, step.stats.merges},
                {"slots", caps.max_slots, step.stats.slots},
                {"bytes of workspace", caps.max_workspace_bytes,
                 int64_t(step.workspaceBytes)}};
  for (const auto &limit : limits) {
    if (limit.most && limit.needed > limit.most) {
      raise(ATTNRT_RESOURCE_EXHAUSTED,
            "the schedule has room for %lld %s, but the step needs %lld",
            static_cast<long long>(limit.most), limit.what,
            static_cast<long long>(limit.needed));
    }
  }
}

void Schedule::update(const attnrt_step &given, void *stream) {
  next.isPlanned = false;
  Updater updater(*this, given);
  updater.bind();
  updater.findExtents();
  updater.shapeBuffers();
  updater.plan();
  updater.layOut();
  updater.checkCaps();
  memory.reserve(next.workspaceBytes, stream);
  runTensors.reserve(numTensors);
  runScalars.reserve(numScalars);
  session->update(next.works, stream);
  // Nothing fails from here on.
  next.stats.workspace_bytes = int64_t(memory.size());
  next.isPlanned = true;
  bool isSame = next.hasSameLayout(now) && memory.data() == knownMemory &&
                session->layout() == knownLayout;
  knownMemory = memory.data();
  knownLayout = session->layout();
  next.stats.layout = now.stats.layout + !isSame;
  hasRun = false;
  std::swap(now, next);
}
