/*===- headers.c - The headers are C11 ------------------------------------===*
 *
 * Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *===----------------------------------------------------------------------===*/
#include "attnrt/cpu.h"
#include "attnrt/plan.h"
#include "attnrt/pool.h"
#include "attnrt/tensor_map.h"

/* Called by nobody: it has to compile and link as C. */
int attnrt_headers_are_c(void) {
  attnrt_planner *planner = 0;
  if (attnrt_planner_create(&planner) != ATTNRT_OK) {
    return 0;
  }
  attnrt_planner_destroy(planner);
  attnrt_page_pool_release(0);
  return 1;
}
