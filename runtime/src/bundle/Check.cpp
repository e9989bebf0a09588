//===- Check.cpp - What the tables of a bundle say of each other ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Bundle.h"

#include "../Guard.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>

using namespace attnrt;

/// Limits of CTAs on every GPU there is (CUDA C++ Programming Guide, technical
/// specifications per compute capability).
static constexpr uint32_t kMostThreads = 1024;
static constexpr uint32_t kMostSharedBytes = 227 * 1024;
/// What a planner takes (attnrt/plan.h).
static constexpr uint32_t kMostPackedRows = 1 << 20;
static constexpr uint64_t kMostScratch = uint64_t(1) << 32;
static constexpr size_t kDeepestExpression = 64;

namespace {

class Checker {
public:
  explicit Checker(const Bundle &bundle) : bundle(bundle) {}
  void check();

private:
  [[noreturn]] __attribute__((format(printf, 2, 3))) void
  refuse(const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    raise(ATTNRT_CORRUPT, "%s%s expects %s", entry ? "entry " : "the bundle",
          entry ? ("'" + entry->name + "' of the bundle").c_str() : "", text);
  }
  void index(const char *what, uint64_t value, size_t size) {
    if (value >= size) {
      refuse("a number of %s below %zu, but got %llu", what, size,
             static_cast<unsigned long long>(value));
    }
  }
  void indices(const char *what, const std::vector<uint32_t> &list,
               size_t size) {
    for (uint32_t value : list) {
      index(what, value, size);
    }
  }
  void optional(const char *what, int32_t value, size_t size) {
    if (value != -1) {
      index(what, uint32_t(value), size);
    }
  }
  void expression(const Expression &e, size_t axes, size_t symbols);
  void view(const View &view);
  void sameType(const Buffer &buffer, const Argument &argument,
                const char *what);
  void buffer(const Program &program, const Buffer &buffer);
  void launch(const Program &program, const LaunchRecord &launch);
  void program(const Program &program);

