//===- Table.h - Page tables on devices, by their changes -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_TABLE_H
#define ATTNRT_SRC_POOL_TABLE_H

#include "PagePool.h"

namespace attnrt {

/// What a device's table holds, and for which sequences.
class PageTable {
public:
  PageTable(std::shared_ptr<PagePool> pool,
            const attnrt_page_table_params &params);

  void bind(int32_t row, uint64_t sequence);
  /// The number of changes; writes them and takes them as done only if there is
  /// room for all.
  int64_t changes(attnrt_table_change *out, int64_t capacity);
  const int32_t *data() const { return entries.data(); }
  const PagePool &owner() const { return *pool; }

private:
  struct Row {
    uint64_t sequence = 0; ///< to be shown
    uint64_t shown = 0;    ///< that the entries are of
    uint32_t edits = 0;    ///< of `shown`, when they were taken
    int32_t count = 0;     ///< entries that are not null for lack of pages
  };
  /// Calls change(column, value) for all that is new in the row.
  template <class F> void compare(int32_t row, F change) const;
  const GroupTable *tableOf(const Row &row) const;

  std::shared_ptr<PagePool> pool;
  int32_t group, columns;
  std::vector<Row> rows;
  std::vector<int32_t> entries;
};

} // namespace attnrt

struct attnrt_page_table {
  std::unique_ptr<attnrt::PageTable> impl;
};

#endif // ATTNRT_SRC_POOL_TABLE_H
