//===- UpdatePlans.cpp - The plans of a step ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Given.h"
#include "Updater.h"

#include "../plan/Check.h"
#include "../plan/Variants.h"

#include <algorithm>
#include <climits>
#include <numeric>

using namespace attnrt;

LaunchSizes Schedule::Updater::sizesOf(const LaunchRecord &launch) const {
  int64_t ordinals =
      multiply(step.extents[size_t(launch.fold)], launch.cols, "keys");
  return {step.product(launch.segments),
          launch.row < 0 ? 1 : step.extents[size_t(launch.row)],
          step.product(launch.heads),
          step.product(launch.subs),
          ordinals,
          launch.cols};
}

LaunchSizes Schedule::Updater::jointSizes(size_t number) const {
  LaunchSizes sizes = sizesOf(program.launches[number]);
  for (size_t p = 1; p < kernel.parts.size(); ++p) {
    LaunchSizes other = sizesOf(program.launches[p]);
    if (other.segments != sizes.segments || other.rows != sizes.rows ||
        other.heads != sizes.heads || other.subs != sizes.subs) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "kernels that are joined expect the same sizes, but kernel 0 has "
            "%lld requests of %lld rows, %lld KV heads of %lld query heads, "
            "and kernel %zu has %lld of %lld, %lld of %lld",
            static_cast<long long>(sizes.segments),
            static_cast<long long>(sizes.rows),
            static_cast<long long>(sizes.heads),
            static_cast<long long>(sizes.subs), p,
            static_cast<long long>(other.segments),
            static_cast<long long>(other.rows),
            static_cast<long long>(other.heads),
            static_cast<long long>(other.subs));
    }
    sizes.ordinals = std::max(sizes.ordinals, other.ordinals);
    // Items begin and end where tiles of all of them do.
    sizes.tile = std::lcm(sizes.tile, other.tile);
    if (sizes.tile > INT32_MAX) {
      raise(ATTNRT_INVALID_ARGUMENT, "kernels that are joined expect tiles of "
                                     "a common size");
    }
  }
  return sizes;
}

bool Schedule::Updater::poseFold(size_t number) {
  const LaunchRecord &launch = program.launches[number];
  PlannedLaunch &planned = step.launches[number];
  LaunchWork &work = step.works[number];
  if (kernel.isJoined()) {
    work.variants = uint32_t(kernel.parts.size());
  }
  LaunchSizes sizes = jointSizes(number);
  uint32_t rows = launch.rows;
  bool resumes = launch.resumes, shares = launch.shares;
  for (uint32_t v = 1; v < work.variants; ++v) {
    const LaunchRecord &other = program.launches[number + v];
    rows = std::min(rows, other.rows);
    shares = shares && other.shares;
    resumes = false; // the state of an item is not laid out as the other's
  }
  planned.entry.max_packed_rows = int32_t(rows);
  planned.entry.kv_tile = int32_t(sizes.tile);
  planned.entry.states = int32_t(launch.states.size());
  planned.entry.ordered = launch.isOrdered;
  planned.entry.resumes = resumes;
  if (const attnrt_problem *problem = problemOf(number)) {
    std::vector<int64_t> ordinals;
    for (uint32_t v = 0; v < work.variants; ++v) {
      ordinals.push_back(sizesOf(program.launches[number + v]).ordinals);
    }
    return takeFold(planned, *problem, sizes, shares, ordinals);
  }
  std::vector<RangeOf> variants;
  for (uint32_t v = 0; v < work.variants; ++v) {
    const KernelPart &part = kernel.parts[v];
    // Launches of a joined kernel are those of its parts, one each.
    variants.push_back({part.ranges[work.variants > 1 ? 0 : number],
                        {},
                        sizesOf(program.launches[number + v]).ordinals});
    for (const auto &corner : corners) {
      variants.back().corners.push_back(
          part.args(corner.data(), step.scalars.data()));
    }
  }
  // Says more than that there are too many.
  if (sizes.ordinals > INT32_MAX) {
    for (uint32_t v = 0; v < work.variants; ++v) {
      checkKeys(number + v, nullptr, sizes.tile);
    }
  }
  if (!attnrt::poseFold(planned, sizes, variants,
                        shares && prefixes ? &*prefixes : nullptr)) {
    return false;
  }
  for (uint32_t v = 0; corners.size() == 1 && v < work.variants; ++v) {
    checkKeys(number + v, &planned, sizes.tile);
  }
  return true;
}

/// What the host knows of the arguments, by argument.
std::vector<HostValue> Schedule::Updater::hostValues() const {
  std::vector<HostValue> values(kernel.entry->arguments.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (kernel.bufferOf[i] < 0) {
      continue;
    }
    const size_t n = size_t(kernel.bufferOf[i]);
    const uint32_t number = schedule.numberOf[n];
    if (program.buffers[n].kind == BufferKind::Scalar) {
      values[i].tensor.dtype = kernel.entry->arguments[i].dtype;
      values[i].cell = step.scalars[number];
    } else {
      values[i].tensor = step.tensors[number];
    }
  }
  return values;
}

