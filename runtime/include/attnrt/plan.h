//===- plan.h - Making and checking work plans -----------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The planner turns a batch into a work plan (plan_format.h), and
// attnrt_plan_verify says whether a plan solves a batch. The two share no code.
// docs/plans.md introduces both.
//
// What is asked for. A segment is a run of the fold rank; every segment has a
// list of rows that read it. A row reads all segments that list it, in the
// order of their numbers: a shared prefix is a segment with many rows, and the
// tree of prefixes is a numbering in which parents come before children. Rows
// numbered so that those below a node follow one another (depth first) need no
// list: a segment names a range.
//
// How work is cut. The rows of a segment that see anything are cut into runs,
// the group into runs of query heads, so that rows x query heads stays within
// the entry's packed rows. One (row run, KV head, sub run) is a unit; it reads
// the hull of its rows, from the KV tile that holds the first visible ordinal
// to the last visible one. Where the entry resumes, a unit may go on through
// several segments that the same rows read one after another.
//   even    The units lie in a line, which is cut into `workers` pieces at
//           borders of KV tiles (stream-K). Longest minus shortest worker, in
//           the cost model below, is at most one tile plus the constant of an
//           item. A cut lies on the border of a unit where that keeps the
//           bound.
//   forest  Units are cut into chunks of about a worker's share or less, and
//           the longest chunk goes to the worker with the least work.
//   fixed   A unit of t tiles has p = min(split, t) parts; part j starts at
//           tile floor(t * j / p). Boundaries depend on the unit's own rows
//           only: not on other segments, nor on the number of workers. Rows of
//           different `sym` share a run only where all of them see the same
//           ordinals, so a row depends on the rows of its own request only,
//           if `sym` tells requests apart and the rows of a request follow one
//           another. split == 1: no unit is cut.
// The parts of an output with more than one part become states and merges. Rows
// that see nothing become merges of nothing.
//
// A segment is folded into the segments that its rows read next (the rows of
// each of these read it for themselves, in one unit with it) where this costs
// less than the states that it saves. Not with a fixed split: the choice
// depends on other rows.
//
// Cost model, in units without dimension: an item of t KV tiles with r packed
// rows costs item_cost + t * (tile_cost + r * row_cost), where it resumes
// another no item_cost; a state that is written and merged costs state_cost.
// All sub runs of a group count like the longest.
//
// Lengths. A plan is made for all real lengths in [low, high]. Segments have
// the count of `high`; lo and limit of a row are the hull of what it may see at
// any of these lengths, so the lower end of a window comes from `low`. What is
// visible at all of them is given beside, for the hint ATTNRT_ITEM_FULL only.
//
// Sources: stream-K, Osama et al., PPoPP 2023, section 4 (equal shares of the
// inner loop); that a sequence of parts, each at most g, has a block partition
// whose sums differ by at most g: Barany and Grinberg, "Block partitions of
// sequences", 2015; longest processing time first: Graham, "Bounds on
// multiprocessing timing anomalies", 1969; attention over a tree of prefixes,
// one read per node: ChunkAttention, Ye et al., 2024.
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
/// the call. Row records 0 .. row_count-1 of the plan are the problem's rows,
/// q = r; with a row_list, record row_count + j is again row row_list[j].
/// `struct_size` is sizeof the caller's struct; fields it does not have count
/// as 0. A null pointer is allowed where a default is named.
typedef struct attnrt_problem {
  uint32_t struct_size;
  int32_t heads;     ///< KV heads, 1..65536; each gets items for all rows
  int32_t group;     ///< query heads per KV head, 1..65535
  uint32_t reserved; ///< 0
  /// [segment_count] copied into the plan. Needs count >= 0, head, len_ref and
  /// select >= -1, head < heads, reserved == 0, 0 <= view <= 65535.
  const attnrt_segment *segments;
  int64_t segment_count;

  /// Segment s is read by the rows row_list[row_begin[s] .. row_end[s]), which
  /// rise. row_list null: by the rows [row_begin[s], row_end[s]). row_end null:
  /// row_begin has segment_count + 1 elements from 0 to row_count (with a list,
  /// to row_list_size), not decreasing, and row_end[s] is row_begin[s + 1].
  const int32_t *row_begin;
  const int32_t *row_end;
  const int32_t *row_list;
  int64_t row_list_size;

  int64_t row_count;
  const int32_t *coord; ///< [row_count] row coordinates
  /// [row_count] hull of fold coordinates that are visible at any length, as
  /// the entry's range function gives it; lo >= limit: none. May reach past the
  /// segments' coordinates. Of a segment with a selection list a row with a
  /// hull reads all ordinals: what they are is known on the device only.
  const int32_t *lo;
  const int32_t *limit;
  /// [row_count] what is visible at all lengths; both or neither. Null: lo and
  /// limit where row_len_ref is -1, else nothing.
  const int32_t *sure_lo;
  const int32_t *sure_limit;
  const int32_t *row_len_ref; ///< [row_count] attnrt_row.len_ref; null: -1
  const int32_t *row_back;    ///< [row_count] attnrt_row.back; null: 0
  /// [row_count] attnrt_row.sym; null: param of the first segment that the row
  /// reads, 0 if none.
  const int32_t *sym;
  /// [segment_count] least real count, 0..count; null: count where len_ref is
  /// -1, else 0.
  const int32_t *sure_count;

  /// [segment_count] -1, or first element of `masks` for segment s; null: -1.
  /// With n rows in the segment's list there are w = (n + 63) / 64 words for an
  /// ordinal: the row at place k of the list sees ordinal t only if bit k % 64
  /// of masks[mask_begin[s] + t * w + k / 64] is set. Items of such segments
  /// hold at most 64 rows.
  const int64_t *mask_begin;
  const uint64_t *masks;
  int64_t mask_words;

  /// External states of row r, in the order in which they are merged, before
  /// everything the row reads: ext[ext_begin[r] .. ext_begin[r + 1]). Numbers
  /// below ext_count, none twice. The state of (row, head, sub) lies in slot
  /// (number * heads + head) * group + sub. Null: none. Axis 0 only.
  const int32_t *ext_begin;
  const int32_t *ext;
  /// [row_count] -1, or the number below keep_count, none twice and none left
  /// out, of a state that the row's result stays: no epilogue, no output. Its
  /// slot is ext_count * heads * group + (number * heads + head) * group + sub.
  /// Null: -1. Axis 0 only.
  const int32_t *keep;
  int32_t ext_count;
  int32_t keep_count;
} attnrt_problem;

