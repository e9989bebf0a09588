// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Schedules: planning of steps and their launches.
#include "Arrays.h"
#include "Error.h"
#include "Problem.h"
#include "Runtime.h"
#include "Tensor.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

namespace {

struct Schedule {
  Handle<attnrt_schedule, attnrt_schedule_release> handle;
  nb::object kernel;
  /// Guards what ABI calls do without the GIL: a schedule belongs to one
  /// thread at a time.
  bool isBusy = false;
};

/// Takes the schedule for a call without the GIL. Set and looked at with the
/// GIL only.
class Turn {
public:
  explicit Turn(Schedule &schedule) : schedule(schedule) {
    if (schedule.isBusy) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects one thread at a time, but another one is inside of this "
            "schedule");
    }
    schedule.isBusy = true;
  }
  ~Turn() { schedule.isBusy = false; }

private:
  Schedule &schedule;
};

/// Tensors of a call and pointers to them.
struct Tensors {
  std::vector<Tensor> held;
  std::vector<const DLTensor *> pointers;
  bool isGiven = false;

  const DLTensor *const *data() const {
    return isGiven ? pointers.data() : nullptr;
  }
};

} // namespace

/// Numbers become tensors without axes of the argument's type.
static Tensors collect(nb::sequence objects, const Kernel &kernel) {
  Tensors out;
  out.isGiven = true;
  size_t at = 0;
  for (nb::handle object : objects) {
    const Argument *argument =
        at < kernel.arguments.size() ? &kernel.arguments[at] : nullptr;
    bool isNumber = PyLong_Check(object.ptr()) || PyFloat_Check(object.ptr());
    std::string what = "argument " + std::to_string(at);
    if (isNumber && argument && argument->isScalar) {
      out.held.push_back(Tensor::number(object, argument->type, what));
    } else {
      out.held.push_back(Tensor::of(object));
      if (argument && argument->isWritten && out.held.back().isReadOnly()) {
        raise(ATTNRT_INVALID_ARGUMENT,
              what + " expects a tensor that can be written to, but got a "
                     "read-only one");
      }
    }
    ++at;
  }
  for (const Tensor &tensor : out.held) {
    out.pointers.push_back(tensor.get());
  }
  return out;
}

/// None, or a sequence with None where an argument has nothing of its own.
static Tensors collectSome(nb::object objects, const Kernel &kernel,
                           const char *what) {
  Tensors out;
  if (objects.is_none()) {
    return out;
  }
  out.isGiven = true;
  size_t count = nb::len(objects);
  size_t wanted = kernel.arguments.size() - size_t(kernel.numResults);
  if (count != wanted) {
    raise(ATTNRT_INVALID_ARGUMENT,
          std::string(what) + " expects " + std::to_string(wanted) +
              " entries, one per argument, but got " + std::to_string(count));
  }
  out.held.reserve(count);
  for (nb::handle object : objects) {
    size_t at = out.pointers.size();
    if (object.is_none()) {
      out.pointers.push_back(nullptr);
    } else {
      bool isNumber = PyLong_Check(object.ptr()) || PyFloat_Check(object.ptr());
      out.held.push_back(
          isNumber ? Tensor::number(object, kernel.arguments[at].type, what)
                   : Tensor::of(object));
      out.pointers.push_back(out.held.back().get());
    }
  }
  return out;
}

nb::object attn::python::makeSchedule(nb::handle self, int32_t workers,
                                      int32_t split, int32_t stepsInFlight,
                                      int64_t maxItems, int64_t maxSlots,
                                      int64_t maxWorkspace) {
  attnrt_schedule_caps caps = {};
  caps.struct_size = sizeof(caps);
  caps.workers = workers;
  caps.split = split;
  caps.steps_in_flight = stepsInFlight;
  caps.max_items = maxItems;
  caps.max_slots = maxSlots;
  caps.max_workspace_bytes = maxWorkspace;
  attnrt_schedule *schedule = nullptr;
  check(attnrt_schedule_create(nb::cast<Kernel &>(self).handle.get(), &caps,
                               &schedule));
  Schedule out;
  out.handle.reset(schedule);
  out.kernel = nb::borrow(self);
  return nb::cast(std::move(out));
}

/// What Schedule.update takes as prefixes: (nodes, leaves), or None.
struct Prefixes {
  std::vector<int32_t> nodes, leaves;
  attnrt_prefixes prefixes = {};
  bool isGiven = false;

