// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Page pools: what only looks at them, and tables that schedules take in place.
#include "Arrays.h"
#include "Error.h"
#include "Pool.h"
#include "Tensor.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

namespace {

/// Rows of sequences; the engine's copy of the table is the pool's own.
struct PageTable {
  Handle<attnrt_page_table, attnrt_page_table_release> handle;
  int32_t rows, columns;
};

} // namespace

static nb::dict stats(const PagePool &self) {
  attnrt_page_pool_stats s = {};
  s.struct_size = sizeof(s);
  check(attnrt_page_pool_describe(self.get(), &s));
  nb::dict out;
#define ENTRY(name) out[#name] = s.name
  ENTRY(pages_free);
  ENTRY(pages_cached);
  ENTRY(pages_held);
  ENTRY(pages_limbo);
  ENTRY(pages_total);
  ENTRY(pages_pinned);
  ENTRY(sequences);
  ENTRY(pins);
  ENTRY(contents);
  ENTRY(steps_begun);
  ENTRY(steps_done);
  ENTRY(peak_held);
  ENTRY(tokens_asked);
  ENTRY(tokens_reused);
  ENTRY(tokens_written);
  ENTRY(pages_copied);
  ENTRY(pages_evicted);
  ENTRY(pages_revived);
  ENTRY(refusals);
  ENTRY(host_bytes);
#undef ENTRY
  return out;
}

static nb::dict info(const PagePool &self, uint64_t sequence) {
  attnrt_sequence_info i = {};
  i.struct_size = sizeof(i);
  check(attnrt_sequence_describe(self.get(), sequence, &i));
  nb::dict out;
  out["exact"] = bool(i.exact);
  out["next_position"] = i.next_position;
  out["known_tokens"] = i.known_tokens;
  out["salt"] = i.salt;
  return out;
}

static attnrt_sequence_view viewOf(const PagePool &self, uint64_t sequence,
                                   int32_t group) {
  attnrt_sequence_view view = {};
  check(attnrt_sequence_pages(self.get(), sequence, group, &view));
  return view;
}

/// A copy: the pool's own array moves when the sequence grows, and nothing
/// would hold it.
static Array<int32_t> pages(const PagePool &self, uint64_t sequence,
                            int32_t group) {
  attnrt_sequence_view view = viewOf(self, sequence, group);
  return arrayOf<int32_t>(
      std::vector<int32_t>(view.pages, view.pages + view.num_pages));
}

static int64_t length(const PagePool &self, uint64_t sequence, int32_t group) {
  return viewOf(self, sequence, group).length;
}

static Array<int32_t> positions(const PagePool &self, uint64_t sequence,
                                int32_t group, int32_t head) {
  std::vector<int32_t> out(size_t(viewOf(self, sequence, group).length));
  check(attnrt_sequence_positions(self.get(), sequence, group, head, 0,
                                  int64_t(out.size()), out.data()));
  return arrayOf<int32_t>(std::move(out));
}

static Array<int64_t> missing(const PagePool &self, uint64_t sequence,
                              int64_t begin, int64_t end, int32_t group,
                              int32_t head) {
  int64_t count = 0;
  check(attnrt_sequence_missing(self.get(), sequence, group, head, begin, end,
                                nullptr, 0, &count));
  std::vector<attnrt_range> ranges{size_t(count)};
  check(attnrt_sequence_missing(self.get(), sequence, group, head, begin, end,
                                ranges.data(), count, &count));
  return arrayOf<int64_t>(std::move(ranges), {size_t(count), 2});
}

static std::optional<uint64_t> when(const PagePool &self, int64_t count) {
  uint64_t step = 0;
  attnrt_status status = attnrt_page_pool_when(self.get(), count, &step);
  if (status == ATTNRT_NOT_FOUND) {
    return std::nullopt;
  }
  check(status);
  return step;
}

static nb::object side(nb::handle self, const std::string &name) {
  uint32_t which = name == "position" ? ATTNRT_SIDE_POSITION
                   : name == "count"  ? ATTNRT_SIDE_COUNT
                                      : 0;
  DLTensor t = {};
  check(attnrt_page_pool_side(nb::cast<PagePool &>(self).get(), which, &t));
  std::vector<size_t> sizes(t.shape, t.shape + t.ndim);
  nb::dlpack::dtype dtype = {t.dtype.code, t.dtype.bits, t.dtype.lanes};
  nb::ndarray<nb::numpy> array(t.data, sizes.size(), sizes.data(), self,
                               nullptr, dtype);
  return nb::cast(array, nb::rv_policy::reference);
}