/// What the compiled entry can take; one stage of the plan.
typedef struct attnrt_entry {
  uint32_t struct_size;    ///< sizeof(attnrt_entry)
  int32_t kernel;          ///< number of the entry, copied into the stage
  int32_t max_packed_rows; ///< row_count * sub_count of an item,
                           ///< 1..1048576
  int32_t kv_tile;         ///< ordinals of a KV tile, >= 1
  int32_t states;  ///< state components; 0: no partial states, so no unit is
                   ///< split (and split <= 1)
  int32_t ordered; ///< 1 = the fold is not commutative
  int32_t axis;    ///< 0 = rows own the outputs; 1 = each ordinal of each
                   ///< segment does, for each head that the segment serves
  int32_t resumes; ///< 1 = the kernels know ATTNRT_ITEM_KEEP and _RESUME
  const struct attnrt_entry *next; ///< entry of the next stage; null: none
} attnrt_entry;

/// How work is cut and shared, see the head of this file.
typedef enum attnrt_strategy {
  /// split > 0: fixed. Else forest if rows read several segments or heads have
  /// segments of their own, else even.
  ATTNRT_STRATEGY_AUTO = 0,
  ATTNRT_STRATEGY_EVEN = 1,
  ATTNRT_STRATEGY_FOREST = 2,
  ATTNRT_STRATEGY_FIXED = 3 ///< split parts; 0 counts as 1
} attnrt_strategy;