  explicit Prefixes(nb::handle given) : isGiven(!given.is_none()) {
    if (!isGiven) {
      return;
    }
    if (!nb::isinstance<nb::sequence>(given) || nb::len(given) != 2) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects prefixes as (nodes, leaves), but got " +
                nb::cast<std::string>(nb::repr(given)));
    }
    nb::object first = given[0], second = given[1];
    Tensor pairs = Tensor::of(first);
    if (pairs.sizes().size() != 2 || pairs.sizes()[1] != 2) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects nodes of prefixes [n, 2], but got " +
                std::to_string(pairs.sizes().size()) + " axes");
    }
    for (int64_t i = 0; i < pairs.sizes()[0]; ++i) {
      Tensor node =
          pairs.restride(i * pairs.steps()[0], {2}, {pairs.steps()[1]});
      for (int32_t x : intsOf(nb::cast(node), "nodes")) {
        nodes.push_back(x);
      }
    }
    leaves = intsOf(second, "leaves");
    prefixes.struct_size = sizeof(prefixes);
    prefixes.num_nodes = int32_t(nodes.size() / 2);
    prefixes.nodes = reinterpret_cast<const attnrt_prefix_node *>(nodes.data());
    prefixes.leaf = leaves.data();
    prefixes.num_leaves = int32_t(leaves.size());
  }
};

/// None, or a Problem or None for each launch.
struct Problems {
  std::vector<attnrt_problem> held;
  std::vector<const attnrt_problem *> pointers;

  explicit Problems(nb::handle given) {
    if (given.is_none()) {
      return;
    }
    held.reserve(nb::len(given)); // addresses stay
    for (nb::handle problem : given) {
      if (problem.is_none()) {
        pointers.push_back(nullptr);
        continue;
      }
      if (!nb::isinstance<Problem>(problem)) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "expects a Problem or None for each launch, but got " +
                  nb::cast<std::string>(nb::repr(problem)));
      }
      held.push_back(nb::cast<const Problem &>(problem).get());
      pointers.push_back(&held.back());
    }
  }
};

using StepFunction = attnrt_status (*)(Schedule &, const attnrt_step *, void *);

/// What update and validate share: they take the same step.
static void takeStep(Schedule &self, nb::sequence arguments, nb::object host,
                     nb::object low, nb::object prefixes, nb::object problems,
                     uintptr_t stream, StepFunction function) {
  const Kernel &kernel = nb::cast<const Kernel &>(self.kernel);
  Tensors given = collect(arguments, kernel);
  Tensors high = collectSome(host, kernel, "host");
  Tensors least = collectSome(low, kernel, "low");
  attnrt_step step = {};
  step.struct_size = sizeof(step);
  step.num_arguments = int32_t(given.pointers.size());
  step.arguments = given.pointers.data();
  step.host = high.data();
  step.low = least.data();
  Prefixes shared(prefixes);
  step.prefixes = shared.isGiven ? &shared.prefixes : nullptr;
  Problems posed(problems);
  step.problems = posed.pointers.empty() ? nullptr : posed.pointers.data();
  step.num_problems = int32_t(posed.pointers.size());
  Turn turn(self);
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = function(self, &step, reinterpret_cast<void *>(stream));
  }
  check(status);
}

static void update(Schedule &self, nb::sequence arguments, nb::object host,
                   nb::object low, nb::object prefixes, nb::object problems,
                   uintptr_t stream) {
  takeStep(self, arguments, host, low, prefixes, problems, stream,
           [](Schedule &s, const attnrt_step *step, void *at) {
             return attnrt_schedule_update(s.handle.get(), step, at);
           });
}

static void validate(Schedule &self, nb::sequence arguments, nb::object host) {
  takeStep(self, arguments, host, nb::none(), nb::none(), nb::none(), 0,
           [](Schedule &s, const attnrt_step *step, void *) {
             return attnrt_schedule_validate(s.handle.get(), step);
           });
}

static void run(Schedule &self, nb::sequence tensors, uintptr_t stream) {
  Tensors given = collect(tensors, nb::cast<const Kernel &>(self.kernel));
  Turn turn(self);
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = attnrt_run(self.handle.get(), given.pointers.data(),
                        int32_t(given.pointers.size()),
                        reinterpret_cast<void *>(stream));
  }
  check(status);
}

static nb::object state(Schedule &self, int32_t launch, int32_t component) {
  Turn turn(self);
  return statesOf(self.handle.get(), launch, component);
}

static void setState(Schedule &self, int32_t launch, int32_t component,
                     nb::handle values) {
  Turn turn(self);
  setStates(self.handle.get(), launch, component, values);
}

static std::vector<int64_t> resultShape(Schedule &self, int32_t result) {
  Turn turn(self);
  int64_t sizes[ATTNRT_MAX_AXES];
  int32_t count = 0;
  check(attnrt_schedule_result(self.handle.get(), result, sizes, &count));
  return std::vector<int64_t>(sizes, sizes + count);
}

