// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contexts, bundles, kernels and schedules of attnrt/attnrt.h. Each keeps what
// it needs alive, as the ABI promises.
#include "Error.h"
#include "Tensor.h"

#include <memory>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

namespace {

template <typename T, void (*Release)(T *)> struct Releaser {
  void operator()(T *handle) const { Release(handle); }
};
template <typename T, void (*Release)(T *)>
using Handle = std::unique_ptr<T, Releaser<T, Release>>;

struct Context {
  Handle<attnrt_context, attnrt_context_release> handle;
};

struct Bundle {
  Handle<attnrt_bundle, attnrt_bundle_release> handle;
};

struct Argument {
  std::string name, dtype;
  std::vector<int64_t> sizes;
  bool isScalar, isHostRead, isWritten;
  DLDataType type;
};

struct Kernel {
  Handle<attnrt_kernel, attnrt_kernel_release> handle;
  std::string target;
  std::vector<Argument> arguments;
  int32_t numResults = 0;
};

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

static std::string nameOf(DLDataType dtype) {
  static const char *const kKinds[] = {"i", "u", "f", "handle", "bf", "c"};
  if (dtype.code == kDLBool) {
    return "bool";
  }
  return (dtype.code < 6 ? kKinds[dtype.code]
                         : "code" + std::to_string(dtype.code) + "_") +
         std::to_string(dtype.bits);
}

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

static Context makeContext(int32_t threads, bool pin,
                           const std::optional<std::string> &cacheDir,
                           const std::optional<std::string> &cudaLibrary) {
  attnrt_context_params params = {};
  params.struct_size = sizeof(params);
  params.cpu_threads = threads;
  params.cpu_pin = pin;
  params.cache_dir = cacheDir ? cacheDir->c_str() : nullptr;
  params.cuda_library = cudaLibrary ? cudaLibrary->c_str() : nullptr;
  attnrt_context *context = nullptr;
  check(attnrt_context_create(&params, &context));
  Context out;
  out.handle.reset(context);
  return out;
}

static Bundle loadBundle(Context &context, nb::bytes bytes) {
  attnrt_bundle *bundle = nullptr;
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = attnrt_bundle_load(context.handle.get(), bytes.data(),
                                bytes.size(), &bundle);
  }
  check(status);
  Bundle out;
  out.handle.reset(bundle);
  return out;
}

static std::vector<std::string> listEntries(const Bundle &bundle) {
  std::vector<std::string> out;
  int32_t count = attnrt_bundle_num_entries(bundle.handle.get());
  for (int32_t i = 0; i < count; ++i) {
    out.emplace_back(attnrt_bundle_entry_name(bundle.handle.get(), i));
  }
  return out;
}

static DLDevice parseDevice(const std::string &name) {
  if (name == "cpu") {
    return {kDLCPU, 0};
  }
  if (name == "null") {
    return {kDLExtDev, ATTNRT_DEVICE_NULL};
  }
  if (name == "cuda") {
    return {kDLCUDA, 0};
  }
  if (name.size() > 5 && name.size() < 9 && name.compare(0, 5, "cuda:") == 0 &&
      name.find_first_not_of("0123456789", 5) == std::string::npos) {
    return {kDLCUDA, std::stoi(name.substr(5))};
  }
  raise(ATTNRT_INVALID_ARGUMENT,
        "expects the device \"cpu\", \"cuda\", \"cuda:N\" or \"null\", but got "
        "\"" +
            name + "\"");
}

static void describe(Kernel &kernel) {
  attnrt_kernel_info info = {};
  info.struct_size = sizeof(info);
  check(attnrt_kernel_describe(kernel.handle.get(), &info));
  kernel.target = info.target;
  kernel.numResults = info.num_results;
  for (int32_t i = 0; i < info.num_arguments + info.num_results; ++i) {
    attnrt_argument_info a = {};
    a.struct_size = sizeof(a);
    check(attnrt_kernel_argument(kernel.handle.get(), i, &a));
    Argument argument;
    argument.name = a.name;
    argument.type = a.dtype;
    argument.dtype = nameOf(a.dtype);
    argument.sizes.assign(a.sizes, a.sizes + a.num_axes);
    argument.isScalar = a.flags & ATTNRT_ARGUMENT_SCALAR;
    argument.isHostRead = a.flags & ATTNRT_ARGUMENT_HOST_READ;
    argument.isWritten = a.flags & ATTNRT_ARGUMENT_WRITTEN;
    kernel.arguments.push_back(std::move(argument));
  }
}

static Kernel loadKernel(Bundle &bundle, const std::string &entry,
                         const std::string &device,
                         const std::optional<std::string> &target) {
  attnrt_kernel_params params = {};
  params.struct_size = sizeof(params);
  params.target = target ? target->c_str() : nullptr;
  DLDevice where = parseDevice(device);
  attnrt_kernel *kernel = nullptr;
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = attnrt_kernel_load(bundle.handle.get(), entry.c_str(), where,
                                &params, &kernel);
  }
  check(status);
  Kernel out;
  out.handle.reset(kernel);
  describe(out);
  return out;
}

static Schedule makeSchedule(nb::object self, int32_t workers, int32_t split,
                             int32_t stepsInFlight, int64_t maxItems,
                             int64_t maxSlots, int64_t maxWorkspace) {
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
  out.kernel = self;
  return out;
}