/// Records there is room for. The offsets of a plan's arrays depend on these
/// numbers only, so a device can keep the addresses from plan to plan.
typedef struct attnrt_plan_capacity {
  uint32_t struct_size; ///< sizeof(attnrt_plan_capacity)
  uint32_t reserved;    ///< 0
  int64_t segments, rows, items, merges, stages, work, merge_slots, masks;
} attnrt_plan_capacity;

typedef struct attnrt_plan_options {
  uint32_t struct_size; ///< sizeof(attnrt_plan_options)
  int32_t workers;      ///< 1..65536
  int32_t split;        ///< parts per unit of a fixed split; 0: see strategy.
                        ///< With even and forest: 0
  int32_t strategy;     ///< attnrt_strategy
  int64_t max_slots;    ///< states there is room for; 0 = no limit
  int32_t merge_rows;   ///< most outputs of one merge, to 65536; 0 = 32
  /// Cost model, 0..1048576 each; all four 0: 16, 1, 8 and 1.
  int32_t tile_cost;
  int32_t row_cost;
  int32_t item_cost;
  int32_t state_cost;
  uint32_t reserved;                    ///< 0
  const attnrt_plan_capacity *capacity; ///< null: as much as the plan needs
} attnrt_plan_options;

ATTNRT_STATIC_ASSERT(sizeof(attnrt_problem) == 200, "problem layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_entry) == 40, "entry layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_plan_capacity) == 72, "capacity layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_plan_options) == 56, "options layout");

/// Makes plans and owns the memory of the last one. One thread at a time.
typedef struct attnrt_planner attnrt_planner;

ATTNRT_API attnrt_status attnrt_planner_create(attnrt_planner **out);

/// Frees the planner and its plan; null is allowed.
ATTNRT_API void attnrt_planner_destroy(attnrt_planner *planner);

/// Makes a plan with one stage for `entry` and each that follows it by `next`,
/// to 64. On success *out points to it until the next successful call with this
/// planner. On failure the last plan is intact and *out unchanged:
/// INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for heads or groups past 16 bits,
/// more slots than max_slots, more records than there is room for, arrays past
/// 2^31 records, memory.
ATTNRT_API attnrt_status attnrt_planner_plan(attnrt_planner *planner,
                                             const attnrt_problem *problem,
                                             const attnrt_entry *entry,
                                             const attnrt_plan_options *options,
                                             const attnrt_plan **out);

/// Checks a plan against what was asked for; INVALID_PLAN and a message with
/// the first rule it breaks otherwise. `bytes` = readable bytes at `plan`.
/// Reads nothing outside them, whatever the plan says. Capacities are not
/// checked. Rules, for each stage:
///   I1  axis 0, per (row, query head, segment): ordinals of the hull covered
///       exactly once. Axis 1, per (segment, ordinal, head): each (row, query
///       head) that may see it counted exactly once
///   I2  each slot written once and merged once, by the output it was written
///       for; each output (or kept state) written exactly once
///   I3  segments, rows and masks as asked for; items inside their segment, its
///       rows, its head, and the entry's limits
///   I4  both worker lists are monotone and cover the stage
///   I5  with a fixed split the boundaries are those of this header
///   I7  merge lists in order: by segment, then ordinal (axis 1: by row, then
///       query head); what one worker resumes likewise
///   I8  ATTNRT_ITEM_FULL and ATTNRT_ITEM_RUN only where they are true
///   I9  external states as asked for: all of a row's, once, in their order,
///       before the row's own parts; kept states where they belong; no carries
/// (I6, that a plan which does not fit leaves the last one as it was, is the
/// planner's promise.)
ATTNRT_API attnrt_status attnrt_plan_verify(const attnrt_plan *plan,
                                            uint64_t bytes,
                                            const attnrt_problem *problem,
                                            const attnrt_entry *entry,
                                            const attnrt_plan_options *options);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_PLAN_H
