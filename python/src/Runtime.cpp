// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contexts, bundles and kernels.
#include "Runtime.h"
#include "Error.h"
#include "Tensor.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

static std::string nameOf(DLDataType dtype) {
  static const char *const kKinds[] = {"i", "u", "f", "handle", "bf", "c"};
  if (dtype.code == kDLBool) {
    return "bool";
  }
  return (dtype.code < 6 ? kKinds[dtype.code]
                         : "code" + std::to_string(dtype.code) + "_") +
         std::to_string(dtype.bits);
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
  kernel.numLaunches = info.num_launches;
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

static Kernel joinKernels(nb::sequence kernels) {
  std::vector<attnrt_kernel *> list;
  for (nb::handle kernel : kernels) {
    list.push_back(nb::cast<const Kernel &>(kernel).handle.get());
  }
  list.reserve(1); // not null
  attnrt_kernel *joined = nullptr;
  check(attnrt_kernel_join(list.data(), int32_t(list.size()), &joined));
  Kernel out;
  out.handle.reset(joined);
  describe(out);
  return out;
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
          "one CPU; `cache_dir` keeps what a GPU's driver makes of PTX, and "
          "has "
          "host code for a moment where anonymous files cannot be executed; "
          "`cuda_library`: path of libcuda.")
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
      .def_static(
          "join", &joinKernels, "kernels"_a,
          "One kernel of several that compute the same fold over keys in "
          "different formats: rows read keys of all of them in one launch. "
          "Arguments of the first, then of the second and so on; results are "
          "common.")
      .def("schedule", &makeSchedule, "workers"_a = 0, "split"_a = 0,
           "steps_in_flight"_a = 0, "max_items"_a = 0, "max_slots"_a = 0,
           "max_workspace_bytes"_a = 0,
           "Room for steps. `workers` that share a launch, 0: as the device "
           "likes; `split` > 0: every fold in so many parts, so that a row's "
           "result does not depend on the batch. Capacities of 0 grow as "
           "needed.");
  bindSchedule(m);
}