void attn::python::bindPoolLooks(nb::class_<PagePool> &pool) {
  pool.def_prop_ro(
      "stats", &stats,
      "Counts of pages (free, cached, held, limbo; total is their sum), "
      "sequences, pins, steps, tokens asked, reused and written, copies, "
      "evictions, refusals and bytes: the fields of attnrt_page_pool_stats.");
  pool.def("when", &when, "pages"_a,
           "The step after whose end so many pages can be had, 0: now; None "
           "if no step helps and something must be released.");
  pool.def(
      "audit",
      [](const PagePool &self) { check(attnrt_page_pool_audit(self.get())); },
      "Checks every invariant from scratch. Error (internal) names the first "
      "that is broken.");
  pool.def("info", &info, "sequence"_a,
           "A dict: exact (its pages are shared), next_position, known_tokens, "
           "salt.");
  pool.def("pages", &pages, "sequence"_a, "group"_a = 0,
           "A copy of the table of a group, i32 [ceil(length / page_size)]: "
           "ordinal t lies in pages[t // page_size].");
  pool.def("length", &length, "sequence"_a, "group"_a = 0,
           "Ordinals of a group; tokens, unless some were compacted away.");
  pool.def("positions", &positions, "sequence"_a, "group"_a = 0, "head"_a = 0,
           "Original position of each ordinal, i32 [length].");
  pool.def("missing", &missing, "sequence"_a, "begin"_a, "end"_a, "group"_a = 0,
           "head"_a = 0,
           "Positions from `begin` to `end` that a trim or compaction dropped, "
           "as rising ranges, i64 [n, 2] of (begin, end).");
  pool.def(
      "prefixes", &prefixesOf, "sequences"_a, "group"_a = 0, "min_shared"_a = 0,
      "Which whole pages the sequences have in common, for Schedule.update: "
      "(nodes, leaves). nodes i32 [n, 2] of (parent or -1, end in keys), "
      "leaves i32 [sequences]: the node behind which each is alone, or -1. "
      "Nodes of fewer than `min_shared` keys are left out.");
  pool.def("side", &side, "name"_a,
           "The side pool \"position\" (i32) or \"count\" (f32) in place, "
           "[num_pages, page_size] or [num_pages, page_size, side_heads]. "
           "Error (not found) if it was not asked for.");
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

static PageTable makeTable(PagePool &pool, int32_t rows, int32_t columns,
                           int32_t group) {
  attnrt_page_table_params params = {};
  params.struct_size = sizeof(params);
  params.group = group;
  params.rows = rows;
  params.columns = columns;
  attnrt_page_table *made = nullptr;
  check(attnrt_page_table_create(pool.get(), &params, &made));
  PageTable out;
  out.handle.reset(made);
  out.rows = rows;
  out.columns = columns;
  return out;
}

static Array<int32_t> update(PageTable &self) {
  std::vector<attnrt_table_change> list;
  int64_t count = 0;
  attnrt_status status =
      attnrt_page_table_changes(self.handle.get(), nullptr, 0, &count);
  if (status == ATTNRT_RESOURCE_EXHAUSTED && count > 0) {
    list.resize(size_t(count));
    status = attnrt_page_table_changes(self.handle.get(), list.data(), count,
                                       &count);
  }
  check(status);
  return arrayOf<int32_t>(std::move(list));
}

/// The pool's own array, which stays where it is as long as the table.
static nb::object tableArray(nb::handle self) {
  const PageTable &table = nb::cast<PageTable &>(self);
  size_t sizes[] = {size_t(table.rows), size_t(table.columns)};
  nb::ndarray<nb::numpy, const int32_t> array(
      attnrt_page_table_data(table.handle.get()), 2, sizes, self);
  return nb::cast(array, nb::rv_policy::reference);
}

void attn::python::bindPageTable(nb::module_ &m) {
  nb::class_<PageTable>(
      m, "PageTable",
      "The tables of some sequences of a pool as one array, i32 [rows, "
      "columns], that schedules and flex().paged take in place.")
      .def(
          "__init__",
          [](PageTable *self, PagePool &pool, int32_t rows, int32_t columns,
             int32_t group) {
            new (self) PageTable(makeTable(pool, rows, columns, group));
          },
          "pool"_a, "rows"_a, "columns"_a, "group"_a = 0,
          "`rows` sequences of at most `columns` pages each.")
      .def(
          "bind",
          [](PageTable &self, int32_t row, uint64_t sequence) {
            check(attnrt_page_table_bind(self.handle.get(), row, sequence));
          },
          "row"_a, "sequence"_a,
          "The row shows this sequence from the next update on (0: nothing). "
          "One that is released leaves its row empty.")
      .def("update", &update,
           "Brings `array` up to date: i32 [n, 2] of (row * columns + column, "
           "page), for a copy on a device. Error (resource exhausted) if a "
           "sequence has more pages than columns; nothing has changed then.")
      .def_prop_ro(
          "array", &tableArray,
          nb::for_getter(nb::sig("def array(self, /) -> NDArray[numpy.int32]")),
          "i32 [rows, columns], as of the last update; entries "
          "without a page are 0, or -1 in pools without a null page. "
          "Not a copy, and read-only.");
}
