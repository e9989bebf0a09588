// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attnrt/pool.h as objects. Sequences and pins stay numbers, as in C.
#ifndef ATTN_PYTHON_POOL_H
#define ATTN_PYTHON_POOL_H

#include "Runtime.h"
#include "attnrt/pool.h"

namespace attn::python {

struct PagePool {
  Handle<attnrt_page_pool, attnrt_page_pool_release> handle;
  int32_t groups = 1;

  attnrt_page_pool *get() const { return handle.get(); }
};

void bindPool(nanobind::module_ &m);
void bindPoolLooks(nanobind::class_<PagePool> &pool);
void bindPageTable(nanobind::module_ &m);

} // namespace attn::python

#endif // ATTN_PYTHON_POOL_H
