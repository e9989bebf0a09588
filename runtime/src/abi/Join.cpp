//===- Join.cpp - Kernels of one fold over keys in several formats --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A joined kernel is an entry and a program that are those of its parts, one
// behind the other, so that all that binds, shapes and lays out serves it as it
// is. Only results are common. Each part's code finds its own tensors and cells
// from where they begin.
//
//===----------------------------------------------------------------------===//
#include "Handles.h"
#include "Tensor.h"

using namespace attnrt;

/// Results of the same types; their sizes are compared with each step.
static void checkResults(const Entry &first, const Entry &other) {
  bool fits = first.results.size() == other.results.size();
  for (size_t r = 0; fits && r < first.results.size(); ++r) {
    fits = first.results[r].dtype == other.results[r].dtype &&
           first.results[r].sizes.size() == other.results[r].sizes.size();
  }
  if (!fits) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "kernels that are joined expect the same results, but those of '%s' "
          "are not those of '%s'",
          other.name.c_str(), first.name.c_str());
  }
}

/// A fold whose states are those of the first one.
static void checkFold(const KernelPart &first, const KernelPart &part) {
  if (part.program->launches.size() != 1 ||
      !part.program->launches[0].isFold()) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "kernels that are joined expect a single launch, a fold, but '%s' "
          "has %zu",
          part.entry->name.c_str(), part.program->launches.size());
  }
  const LaunchRecord &a = first.program->launches[0];
  const LaunchRecord &b = part.program->launches[0];
  bool fits = a.states.size() == b.states.size() && a.units == b.units &&
              a.isOrdered == b.isOrdered;
  for (size_t c = 0; fits && c < a.states.size(); ++c) {
    const Buffer &x = first.program->buffers[a.states[c]];
    const Buffer &y = part.program->buffers[b.states[c]];
    fits = x.dtype == y.dtype && x.sizes.size() == y.sizes.size();
  }
  if (!fits) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "kernels that are joined expect states of the same components, but "
          "those of '%s' are not those of '%s'",
          part.entry->name.c_str(), first.entry->name.c_str());
  }
}

namespace {

/// Appends parts to a joint entry and program.
class Joiner {
public:
  Joiner(Entry &entry, Program &program) : entry(entry), program(program) {}

  void add(KernelPart &part);

private:
  static void move(std::vector<uint32_t> &list, size_t by) {
    for (uint32_t &number : list) {
      number += uint32_t(by);
    }
  }
  void addEntry(const Entry &from, size_t arguments);
  void addBuffers(const Program &from, size_t arguments, size_t extents);
  void addLaunch(LaunchRecord launch, size_t extents, size_t buffers,
                 size_t views);

  Entry &entry;
  Program &program;
  size_t tensors = 0, scalars = 0;
  int32_t groups = 0;
};

} // namespace

void Joiner::addEntry(const Entry &from, size_t arguments) {
  bool isFirst = entry.name.empty();
  entry.name += (isFirst ? "" : " and ") + from.name;
  entry.arguments.insert(entry.arguments.end(), from.arguments.begin(),
                         from.arguments.end());
  if (isFirst) {
    entry.results = from.results;
  }
  auto move = [&](View view) {
    view.argument += uint32_t(arguments);
    for (Lookup &symbol : view.symbols) {
      symbol.argument += uint32_t(arguments);
    }
    return view;
  };
  for (const View &view : from.views) {
    entry.views.push_back(move(view));
  }
  for (const Selection &selection : from.selections) {
    entry.selections.push_back({move(selection.list), selection.most});
  }
}

void Joiner::addBuffers(const Program &from, size_t arguments, size_t extents) {
  for (Buffer buffer : from.buffers) {
    if (buffer.kind <= BufferKind::Scalar) {
      buffer.index += uint32_t(arguments);
    } else if (buffer.kind == BufferKind::Extent) {
      buffer.index += uint32_t(extents);
    }
    move(buffer.shape, extents);
    (buffer.isMemory ? tensors : scalars) += 1;
    program.buffers.push_back(std::move(buffer));
  }
}

void Joiner::addLaunch(LaunchRecord launch, size_t extents, size_t buffers,
                       size_t views) {
  for (auto *list :
       {&launch.segments, &launch.heads, &launch.subs, &launch.size}) {
    move(*list, extents);
  }
  launch.row += launch.row < 0 ? 0 : int32_t(extents);
  launch.fold += launch.fold < 0 ? 0 : int32_t(extents);
  move(launch.states, buffers);
  for (KeyView &keys : launch.keys) {
    keys.view += uint32_t(views);
  }
  program.launches.push_back(std::move(launch));
}

void Joiner::add(KernelPart &part) {
  const Program &from = *part.program;
  size_t arguments = entry.arguments.size(), views = entry.views.size();
  size_t extents = program.extents.size(), buffers = program.buffers.size();
  part.firstTensor = tensors;
  part.firstScalar = scalars;
  part.firstExtent = extents;
  addEntry(*part.entry, arguments);
  for (uint32_t argument : from.hostReads) {
    program.hostReads.push_back(argument + uint32_t(arguments));
  }
  int32_t most = -1;
  for (Extent extent : from.extents) {
    most = std::max(most, extent.group);
    extent.group += extent.group < 0 ? 0 : groups;
    program.extents.push_back(std::move(extent));
  }
  groups += most + 1;
  addBuffers(from, arguments, extents);
  addLaunch(from.launches[0], extents, buffers, views);
}

static std::shared_ptr<Kernel> joinKernels(attnrt_kernel *const *kernels,
                                           int32_t count) {
  constexpr int32_t mostParts = 64;
  if (count < 1 || count > mostParts) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects 1..%d kernels to join, but got %d",
          mostParts, count);
  }
  auto joint = std::make_shared<Kernel>();
  for (int32_t k = 0; k < count; ++k) {
    if (!kernels[k]) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a kernel, but got null");
    }
    const Kernel &kernel = *kernels[k]->impl;
    if (k == 0) {
      joint->device = kernel.device;
      joint->where = kernel.where;
    }
    // A device belongs to one context.
    if (kernel.where != joint->where || kernel.isJoined()) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "kernels that are joined expect one context and device, and none "
            "that is joined already, but kernel %d does not fit the first",
            k);
    }
    joint->parts.push_back(kernel.parts[0]);
    checkFold(joint->parts[0], joint->parts.back());
    checkResults(*joint->parts[0].entry, *joint->parts.back().entry);
  }
  joint->jointEntry = std::make_unique<Entry>();
  joint->jointProgram = std::make_unique<Program>();
  Joiner joiner(*joint->jointEntry, *joint->jointProgram);
  for (KernelPart &part : joint->parts) {
    joiner.add(part);
  }
  joint->entry = joint->jointEntry.get();
  joint->program = joint->jointProgram.get();
  joint->finish();
  return joint;
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_kernel_join(attnrt_kernel *const *kernels, int32_t count,
                                 attnrt_kernel **out) {
  return guard([&] {
    if (!kernels || !out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects kernels and a place for the joined one, but got null");
    }
    auto handle = std::make_unique<attnrt_kernel>();
    handle->impl = joinKernels(kernels, count);
    *out = handle.release();
  });
}