/// How far the rows of each request surely see keys of a launch: ends are in
/// whole tiles, of the last of which one key is sure. Where kernels are joined,
/// segments say what rows see of each.
KeyReach Schedule::Updater::reachOf(const PlannedLaunch &planned, size_t number,
                                    int64_t tile) const {
  const LaunchRecord &launch = program.launches[number];
  KeyReach reach;
  for (uint32_t extent : launch.segments) {
    reach.sizes.push_back(step.extents[extent]);
  }
  reach.keys.assign(size_t(step.product(launch.segments)), 0);
  auto see = [&](int32_t request, int64_t end) {
    int64_t &keys = reach.keys[size_t(request)];
    keys = std::max(keys, end - tile + 1);
  };
  if (kernel.isJoined()) {
    for (const attnrt_segment &segment : planned.segments) {
      if (size_t(segment.view) == number) {
        see(segment.param, int64_t(segment.coord0) + segment.count);
      }
    }
    return reach;
  }
  for (size_t row = 0; row < planned.high.size(); ++row) {
    if (planned.low[row] < planned.high[row]) {
      see(planned.segmentOfRow[row], planned.high[row]);
    }
  }
  return reach;
}

/// Refuses lengths past what the tables of a request can hold, as a plan of all
/// these keys is work for nothing: where rows surely see a key that is past the
/// end of a table. What is masked, and requests without rows, may say anything.
/// `planned`: what rows see; null: any. Only where the furthest row sees past
/// the end of a table are views looked at, request by request.
void Schedule::Updater::checkKeys(size_t number, const PlannedLaunch *planned,
                                  int64_t tile) const {
  const int64_t ordinals = sizesOf(program.launches[number]).ordinals;
  int64_t furthest = ordinals;
  if (planned && !kernel.keys[number].empty()) {
    const auto &high = planned->high;
    furthest = *std::max_element(high.begin(), high.end()) - tile + 1;
  }
  for (const ViewKeys &keys : kernel.keys[number]) {
    int64_t fit = INT64_MAX;
    for (const KeyEnd &end : keys.ends) {
      const int32_t n = kernel.bufferOf[end.argument];
      if (n >= 0) {
        const attnrt_tensor &table = step.tensors[schedule.numberOf[size_t(n)]];
        fit = std::min(fit, end.fit(table.shape[end.dimension]));
      }
    }
    if (std::min(ordinals, furthest) > fit) {
      std::optional<KeyReach> reach;
      if (planned) {
        reach = reachOf(*planned, number, tile);
      }
      ViewWalk(kernel.entry->views[keys.view], hostValues())
          .checkEnd(keys, reach ? &*reach : nullptr);
    }
  }
}

bool Schedule::Updater::posePoints(size_t number) {
  PlannedLaunch &planned = step.launches[number];
  LaunchWork &work = step.works[number];
  work.points = step.product(program.launches[number].size);
  if (work.points > INT32_MAX) {
    raise(ATTNRT_RESOURCE_EXHAUSTED, "a stage of %lld points is too large",
          static_cast<long long>(work.points));
  }
  int32_t perItem = kernel.code->pointsPerItem(number);
  if (!perItem) {
    return false;
  }
  planned.entry.max_packed_rows = perItem;
  planned.entry.kv_tile = 1;
  planned.options.split = 1;
  planned.options.strategy = ATTNRT_STRATEGY_FIXED;
  return attnrt::posePoints(planned, work.points);
}

void Schedule::Updater::plan(size_t number) {
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
  if (kernel.code->computesAllRows()) {
    attnrt_plan_options usual = withDefaults({});
    planned.options.tile_cost =
        usual.tile_cost +
        usual.row_cost * int32_t(program.launches[number].rows);
    planned.options.item_cost = usual.item_cost;
    planned.options.state_cost = usual.state_cost;
  }
  planned.entry = attnrt_entry{};
  planned.entry.struct_size = sizeof(planned.entry);
  const bool isFold = program.launches[number].isFold();
  if (problemOf(number) && (!isFold || isVariant(number))) {
    raise(ATTNRT_INVALID_ARGUMENT, "launch %zu expects no problem, as it is %s",
          number,
          isVariant(number) ? "a variant of launch 0" : "a stage of points");
  }
  if (isVariant(number) || !(isFold ? poseFold(number) : posePoints(number))) {
    return;
  }
  planned.makePlan();
  work.plan = planned.plan;
  if (work.variants > 1 && kernel.code->splitsVariants()) {
    work.byVariant =
        splitVariants(*planned.plan, int32_t(work.variants), planned.byVariant);
  }
}

void Schedule::Updater::beginPlans() {
  size_t count = program.launches.size();
  if (given.num_problems < 0 || size_t(given.num_problems) > count) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects problems of at most %zu launches, but got %d", count,
          given.num_problems);
  }
  step.launches.resize(count);
  step.works.assign(count, LaunchWork{});
  step.stats = attnrt_schedule_stats{};
}

void Schedule::Updater::plan() {
  beginPlans();
  for (size_t number = 0; number < program.launches.size(); ++number) {
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
