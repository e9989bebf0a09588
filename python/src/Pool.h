// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attnrt/pool.h as objects. Sequences and pins stay numbers, as in C.
#ifndef ATTN_PYTHON_POOL_H
#define ATTN_PYTHON_POOL_H

#include "Runtime.h"
#include "attnrt/pool.h"

#include <nanobind/ndarray.h>
#include <utility>

namespace attn::python {

struct PagePool {
  Handle<attnrt_page_pool, attnrt_page_pool_release> handle;
  int32_t groups = 1, pageSize = 1;
  int32_t null = 0; ///< a table entry without a page

  attnrt_page_pool *get() const { return handle.get(); }
};

/// Nodes [n, 2] and leaves [sequences] of attnrt_prefixes: whole pages that
/// tables have in common, in nodes of at least `least` keys.
std::pair<nanobind::ndarray<nanobind::numpy, int32_t>,
          nanobind::ndarray<nanobind::numpy, int32_t>>
prefixesOf(const PagePool &pool, const std::vector<uint64_t> &sequences,
           int32_t group, int64_t least);

void bindPool(nanobind::module_ &m);
void bindPoolLooks(nanobind::class_<PagePool> &pool);
void bindPageTable(nanobind::module_ &m);

} // namespace attn::python

#endif // ATTN_PYTHON_POOL_H
