//===- pool.hpp - pool.h with owners and exceptions ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing but inline code over pool.h (C++17), as attnrt.hpp is over attnrt.h.
// Sequences and pins stay numbers: who releases them is the scheduler's affair.
//
//   auto shape = attn::rt::params<attnrt_page_pool_params>();
//   shape.num_pages = 1000;
//   shape.page_size = 16;
//   attn::rt::PagePool pool(context, shape);
//   auto [sequence, reused] = pool.create(prompt);
//   attn::rt::Appended room = pool.append(sequence, rest);
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_POOL_HPP
#define ATTNRT_POOL_HPP

#include "attnrt/attnrt.hpp"
#include "attnrt/pool.h"

#include <utility>

namespace attn::rt {

/// Where appended tokens go, and what has to be copied before they are written.
struct Appended {
  std::vector<int64_t> slots; ///< [groups][tokens]
  std::vector<attnrt_page_copy> copies;
};

inline attnrt_content contentOf(const int32_t *tokens, size_t count) {
  auto content = params<attnrt_content>();
  content.tokens = tokens;
  content.num_tokens = int64_t(count);
  return content;
}
inline attnrt_content contentOf(const std::vector<int32_t> &tokens) {
  return contentOf(tokens.data(), tokens.size());
}

class PagePool {
public:
  PagePool(const Context &context, const attnrt_page_pool_params &params)
      : groups(params.num_groups ? params.num_groups : 1) {
    attnrt_page_pool *made = nullptr;
    throwIfFailed(attnrt_page_pool_create(context.get(), &params, &made));
    handle.reset(made);
  }

  /// The sequence, and how many tokens of the prompt it found.
  std::pair<attnrt_sequence, int64_t>
  create(const std::vector<int32_t> &prompt = {}, uint64_t salt = 0) {
    return createFrom(contentOf(prompt), salt);
  }
  std::pair<attnrt_sequence, int64_t> createFrom(const attnrt_content &prompt, uint64_t salt = 0) {
    attnrt_sequence made = 0;
    int64_t reused = 0;
    throwIfFailed(attnrt_sequence_create(get(), &prompt, salt, &made, &reused));
    return {made, reused};
  }
  Appended append(attnrt_sequence sequence, const std::vector<int32_t> &tokens) {
    return appendFrom(sequence, contentOf(tokens));
  }
  Appended appendFrom(attnrt_sequence sequence, const attnrt_content &content) {
    Appended room;
    room.slots.resize(size_t(content.num_tokens * groups));
    room.copies.resize(size_t(groups));
    int32_t count = 0;
    throwIfFailed(attnrt_sequence_append(get(), sequence, &content,
                                         room.slots.data(), room.copies.data(),
                                         &count));
    room.copies.resize(size_t(count));
    return room;
  }
  attnrt_sequence fork(attnrt_sequence sequence) {
    attnrt_sequence made = 0;
    throwIfFailed(attnrt_sequence_fork(get(), sequence, &made));
    return made;
  }
  void truncate(attnrt_sequence sequence, int64_t position) {
    throwIfFailed(attnrt_sequence_truncate(get(), sequence, position));
  }
  void discard(attnrt_sequence sequence, int64_t position) {
    throwIfFailed(attnrt_sequence_discard(get(), sequence, position));
  }
  void trim(attnrt_sequence sequence, int64_t sink, int64_t window,
            int32_t group = -1) {
    throwIfFailed(attnrt_sequence_trim(get(), sequence, group, sink, window));
  }
  /// keep: max(heads, 1) lists one behind the other.
  std::vector<attnrt_slot_copy> compact(attnrt_sequence sequence,
                                        const std::vector<int32_t> &keep,
                                        int32_t heads = 0, int32_t group = 0) {
    auto what = params<attnrt_compaction>();
    what.group = group;
    what.heads = heads;
    what.num_keep = int64_t(keep.size()) / (heads > 0 ? heads : 1);
    what.keep = keep.data();
    std::vector<attnrt_slot_copy> copies(keep.size());
    int64_t count = 0;
    throwIfFailed(attnrt_sequence_compact(get(), sequence, &what, copies.data(),
                                          int64_t(copies.size()), &count));
    copies.resize(size_t(count));
    return copies;
  }
  void release(attnrt_sequence sequence) {
    throwIfFailed(attnrt_sequence_release(get(), sequence));
  }
  attnrt_pin pin(attnrt_sequence sequence, int64_t tokens) {
    attnrt_pin made = 0;
    throwIfFailed(attnrt_sequence_pin(get(), sequence, tokens, &made, nullptr));
    return made;
  }
  void unpin(attnrt_pin pin) { throwIfFailed(attnrt_pin_release(get(), pin)); }

