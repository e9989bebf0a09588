//===- plan.h - Making and checking work plans -----------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The planner turns a batch into one stage of a work plan (plan_format.h), and
// attnrt_plan_verify says whether a plan solves a batch. The two share no code.
//
// How work is cut. The rows of a segment that see anything are cut into runs of
// consecutive rows, the group into runs of query heads, so that rows x query
// heads stays within the entry's packed rows. One (row run, KV head, sub run)
// is a unit; it reads the hull of its rows, from the KV tile that holds the
// first visible ordinal to the last visible one. Units lie in a line: segments
// in order, in a segment heads, then sub runs, then row runs (which so read the
// same keys one after the other).
//   split == 0  The line is cut into `workers` pieces at borders of KV tiles.
//               Longest minus shortest worker, in the cost model below, is at
//               most one tile plus the constant of an item. A cut lies on the
//               border of a unit where that keeps the bound.
//   split == k  A unit of t tiles has min(k, t) parts; part j starts at tile
//               floor(t * j / parts). Boundaries depend on the unit's own rows
//               only: not on the other segments, nor on the number of workers.
// The parts of a unit with more than one part become states and merges. Rows
// that see nothing become merges of nothing.
//
// Cost model, in units without dimension: an item of t KV tiles with r packed
// rows costs item_cost + t * (tile_cost + r * row_cost); all sub runs of a
// group count like the longest.
//
// Sources: stream-K, Osama et al., PPoPP 2023, section 4 (equal shares of the
// inner loop); that a sequence of parts, each at most g, has a block partition
// whose sums differ by at most g: Barany and Grinberg, "Block partitions of
// sequences", 2015.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_PLAN_H
#define ATTNRT_PLAN_H

#include "attnrt/plan_format.h"
#include "attnrt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What must be computed. All arrays stay the caller's and are only read during
/// the call. Row r of the problem becomes Row record r of the plan, q = r.
typedef struct attnrt_problem {
  /// [segment_count] copied into the plan. Needs count >= 0, head == -1,
  /// len_ref == -1 (exact lengths), reserved == 0, 0 <= view <= 65535.
  const attnrt_segment *segments;
  int64_t segment_count;
  /// [segment_count + 1] segment s is read by the rows
  /// [row_begin[s], row_begin[s + 1]); from 0 to row_count, not decreasing.
  const int32_t *row_begin;
  const int32_t *coord; ///< [row_count] row coordinates
  /// [row_count] hull of visible fold coordinates, as the entry's range
  /// function gives it; lo >= limit: none. May reach past the segment's
  /// coordinates.
  const int32_t *lo;
  const int32_t *limit;
  int64_t row_count;
  int32_t heads; ///< KV heads, 1..65536; each gets items for all rows
  int32_t group; ///< query heads per KV head, 1..65535
} attnrt_problem;

/// What the compiled entry can take.
typedef struct attnrt_entry {
  int32_t kernel;          ///< number of the entry, copied into the stage
  int32_t max_packed_rows; ///< row_count * sub_count of an item,
                           ///< 1..1048576
  int32_t kv_tile;         ///< ordinals of a KV tile, >= 1
  int32_t states;          ///< state components; 0: no partial states, so no
                           ///< unit is split (and split <= 1)
  int32_t ordered;         ///< 1 = the fold is not commutative
} attnrt_entry;

typedef struct attnrt_plan_options {
  int32_t workers;    ///< 1..65536
  int32_t split;      ///< parts per unit, see above; 0 = even over workers
  int64_t max_slots;  ///< states there is room for; 0 = no limit
  int32_t merge_rows; ///< most rows of one merge, to 65536; 0 = 32
  /// Cost model, 0..1048576 each; all three 0: 16, 1 and 8.
  int32_t tile_cost;
  int32_t row_cost;
  int32_t item_cost;
} attnrt_plan_options;

/// Makes plans and owns the memory of the last one. One thread at a time.
typedef struct attnrt_planner attnrt_planner;

ATTNRT_API attnrt_status attnrt_planner_create(attnrt_planner **out);

/// Frees the planner and its plan; null is allowed.
ATTNRT_API void attnrt_planner_destroy(attnrt_planner *planner);

/// Makes a plan of one stage. On success *out points to it until the next
/// successful call with this planner. On failure the last plan is intact and
/// *out unchanged: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for heads or groups
/// past 16 bits, more slots than max_slots, arrays past 2^31 records, memory.
ATTNRT_API attnrt_status attnrt_planner_plan(attnrt_planner *planner,
                                             const attnrt_problem *problem,
                                             const attnrt_entry *entry,
                                             const attnrt_plan_options *options,
                                             const attnrt_plan **out);

/// Checks a plan of one stage against what was asked for; INVALID_PLAN and a
/// message with the first rule it breaks otherwise. `bytes` = readable bytes at
/// `plan`. Reads nothing outside them, whatever the plan says.
///   I1  per (row, query head): ordinals of the hull covered exactly once
///   I2  each slot written once and merged once, by the output it was written
///       for (row, head, query head); each output written exactly once
///   I3  segments and rows as asked for; items inside their segment, their
///       segment's rows, and the entry's limits
///   I4  both worker lists are monotone and cover the stage
///   I5  with split > 0 the boundaries are those of plan.h
///   I7  merge lists in coordinate order
///   I8  ATTNRT_ITEM_FULL only where it is true
///   I9  no external states, carries, masks, kept states: this planner has none
ATTNRT_API attnrt_status attnrt_plan_verify(const attnrt_plan *plan,
                                            uint64_t bytes,
                                            const attnrt_problem *problem,
                                            const attnrt_entry *entry,
                                            const attnrt_plan_options *options);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_PLAN_H