using StepFunction = attnrt_status (*)(Schedule &, const attnrt_step *, void *);

/// What update and validate share: they take the same step.
static void takeStep(Schedule &self, nb::sequence arguments, nb::object host,
                     nb::object low, uintptr_t stream, StepFunction function) {
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
  Turn turn(self);
  attnrt_status status;
  {
    nb::gil_scoped_release unlocked;
    status = function(self, &step, reinterpret_cast<void *>(stream));
  }
  check(status);
}

static void update(Schedule &self, nb::sequence arguments, nb::object host,
                   nb::object low, uintptr_t stream) {
  takeStep(self, arguments, host, low, stream,
           [](Schedule &s, const attnrt_step *step, void *at) {
             return attnrt_schedule_update(s.handle.get(), step, at);
           });
}

static void validate(Schedule &self, nb::sequence arguments, nb::object host) {
  takeStep(self, arguments, host, nb::none(), 0,
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

static void verify(Schedule &self) {
  Turn turn(self);
  check(attnrt_schedule_verify(self.handle.get()));
}

static void bindArgument(nb::module_ &m) {
  nb::class_<Argument>(m, "Argument", "What an entry asks of one tensor.")
      .def_ro("name", &Argument::name, "May be empty.")
      .def_ro("dtype", &Argument::dtype, "As Tensor.dtype.")
      .def_ro("sizes", &Argument::sizes, "Of its axes; -1: any.")
      .def_ro("scalar", &Argument::isScalar,
              "A number, or a tensor without axes in host memory.")
      .def_ro("host_read", &Argument::isHostRead,
              "Schedule.update looks at its values.")
      .def_ro("written", &Argument::isWritten, "A run writes to it.");
}

static void bindSchedule(nb::module_ &m) {
  nb::class_<Schedule>(
      m, "Schedule",
      "Room for steps of a kernel. One thread at a time; another one that "
      "calls meanwhile gets an Error.")
      .def("update", &update, "arguments"_a, "host"_a = nb::none(),
           "low"_a = nb::none(), "stream"_a = 0,
           "Plans a step for tensors of these sizes (arguments only, no "
           "results). Values are read where Argument.host_read says so; `host` "
           "has a copy of those on a device, or None each, and with `low` the "
           "largest and smallest values that runs may come with. Error "
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
      .def("result_shape", &resultShape, "result"_a = 0,
           "Sizes of a result of the last step.")
      .def("verify", &verify,
           "Checks the plans of the last step by rules of their own.")
      .def_prop_ro("stats", &stats,
                   "Of the last step: segments, rows, items, merges, slots, "
                   "workspace_bytes, keys_read (keys that work items visit, "
                   "times KV heads).");
}

void attn::python::bindRuntime(nb::module_ &m) {
  nb::class_<Context>(
      m, "Context",
      "Threads and folders of the runtime. Any thread may use it.")
      .def(
          "__init__",
          [](Context *self, int32_t threads, bool pin,
             std::optional<std::string> cacheDir,
             std::optional<std::string> cudaLibrary) {
            new (self)
                Context(makeContext(threads, pin, cacheDir, cudaLibrary));
          },
          "threads"_a = 0, "pin"_a = false, "cache_dir"_a = nb::none(),
          "cuda_library"_a = nb::none(),
          "`threads` of the CPU, 0: those the process may run on; `pin` each "
          "to "
          "one CPU; `cache_dir` for host code where anonymous files cannot be "
          "executed; `cuda_library`: path of libcuda.")
      .def("load", &loadBundle, "bundle"_a,
           "Checks the bytes of a bundle, as attn-translate --emit=bundle or "
           "compile() made them, and keeps a copy. Error: corrupt, "
           "incompatible.");
  nb::class_<Bundle>(m, "Bundle",
                     "What the compiler made. Any thread may use it.")
      .def_prop_ro("entries", &listEntries, "Names of the functions.")
      .def(
          "kernel", &loadKernel, "entry"_a, "device"_a = "cpu",
          "target"_a = nb::none(),
          "Loads an entry for \"cpu\", \"cuda\", \"cuda:N\" or \"null\" (which "
          "computes nothing). `target` of the bundle, None: the best one that "
          "fits. Error: not found, incompatible, unavailable.");
  bindArgument(m);
  nb::class_<Kernel>(m, "Kernel",
                     "An entry on a device. Any thread may use it.")
      .def_ro("target", &Kernel::target, "The one that was chosen.")
      .def_ro("arguments", &Kernel::arguments,
              "Of the function, then its results.")
      .def_ro("num_results", &Kernel::numResults)
      .def(
          "schedule",
          [](nb::handle self, int32_t workers, int32_t split, int32_t inFlight,
             int64_t items, int64_t slots, int64_t workspace) {
            return makeSchedule(nb::borrow(self), workers, split, inFlight,
                                items, slots, workspace);
          },
          "workers"_a = 0, "split"_a = 0, "steps_in_flight"_a = 0,
          "max_items"_a = 0, "max_slots"_a = 0, "max_workspace_bytes"_a = 0,
          "Room for steps. `workers` that share a launch, 0: as the device "
          "likes; `split` > 0: every fold in so many parts, so that a row's "
          "result does not depend on the batch. Capacities of 0 grow as "
          "needed.");
  bindSchedule(m);
}
