//===- pool.h - Page tables for engines that have none ---------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A page pool says which page of the engine's KV cache holds which tokens of
// which sequence. It deals in numbers only: K and V stay the engine's, and what
// has to be copied is returned as data, to be enqueued on any stream.
// docs/pool.md introduces it: the states of a page, what is promised, how a
// step uses it, what each call costs.
//
// Words used below
//   page       page_size consecutive token slots, one number for all layers of
//   a
//              group; slot = page * page_size + offset
//   group      layers whose caches hold the same tokens in the same pages. All
//              groups take pages from the one pool and have pages of their own
//   ordinal    running number of a cached token in one group of a sequence
//   position   the token's place in the text. Ordinal and position are the same
//              until `compact` drops ordinals of a group
//   exact      K and V are what the tokens alone decide, as seen by the group's
//              own mask. Only exact pages are shared by the prefix index
//
// Rules for all of it
//   * As in attnrt.h: a call that fails changes nothing; structs of parameters
//     begin with struct_size; null is allowed in release.
//   * A pool, with its sequences, tables and forests, belongs to one thread at
//   a
//     time. Where the library is built with assertions, or with
//     ATTNRT_PAGES_CHECK_OWNER, a call from another thread than the owner is
//     INVALID_ARGUMENT; the owner is the thread that created the pool or last
//     called attnrt_page_pool_adopt.
//   * Handles of sequences and pins are numbers with a generation. One that was
//     released is NOT_FOUND for ever (until 2^32 others took its place), never
//     another sequence.
//   * RESOURCE_EXHAUSTED where pages are short: attnrt_page_pool_when says
//     whether waiting for a step helps.
//
// Copies. K and V (and side pools on a device) are copied by the engine, in the
// order in which they are returned, before the tokens of the same call are
// written, and before anything is written to pages that later calls hand out.
// One stream for copies and writes gives that order.
//
// Sources: pages and copy-on-write, PagedAttention, Kwon et al., SOSP 2023,
// section 4; a tree of contents in place of chained hashes, RadixAttention,
// Zheng et al., 2024, section 3; sinks and windows, StreamingLLM, Xiao et al.,
// 2024; reclaiming behind steps in flight, epoch-based reclamation, Fraser,
// 2004, section 5.2.3.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_POOL_H
#define ATTNRT_POOL_H

#include "attnrt/attnrt.h"
#include "attnrt/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// Pool
//===----------------------------------------------------------------------===//

typedef struct attnrt_page_pool attnrt_page_pool;

/// Generation in the upper, index in the lower 32 bits. 0 is never a handle.
typedef uint64_t attnrt_sequence;
typedef uint64_t attnrt_pin;

/// What the layers of a group see: a token at position p sees the first `sink`
/// positions and those in (p - window, p]. window 0: all. Never changes.
typedef struct attnrt_page_group {
  int64_t sink;   ///< positions, >= 0; 0 where window is 0
  int64_t window; ///< positions; 0, or >= 2
} attnrt_page_group;

enum {
  /// The prefix index compares keys that the engine computes for each full page
  /// (attnrt_content.keys), not tokens. A key stands for its page and all
  /// before.
  ATTNRT_PAGES_BY_KEY = 1u << 0,
  /// Page 0 is a page like any other and table entries without a page are -1.
  /// Without it page 0 is never handed out and marks such entries.
  ATTNRT_PAGES_NO_NULL = 1u << 1,
  /// Calls from another thread than the owner are refused in any build.
  ATTNRT_PAGES_CHECK_OWNER = 1u << 2
};

/// Side pools: one number per token slot, in memory of their own.
enum {
  ATTNRT_SIDE_POSITION = 1u << 0, ///< i32, original position
  ATTNRT_SIDE_COUNT = 1u << 1     ///< f32, how many tokens a slot stands for
};

typedef struct attnrt_page_pool_params {
  uint32_t struct_size;
  uint32_t flags;     ///< ATTNRT_PAGES_*
  int32_t num_pages;  ///< 2..2^30, the null page included
  int32_t page_size;  ///< tokens, 1..65536; num_pages * page_size < 2^40
  int32_t num_groups; ///< 1..64; 0: 1
  uint32_t side;      ///< ATTNRT_SIDE_*; 0: no memory is asked for
  /// [num_groups]; null: every group sees all. Copied.
  const attnrt_page_group *groups;
  /// 0: a number per slot, [num_pages, page_size]. Else one per slot and KV
  /// head, [num_pages, page_size, side_heads]: for heads that are compacted
  /// differently. At most 4096.
  int32_t side_heads;
  uint32_t reserved; ///< 0
  /// Where side pools lie; all zero: the CPU. Asked for from the context's
  /// allocator, on `stream`.
  DLDevice side_device;
  void *stream;
  /// Of the hash that the prefix index uses; 0: drawn. Two pools with one seed
  /// do the same.
  uint64_t seed;
} attnrt_page_pool_params;

