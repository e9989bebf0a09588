//===- attnrt.h - Compiled attention inside an engine ----------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one header of programs that embed the runtime. C11, C++17 and C++20; no
// LLVM, no CUDA and no C++ type crosses it.
//
//   attnrt_check_abi          once: does the library fit this header?
//   attnrt_context_create     callbacks of the engine, threads, folders
//   attnrt_bundle_load        what the compiler wrote; checked once, as a whole
//   attnrt_kernel_load        an entry of it on a device
//   attnrt_schedule_create    room for steps of an entry
//   attnrt_schedule_bind      if all memory must be there before the first step
//   per step
//     attnrt_schedule_update  host work: from shapes and lengths to work plans
//     attnrt_run              per layer: binds tensors and launches
//
// Beside it, attnrt/pool.h keeps page tables for engines that have none.
//
// Rules for all of it
//   * A function that can fail returns a status; attnrt_last_message() is the
//     text, per thread. A call that fails changes nothing: its out parameters,
//     handles and memory are as before.
//   * Structs of parameters begin with struct_size = sizeof(the struct). A
//     smaller one, of an older header, is taken with zeros behind; a larger one
//     must have zeros in what this library does not know. Zero is the default
//     of every field unless said otherwise. The others (attnrt_allocator is
//     one of the former) never change.
//   * Handles are released once, in any order; each keeps what it needs alive.
//     Null is allowed in release.
//   * Contexts, bundles and kernels may be used by several threads at once. A
//     schedule belongs to one thread at a time.
//   * attnrt_run on a CPU leaves a thread's modes as they were (floating-point
//     control, configuration of AMX tiles). What is in tiles is lost: none
//     survives a call in the System V ABI.
//   * A child of fork() may update, bind and run schedules for the CPU that it
//     has from its parent, whatever other threads of that did at the fork, and
//     makes threads of its own. Loading, and GPUs, only if none of them was
//     loading; the child of a process that used a GPU must not use it (CUDA).
//   * Callbacks must not call the runtime on the same handle. An exception that
//     a callback of a C++ engine throws passes through the runtime, which is
//     left as after a failed call; from `parallel_for` it may only be thrown
//     when no body is running any more. A std::bad_alloc or std::length_error
//     becomes RESOURCE_EXHAUSTED instead. An allocator's `free` must not throw
//     while handles are released, or where another failure ends a call; an
//     update or a bind that it throws from is done.
//   * CUDA: of each GPU an attnrt_context works in one context of the driver,
//     chosen by the first attnrt_kernel_load for that GPU: the one that is
//     current on its thread, if it is of that GPU, else the GPU's primary one.
//     What is current on a thread is the same behind each call as before. An
//     engine's own context must live until all handles are released.
//   * Nothing here writes to standard output or error.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_ATTNRT_H
#define ATTNRT_ATTNRT_H