  attnrt_sequence_view table(attnrt_sequence sequence, int32_t group = 0) const {
    attnrt_sequence_view view{};
    throwIfFailed(attnrt_sequence_pages(get(), sequence, group, &view));
    return view;
  }
  attnrt_sequence_info info(attnrt_sequence sequence) const {
    auto info = params<attnrt_sequence_info>();
    throwIfFailed(attnrt_sequence_describe(get(), sequence, &info));
    return info;
  }
  std::vector<attnrt_range> missing(attnrt_sequence sequence, int64_t begin,
                                    int64_t end, int32_t group = 0,
                                    int32_t head = 0) const {
    int64_t count = 0;
    throwIfFailed(attnrt_sequence_missing(get(), sequence, group, head, begin,
                                          end, nullptr, 0, &count));
    std::vector<attnrt_range> ranges(static_cast<size_t>(count));
    throwIfFailed(attnrt_sequence_missing(get(), sequence, group, head, begin,
                                          end, ranges.data(), count, &count));
    return ranges;
  }

  uint64_t beginStep(const std::vector<attnrt_sequence> &sequences) {
    uint64_t step = 0;
    // An empty batch reads nothing; null would mean all of them.
    const attnrt_sequence none = 0;
    throwIfFailed(attnrt_page_pool_begin_step(
        get(), sequences.empty() ? &none : sequences.data(),
        int64_t(sequences.size()), &step));
    return step;
  }
  void endStep(uint64_t step) {
    throwIfFailed(attnrt_page_pool_end_step(get(), step));
  }
  attnrt_page_pool_stats stats() const {
    auto stats = params<attnrt_page_pool_stats>();
    throwIfFailed(attnrt_page_pool_describe(get(), &stats));
    return stats;
  }
  void audit() const { throwIfFailed(attnrt_page_pool_audit(get())); }
  DLTensor side(uint32_t which) const {
    DLTensor tensor{};
    throwIfFailed(attnrt_page_pool_side(get(), which, &tensor));
    return tensor;
  }
  attnrt_page_pool *get() const { return handle.get(); }

private:
  detail::Handle<attnrt_page_pool, attnrt_page_pool_release> handle;
  int64_t groups;
};

class PageTable {
public:
  PageTable(const PagePool &pool, int32_t rows, int32_t columns,
            int32_t group = 0) {
    auto shape = params<attnrt_page_table_params>();
    shape.rows = rows;
    shape.columns = columns;
    shape.group = group;
    attnrt_page_table *made = nullptr;
    throwIfFailed(attnrt_page_table_create(pool.get(), &shape, &made));
    handle.reset(made);
  }
  void bind(int32_t row, attnrt_sequence sequence) {
    throwIfFailed(attnrt_page_table_bind(get(), row, sequence));
  }
  /// Into room that is kept, grown where it is too small.
  const std::vector<attnrt_table_change> &changes() {
    list.resize(list.capacity());
    int64_t count = 0;
    attnrt_status status = attnrt_page_table_changes(
        get(), list.data(), int64_t(list.size()), &count);
    if (status == ATTNRT_RESOURCE_EXHAUSTED && count > int64_t(list.size())) {
      list.resize(size_t(count));
      status = attnrt_page_table_changes(get(), list.data(), count, &count);
    }
    throwIfFailed(status);
    list.resize(size_t(count));
    return list;
  }
  const int32_t *data() const { return attnrt_page_table_data(get()); }
  attnrt_page_table *get() const { return handle.get(); }

private:
  detail::Handle<attnrt_page_table, attnrt_page_table_release> handle;
  std::vector<attnrt_table_change> list;
};

class PageForest {
public:
  explicit PageForest(const PagePool &pool) {
    attnrt_page_forest *made = nullptr;
    throwIfFailed(attnrt_page_forest_create(pool.get(), &made));
    handle.reset(made);
  }
  /// Its arrays live until the next call.
  attnrt_problem build(const attnrt_forest_params &what) {
    auto problem = params<attnrt_problem>();
    throwIfFailed(attnrt_page_forest_build(get(), &what, &problem));
    return problem;
  }
  /// Likewise.
  attnrt_prefixes prefixes(const attnrt_forest_params &what) {
    auto prefixes = params<attnrt_prefixes>();
    throwIfFailed(attnrt_page_forest_prefixes(get(), &what, &prefixes));
    return prefixes;
  }
  attnrt_page_forest *get() const { return handle.get(); }

private:
  detail::Handle<attnrt_page_forest, attnrt_page_forest_release> handle;
};

} // namespace attn::rt

#endif // ATTNRT_POOL_HPP