  const Bundle &bundle;
  const Entry *entry = nullptr;
};

void Checker::expression(const Expression &e, size_t axes, size_t symbols) {
  size_t depth = 0;
  const Expression::Step *before = nullptr;
  for (const Expression::Step &step : e.steps) {
    bool isLeaf = step.kind <= StepKind::Symbol;
    if (step.kind == StepKind::Axis) {
      index("axes", uint64_t(step.value), axes);
    } else if (step.kind == StepKind::Symbol) {
      index("symbols", uint64_t(step.value), symbols);
    } else if (step.kind >= StepKind::FloorDiv &&
               (!before || before->kind != StepKind::Constant ||
                before->value <= 0)) {
      refuse("divisors that are positive constants");
    }
    if (isLeaf ? depth == kDeepestExpression : depth < 2) {
      refuse("an affine expression in postfix order");
    }
    depth += isLeaf ? 1 : -1;
    before = &step;
  }
  if (depth != 1) {
    refuse("an affine expression in postfix order");
  }
}

void Checker::view(const View &view) {
  // A symbol may be a scalar, which has no coordinates.
  auto sizesOf = [&](uint32_t argument) -> size_t {
    index("arguments", argument, entry->arguments.size());
    return entry->arguments[argument].sizes.size();
  };
  size_t axes = view.axes.size();
  if (view.sizes.size() != axes) {
    refuse("%zu sizes of a view, but got %zu", axes, view.sizes.size());
  }
  for (size_t s = 0; s < view.symbols.size(); ++s) {
    const Lookup &lookup = view.symbols[s];
    if (lookup.at.size() != sizesOf(lookup.argument)) {
      refuse("%zu coordinates of a table, but got %zu",
             entry->arguments[lookup.argument].sizes.size(), lookup.at.size());
    }
    for (const Expression &e : lookup.at) {
      expression(e, axes, s);
    }
  }
  for (const auto &set : view.domain) {
    for (const Constraint &c : set) {
      expression(c.expression, axes, view.symbols.size());
    }
  }
  if (view.address.size() != sizesOf(view.argument) ||
      entry->arguments[view.argument].isScalar) {
    refuse("%zu coordinates of storage, but got %zu",
           entry->arguments[view.argument].sizes.size(), view.address.size());
  }
  for (const Expression &e : view.address) {
    expression(e, axes, view.symbols.size());
  }
}

void Checker::sameType(const Buffer &buffer, const Argument &argument,
                       const char *what) {
  if (buffer.dtype != argument.dtype || buffer.sizes != argument.sizes) {
    refuse("%s %u with one type and one list of sizes", what, buffer.index);
  }
}

void Checker::buffer(const Program &program, const Buffer &buffer) {
  bool isMemory = true;
  switch (buffer.kind) {
  case BufferKind::Operand:
  case BufferKind::Scalar:
    index("arguments", buffer.index, entry->arguments.size());
    isMemory = buffer.kind == BufferKind::Operand;
    if (entry->arguments[buffer.index].isScalar == isMemory) {
      refuse("argument %u as %s", buffer.index,
             isMemory ? "an array" : "a scalar");
    }
    sameType(buffer, entry->arguments[buffer.index], "argument");
    break;
  case BufferKind::Extent:
    index("extents", buffer.index, program.extents.size());
    isMemory = false;
    break;
  case BufferKind::Result:
    index("results", buffer.index, entry->results.size());
    sameType(buffer, entry->results[buffer.index], "result");
    break;
  case BufferKind::Workspace:
  case BufferKind::State:
    break;
  }
  if (buffer.isMemory != isMemory) {
    refuse("arrays as memory and scalars as cells");
  }
  if (!isMemory && (!buffer.sizes.empty() || buffer.dtype == ATTNRT_U4X2)) {
    refuse("cells without sizes");
  }
  indices("extents", buffer.shape, program.extents.size());
  // A state has the axis of slots in front.
  size_t axes = buffer.shape.size() + (buffer.kind == BufferKind::State);
  if (buffer.kind >= BufferKind::Result && axes != buffer.sizes.size()) {
    refuse("%zu extents as sizes, but got %zu", buffer.sizes.size(), axes);
  }
}

void Checker::launch(const Program &program, const LaunchRecord &launch) {
  size_t extents = program.extents.size(), kernels = program.kernels.size();
  index("kernels", launch.items, kernels);
  optional("kernels", launch.merge, kernels);
  optional("extents", launch.row, extents);
  optional("extents", launch.fold, extents);
  for (const auto *list :
       {&launch.segments, &launch.heads, &launch.subs, &launch.size}) {
    indices("extents", *list, extents);
  }
  for (uint32_t state : launch.states) {
    index("buffers", state, program.buffers.size());
    if (program.buffers[state].kind != BufferKind::State) {
      refuse("states of a fold, but buffer %u is none", state);
    }
  }
  for (const KeyView &keys : launch.keys) {
    index("views", keys.view, entry->views.size());
    if (keys.axes.size() != entry->views[keys.view].axes.size()) {
      refuse("what each of %zu axes of a view is, but got %zu",
             entry->views[keys.view].axes.size(), keys.axes.size());
    }
    for (int32_t axis : keys.axes) {
      if (axis < KeyView::kKeyAxis || axis >= int64_t(launch.segments.size())) {
        refuse("axes of views to be ranks below %zu, -1 or -2, but got %d",
               launch.segments.size(), axis);
      }
    }
  }
  if (launch.isFold() != (launch.merge >= 0) ||
      launch.isFold() != (launch.fold >= 0)) {
    refuse("a fold with merge, range and extent, or a stage without");
  }
  if (launch.isFold() && (launch.rows < 1 || launch.rows > kMostPackedRows)) {
    refuse("1..%u packed rows, but got %u", kMostPackedRows, launch.rows);
  }
  if (launch.cols < 1 || launch.cols > kMostPackedRows) {
    refuse("1..%u columns of a tile, but got %u", kMostPackedRows, launch.cols);
  }
}

void Checker::program(const Program &program) {
  index("targets", program.target, bundle.targets.size());
  index("targets", program.hostTarget, bundle.targets.size());
  index("code", program.hostCode, bundle.code.size());
  if (bundle.targets[program.hostTarget].kind != TargetKind::Cpu ||
      bundle.code[program.hostCode].kind != CodeKind::SharedObject) {
    refuse("host functions in a shared object for a CPU");
  }
  if (program.extentsFunction.empty()) {
    refuse("a function of extents");
  }
  indices("arguments", program.hostReads, entry->arguments.size());
  bool isGpu = bundle.targets[program.target].kind == TargetKind::Cuda;
  for (const KernelCode &kernel : program.kernels) {
    index("code", kernel.code, bundle.code.size());
    // A CPU has one object for both.
    bool fits = isGpu ? bundle.code[kernel.code].kind != CodeKind::SharedObject
                      : kernel.code == program.hostCode;
    if (!fits || kernel.symbol.empty()) {
      refuse("kernels of their target, but '%.100s' is none",
             kernel.symbol.c_str());
    }
    if (kernel.cubin != -1) {
      index("code", uint32_t(kernel.cubin), bundle.code.size());
      if (!isGpu || bundle.code[size_t(kernel.cubin)].kind != CodeKind::Cubin) {
        refuse("a cubin of '%.100s' for a GPU, but code %d is none",
               kernel.symbol.c_str(), kernel.cubin);
      }
    }
    if (isGpu && (kernel.threads < 1 || kernel.threads > kMostThreads ||
                  kernel.sharedBytes > kMostSharedBytes)) {
      refuse(
          "1..%u threads and up to %u bytes of shared memory, but got %u and "
          "%u",
          kMostThreads, kMostSharedBytes, kernel.threads, kernel.sharedBytes);
    }
    uint64_t wanted = isGpu ? program.argumentBytes() : 0;
    if (kernel.argumentBytes && kernel.argumentBytes != wanted) {
      refuse("%llu bytes of arguments, but got %u",
             static_cast<unsigned long long>(wanted), kernel.argumentBytes);
    }
    if (kernel.scratchBytes > kMostScratch) {
      refuse("scratch of at most 4 GiB");
    }
  }
  std::set<std::pair<BufferKind, uint32_t>> seen;
  size_t results = 0;
  for (const Buffer &b : program.buffers) {
    buffer(program, b);
    results += b.kind == BufferKind::Result;
    bool isOnce = b.kind != BufferKind::Workspace &&
                  b.kind != BufferKind::State && b.kind != BufferKind::Extent;
    if (isOnce && !seen.insert({b.kind, b.index}).second) {
      refuse("each argument and result in one buffer");
    }
  }
  if (results != entry->results.size()) {
    refuse("%zu results, but got %zu", entry->results.size(), results);
  }
  for (const LaunchRecord &l : program.launches) {
    launch(program, l);
  }
}

void Checker::check() {
  std::set<std::string> names;
  for (const Code &code : bundle.code) {
    if (code.kind != CodeKind::Ptx &&
        (code.size < 64 || std::memcmp(code.data, "\177ELF", 4) != 0)) {
      refuse("binary code as ELF");
    }
  }
  for (const Entry &e : bundle.entries) {
    entry = nullptr;
    if (e.name.empty() || !names.insert(e.name).second) {
      refuse("entries of different names, but got '%.100s'", e.name.c_str());
    }
    entry = &e;
    for (const Argument &argument : e.arguments) {
      if (argument.isScalar && !argument.sizes.empty()) {
        refuse("scalars without sizes");
      }
    }
    for (const View &v : e.views) {
      view(v);
    }
    for (const Selection &s : e.selections) {
      view(s.list);
      if (s.list.axes.empty() || s.list.symbols.empty()) {
        refuse("selections with a list and a count");
      }
    }
    for (const Program &p : e.programs) {
      program(p);
    }
  }
}

} // namespace

void attnrt::checkBundle(const Bundle &bundle) { Checker(bundle).check(); }