ATTNRT_API attnrt_status attnrt_page_pool_create(
    attnrt_context *context, const attnrt_page_pool_params *params,
    attnrt_page_pool **out);

/// Tables and forests of the pool may be released later.
ATTNRT_API void attnrt_page_pool_release(attnrt_page_pool *pool);

/// The calling thread owns the pool from now on. The last owner is done with
/// it.
ATTNRT_API attnrt_status attnrt_page_pool_adopt(attnrt_page_pool *pool);

/// Pages are in one of four states: pages_total is the sum of the first four.
typedef struct attnrt_page_pool_stats {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t pages_free;
  int64_t pages_cached; ///< held by nobody, in the prefix index; may be evicted
  int64_t pages_held;   ///< by sequences or pins
  int64_t pages_limbo;  ///< held by nobody, but a step in flight may read them
  int64_t pages_total;
  int64_t pages_pinned;   ///< of those held: by pins alone
  int64_t sequences;      ///< live
  int64_t pins;           ///< live
  int64_t contents;       ///< full pages whose content the index knows
  int64_t steps_begun;    ///< number of the last step
  int64_t steps_done;     ///< all up to this one are done
  int64_t peak_held;      ///< most pages that were held at once
  int64_t tokens_asked;   ///< of attnrt_sequence_create
  int64_t tokens_reused;  ///< of these, found in the index
  int64_t tokens_written; ///< appended
  int64_t pages_copied;   ///< by copy-on-write
  int64_t pages_evicted;
  int64_t pages_revived; ///< taken out of limbo by a hit
  int64_t refusals;      ///< calls that were refused for lack of pages
  int64_t host_bytes;    ///< that the pool itself holds, side pools not counted
} attnrt_page_pool_stats;

ATTNRT_API attnrt_status attnrt_page_pool_describe(const attnrt_page_pool *pool,
                                                   attnrt_page_pool_stats *out);

/// The earliest step after whose end `pages` pages can be had: 0 = now.
/// NOT_FOUND if no step helps: sequences or pins have to be released.
ATTNRT_API attnrt_status attnrt_page_pool_when(const attnrt_page_pool *pool,
                                               int64_t pages, uint64_t *step);

/// Checks every invariant of docs/pool.md from scratch; INTERNAL and the first
/// one that is broken otherwise. O(pages + tokens known).
ATTNRT_API attnrt_status attnrt_page_pool_audit(const attnrt_page_pool *pool);

/// The side pool `which` (one of ATTNRT_SIDE_*) as a tensor whose sizes live as
/// long as the pool. NOT_FOUND if it was not asked for. On the CPU the pool
/// writes it: positions and counts of 1 for what is appended, what copies and
/// compaction carry along. On a device the engine does, with its K and V.
ATTNRT_API attnrt_status attnrt_page_pool_side(const attnrt_page_pool *pool,
                                               uint32_t which, DLTensor *out);

//===----------------------------------------------------------------------===//
// Steps in flight
//===----------------------------------------------------------------------===//

/// A step is about to be launched that may read what the sequences hold now
/// (null: all live ones). Pages that they give up are not handed out again
/// before the step is done: they are in limbo. Steps count from 1. An engine
/// that waits for each step before it changes anything needs none of this.
ATTNRT_API attnrt_status attnrt_page_pool_begin_step(
    attnrt_page_pool *pool, const attnrt_sequence *sequences, int64_t count,
    uint64_t *step);

/// All steps up to this one are done. Steps that are done already may be named
/// again; one that was not begun is INVALID_ARGUMENT.
ATTNRT_API attnrt_status attnrt_page_pool_end_step(attnrt_page_pool *pool,
                                                   uint64_t step);

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

/// A 128-bit key of a full page and all before it, as the engine computes it.
typedef struct attnrt_block_key {
  uint64_t low, high;
} attnrt_block_key;