#include "attnrt/dlpack.h"
#include "attnrt/status.h"

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
extern "C" {
#else
#include <stddef.h>
#include <stdint.h>
#endif

//===----------------------------------------------------------------------===//
// Version
//===----------------------------------------------------------------------===//

#define ATTNRT_ABI_MAJOR 0u
#define ATTNRT_ABI_MINOR 5u
#define ATTNRT_ABI_VERSION ((ATTNRT_ABI_MAJOR << 16) | ATTNRT_ABI_MINOR)

/// Version of the library, as in ATTNRT_ABI_VERSION.
ATTNRT_API uint32_t attnrt_abi_version(void);

/// Call with ATTNRT_ABI_VERSION. INCOMPATIBLE unless the major version is the
/// library's and the minor version at most the library's.
ATTNRT_API attnrt_status attnrt_check_abi(uint32_t header_version);

//===----------------------------------------------------------------------===//
// Context
//===----------------------------------------------------------------------===//

typedef struct attnrt_context attnrt_context;
typedef struct attnrt_bundle attnrt_bundle;
typedef struct attnrt_kernel attnrt_kernel;
typedef struct attnrt_schedule attnrt_schedule;

/// Devices beside kDLCPU and kDLCUDA are of type kDLExtDev:
enum {
  /// Computes nothing and accepts everything: for tests of an engine, and to
  /// measure what the host does.
  ATTNRT_DEVICE_NULL = 0,
  /// The PTX of a GPU under ptx-sim, with its checks on; tensors lie in host
  /// memory. There only where attnrt_sim_enable (attnrt/sim.h) was called.
  ATTNRT_DEVICE_SIM = 1
};

/// Memory of the engine, for partial states and workspaces. What the runtime
/// keeps on the heap for itself (records of plans, names) it gets from malloc.
typedef struct attnrt_allocator {
  uint32_t struct_size;
  uint32_t reserved; ///< 0
  void *self;
  /// bytes > 0; alignment is a power of two, at most 256. Any status but OK
  /// fails the call that asked, with that status.
  attnrt_status (*allocate)(void *self, DLDevice device, uint64_t bytes,
                            uint64_t alignment, void *stream, void **out);
  /// What allocate gave, with the same bytes.
  void (*free)(void *self, DLDevice device, void *memory, uint64_t bytes,
               void *stream);
} attnrt_allocator;

/// Calls body(ctx, i) once for each i in [0, n) and returns when all have
/// returned. Calls may run at the same time or one after the other, on any
/// threads: no body waits for another one.
typedef void (*attnrt_parallel_for_fn)(void *self, int64_t n,
                                       void (*body)(void *ctx, int64_t i),
                                       void *ctx);

/// severity: 0 = information, 1 = warning. May come from any thread that is
/// inside the runtime.
typedef void (*attnrt_log_fn)(void *self, int32_t severity,
                              const char *message);

enum {
  /// Host code is never loaded from an anonymous file; for hosts where those
  /// cannot be executed. Without it the cache folder is used when that fails.
  ATTNRT_CONTEXT_NO_MEMFD = 1u << 0
};

typedef struct attnrt_context_params {
  uint32_t struct_size;
  uint32_t flags; ///< ATTNRT_CONTEXT_*
  /// Null: malloc, and the driver's allocator.
  const attnrt_allocator *allocator;
  /// Null: threads of the runtime, as many as cpu_threads says.
  attnrt_parallel_for_fn parallel_for;
  void *parallel_self;
  attnrt_log_fn log; ///< null: nobody is told
  void *log_self;
  /// Folder of files that are run, which nobody else may write to. What a GPU's
  /// driver makes of PTX is kept there (<digest>.cubin), for all processes that
  /// name the folder; it is made if it is not there, and one that cannot be
  /// written to is a warning in the log. Host code is there for a moment where
  /// anonymous files cannot be executed. Null: TMPDIR for the latter, and
  /// nothing is kept.
  const char *cache_dir;
  /// Path of libcuda; null: libcuda.so.1.
  const char *cuda_library;
  /// Of the pool, or how many bodies parallel_for may run at once; 0: the CPUs
  /// that this process may run on. At most 4096.
  int32_t cpu_threads;
  /// 1: pin the pool's threads, each to a CPU that the process may run on.
  int32_t cpu_pin;
  /// Most bytes of GPU code in cache_dir; 0: 1 GiB. What was not used for
  /// longest goes first. Since 0.5.
  uint64_t cache_dir_bytes;
} attnrt_context_params;

/// `params` may be null (all defaults); its strings are copied.
ATTNRT_API attnrt_status attnrt_context_create(
    const attnrt_context_params *params, attnrt_context **out);
ATTNRT_API void attnrt_context_release(attnrt_context *context);

//===----------------------------------------------------------------------===//
// Bundles
//===----------------------------------------------------------------------===//

/// Checks alignment, structure, every number and every digest of a bundle, and
/// keeps a copy; `bytes` may be freed. No code is loaded yet. CORRUPT if the
/// bytes are no bundle or damaged; INCOMPATIBLE if it needs a later runtime.
ATTNRT_API attnrt_status attnrt_bundle_load(attnrt_context *context,
                                            const void *bytes, uint64_t size,
                                            attnrt_bundle **out);
ATTNRT_API void attnrt_bundle_release(attnrt_bundle *bundle);

/// Number of entries, and the name of one (null if there is none of this
/// number); it lives as long as the bundle.
ATTNRT_API int32_t attnrt_bundle_num_entries(const attnrt_bundle *bundle);
ATTNRT_API const char *attnrt_bundle_entry_name(const attnrt_bundle *bundle,
                                                int32_t entry);

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

typedef struct attnrt_kernel_params {
  uint32_t struct_size;
  uint32_t flags; ///< 0
  /// The target of the bundle to use ("sm_80"); null: the best one that the
  /// device can run.
  const char *target;
} attnrt_kernel_params;

/// Loads the code of an entry for a device: of the host in any case, and what
/// the device runs. NOT_FOUND for a name that is not in the bundle,
/// INCOMPATIBLE if no target of it fits the device or this CPU, or if the
/// driver is too old for its PTX, UNAVAILABLE without device or driver,
/// RESOURCE_EXHAUSTED where the code finds no memory. `params` may be null.
ATTNRT_API attnrt_status attnrt_kernel_load(attnrt_bundle *bundle,
                                            const char *entry, DLDevice device,
                                            const attnrt_kernel_params *params,
                                            attnrt_kernel **out);
ATTNRT_API void attnrt_kernel_release(attnrt_kernel *kernel);

/// One kernel of several, 1..64, that compute the same over keys in different
/// formats: rows read keys of all of them, in one launch with one plan. A cache
/// whose older keys are in 8 bits is an entry of the older keys and one of the
/// others; which keys these are the masks of each say, or segments of a problem
/// (their `view` is the number of the kernel). The kernels are those of one
/// context and device, each of a single fold, with states and results of the
/// same types (sizes are compared with each step), and must compute the same
/// fold: what one made of its keys the merge of the first goes on with. Of an
/// ordered fold the keys of a kernel come before those of the next.
/// Arguments are those of the first kernel, then those of the second and so on;
/// results are common. A GPU runs the items of each format as a launch of its
/// own, without an order between them, and one of merges. What requests share
/// (attnrt_prefixes) they share in one format.
ATTNRT_API attnrt_status attnrt_kernel_join(attnrt_kernel *const *kernels,
                                            int32_t count, attnrt_kernel **out);

typedef struct attnrt_kernel_info {
  uint32_t struct_size;
  int32_t num_arguments;
  int32_t num_results;
  int32_t num_launches; ///< of a run, those of merges not counted; of joined
                        ///< kernels one each, the plan is that of the first
  const char *target;   ///< that was chosen; lives as long as the kernel
} attnrt_kernel_info;

/// Fills as much of *out as its struct_size, which the caller sets, has.
ATTNRT_API attnrt_status attnrt_kernel_describe(const attnrt_kernel *kernel,
                                                attnrt_kernel_info *out);

enum {
  /// A number: a DLTensor without axes, in host memory.
  ATTNRT_ARGUMENT_SCALAR = 1u << 0,
  /// attnrt_schedule_update looks at its values, not only at its sizes.
  ATTNRT_ARGUMENT_HOST_READ = 1u << 1,
  /// A run writes to it.
  ATTNRT_ARGUMENT_WRITTEN = 1u << 2
};

#define ATTNRT_MAX_AXES 6

typedef struct attnrt_argument_info {
  uint32_t struct_size;
  uint32_t flags; ///< ATTNRT_ARGUMENT_*
  DLDataType dtype;
  int32_t num_axes;
  int64_t sizes[ATTNRT_MAX_AXES]; ///< -1: any
  const char *name;               ///< may be empty; lives as long as the kernel
} attnrt_argument_info;

/// Arguments count from 0, results follow them.
ATTNRT_API attnrt_status attnrt_kernel_argument(const attnrt_kernel *kernel,
                                                int32_t argument,
                                                attnrt_argument_info *out);

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

enum {
  /// Runs make the same launches for every step of the same sizes, needed or
  /// not, and what they refer to stays where it is as long as there is room. So
  /// a run that was captured in a graph (CUDA: between cuStreamBeginCapture and
  /// cuStreamEndCapture) may be replayed for later steps, behind their updates
  /// on the same stream, while attnrt_schedule_stats::layout is what it was. Of
  /// tensors the graph keeps addresses, of numbers the values. Sizes that come
  /// from lengths alone (keys of a fold) are for kernels those of the longest
  /// step so far, the one of attnrt_schedule_bind among them.
  ATTNRT_SCHEDULE_CAPTURE = 1u << 0
};

/// Most of what one step may need. 0: grows in attnrt_schedule_update as
/// needed. A step that needs more is RESOURCE_EXHAUSTED. Capacities count the
/// records of all folds of the entry together.
typedef struct attnrt_schedule_caps {
  uint32_t struct_size;
  uint32_t flags; ///< ATTNRT_SCHEDULE_*
  /// Persistent workers that share the work of a launch; 0: as the device
  /// likes. At most 65536.
  int32_t workers;
  /// k > 0: every fold runs in k parts whose borders depend on the row's own
  /// keys only, so that its result does not depend on the rest of the batch.
  /// Where the step says what requests share, each node of the request and what
  /// lies behind them has k parts: its own nodes (attnrt_prefixes, from the
  /// root to its leaf) belong to what must be the same for the same bits; that
  /// others are below them, or not, changes nothing. 0: as even work asks.
  int32_t split;
  /// Steps that are launched and not yet done while the next one is planned;
  /// 0: 1. Of a device that works by itself.
  int32_t steps_in_flight;
  /// How work is cut, an attnrt_strategy (attnrt/plan.h): 0 = as the step asks,
  /// 1 = even shares, 2 = chunks by nodes of prefixes, 3 = `split` parts of
  /// everything (0: 1, nothing is cut). `split` > 0 only with 0 and 3. One
  /// kernel runs them all.
  int32_t strategy;
  int64_t max_segments;
  int64_t max_rows;
  int64_t max_items;
  int64_t max_merges;
  int64_t max_slots;           ///< partial states
  int64_t max_workspace_bytes; ///< states and workspaces
} attnrt_schedule_caps;

/// `caps` may be null.
ATTNRT_API attnrt_status
attnrt_schedule_create(attnrt_kernel *kernel, const attnrt_schedule_caps *caps,
                       attnrt_schedule **out);

/// Runs of the schedule must be done.
ATTNRT_API void attnrt_schedule_release(attnrt_schedule *schedule);

/// A run of keys that requests share: those at coordinates from the end of the
/// parent (-1: from 0) up to `end`.
typedef struct attnrt_prefix_node {
  int32_t parent; ///< a lower number, or -1
  int32_t end;    ///< more than the parent's; 0 < end <= number of keys
} attnrt_prefix_node;

/// Which keys the requests of a step have in common: a forest, whose nodes are
/// read once for all requests below them. It changes what is read, and results
/// by no more than the order of sums does. "Request" is a point of the ranks
/// that folds bind to segments (the b of a batch), row-major.
///
/// The engine promises, for requests below a node and keys at the node's
/// coordinates: whatever the entry reads along its keys for all rows at once
/// (keys, values, their scales; through tables or not) is the same for all of
/// them, and each has at least `end` keys, however short its real length is.
/// Masks, positions, queries and outputs remain each request's own.
///
/// An entry whose keys have no rows to share them (one query head per KV head,
/// and no rank of queries), or whose masks are looked up key by key for a whole
/// request, takes the step without it.
typedef struct attnrt_prefixes {
  uint32_t struct_size;
  int32_t num_nodes;
  const attnrt_prefix_node *nodes; ///< parents first
  /// Of each request, the node where its own keys begin; -1: it shares none.
  const int32_t *leaf;
  int32_t num_leaves; ///< requests
  uint32_t reserved;  ///< 0
} attnrt_prefixes;

/// Bytes that go to the device with a step. This struct never changes.
typedef struct attnrt_carried {
  const void *data; ///< in host memory
  uint64_t bytes;
} attnrt_carried;

/// What a step is made of. All arrays stay the caller's and are only read
/// during the call.
typedef struct attnrt_step {
  uint32_t struct_size;
  int32_t num_arguments;
  /// One per argument of the entry, with the sizes that runs will come with.
  /// Values are read only where the argument is HOST_READ.
  const DLTensor *const *arguments;
  /// Values for the host of those that are HOST_READ and not in host memory,
  /// with the same sizes; null, or null per argument: `arguments` has them.
  const DLTensor *const *host;
  /// Where lengths are not known exactly: `host` has the largest values that
  /// runs may come with, `low` the smallest ones. The runs may then come with
  /// any between. Null, or null per argument: exact.
  const DLTensor *const *low;
  /// Keys that requests share; null: none.
  const attnrt_prefixes *prefixes;
  /// By launch, what a fold is to compute where that is not what sizes and
  /// lengths say; null, or null per launch: what they say. Launches past
  /// num_problems have none. Of a launch with a problem `prefixes` and `low`
  /// change nothing.
  ///
  /// A problem (attnrt/plan.h) says it in full: rows that read runs of
  /// anybody's keys, several at the same coordinates, heads with keys of their
  /// own, states from elsewhere and states that stay
  /// (attnrt_schedule_state). Expected of it, beside the rules there:
  ///   * `heads` and `group` are the launch's KV heads and query heads of each;
  ///   * `sym` of rows and `param` of segments are requests, `coord` is the row
  ///     of a request. Masks, positions and queries are those of `sym`, keys
  ///     and values those of `param`. No result is written by two rows; one
  ///     that no row writes is left as it was;
  ///   * segments are runs of keys: coord0 is a multiple of
  ///     attnrt_launch_info::cols, and so is the end, unless it is the limit of
  ///     the rows that see anything;
  ///   * the rows of a segment are of one request, where the launch has not
  ///     ATTNRT_LAUNCH_SHARES;
  ///   * lists and masks are operands of the entry: select -1, no masks; view
  ///     is the number of a kernel that is joined, else 0.
  /// Whether a row sees a point is for the entry's masks to say; lo and limit
  /// are the hull of it, at any length that runs may come with.
  const struct attnrt_problem *const *problems;
  int32_t num_problems;
  int32_t num_carried;
  /// Arrays of the engine that the device gets in the copy of the plans
  /// (lengths, slots of new tokens, changes of page tables): one copy for a
  /// step, staged as the plans are, however many steps are in flight.
  /// attnrt_schedule_carried says where they are then.
  const attnrt_carried *carried;
} attnrt_step;

/// Memory for all steps of a schedule that stay within its capacities and whose
/// sizes are at most those of one step.
typedef struct attnrt_schedule_room {
  uint32_t struct_size;
  uint32_t alignment;       ///< of memory for workspaces, in bytes
  uint64_t workspace_bytes; ///< states and workspaces, in the device's memory
  /// Plans and what steps carry: in the device's memory, and pinned in the
  /// host's for all steps in flight. 0 for devices that read the host's.
  uint64_t plan_bytes, pinned_bytes;
} attnrt_schedule_room;

/// What attnrt_schedule_bind needs for `largest`: a step of the largest sizes
/// that steps may come with (batch, keys, what they carry; which launches have
/// problems). It is not planned, and of its values only those are looked at
/// that sizes depend on. The capacities must say what sizes do not:
/// max_segments, max_rows, max_items, max_merges and max_slots are expected to
/// be more than 0. INVALID_ARGUMENT else, RESOURCE_EXHAUSTED if it is more than
/// max_workspace_bytes. The schedule is not changed.
ATTNRT_API attnrt_status attnrt_schedule_measure(attnrt_schedule *schedule,
                                                 const attnrt_step *largest,
                                                 attnrt_schedule_room *out);

/// Gives the schedule all the memory that it will have on its device, before
/// the first step or between two: from then on an update asks for none there
/// and gives none back, loads no code and sets no attribute, and of a schedule
/// with ATTNRT_SCHEDULE_CAPTURE the layout is the same for all steps of the
/// same sizes. A step that needs more is RESOURCE_EXHAUSTED.
///
/// `workspace` is memory of the engine, `bytes` long and aligned as
/// attnrt_schedule_measure says; it must live until the schedule is released or
/// bound anew, and only runs of one stream may use it at the same time (several
/// schedules may share it then, but for states that the engine looks at). Null:
/// the allocator's. Runs must be done, and the step that was planned is
/// forgotten. If the call fails nothing has changed.
ATTNRT_API attnrt_status attnrt_schedule_bind(attnrt_schedule *schedule,
                                              const attnrt_step *largest,
                                              void *workspace, uint64_t bytes,
                                              void *stream);

/// Plans a step. Runs that were launched before go on with theirs. `stream` is
/// where the device's copy of the plan is enqueued; runs of the step come
/// behind it on the same stream.
///
/// INVALID_ARGUMENT where rows of the step see keys past the last that the
/// tables of their request, or the storage, can hold, as far as that is known
/// of lengths that the host has (not those between bounds) and of whole tiles
/// of keys: lengths of requests without rows, and keys that masks leave out,
/// may be anything. Whether entries lead somewhere is not looked at here
/// (attnrt_schedule_validate).
ATTNRT_API attnrt_status attnrt_schedule_update(attnrt_schedule *schedule,
                                                const attnrt_step *step,
                                                void *stream);

/// Sizes of a result of the step: writes its axes (at most ATTNRT_MAX_AXES) to
/// `sizes` and their number to `num_axes`. INVALID_ARGUMENT before the first
/// step.
ATTNRT_API attnrt_status attnrt_schedule_result(const attnrt_schedule *schedule,
                                                int32_t result, int64_t *sizes,
                                                int32_t *num_axes);

/// What the folds of the last step are cut into; sums over the entry.
typedef struct attnrt_schedule_stats {
  uint32_t struct_size;
  int32_t reserved;
  int64_t segments, rows, items, merges, slots;
  int64_t workspace_bytes; ///< states and workspaces that are held
  /// Keys of the tiles that items visit, once per item; times KV heads.
  int64_t keys_read;
  /// Changes when a run that was captured in a graph cannot be replayed for the
  /// step (ATTNRT_SCHEDULE_CAPTURE).
  int64_t layout;
} attnrt_schedule_stats;

ATTNRT_API attnrt_status attnrt_schedule_describe(
    const attnrt_schedule *schedule, attnrt_schedule_stats *out);

/// Where array `number` of attnrt_step::carried lies for runs of the last step:
/// in the device's memory, aligned to 64 bytes, until the next update (runs
/// that were launched before it still find theirs). With
/// ATTNRT_SCHEDULE_CAPTURE it stays there as long as attnrt_schedule_stats::
/// layout does. INVALID_ARGUMENT before the first step, and for an array that
/// it has not.
ATTNRT_API attnrt_status attnrt_schedule_carried(
    const attnrt_schedule *schedule, int32_t number, void **data);

enum {
  /// A fold; else a stage of points.
  ATTNRT_LAUNCH_FOLD = 1u << 0,
  /// Its items may hold rows of several requests.
  ATTNRT_LAUNCH_SHARES = 1u << 1
};

/// One launch of the last step, for tests and measurements.
typedef struct attnrt_launch_info {
  uint32_t struct_size;
  uint32_t flags;     ///< ATTNRT_LAUNCH_*
  int32_t rows, cols; ///< most packed rows of an item; ordinals of a tile
  /// Records of attnrt/plan_format.h; null where there is nothing to do, and
  /// where the device cuts the points itself. Until the next update.
  const struct attnrt_plan *plan;
  /// What the device counted in the last run: a list of JSON with an object for
  /// each kernel, "[]" of devices that do not count. Until the next run.
  const char *counters;
  /// Of the kernel of items, where the device knows (CUDA), else 0: registers
  /// and bytes of local memory per thread (spills, and arrays by index), and
  /// CTAs that a multiprocessor holds at the same time.
  int32_t registers, local_bytes, resident_ctas;
  int32_t reserved;
} attnrt_launch_info;

/// INVALID_ARGUMENT before the first step, and for a launch that the kernel has
/// not (attnrt_kernel_info::num_launches).
ATTNRT_API attnrt_status attnrt_schedule_launch(const attnrt_schedule *schedule,
                                                int32_t launch,
                                                attnrt_launch_info *out);

/// One component of the states of a launch that come from elsewhere and that
/// stay: a compact tensor in memory of the schedule.
typedef struct attnrt_state_info {
  uint32_t struct_size;
  int32_t num_axes;
  /// Slots, as attnrt_problem counts those of `ext` and `keep`, and the axes of
  /// the component.
  int64_t sizes[ATTNRT_MAX_AXES];
  DLDataType dtype;
  uint32_t reserved;
  DLDevice device;
  void *data; ///< null if there are none
} attnrt_state_info;

/// Where states of the last step lie, for problems that have `ext` or `keep`:
/// to be filled in front of a run (on its stream) and read behind it, until the
/// next update. Components are in the order of the fold's state; what one
/// launch keeps is what another of the same fold takes. INVALID_ARGUMENT before
/// the first step, and for a launch or component that there is not.
ATTNRT_API attnrt_status attnrt_schedule_state(const attnrt_schedule *schedule,
                                               int32_t launch,
                                               int32_t component,
                                               attnrt_state_info *out);

/// Tiles that the masks of the last run left empty, cut, and kept whole: counts
/// [0..2], by run of rows and KV head, however many items a run is cut into.
/// All 0 unless the bundle was compiled to count, and where kernels are joined
/// (a tile has keys in several formats). The tensors of that run are
/// read, so they must still be there. UNAVAILABLE where they are not in host
/// memory; INVALID_ARGUMENT before the first run of a step.
ATTNRT_API attnrt_status
attnrt_schedule_count_tiles(const attnrt_schedule *schedule, int64_t counts[3]);

/// Checks the plans of the step against what was asked for, by rules that share
/// no code with the planner (attnrt/plan.h). For tests, and for engines that
/// want to be sure: it takes longer than planning.
ATTNRT_API attnrt_status
attnrt_schedule_verify(const attnrt_schedule *schedule);

/// Checks the tables of a step in full before it is planned: goes through every
/// point of every view of the entry, looks up what it looks up, and asks
/// whether the address lies in its storage. INVALID_ARGUMENT names the first
/// point for which it does not. Where requests share keys (`prefixes`), each
/// key of a shared tile must be the same element of the storage for all of
/// them; the first that is not is named as well (equal elements in two places
/// would do for kernels). The values of tables must be in host memory or in
/// `host`; other tensors give their sizes only. Takes a time that grows with
/// the number of keys, and of requests that share them; kernels take tables as
/// they are. UNAVAILABLE if a view has an axis whose end the host cannot find.
/// The schedule is not changed.
ATTNRT_API attnrt_status attnrt_schedule_validate(
    const attnrt_schedule *schedule, const attnrt_step *step);

//===----------------------------------------------------------------------===//
// Run
//===----------------------------------------------------------------------===//

/// Launches the entry for the step. `tensors` are the arguments and then the
/// results; sizes must be those of the step, strides may be any with 1 for the
/// last axis, and memory must be the device's (scalars: the host's). Scalars
/// that are HOST_READ must have the value of the step. Entries of tables that
/// lead outside of what they index read as 0 and write nothing; that they are
/// right is what attnrt_schedule_validate looks at. Results must not overlap
/// arguments.
///
/// Nothing but launches is done, and where a result must start as zeros a fill:
/// no memory is asked for and nothing is copied to a device, so the stream may
/// be one that is being captured.
///
/// On the CPU the call returns when all is done; on other devices what it
/// launched is ordered by `stream` (CUDA: a CUstream, null is the default one).
ATTNRT_API attnrt_status attnrt_run(attnrt_schedule *schedule,
                                    const DLTensor *const *tensors,
                                    int32_t num_tensors, void *stream);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_ATTNRT_H
