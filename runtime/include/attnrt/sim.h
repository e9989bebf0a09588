//===- sim.h - Runs compiled kernels on a simulated GPU -------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The PTX that a GPU would get, executed by ptx-sim with its checks on. A
// stage's tensors are copied to the device in front of its launches and what
// changed is copied back behind them. In a library of its own (attnrt_sim): it
// needs the simulator.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SIM_H
#define ATTNRT_SIM_H

#include "attnrt/plan_format.h"
#include "attnrt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A device with one module. One thread at a time may use it.
typedef struct attnrt_sim attnrt_sim;

typedef struct attnrt_sim_options {
  uint64_t seed;      ///< of schedule and completion
  int32_t schedule;   ///< 0 = round robin, 1 = random, 2 = adversarial
  int32_t completion; ///< of asynchronous copies: 0 = as late as it may be,
                      ///< 1 = at once, 2 = random
  int32_t no_checks;  ///< 1 = only run
  int32_t threads;    ///< host threads; 0 = one per core
} attnrt_sim_options;

/// A kernel of the module: `.entry name(args, plan, stage)`, with tensors and
/// behind them scalars by value.
typedef struct attnrt_sim_kernel {
  const char *name;
  uint32_t threads;      ///< of a CTA
  uint32_t shared_bytes; ///< dynamic, of a CTA
} attnrt_sim_kernel;

/// `ptx` is null-terminated. Options may be null (all zero). INVALID_ARGUMENT
/// with the line if the text cannot be parsed.
ATTNRT_API attnrt_status attnrt_sim_create(const char *ptx,
                                           const attnrt_sim_options *options,
                                           attnrt_sim **out);

/// Null is allowed.
ATTNRT_API void attnrt_sim_destroy(attnrt_sim *sim);

/// What a stage is launched with, on the host.
typedef struct attnrt_sim_launch {
  const attnrt_plan *plan; ///< verified, or made by the planner
  int32_t stage;
  const attnrt_sim_kernel *items;  ///< null where the stage has no items
  const attnrt_sim_kernel *merges; ///< null where it has no merges
  const attnrt_tensor *tensors;    ///< args.tensors with host pointers; null
                                   ///< where the stage does not touch it
  /// By tensor: 1 = nobody reads it before the stage writes it (results), so it
  /// counts as unwritten; what is not written keeps its value. 2 = likewise,
  /// but for the first `ext_slots` of axis 0 (states).
  const uint8_t *fresh;
  int64_t num_tensors;
  const uint64_t *scalars;
  int64_t num_scalars;
} attnrt_sim_launch;

/// Items, then merges, one CTA for each worker. INTERNAL with the first finding
/// as message if the checks find a defect in the kernels; what they wrote is
/// copied back all the same.
ATTNRT_API attnrt_status attnrt_sim_run(attnrt_sim *sim,
                                        const attnrt_sim_launch *launch);

/// What the launches of the last attnrt_sim_run did: a list of JSON, with an
/// object for each. Its text lives until the next run.
ATTNRT_API const char *attnrt_sim_launches(const attnrt_sim *sim);

/// Makes the simulator a device of attnrt/attnrt.h (kDLExtDev, number
/// ATTNRT_DEVICE_SIM) for this process; kernels that are loaded from then on
/// get these options (null: all zero). May be called again.
ATTNRT_API attnrt_status attnrt_sim_enable(const attnrt_sim_options *options);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_SIM_H