/// A run of tokens. Its arrays are only read during the call.
typedef struct attnrt_content {
  uint32_t struct_size;
  uint32_t reserved; ///< 0
  int64_t num_tokens;
  /// [num_tokens]; null: unknown (images, embeddings). What follows an unknown
  /// token is not shared. Ignored with ATTNRT_PAGES_BY_KEY.
  const int32_t *tokens;
  /// With ATTNRT_PAGES_BY_KEY: the keys of the pages that the run fills, in
  /// order. Fewer than it fills: the rest is unknown.
  const attnrt_block_key *keys;
  int64_t num_keys;
} attnrt_content;

/// Copy `tokens` slots of page src to page dst: K, V and side pools.
typedef struct attnrt_page_copy {
  int32_t group;
  int32_t src, dst;
  int32_t tokens;
} attnrt_page_copy;

/// Copy `count` consecutive slots from slot src to slot dst, of one KV head
/// (-1: all): K, V and side pools.
typedef struct attnrt_slot_copy {
  int64_t src, dst;
  int32_t count;
  int32_t head;
} attnrt_slot_copy;

/// A new sequence that shares the longest prefix of `prompt` whose full pages
/// are cached under the same salt, in every group as far as the group sees;
/// *reused (may be null) is its length. The rest is for attnrt_sequence_append.
/// Sequences of different salts share nothing. An engine that needs the logits
/// of the last token asks for one token less. `prompt` may be null. Takes no
/// page.
ATTNRT_API attnrt_status attnrt_sequence_create(attnrt_page_pool *pool,
                                                const attnrt_content *prompt,
                                                uint64_t salt,
                                                attnrt_sequence *out,
                                                int64_t *reused);

/// What attnrt_sequence_create would reuse. Changes nothing, not even what is
/// evicted next.
ATTNRT_API attnrt_status attnrt_page_pool_match(const attnrt_page_pool *pool,
                                                const attnrt_content *prompt,
                                                uint64_t salt, int64_t *reused);

/// Room for the tokens, in every group, page by page: all of it or nothing
/// (RESOURCE_EXHAUSTED). Where the last page is shared it is copied first:
/// `copies` has room for num_groups, *num_copies is how many there are.
/// slots (may be null): [num_groups][num_tokens] where token i is to be
/// written. Pages that are full now enter the prefix index: the engine writes
/// them before anything that reads them, on the same stream or behind a step.
ATTNRT_API attnrt_status attnrt_sequence_append(attnrt_page_pool *pool,
                                                attnrt_sequence sequence,
                                                const attnrt_content *content,
                                                int64_t *slots,
                                                attnrt_page_copy *copies,
                                                int32_t *num_copies);

/// A second sequence with the same content; all pages are shared.
ATTNRT_API attnrt_status attnrt_sequence_fork(attnrt_page_pool *pool,
                                              attnrt_sequence sequence,
                                              attnrt_sequence *out);

/// Forgets the last tokens: `position` is the next position again. Refused
/// where a group would lack what it sees from there: INVALID_ARGUMENT for
/// ordinals that a compaction left, and for pages that were trimmed.
ATTNRT_API attnrt_status attnrt_sequence_truncate(attnrt_page_pool *pool,
                                                  attnrt_sequence sequence,
                                                  int64_t position);

/// As attnrt_sequence_truncate, where nothing was ever written from `position`
/// on (a step that failed or was cancelled): its pages leave the prefix index
/// too. Sequences that found them there meanwhile are to be discarded likewise.
ATTNRT_API attnrt_status attnrt_sequence_discard(attnrt_page_pool *pool,
                                                 attnrt_sequence sequence,
                                                 int64_t position);

/// Gives up the pages of `group` (-1: all groups) that lie between the first
/// `sink` and the last `window` ordinals as a whole: null entries of the table.
/// Where that is more than the group itself does not see (attnrt_page_group),
/// the sequence is no longer exact: what it computes from now on is not shared.
ATTNRT_API attnrt_status attnrt_sequence_trim(attnrt_page_pool *pool,
                                              attnrt_sequence sequence,
                                              int32_t group, int64_t sink,
                                              int64_t window);

/// Which ordinals of a group stay.
typedef struct attnrt_compaction {
  uint32_t struct_size;
  int32_t group;
  /// 0: one list for all KV heads. Else a list per head, of the same length;
  /// side pools must have as many heads, or none at all.
  int32_t heads;
  uint32_t reserved; ///< 0
  int64_t num_keep;
  /// [max(heads, 1)][num_keep] ordinals, rising, whose pages are there.
  const int32_t *keep;
} attnrt_compaction;

