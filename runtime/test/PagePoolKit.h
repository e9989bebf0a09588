//===- PagePoolKit.h - Page pools for tests ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_PAGEPOOLKIT_H
#define ATTNRT_TEST_PAGEPOOLKIT_H

#include "attnrt/pool.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace attnrt_test {

template <class T> T sized() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

inline attnrt_content contentOf(const std::vector<int32_t> &tokens) {
  auto content = sized<attnrt_content>();
  content.num_tokens = int64_t(tokens.size());
  content.tokens = tokens.data();
  return content;
}

/// A pool and its context; calls that must succeed.
class Pages {
public:
  explicit Pages(attnrt_page_pool_params params,
                 const attnrt_context_params *context = nullptr) {
    EXPECT_EQ(ATTNRT_OK, attnrt_context_create(context, &own));
    params.struct_size = sizeof(params);
    EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_create(own, &params, &pool))
        << attnrt_last_message();
    groups = params.num_groups ? params.num_groups : 1;
  }
  Pages(int32_t pages, int32_t size) : Pages(shape(pages, size)) {}
  ~Pages() {
    attnrt_page_pool_release(pool);
    attnrt_context_release(own);
  }
  Pages(const Pages &) = delete;
  Pages &operator=(const Pages &) = delete;

  static attnrt_page_pool_params shape(int32_t pages, int32_t size) {
    auto params = sized<attnrt_page_pool_params>();
    params.num_pages = pages;
    params.page_size = size;
    params.seed = 7;
    return params;
  }

  attnrt_sequence create(const std::vector<int32_t> &prompt = {},
                         uint64_t salt = 0) {
    attnrt_sequence sequence = 0;
    attnrt_content content = contentOf(prompt);
    EXPECT_EQ(ATTNRT_OK,
              attnrt_sequence_create(pool, &content, salt, &sequence, &reused))
        << attnrt_last_message();
    return sequence;
  }
  attnrt_status tryAppend(attnrt_sequence sequence,
                          const std::vector<int32_t> &tokens) {
    attnrt_content content = contentOf(tokens);
    slots.assign(tokens.size() * size_t(groups), -1);
    copies.assign(size_t(groups), {});
    int32_t count = -1;
    attnrt_status status = attnrt_sequence_append(
        pool, sequence, &content, slots.data(), copies.data(), &count);
    copies.resize(size_t(count < 0 ? 0 : count));
    return status;
  }
  void append(attnrt_sequence sequence, const std::vector<int32_t> &tokens) {
    EXPECT_EQ(ATTNRT_OK, tryAppend(sequence, tokens)) << attnrt_last_message();
  }
  /// A sequence with all of the prompt, of which `reused` was there.
  attnrt_sequence start(const std::vector<int32_t> &prompt, uint64_t salt = 0) {
    attnrt_sequence sequence = create(prompt, salt);
    append(sequence, {prompt.begin() + reused, prompt.end()});
    return sequence;
  }
  attnrt_sequence fork(attnrt_sequence sequence) {
    attnrt_sequence out = 0;
    EXPECT_EQ(ATTNRT_OK, attnrt_sequence_fork(pool, sequence, &out));
    return out;
  }
  void release(attnrt_sequence sequence) {
    EXPECT_EQ(ATTNRT_OK, attnrt_sequence_release(pool, sequence));
  }
  std::vector<int32_t> table(attnrt_sequence sequence,
                             int32_t group = 0) const {
    attnrt_sequence_view view{};
    EXPECT_EQ(ATTNRT_OK, attnrt_sequence_pages(pool, sequence, group, &view));
    return {view.pages, view.pages + view.num_pages};
  }
  std::vector<attnrt_range> missing(attnrt_sequence sequence, int64_t begin,
                                    int64_t end, int32_t group = 0,
                                    int32_t head = 0) const {
    std::vector<attnrt_range> ranges(1000);
    int64_t count = 0;
    EXPECT_EQ(ATTNRT_OK,
              attnrt_sequence_missing(pool, sequence, group, head, begin, end,
                                      ranges.data(), 1000, &count));
    ranges.resize(size_t(count));
    return ranges;
  }
  attnrt_page_pool_stats stats() const {
    auto stats = sized<attnrt_page_pool_stats>();
    EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_describe(pool, &stats));
    return stats;
  }
  /// "" or what the audit says.
  std::string audit() const {
    return attnrt_page_pool_audit(pool) ? attnrt_last_message() : "";
  }
  uint64_t beginStep() {
    uint64_t step = 0;
    EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_begin_step(pool, nullptr, 0, &step));
    return step;
  }
  void endStep(uint64_t step) {
    EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_end_step(pool, step));
  }

  attnrt_context *own = nullptr;
  attnrt_page_pool *pool = nullptr;
  int32_t groups;
  // Of the last create and append.
  int64_t reused = 0;
  std::vector<int64_t> slots;
  std::vector<attnrt_page_copy> copies;
};

/// first, first + 1, ..
inline std::vector<int32_t> countUp(int32_t count, int32_t first = 0) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; ++i) {
    tokens.push_back(first + i);
  }
  return tokens;
}

} // namespace attnrt_test

#endif // ATTNRT_TEST_PAGEPOOLKIT_H
