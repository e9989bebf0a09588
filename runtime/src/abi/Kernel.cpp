//===- Kernel.cpp - Loading bundles and kernels ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handles.h"

#include "../bundle/Cpu.h"
#include "Tensor.h"

using namespace attnrt;

static const Entry &findEntry(const Bundle &bundle, const char *name) {
  std::string all;
  for (const Entry &entry : bundle.entries) {
    if (entry.name == name) {
      return entry;
    }
    all += (all.empty() ? "" : ", ") + entry.name;
  }
  raise(ATTNRT_NOT_FOUND, "expects an entry of the bundle (%s), but got '%s'",
        all.c_str(), name);
}

/// The best program for the device, or the one for `wanted`.
static const Program &chooseProgram(const Bundle &bundle, const Entry &entry,
                                    const Device &device, const char *wanted) {
  const Program *best = nullptr;
  std::string reasons;
  for (const Program &program : entry.programs) {
    const Target &target = bundle.targets[program.target];
    std::string why, lacks;
    if (wanted && target.chip != wanted) {
      why = "it is not '" + std::string(wanted) + "'";
    } else if (device.fits(target, why)) {
      lacks = missingOnThisCpu(bundle.targets[program.hostTarget]);
      if (lacks.empty()) {
        if (!best ||
            device.rank(target) > device.rank(bundle.targets[best->target])) {
          best = &program;
        }
        continue;
      }
      why = "its host code asks for " + lacks + ", which this CPU has not";
    }
    reasons += (reasons.empty() ? "" : "; ") + target.chip + ": " + why;
  }
  if (!best) {
    raise(ATTNRT_INCOMPATIBLE, "no target of '%s' fits the device (%s)",
          entry.name.c_str(), reasons.c_str());
  }
  return *best;
}

template <class Fn>
static Fn findFunction(const Library &library, const std::string &name) {
  void *found = library.find(name);
  if (!found) {
    raise(ATTNRT_CORRUPT, "the host code of the bundle lacks '%s'",
          name.c_str());
  }
  return reinterpret_cast<Fn>(found);
}

static std::shared_ptr<Kernel> loadKernel(std::shared_ptr<LoadedBundle> loaded,
                                          const char *name, DLDevice device,
                                          const attnrt_kernel_params &params) {
  const Bundle &bundle = loaded->bundle;
  Context &context = *loaded->context;
  auto kernel = std::make_shared<Kernel>();
  kernel->device = device;
  kernel->entry = &findEntry(bundle, name);
  kernel->where = &context.device(device);
  kernel->program =
      &chooseProgram(bundle, *kernel->entry, *kernel->where, params.target);
  const Program &program = *kernel->program;
  const Code &code = bundle.code[program.hostCode];
  bool mayUseMemory = !(context.params.flags & ATTNRT_CONTEXT_NO_MEMFD);
  KernelPart part;
  part.entry = kernel->entry;
  part.program = &program;
  part.host = Library::load(code.data, code.size, mayUseMemory,
                            context.params.cache_dir);
  if (mayUseMemory && !part.host->isInMemory()) {
    context.log(1, "host code cannot be loaded from an anonymous file; a "
                   "temporary file is used");
  }
  part.extents = findFunction<ExtentsFn>(*part.host, program.extentsFunction);
  for (const LaunchRecord &launch : program.launches) {
    part.ranges.push_back(launch.isFold() ? findFunction<attnrt_range_fn>(
                                                *part.host, launch.range)
                                          : nullptr);
    part.classes.push_back(
        launch.classes.empty()
            ? nullptr
            : findFunction<ClassesFn>(*part.host, launch.classes));
  }
  part.bundle = std::move(loaded);
  kernel->parts.push_back(std::move(part));
  kernel->finish();
  return kernel;
}

