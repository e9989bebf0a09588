//===- Table.cpp - Page tables on devices, by their changes ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Table.h"

using namespace attnrt;

PageTable::PageTable(std::shared_ptr<PagePool> given,
                     const attnrt_page_table_params &params)
    : pool(std::move(given)), group(params.group), columns(params.columns) {
  pool->requireGroup(group);
  if (params.rows < 1 || columns < 1 ||
      int64_t(params.rows) * columns > INT32_MAX) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects rows and columns of at least 1 and less than 2^31 entries, "
          "but got %d and %d",
          params.rows, columns);
  }
  rows.resize(size_t(params.rows));
  entries.resize(size_t(params.rows) * size_t(columns), pool->nullPage());
}

void PageTable::bind(int32_t row, uint64_t sequence) {
  if (row < 0 || row >= int32_t(rows.size())) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a row in 0..%zu, but got %d",
          rows.size() - 1, row);
  }
  if (sequence) {
    pool->sequence(sequence); // there has to be one
  }
  rows[size_t(row)].sequence = sequence;
}

const GroupTable *PageTable::tableOf(const Row &row) const {
  const Sequence *sequence = pool->findSequence(row.sequence);
  return sequence ? &sequence->groups[size_t(group)] : nullptr;
}

template <class F> void PageTable::compare(int32_t number, F change) const {
  const Row &row = rows[size_t(number)];
  const GroupTable *table = tableOf(row);
  const int32_t count = table ? int32_t(table->pages.size()) : 0;
  // The entries of a sequence that only grew are there up to row.count.
  const bool hasGrown =
      table && row.sequence == row.shown && row.edits == table->edits;
  const int32_t *now = &entries[size_t(number) * size_t(columns)];
  for (int32_t i = hasGrown ? row.count : 0; i < count; ++i) {
    if (now[i] != table->pages[size_t(i)]) {
      change(i, table->pages[size_t(i)]);
    }
  }
  for (int32_t i = count; i < row.count; ++i) {
    if (now[i] != pool->nullPage()) {
      change(i, pool->nullPage());
    }
  }
}

int64_t PageTable::changes(attnrt_table_change *out, int64_t capacity) {
  if (capacity < 0 || (capacity && !out)) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects room for changes, but got %lld%s",
          (long long)capacity, out ? "" : " in null");
  }
  int64_t count = 0;
  for (int32_t number = 0; number < int32_t(rows.size()); ++number) {
    const GroupTable *table = tableOf(rows[size_t(number)]);
    if (table && int64_t(table->pages.size()) > columns) {
      raise(ATTNRT_RESOURCE_EXHAUSTED,
            "expects sequences of at most %d pages, but got %zu in row %d",
            columns, table->pages.size(), number);
    }
    compare(number, [&](int32_t column, int32_t value) {
      if (count < capacity) {
        out[count] = {number * columns + column, value};
      }
      ++count;
    });
  }
  if (count > capacity) {
    return count;
  }
  for (int64_t i = 0; i < count; ++i) {
    entries[size_t(out[i].offset)] = out[i].value;
  }
  for (Row &row : rows) {
    const GroupTable *table = tableOf(row);
    row.shown = table ? row.sequence : 0;
    row.edits = table ? table->edits : 0;
    row.count = table ? int32_t(table->pages.size()) : 0;
  }
  return count;
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_page_table_create(attnrt_page_pool *pool,
                                       const attnrt_page_table_params *params,
                                       attnrt_page_table **out) {
  return enter(pool, [&](PagePool &) {
    if (!out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a place for the table, but got null");
    }
    auto handle = std::make_unique<attnrt_page_table>();
    handle->impl = std::make_unique<PageTable>(
        pool->impl, readParams(params, "attnrt_page_table_params"));
    *out = handle.release();
  });
}

void attnrt_page_table_release(attnrt_page_table *table) { delete table; }

template <class F>
static attnrt_status enterTable(const attnrt_page_table *table, F f) {
  return guard([&] {
    if (!table) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a page table, but got null");
    }
    table->impl->owner().requireOwner();
    f(*table->impl);
  });
}

attnrt_status attnrt_page_table_bind(attnrt_page_table *table, int32_t row,
                                     attnrt_sequence sequence) {
  return enterTable(table, [&](PageTable &impl) { impl.bind(row, sequence); });
}

attnrt_status attnrt_page_table_changes(attnrt_page_table *table,
                                        attnrt_table_change *changes,
                                        int64_t capacity, int64_t *count) {
  return enterTable(table, [&](PageTable &impl) {
    if (!count) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a count, but got null");
    }
    *count = impl.changes(changes, capacity);
    if (*count > capacity) {
      raise(ATTNRT_RESOURCE_EXHAUSTED,
            "expects room for %lld changes, but got %lld", (long long)*count,
            (long long)capacity);
    }
  });
}

const int32_t *attnrt_page_table_data(const attnrt_page_table *table) {
  return table ? table->impl->data() : nullptr;
}
