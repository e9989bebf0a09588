//===- Validate.cpp - Whether the tables of a step can be right -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Prefixes.h"
#include "Schedule.h"
#include "Tensor.h"
#include "ViewWalk.h"

#include <algorithm>

using namespace attnrt;

namespace {

/// Whether requests that share keys find them in the same place, through the
/// views of one launch.
class Agreement {
public:
  Agreement(const Entry &entry, const LaunchRecord &launch,
            const std::vector<int64_t> &extents,
            const std::vector<HostValue> &values)
      : entry(entry), launch(launch), extents(extents), values(values) {}

  /// `most`: keys that there are. Of kernels that are joined a launch may have
  /// fewer: the others are in other formats.
  void check(const attnrt_prefixes &prefixes, int64_t most);
  int64_t keys() const { return extents[size_t(launch.fold)] * launch.cols; }

private:
  void check(const KeyView &keys, const SharedRuns &shared);
  /// Fixes what a request and a key are of the view's axes.
  std::vector<int64_t> fix(const KeyView &keys, int32_t request, int32_t key);

  const Entry &entry;
  const LaunchRecord &launch;
  const std::vector<int64_t> &extents;
  const std::vector<HostValue> &values;
};

} // namespace

std::vector<int64_t> Agreement::fix(const KeyView &keys, int32_t request,
                                    int32_t key) {
  std::vector<int64_t> ranks(launch.segments.size());
  int64_t rest = request;
  for (size_t r = ranks.size(); r-- > 0;) {
    int64_t size = extents[launch.segments[r]];
    ranks[r] = r ? rest % size : rest;
    rest /= size;
  }
  std::vector<int64_t> fixed;
  for (int32_t axis : keys.axes) {
    fixed.push_back(axis >= 0                   ? ranks[size_t(axis)]
                    : axis == KeyView::kKeyAxis ? key
                                                : -1);
  }
  return fixed;
}

static std::string listOf(const std::vector<int64_t> &numbers, size_t begin,
                          size_t count) {
  std::string text;
  for (size_t i = begin; i < std::min(numbers.size(), begin + count); ++i) {
    text += (i == begin ? "[" : ", ") + std::to_string(numbers[i]);
  }
  return text.empty() ? "nowhere" : "at " + text + "]";
}

void Agreement::check(const KeyView &keys, const SharedRuns &shared) {
  ViewWalk walk(entry.views[keys.view], values);
  std::vector<int64_t> first, other;
  // What is left of a tile each request reads by itself.
  auto toTile = [&](int32_t key) {
    return key / int32_t(launch.cols) * int32_t(launch.cols);
  };
  for (const SharedRuns::Run &run : shared.runs) {
    const int64_t end = std::min<int64_t>(toTile(run.end), this->keys());
    for (int32_t key = toTile(run.begin); key < end; ++key) {
      int32_t leader = shared.order[size_t(run.first)];
      walk.addresses(fix(keys, leader, key), first);
      for (int32_t i = run.first + 1; i < run.last; ++i) {
        int32_t request = shared.order[size_t(i)];
        walk.addresses(fix(keys, request, key), other);
        if (first == other) {
          continue;
        }
        size_t at =
            size_t(std::mismatch(first.begin(),
                                 first.begin() +
                                     long(std::min(first.size(), other.size())),
                                 other.begin())
                       .first -
                   first.begin());
        size_t width = entry.views[keys.view].address.size();
        at = at / width * width;
        raise(ATTNRT_INVALID_ARGUMENT,
              "requests %d and %d share key %d, but the view of argument %u "
              "finds it %s for one and %s for the other",
              leader, request, key, entry.views[keys.view].argument,
              listOf(first, at, width).c_str(),
              listOf(other, at, width).c_str());
      }
    }
  }
}

void Agreement::check(const attnrt_prefixes &prefixes, int64_t most) {
  int64_t requests = 1;
  for (uint32_t extent : launch.segments) {
    requests *= extents[extent];
  }
  SharedRuns shared = findSharedRuns(prefixes, requests, most);
  for (const KeyView &keys : launch.keys) {
    check(keys, shared);
  }
}

/// Sizes that the host function computes from the arguments.
static std::vector<int64_t> findExtents(const Schedule &schedule,
                                        const std::vector<HostValue> &values) {
  const Kernel &kernel = *schedule.kernel;
  std::vector<attnrt_tensor> tensors(schedule.numTensors);
  std::vector<uint64_t> cells(schedule.numScalars);
  for (size_t n = 0; n < kernel.program->buffers.size(); ++n) {
    const Buffer &buffer = kernel.program->buffers[n];
    uint32_t number = schedule.numberOf[n];
    if (buffer.kind == BufferKind::Scalar) {
      cells[number] = values[buffer.index].cell;
    } else if (buffer.kind == BufferKind::Operand) {
      tensors[number] = values[buffer.index].tensor;
      if (kernel.isHostRead[buffer.index] && !tensors[number].data) {
        raise(ATTNRT_INVALID_ARGUMENT,
              "argument %u is looked at when tables are checked: its values "
              "are expected in `host`",
              buffer.index);
      }
    }
  }
  std::vector<int64_t> extents(kernel.program->extents.size());
  kernel.findExtents(tensors.data(), cells.data(), extents.data());
  return extents;
}

void Schedule::validate(const attnrt_step &given) const {
  const Entry &entry = *kernel->entry;
  size_t count = entry.arguments.size();
  checkCount(given, count);
  std::vector<HostValue> values(count);
  for (size_t i = 0; i < count; ++i) {
    const Argument &argument = entry.arguments[i];
    const DLTensor *tensor =
        given.host && given.host[i] ? given.host[i] : given.arguments[i];
    TensorName name{"argument", i};
    if (argument.isScalar) {
      values[i].tensor = attnrt_tensor{};
      values[i].tensor.dtype = argument.dtype;
      values[i].cell = bindScalar(tensor, argument, name);
      continue;
    }
    values[i].tensor = bindTensor(tensor, argument, name);
    if (!isHostMemory(tensor->device) || !tensor->data) {
      values[i].tensor.data = nullptr;
    }
  }
  for (const View &view : entry.views) {
    ViewWalk(view, values).run();
  }
  for (const Selection &selection : entry.selections) {
    ViewWalk(selection, values).run();
  }
  if (!given.prefixes) {
    return;
  }
  attnrt_prefixes prefixes = readParams(given.prefixes, "attnrt_prefixes");
  std::vector<int64_t> extents = findExtents(*this, values);
  std::vector<Agreement> folds;
  int64_t most = 0;
  for (const LaunchRecord &launch : kernel->program->launches) {
    if (launch.isFold() && launch.shares) {
      folds.emplace_back(entry, launch, extents, values);
      most = std::max(most, folds.back().keys());
    }
  }
  for (Agreement &fold : folds) {
    fold.check(prefixes, kernel->isJoined() ? most : fold.keys());
  }
}