void Kernel::finish() {
  isHostRead.resize(entry->arguments.size());
  for (uint32_t argument : program->hostReads) {
    isHostRead[argument] = true;
  }
  bufferOf.assign(entry->arguments.size(), -1);
  for (size_t n = 0; n < program->buffers.size(); ++n) {
    if (program->buffers[n].kind <= BufferKind::Scalar) {
      bufferOf[program->buffers[n].index] = int32_t(n);
    }
  }
  for (const LaunchRecord &launch : program->launches) {
    keys.push_back(ViewKeys::find(*entry, launch));
  }
  std::vector<PartCode> codes;
  for (const KernelPart &part : parts) {
    codes.push_back(part.code());
  }
  code = where->load(codes);
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_bundle_load(attnrt_context *context, const void *bytes,
                                 uint64_t size, attnrt_bundle **out) {
  return guard([&] {
    if (!context || !out || (!bytes && size)) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a context, bytes and a place for "
                                     "the bundle, but got null");
    }
    auto handle = std::make_unique<attnrt_bundle>();
    handle->impl = std::make_shared<LoadedBundle>(
        LoadedBundle{context->impl, readBundle(bytes, size)});
    *out = handle.release();
  });
}

void attnrt_bundle_release(attnrt_bundle *bundle) { delete bundle; }

int32_t attnrt_bundle_num_entries(const attnrt_bundle *bundle) {
  return bundle ? int32_t(bundle->impl->bundle.entries.size()) : 0;
}

const char *attnrt_bundle_entry_name(const attnrt_bundle *bundle,
                                     int32_t entry) {
  if (entry < 0 || entry >= attnrt_bundle_num_entries(bundle)) {
    return nullptr;
  }
  return bundle->impl->bundle.entries[size_t(entry)].name.c_str();
}

attnrt_status attnrt_kernel_load(attnrt_bundle *bundle, const char *entry,
                                 DLDevice device,
                                 const attnrt_kernel_params *given,
                                 attnrt_kernel **out) {
  return guard([&] {
    if (!bundle || !entry || !out) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a bundle, the name of an entry "
                                     "and a place for the kernel, but got "
                                     "null");
    }
    attnrt_kernel_params params = readParams(given, "attnrt_kernel_params");
    if (params.flags) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects flags 0, but got 0x%x",
            params.flags);
    }
    auto handle = std::make_unique<attnrt_kernel>();
    handle->impl = loadKernel(bundle->impl, entry, device, params);
    *out = handle.release();
  });
}

void attnrt_kernel_release(attnrt_kernel *kernel) { delete kernel; }

attnrt_status attnrt_kernel_describe(const attnrt_kernel *kernel,
                                     attnrt_kernel_info *out) {
  return guard([&] {
    if (!kernel) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a kernel, but got null");
    }
    const Kernel &k = *kernel->impl;
    attnrt_kernel_info info{};
    info.num_arguments = int32_t(k.entry->arguments.size());
    info.num_results = int32_t(k.entry->results.size());
    info.num_launches = int32_t(k.program->launches.size());
    const KernelPart &first = k.parts[0];
    info.target =
        first.bundle->bundle.targets[first.program->target].chip.c_str();
    writeInfo(info, out, "attnrt_kernel_info");
  });
}

attnrt_status attnrt_kernel_argument(const attnrt_kernel *kernel,
                                     int32_t number,
                                     attnrt_argument_info *out) {
  return guard([&] {
    if (!kernel) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a kernel, but got null");
    }
    const Kernel &k = *kernel->impl;
    int32_t arguments = int32_t(k.entry->arguments.size());
    int32_t all = arguments + int32_t(k.entry->results.size());
    if (number < 0 || number >= all) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects an argument or result below %d, but got %d", all, number);
    }
    const Argument &a = number < arguments
                            ? k.entry->arguments[size_t(number)]
                            : k.entry->results[size_t(number - arguments)];
    attnrt_argument_info info{};
    info.flags = (a.isScalar ? ATTNRT_ARGUMENT_SCALAR : 0) |
                 (a.isWritten ? ATTNRT_ARGUMENT_WRITTEN : 0) |
                 (number < arguments && k.isHostRead[size_t(number)]
                      ? ATTNRT_ARGUMENT_HOST_READ
                      : 0);
    info.dtype = toDLPack(a.dtype);
    info.num_axes = int32_t(a.sizes.size());
    for (size_t axis = 0; axis < a.sizes.size(); ++axis) {
      info.sizes[axis] = a.sizes[axis];
    }
    info.name = a.name.c_str();
    writeInfo(info, out, "attnrt_argument_info");
  });
}
