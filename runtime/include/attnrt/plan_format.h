//===- plan_format.h - Work plans and the kernel ABI ----------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The single definition of what a compiled kernel reads: the records of a work
// plan and the arguments of a launch. Runtime, compiler and devices all use
// these structs as they lie in memory: little-endian, no pointers in records,
// no padding that is not named. C11 and C++17.
//
// Words used below
//   fold rank    the rank a kernel loops over (the keys of attention)
//   coordinate   a value of the fold rank, or of the row rank where it says so
//   ordinal      running number of a visited point inside a segment,
//                0..count-1; its coordinate is segment.coord0 + ordinal, or
//                with a selection list segment.coord0 + the listed point
//   row          one point of the row rank (a query position) of one segment
//   head, sub    KV head, and query head inside the group that shares it
//   state        the fold's partial result of one (row, head, sub); it lies in
//                a slot: index into the state tensors, one tensor per component
//   worker       one thread, CTA or cluster; it walks its own list of items and
//                never waits for another worker
//
// Indices count records or elements, never bytes, unless a comment says bytes.
//
// docs/plans.md says what the records are for, which of them compiled kernels
// read today, and what a plan must obey.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_PLAN_FORMAT_H
#define ATTNRT_PLAN_FORMAT_H

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
#define ATTNRT_STATIC_ASSERT static_assert
extern "C" {
#else
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#define ATTNRT_STATIC_ASSERT _Static_assert
#endif

//===----------------------------------------------------------------------===//
// Plan records
//===----------------------------------------------------------------------===//

/// A run of the fold rank that one or many rows read, in one format.
/// The real number of ordinals is
///   len_ref < 0 ? count : clamp(lengths[len_ref] - len_bias, 0, count).
/// A point is visited only if BOTH bounds allow it: its ordinal lies below this
/// number, and its coordinate inside the row's real [lo, limit).
typedef struct attnrt_segment {
  int64_t list;     ///<  0: element of the bound index table: row start plus
                    ///<     first page, or the first token of contiguous
                    ///<     storage. Never a page id.
  int64_t select;   ///<  8: element of the bound selection list that holds the
                    ///<     points to visit: ordinal t stands for point
                    ///<     selection[select + t] of the segment; -1 = for
                    ///<     point t
  int32_t view;     ///< 16: index of an entry's view (table and format); equals
                    ///<     `variant` of the items that read the segment
  int32_t coord0;   ///< 20: coordinate of ordinal 0
  int32_t count;    ///< 24: planned ordinals, an upper bound
  int32_t len_ref;  ///< 28: element of `lengths` that bounds it; -1 = exact
  int32_t len_bias; ///< 32: ordinals, see above
  int32_t param; ///< 36: linearised coordinate of the ranks that are bound to
                 ///<     the segment (for example the request b); row-major
                 ///<     over these ranks in the cascade's rank order
  int32_t head;  ///< 40: KV head this list serves; -1 = all
  int32_t reserved; ///< 44: 0
} attnrt_segment;

/// One row of a row run. The row's real limit is
///   len_ref < 0 ? limit : min(limit, lengths[len_ref] - back).
typedef struct attnrt_row {
  int32_t q;        ///<  0: running number of the output row in the launch
  int32_t coord;    ///<  4: coordinate of the row rank (query position p)
  int32_t lo;       ///<  8: first visible fold coordinate, planned
  int32_t limit;    ///< 12: first fold coordinate that is not visible, planned;
                    ///<     lo >= limit: the row sees nothing
  int32_t len_ref;  ///< 16: element of `lengths`; -1 = limit is exact
  int32_t back;     ///< 20: coordinates, see above
  int32_t sym;      ///< 24: linearised segment coordinate of the row, what
                    ///<     per-request symbols (off[b], len[b]) are looked up
                    ///<     with
  int32_t reserved; ///< 28: 0
} attnrt_row;

/// Flags of an item; all other bits are 0.
enum {
  /// A hint: at no length the plan allows is a point of the item masked. Never
  /// decides alone where lengths may be shorter than the plan allows.
  ATTNRT_ITEM_FULL = 1u << 0,
  /// Do not write the state: the worker's next item, of the same rows and query
  /// heads, continues it. The worker's scratch memory lives that long.
  ATTNRT_ITEM_KEEP = 1u << 1,
  /// Start from the state that the worker's previous item kept.
  ATTNRT_ITEM_RESUME = 1u << 2,
  /// A hint: the rows have one sym, and coordinates that rise by one from row
  /// to row. Never wrong.
  ATTNRT_ITEM_RUN = 1u << 3
};

/// The work of one call of an item kernel: a run of rows x a run of ordinals of
/// one segment x a run of query heads of one KV head. kv_begin is a multiple of
/// the entry's KV tile; so is kv_begin + kv_count, except at the end of the
/// hull of what the rows see. row_count * sub_count is at most the entry's
/// number of packed rows. The state of (row k of the run, query head s of the
/// run) is slot + k * sub_count + s in a stage of axis 0, and the state of
/// ordinal t of the run is slot + t in a stage of axis 1.
typedef struct attnrt_item {
  int32_t row_begin; ///<  0: first Row record
  int32_t row_count; ///<  4: Row records, > 0
  int32_t seg;       ///<  8: Segment record
  int32_t kv_begin;  ///< 12: first ordinal of the segment
  int32_t kv_count;  ///< 16: ordinals, > 0
  int32_t slot;      ///< 20: first state written; -1 = the item finishes its
                     ///<     outputs (epilogue and store)
  int32_t carry;     ///< 24: first state to start from; -1 = the unit
  int32_t mask;  ///< 28: first u64 word: bit k of masks[mask + t - kv_begin]
                 ///<     = row k of the run sees ordinal t; needs
                 ///<     row_count <= 64; -1 = no mask
  uint16_t head; ///< 32: linearised KV head
  uint16_t sub_begin; ///< 34: first query head of the group
  uint16_t sub_count; ///< 36: query heads of the group, > 0
  uint16_t variant;   ///< 38: kernel step to run; equals the segment's view
  uint32_t flags;     ///< 40: ATTNRT_ITEM_*
  uint32_t reserved;  ///< 44: 0
} attnrt_item;

/// The work of one call of a merge kernel: n consecutive outputs, each made
/// from `count` partial states whose slots are merge_slots[begin .. begin +
/// count), in coordinate order. Row k of the merge and query head s of its run
/// take slot + k * sub_count + s of every listed slot (axis 1: slot + k). count
/// == 0: the outputs are the epilogue of the unit (rows that see nothing).
typedef struct attnrt_merge {
  int32_t first; ///<  0: first Row record (axis 0: rows[first + k].q is the
                 ///<     output row), or first ordinal of `seg` (axis 1)
  int32_t n;     ///<  4: rows or ordinals, > 0
  int32_t begin; ///<  8: first element of merge_slots
  int32_t count; ///< 12: elements of merge_slots, >= 0
  uint16_t head; ///< 16: linearised KV head
  uint16_t sub_begin; ///< 18: first query head of the group (axis 1: 0)
  uint16_t sub_count; ///< 20: query heads of the group, > 0 (axis 1: 1)
  uint16_t flags;     ///< 22: 0
  int32_t seg;        ///< 24: Segment record (axis 1); -1 in axis 0
  int32_t dst;        ///< 28: -1 = epilogue and store; else first slot of a
                      ///<     state that stays a state
} attnrt_merge;

/// One launch: all its items, then all its merges.
typedef struct attnrt_stage {
  int32_t kernel;           ///<  0: entry of the bundle
  int32_t axis;             ///<  4: 0 = rows own the outputs, 1 = ordinals do
  int32_t item_begin;       ///<  8: first item
  int32_t item_count;       ///< 12: items
  int32_t work_begin;       ///< 16: worker w owns the items
                            ///<     work[work_begin + w .. work_begin + w + 1),
                            ///<     absolute item numbers
  int32_t workers;          ///< 20: workers, > 0, of items and of merges
  int32_t merge_begin;      ///< 24: first merge
  int32_t merge_count;      ///< 28: merges
  int32_t slot_begin;       ///< 32: first slot this stage writes
  int32_t slot_count;       ///< 36: slots this stage writes
  int32_t ext_slots;        ///< 40: slots [0, ext_slots) are written by others
                            ///<     before the launch: external state e has
                            ///<     slot (e * heads + head) * group + sub
  int32_t ordered;          ///< 44: 1 = the fold is not commutative
  int32_t merge_work_begin; ///< 48: worker w owns the merges
                            ///<     work[merge_work_begin + w ..  + w + 1),
                            ///<     absolute merge numbers
  int32_t reserved[3];      ///< 52: 0
} attnrt_stage;

//===----------------------------------------------------------------------===//
// The plan: one block of memory, a header and its arrays
//===----------------------------------------------------------------------===//

#define ATTNRT_PLAN_MAGIC 0x4e4c5041u /* "APLN" as little-endian bytes */
#define ATTNRT_PLAN_FORMAT 1u

/// One array of a plan.
typedef struct attnrt_plan_array {
  uint64_t offset; ///<  0: bytes from the start of the header, 64-byte aligned
  uint32_t count;  ///<  8: records in use
  uint32_t capacity; ///< 12: records there is room for
} attnrt_plan_array;

/// Header of a plan. The whole block is `bytes` long, aligned to 64 bytes, and
/// may be copied as it is (to a device in one copy).
typedef struct attnrt_plan {
  uint32_t magic;             ///<   0: ATTNRT_PLAN_MAGIC
  uint32_t format;            ///<   4: ATTNRT_PLAN_FORMAT
  uint64_t bytes;             ///<   8: bytes of the block, this header included
  attnrt_plan_array segments; ///<  16: of attnrt_segment
  attnrt_plan_array rows;     ///<  32: of attnrt_row
  attnrt_plan_array items;    ///<  48: of attnrt_item
  attnrt_plan_array merges;   ///<  64: of attnrt_merge
  attnrt_plan_array stages;   ///<  80: of attnrt_stage
  attnrt_plan_array work;     ///<  96: of int32_t
  attnrt_plan_array merge_slots; ///< 112: of int32_t
  attnrt_plan_array masks;       ///< 128: of uint64_t
  uint32_t slots;        ///< 144: states the plan needs in all, external
                         ///<      ones included
  uint32_t reserved[11]; ///< 148: 0
} attnrt_plan;

//===----------------------------------------------------------------------===//
// Kernel ABI
//===----------------------------------------------------------------------===//

/// Element types of a tensor. The numbers never change.
typedef enum attnrt_dtype {
  ATTNRT_DTYPE_INVALID = 0,
  ATTNRT_F64 = 1,
  ATTNRT_F32 = 2,
  ATTNRT_F16 = 3,
  ATTNRT_BF16 = 4,
  ATTNRT_F8E4M3FN = 5,
  ATTNRT_F8E5M2 = 6,
  ATTNRT_I64 = 16,
  ATTNRT_I32 = 17,
  ATTNRT_I16 = 18,
  ATTNRT_I8 = 19,
  ATTNRT_U64 = 20,
  ATTNRT_U32 = 21,
  ATTNRT_U16 = 22,
  ATTNRT_U8 = 23,
  ATTNRT_BOOL = 24, ///< one byte per element, 0 or 1
  ATTNRT_U4X2 = 32  ///< packed 4-bit pairs: one byte per element of the tensor,
                    ///< the lower half first
} attnrt_dtype;

#define ATTNRT_MAX_RANK 6

/// A strided tensor. Element alignment of `data` is enough: kernels use
/// unaligned loads; 64 bytes are advised.
typedef struct attnrt_tensor {
  void *data;                      ///<   0: element [0, .., 0]
  int64_t shape[ATTNRT_MAX_RANK];  ///<   8: elements; entries past rank: 1
  int64_t stride[ATTNRT_MAX_RANK]; ///<  56: elements; entries past rank: 0
  uint32_t dtype;    ///< 104: attnrt_dtype; checked when arguments
                     ///<      are bound, never read by a kernel
  uint32_t rank;     ///< 108: 0..ATTNRT_MAX_RANK, likewise
  uint64_t bytes;    ///< 112: extent behind data for checks;
                     ///<      0 = unknown
  uint64_t reserved; ///< 120: 0
} attnrt_tensor;

/// What all calls of one launch share; constant for the launch.
typedef struct attnrt_args {
  const attnrt_tensor *tensors; ///<  0: function order: operands, index tables,
                                ///<     results, then one tensor per state
                                ///<     component (axis 0 = slot)
  const uint64_t *scalars;      ///<  8: one 8-byte cell per scalar operand;
                                ///<     the value lies in its low bytes
  const attnrt_segment *segments; ///< 16: of the plan
  const attnrt_row *rows;         ///< 24: of the plan
  const uint64_t *masks;          ///< 32: of the plan
  const int32_t *merge_slots;     ///< 40: of the plan
  const int32_t *lengths;         ///< 48: real lengths, what len_ref indexes;
                                  ///<     may be null if no record refers to it
  const void *const *imports;     ///< 56: host functions kernels may call
} attnrt_args;

/// `name`: one work item. A leaf: it calls nothing and waits for nothing.
/// `scratch` belongs to the worker for the call: the entry's scratch bytes,
/// 64-byte aligned, content undefined.
typedef void (*attnrt_item_fn)(const attnrt_args *args, const attnrt_item *item,
                               void *scratch);

/// `name.merge`: one merge, after all items of the stage.
typedef void (*attnrt_merge_fn)(const attnrt_args *args,
                                const attnrt_merge *merge, void *scratch);

/// `name.range`: for each of n rows, given the linearised segment coordinate
/// (segment.param) and the row coordinate (row.coord), the hull [lo, hi) of the
/// fold coordinates the row can see; lo >= hi: none. Host only. No plan exists
/// yet: of `args` it may read tensors, scalars and imports, nothing else.
typedef void (*attnrt_range_fn)(const attnrt_args *args, const int32_t *seg,
                                const int32_t *coord, int32_t *lo, int32_t *hi,
                                int64_t n);

//===----------------------------------------------------------------------===//
// Layout checks
//===----------------------------------------------------------------------===//

ATTNRT_STATIC_ASSERT(sizeof(void *) == 8, "64-bit targets only");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_segment) == 48, "segment layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_segment, view) == 16, "segment layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_segment, param) == 36, "segment layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_row) == 32, "row layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_row, limit) == 12, "row layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_row, sym) == 24, "row layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_item) == 48, "item layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_item, mask) == 28, "item layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_item, head) == 32, "item layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_item, flags) == 40, "item layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_merge) == 32, "merge layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_merge, head) == 16, "merge layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_merge, dst) == 28, "merge layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_stage) == 64, "stage layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_stage, merge_work_begin) == 48,
                     "stage layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_plan_array) == 16, "plan layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_plan) == 192, "plan layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_plan, slots) == 144, "plan layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_tensor) == 128, "tensor layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_tensor, stride) == 56, "tensor layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_tensor, dtype) == 104, "tensor layout");
ATTNRT_STATIC_ASSERT(sizeof(attnrt_args) == 64, "args layout");
ATTNRT_STATIC_ASSERT(offsetof(attnrt_args, lengths) == 48, "args layout");

//===----------------------------------------------------------------------===//
// Arrays of a plan
//===----------------------------------------------------------------------===//

#define ATTNRT_PLAN_ARRAY(type, name)                                          \
  static inline const type *attnrt_plan_##name(const attnrt_plan *plan) {      \
    return (const type *)((const char *)plan + plan->name.offset);             \
  }
ATTNRT_PLAN_ARRAY(attnrt_segment, segments)
ATTNRT_PLAN_ARRAY(attnrt_row, rows)
ATTNRT_PLAN_ARRAY(attnrt_item, items)
ATTNRT_PLAN_ARRAY(attnrt_merge, merges)
ATTNRT_PLAN_ARRAY(attnrt_stage, stages)
ATTNRT_PLAN_ARRAY(int32_t, work)
ATTNRT_PLAN_ARRAY(int32_t, merge_slots)
ATTNRT_PLAN_ARRAY(uint64_t, masks)
#undef ATTNRT_PLAN_ARRAY

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_PLAN_FORMAT_H