/// Rewrites a group so that only the kept ordinals are left, in order: keep[i]
/// becomes ordinal i. The next position stays. Full pages in front that keep
/// all of theirs stay where they are; all others get new pages, so that steps
/// in flight go on reading the old ones. `copies` (room for num_keep *
/// max(heads, 1) always suffices; capacity = elements; RESOURCE_EXHAUSTED if
/// short) says what moves where. New pages are in no prefix index, and the
/// sequence is no longer exact unless everything was kept.
ATTNRT_API attnrt_status attnrt_sequence_compact(attnrt_page_pool *pool,
                                                 attnrt_sequence sequence,
                                                 const attnrt_compaction *what,
                                                 attnrt_slot_copy *copies,
                                                 int64_t capacity,
                                                 int64_t *num_copies);

/// Gives all its pages back. Those in the prefix index stay cached, the deepest
/// to be evicted first.
ATTNRT_API attnrt_status attnrt_sequence_release(attnrt_page_pool *pool,
                                                 attnrt_sequence sequence);

//===----------------------------------------------------------------------===//
// Looking at sequences
//===----------------------------------------------------------------------===//

typedef struct attnrt_sequence_info {
  uint32_t struct_size;
  int32_t exact; ///< 1: its full pages of known tokens are shared
  int64_t next_position;
  /// Leading tokens whose content is known and whose K and V are exact.
  int64_t known_tokens;
  uint64_t salt;
} attnrt_sequence_info;

ATTNRT_API attnrt_status attnrt_sequence_describe(const attnrt_page_pool *pool,
                                                  attnrt_sequence sequence,
                                                  attnrt_sequence_info *out);

/// The table of a group as it lies in the pool; valid until the next call that
/// changes the sequence. Null entries are 0, or -1 with ATTNRT_PAGES_NO_NULL.
typedef struct attnrt_sequence_view {
  const int32_t *pages; ///< [num_pages], ordinal t lies in pages[t / page_size]
  int64_t num_pages;    ///< ceil(length / page_size)
  int64_t length;       ///< ordinals
} attnrt_sequence_view;

ATTNRT_API attnrt_status attnrt_sequence_pages(const attnrt_page_pool *pool,
                                               attnrt_sequence sequence,
                                               int32_t group,
                                               attnrt_sequence_view *out);

/// Original positions of the ordinals first .. first + count of a group, for
/// one KV head (0 where heads are not compacted differently).
ATTNRT_API attnrt_status attnrt_sequence_positions(const attnrt_page_pool *pool,
                                                   attnrt_sequence sequence,
                                                   int32_t group, int32_t head,
                                                   int64_t first, int64_t count,
                                                   int32_t *out);

typedef struct attnrt_range {
  int64_t begin, end;
} attnrt_range;

/// Positions in [begin, end) that the sequence had and that the group no longer
/// holds for a KV head, as rising ranges: what a request would miss that asks
/// for them. Writes the first `capacity`; *num_ranges is how many there are.
/// What a trim or a compaction dropped is nowhere else; none: an answer from
/// [begin, end) is a full cache's.
ATTNRT_API attnrt_status attnrt_sequence_missing(
    const attnrt_page_pool *pool, attnrt_sequence sequence, int32_t group,
    int32_t head, int64_t begin, int64_t end, attnrt_range *ranges,
    int64_t capacity, int64_t *num_ranges);

/// Keeps the cached pages of the first `tokens` tokens from being evicted,
/// whatever happens to the sequence. *pinned (may be null): whole pages of
/// known tokens only.
ATTNRT_API attnrt_status attnrt_sequence_pin(attnrt_page_pool *pool,
                                             attnrt_sequence sequence,
                                             int64_t tokens, attnrt_pin *out,
                                             int64_t *pinned);
ATTNRT_API attnrt_status attnrt_pin_release(attnrt_page_pool *pool,
                                            attnrt_pin pin);

//===----------------------------------------------------------------------===//
// Device tables
//===----------------------------------------------------------------------===//

/// A dense table of page numbers of one group, [rows, columns] int32, that lies
/// on a device and is kept up to date by changes: a step sends what is new
/// behind its plan in the same copy, not the table.
typedef struct attnrt_page_table attnrt_page_table;

typedef struct attnrt_page_table_params {
  uint32_t struct_size;
  int32_t group;
  int32_t rows; ///< >= 1; rows * columns < 2^31
  int32_t columns;
} attnrt_page_table_params;