static nb::dict stats(Schedule &self) {
  Turn turn(self);
  attnrt_schedule_stats s = {};
  s.struct_size = sizeof(s);
  check(attnrt_schedule_describe(self.handle.get(), &s));
  nb::dict out;
  out["segments"] = s.segments;
  out["rows"] = s.rows;
  out["items"] = s.items;
  out["merges"] = s.merges;
  out["slots"] = s.slots;
  out["workspace_bytes"] = s.workspace_bytes;
  out["keys_read"] = s.keys_read;
  return out;
}

static nb::list launches(Schedule &self) {
  Turn turn(self);
  const Kernel &kernel = nb::cast<const Kernel &>(self.kernel);
  nb::list out;
  for (int32_t i = 0; i < kernel.numLaunches; ++i) {
    attnrt_launch_info info = {};
    info.struct_size = sizeof(info);
    check(attnrt_schedule_launch(self.handle.get(), i, &info));
    nb::dict launch;
    launch["fold"] = bool(info.flags & ATTNRT_LAUNCH_FOLD);
    launch["rows"] = info.rows;
    launch["cols"] = info.cols;
    out.append(launch);
  }
  return out;
}

static nb::ndarray<nb::numpy, int32_t> items(Schedule &self, int32_t launch) {
  Turn turn(self);
  attnrt_launch_info info = {};
  info.struct_size = sizeof(info);
  check(attnrt_schedule_launch(self.handle.get(), launch, &info));
  return itemsOf(info.plan);
}

static void verify(Schedule &self) {
  Turn turn(self);
  check(attnrt_schedule_verify(self.handle.get()));
}

void attn::python::bindSchedule(nb::module_ &m) {
  nb::class_<Schedule>(
      m, "Schedule",
      "Room for steps of a kernel. One thread at a time; another one that "
      "calls meanwhile gets an Error.")
      .def("update", &update, "arguments"_a, "host"_a = nb::none(),
           "low"_a = nb::none(), "prefixes"_a = nb::none(),
           "problems"_a = nb::none(), "stream"_a = 0,
           "Plans a step for tensors of these sizes (arguments only, no "
           "results). Values are read where Argument.host_read says so; `host` "
           "has a copy of those on a device, or None each, and with `low` the "
           "largest and smallest values that runs may come with. `prefixes`: "
           "(nodes, leaves) as of PagePool.prefixes, keys that requests have "
           "in common and that are read once for them. `problems`: by launch "
           "a Problem, or None for what sizes and lengths say. Error "
           "(resource exhausted) if capacities do not suffice; the step before "
           "stays. Releases the GIL.")
      .def("validate", &validate, "arguments"_a, "host"_a = nb::none(),
           "Goes through every point of every view of a step and raises Error "
           "for the first that leads outside of a table or storage. Takes a "
           "time that grows with the number of keys.")
      .def("run", &run, "tensors"_a, "stream"_a = 0,
           "Launches for the step: arguments, then results, of its sizes. "
           "Results are written in place and must overlap no argument. On the "
           "CPU done when it returns; elsewhere ordered by `stream`, the "
           "address of a CUstream. Releases the GIL.")
      .def("state", &state, "launch"_a, "component"_a,
           "A copy of a component of the states of a launch that come from "
           "elsewhere (`ext` of its Problem) and that stay (`keep`), [slots, "
           "..]: number n of (head, query head) is in slot (n * heads + head) "
           "* group + query head, kept ones behind the others. On the CPU.")
      .def("set_state", &setState, "launch"_a, "component"_a, "values"_a,
           "Fills these in front of a run, from a tensor of the same sizes; "
           "an update loses what was there.")
      .def("result_shape", &resultShape, "result"_a = 0,
           "Sizes of a result of the last step.")
      .def_prop_ro(
          "launches", &launches,
          "Of the last step, a dict each: fold (one pass over a rank, "
          "else a stage of points), rows (most packed rows of an item) "
          "and cols (of a tile).")
      .def("items", &items, "launch"_a = 0,
           "Work items of a launch of the last step, in the order in which "
           "workers take them, i32 [n, 8]: worker, segment, its coordinate "
           "(such as the request), KV head, rows, query heads, first key, "
           "keys.")
      .def("verify", &verify,
           "Checks the plans of the last step by rules of their own.")
      .def_prop_ro("stats", &stats,
                   "Of the last step: segments, rows, items, merges, slots, "
                   "workspace_bytes, keys_read (keys of the tiles that work "
                   "items visit, once per item; times KV heads).");
}
