//===- Check.cpp - Rules of an entry and of options -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Check.h"

#include "../Status.h"

#include <algorithm>
#include <cstring>

using namespace attnrt;

attnrt_status attnrt::invalid(const char *what, const char *want, int64_t got) {
  return fail(ATTNRT_INVALID_ARGUMENT, "%s expects %s, but got %lld", what,
              want, static_cast<long long>(got));
}

/// Copies a struct whose first field is its size: one of an older header has
/// fewer fields, of a newer one more, which must not be used.
template <typename T>
static attnrt_status readStruct(const char *name, const T *given, T &out) {
  const size_t size = given->struct_size;
  const char *bytes = reinterpret_cast<const char *>(given);
  if (size < sizeof(T)) {
    // No older header has been released with this field yet.
    return fail(ATTNRT_INVALID_ARGUMENT,
                "struct_size of %s expects %zu or more, but got %zu", name,
                sizeof(T), size);
  }
  if (std::any_of(bytes + sizeof(T), bytes + size, [](char c) { return c; })) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "%s expects zeros behind the %zu bytes that are known here, of "
                "%zu",
                name, sizeof(T), size);
  }
  std::memcpy(&out, given, sizeof(T));
  return ATTNRT_OK;
}

static attnrt_status checkEntry(const attnrt_entry &entry, int32_t split) {
  if (entry.max_packed_rows < 1 || entry.max_packed_rows > 1 << 20) {
    return invalid("max_packed_rows", "1..1048576", entry.max_packed_rows);
  }
  if (entry.kv_tile < 1) {
    return invalid("kv_tile", "1 or more", entry.kv_tile);
  }
  if (entry.states < 0) {
    return invalid("states", "0 or more", entry.states);
  }
  if (entry.ordered != 0 && entry.ordered != 1) {
    return invalid("ordered", "0 or 1", entry.ordered);
  }
  if (entry.axis != 0 && entry.axis != 1) {
    return invalid("axis", "0 or 1", entry.axis);
  }
  if (entry.resumes != 0 && entry.resumes != 1) {
    return invalid("resumes", "0 or 1", entry.resumes);
  }
  if (entry.states == 0 && split > 1) {
    return invalid("split of an entry without states", "0 or 1", split);
  }
  return ATTNRT_OK;
}

static attnrt_status checkOptions(const attnrt_plan_options &options) {
  const int32_t costs[] = {options.tile_cost, options.row_cost,
                           options.item_cost, options.state_cost};
  for (int32_t cost : costs) {
    if (cost < 0 || cost > 1 << 20) {
      return invalid("a cost", "0..1048576", cost);
    }
  }
  if (options.workers < 1 || options.workers > 1 << 16) {
    return invalid("workers", "1..65536", options.workers);
  }
  if (options.split < 0) {
    return invalid("split", "0 or more", options.split);
  }
  if (options.strategy < ATTNRT_STRATEGY_AUTO ||
      options.strategy > ATTNRT_STRATEGY_FIXED) {
    return invalid("strategy", "0..3", options.strategy);
  }
  if (options.split && (options.strategy == ATTNRT_STRATEGY_EVEN ||
                        options.strategy == ATTNRT_STRATEGY_FOREST)) {
    return invalid("split of this strategy", "0", options.split);
  }
  if (options.max_slots < 0) {
    return invalid("max_slots", "0 or more", options.max_slots);
  }
  if (options.merge_rows < 0 || options.merge_rows > 1 << 16) {
    return invalid("merge_rows", "0..65536", options.merge_rows);
  }
  return options.reserved
             ? invalid("reserved of the options", "0", options.reserved)
             : ATTNRT_OK;
}

attnrt_plan_options attnrt::withDefaults(attnrt_plan_options options) {
  if (!options.tile_cost && !options.row_cost && !options.item_cost &&
      !options.state_cost) {
    options.tile_cost = 16;
    options.row_cost = 1;
    options.item_cost = 8;
    options.state_cost = 1;
  }
  if (!options.merge_rows) {
    options.merge_rows = 32;
  }
  if (options.split || options.strategy == ATTNRT_STRATEGY_FIXED) {
    options.strategy = ATTNRT_STRATEGY_FIXED;
    options.split = std::max(options.split, 1);
  }
  return options;
}

static attnrt_status readCapacity(PlanArguments &out) {
  if (!out.options.capacity) {
    return ATTNRT_OK;
  }
  if (attnrt_status status =
          readStruct("the capacity", out.options.capacity, out.capacity)) {
    return status;
  }
  const attnrt_plan_capacity &c = out.capacity;
  for (int64_t n : {c.segments, c.rows, c.items, c.merges, c.stages, c.work,
                    c.merge_slots, c.masks, int64_t(c.reserved)}) {
    if (n < 0 || n > INT32_MAX) {
      return invalid("a capacity", "0..2147483647", n);
    }
  }
  out.options.capacity = &out.capacity;
  return ATTNRT_OK;
}

attnrt_status attnrt::readArguments(const attnrt_problem *problem,
                                    const attnrt_entry *entry,
                                    const attnrt_plan_options *options,
                                    PlanArguments &out) {
  if (!problem || !entry || !options) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects a problem, an entry and options, but got null");
  }
  if (attnrt_status status = readStruct("the options", options, out.options)) {
    return status;
  }
  if (attnrt_status status = checkOptions(out.options)) {
    return status;
  }
  if (attnrt_status status = readCapacity(out)) {
    return status;
  }
  out.options = withDefaults(out.options);
  for (out.stages = 0; entry; entry = out.entries[out.stages++].next) {
    if (out.stages == PlanArguments::mostStages) {
      return invalid("the list of entries", "64 or fewer", out.stages + 1);
    }
    attnrt_entry &to = out.entries[out.stages];
    if (attnrt_status status = readStruct("an entry", entry, to)) {
      return status;
    }
    if (attnrt_status status = checkEntry(to, options->split)) {
      return status;
    }
  }
  if (attnrt_status status = readStruct("the problem", problem, out.problem)) {
    return status;
  }
  if (attnrt_status status = checkProblem(out.problem)) {
    return status;
  }
  for (int32_t s = 0; s < out.stages; ++s) {
    const attnrt_entry &e = out.entries[s];
    if (e.axis == 0 && e.states == 0 &&
        (out.problem.ext_count || out.problem.keep_count)) {
      return invalid("external and kept states of an entry without states",
                     "none",
                     out.problem.ext_count ? out.problem.ext_count
                                           : out.problem.keep_count);
    }
  }
  return ATTNRT_OK;
}