/// table[offset] = value. 8 bytes, no padding.
typedef struct attnrt_table_change {
  int32_t offset; ///< row * columns + column
  int32_t value;
} attnrt_table_change;

/// The device's table is expected to hold the null entry everywhere.
ATTNRT_API attnrt_status attnrt_page_table_create(
    attnrt_page_pool *pool, const attnrt_page_table_params *params,
    attnrt_page_table **out);
ATTNRT_API void attnrt_page_table_release(attnrt_page_table *table);

/// Row `row` shows this sequence from the next change list on (0: nothing).
/// A sequence that is released leaves its row empty.
ATTNRT_API attnrt_status attnrt_page_table_bind(attnrt_page_table *table,
                                                int32_t row,
                                                attnrt_sequence sequence);

/// The changes since the last list, no offset twice. RESOURCE_EXHAUSTED with
/// the number that is needed in *count if there is no room for them, or a
/// sequence has more pages than the table has columns: the next call lists them
/// again.
ATTNRT_API attnrt_status attnrt_page_table_changes(attnrt_page_table *table,
                                                   attnrt_table_change *changes,
                                                   int64_t capacity,
                                                   int64_t *count);

/// The table as the device has it after the last list: [rows, columns].
ATTNRT_API const int32_t *
attnrt_page_table_data(const attnrt_page_table *table);

//===----------------------------------------------------------------------===//
// Plans from the forest
//===----------------------------------------------------------------------===//

/// What sequences share, as a forest of their pages, so that a shared page is
/// read once for all rows below it: as prefixes, which schedules take, or as
/// the segments of a plan problem (plan.h), for engines that call the planner
/// themselves. Owns the arrays of what it gave last.
typedef struct attnrt_page_forest attnrt_page_forest;

ATTNRT_API attnrt_status attnrt_page_forest_create(attnrt_page_pool *pool,
                                                   attnrt_page_forest **out);
ATTNRT_API void attnrt_page_forest_release(attnrt_page_forest *forest);

typedef struct attnrt_forest_params {
  uint32_t struct_size;
  int32_t group;
  int32_t heads;       ///< attnrt_problem.heads
  int32_t query_group; ///< attnrt_problem.group
  int32_t view;        ///< attnrt_segment.view of all segments
  uint32_t reserved;   ///< 0
  int64_t num_sequences;
  const attnrt_sequence *sequences;
  /// [num_sequences] query rows: the last so many ordinals; null: 1 each. Rows
  /// of the problem are those of sequence 0, 1, ..
  const int32_t *rows;
  /// [num_sequences] element of the device's table where the sequence's first
  /// page stands; null: i * columns.
  const int64_t *lists;
  int64_t columns;
  /// Prefixes of fewer ordinals than this are read once per sequence; 0 or 1:
  /// whatever is shared. INT64_MAX: no sharing, which is what kernels of flat
  /// plans take.
  int64_t min_shared;
  /// Of prefixes: [num_sequences] how long a sequence is at least, where real
  /// lengths may be shorter than those in the pool (drafts that a device may
  /// reject); null: as long as it is. What is shared is there at any of them.
  const int64_t *least;
} attnrt_forest_params;

/// Fills *out (struct_size set by the caller): attnrt_step::prefixes of a step
/// whose request i is sequences[i]. Nodes end with whole pages, whatever the
/// tiles of kernels: where a tile begins a schedule takes care of, and of what
/// is too short to be worth it. Entries of tables are compared, those of
/// trimmed pages too, which nobody looks up. Of `params` only group, sequences,
/// min_shared and least are looked at. The arrays live until the next call for
/// the forest or its release.
ATTNRT_API attnrt_status attnrt_page_forest_prefixes(
    attnrt_page_forest *forest, const attnrt_forest_params *params,
    attnrt_prefixes *out);

/// Fills *out (struct_size set by the caller). Coordinates are ordinals of the
/// group; row j of a sequence of length n with q rows has n - q + j and sees
/// what lies before and at it, from the group's window on (all, if it has
/// sinks). `sym` and the `param` of segments are numbers of sequences. Trimmed
/// pages belong to no segment. The arrays live until the next call for the
/// forest or its release.
ATTNRT_API attnrt_status attnrt_page_forest_build(
    attnrt_page_forest *forest, const attnrt_forest_params *params,
    attnrt_problem *out);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_POOL_H
