//===- TestKernel.cu - A GPU's code for bundles of the unit tests ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// TestKernel.c as kernels that find their work as compiled ones do. What clang
// makes of it is committed as TestKernel.ptx; no part of CUDA is needed:
//
//   clang++-22 --cuda-device-only --cuda-gpu-arch=sm_80 -nocudainc -nocudalib
//     -Wno-unknown-cuda-version -O2 -S -I../include TestKernel.cu
//     -o TestKernel.ptx
//
//===----------------------------------------------------------------------===//
#define FACTOR 1
#define sums sums_item
#define sums_merge merge_item
#define scale_stage scale_item
#pragma clang force_cuda_host_device begin
#include "attnrt/plan_format.h"
namespace { // what no kernel calls is left out
#include "TestKernel.c"
}
#pragma clang force_cuda_host_device end
#undef sums
#undef sums_merge
#undef scale_stage

#define KERNEL extern "C" __attribute__((global)) void

namespace {

struct Parameters {
  attnrt_tensor tensors[6];
  uint64_t cells[5];
};

__attribute__((device)) attnrt_args argsOf(const Parameters &given,
                                           const attnrt_plan *plan) {
  attnrt_args args{};
  args.tensors = given.tensors;
  args.scalars = given.cells;
  args.segments = attnrt_plan_segments(plan);
  args.rows = attnrt_plan_rows(plan);
  args.masks = attnrt_plan_masks(plan);
  args.merge_slots = attnrt_plan_merge_slots(plan);
  return args;
}

/// The records of a CTA's worker go round its threads.
template <class Record>
__attribute__((device)) void
forEach(const Parameters &given, const attnrt_plan *plan, int32_t begin,
        const Record *records,
        void (*body)(const attnrt_args *, const Record *, void *)) {
  const int32_t *work = attnrt_plan_work(plan) + begin;
  attnrt_args args = argsOf(given, plan);
  int worker = __nvvm_read_ptx_sreg_ctaid_x();
  float scratch[16];
  for (int32_t i = work[worker] + __nvvm_read_ptx_sreg_tid_x();
       i < work[worker + 1]; i += __nvvm_read_ptx_sreg_ntid_x()) {
    body(&args, &records[i], scratch);
  }
}

} // namespace

KERNEL sums(Parameters given, const attnrt_plan *plan, int32_t stage) {
  forEach(given, plan, attnrt_plan_stages(plan)[stage].work_begin,
          attnrt_plan_items(plan), sums_item);
}
KERNEL sums_merge(Parameters given, const attnrt_plan *plan, int32_t stage) {
  forEach(given, plan, attnrt_plan_stages(plan)[stage].merge_work_begin,
          attnrt_plan_merges(plan), merge_item);
}
KERNEL scale_stage(Parameters given, const attnrt_plan *plan, int32_t stage) {
  forEach(given, plan, attnrt_plan_stages(plan)[stage].work_begin,
          attnrt_plan_items(plan), scale_item);
}
