//===- PagePoolFaultTest.cpp - Page pools when memory runs out ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "PagePoolKit.h"

#include <cstring>

using namespace attnrt_test;

namespace {

/// All that can be seen of a pool.
struct Seen {
  Seen(const Pages &pages, std::vector<attnrt_sequence> sequences)
      : stats(pages.stats()) {
    stats.host_bytes = 0; // may have grown
    for (attnrt_sequence s : sequences) {
      for (int32_t g = 0; g < pages.groups; ++g) {
        tables.push_back(pages.table(s, g));
      }
      auto one = sized<attnrt_sequence_info>();
      attnrt_sequence_describe(pages.pool, s, &one);
      info.push_back(one.next_position);
      info.push_back(one.known_tokens);
    }
  }
  bool operator==(const Seen &other) const {
    return tables == other.tables && info == other.info &&
           std::memcmp(&stats, &other.stats, sizeof(stats)) == 0;
  }
  attnrt_page_pool_stats stats;
  std::vector<std::vector<int32_t>> tables;
  std::vector<int64_t> info;
};

/// Runs the call with its n-th allocation failing, for every n; the pool must
/// look as before. Returns how many allocations the call needs.
template <class F>
long failEach(Pages &pages, const std::vector<attnrt_sequence> &sequences,
              F call) {
  const Seen before(pages, sequences);
  for (long n = 0; n < 1000; ++n) {
    allocationsLeft() = n;
    const attnrt_status status = call();
    allocationsLeft() = -1;
    if (status == ATTNRT_OK) {
      EXPECT_EQ("", pages.audit());
      return n;
    }
    EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, status) << attnrt_last_message();
    EXPECT_STREQ("not enough memory", attnrt_last_message());
    EXPECT_EQ("", pages.audit());
    EXPECT_TRUE(before == Seen(pages, sequences)) << "allocation " << n;
  }
  ADD_FAILURE() << "it never ends";
  return -1;
}

} // namespace

TEST(PagePoolFault, EveryAllocationOfEveryCall) {
  attnrt_context *context = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  auto params = Pages::shape(4000, 4);
  params.num_groups = 2;
  params.side = ATTNRT_SIDE_POSITION;
  attnrt_page_pool *pool = nullptr;
  long n = 0;
  for (attnrt_status status = ATTNRT_RESOURCE_EXHAUSTED; status; ++n) {
    allocationsLeft() = n;
    status = attnrt_page_pool_create(context, &params, &pool);
    allocationsLeft() = -1;
    EXPECT_EQ(status != ATTNRT_OK, pool == nullptr);
  }
  EXPECT_GT(n, 8);
  attnrt_page_pool_release(pool);
  attnrt_context_release(context);

  Pages pages(params);
  const std::vector<int32_t> tokens = countUp(3000), prompt = countUp(2500);
  const attnrt_sequence a = pages.start(countUp(2001)), b = pages.fork(a);
  const std::vector<attnrt_sequence> both = {a, b};
  attnrt_sequence out = 0;
  int32_t numCopies = 0;
  attnrt_page_copy copies[2];
  attnrt_content content = contentOf(prompt);
  EXPECT_GT(failEach(pages, both,
                     [&] {
                       return attnrt_sequence_create(pages.pool, &content, 0,
                                                     &out, nullptr);
                     }),
            3);
  EXPECT_GT(failEach(pages, both,
                     [&] { return attnrt_sequence_fork(pages.pool, a, &out); }),
            3);
  content = contentOf(tokens);
  EXPECT_GT(failEach(pages, both,
                     [&] {
                       return attnrt_sequence_append(pages.pool, b, &content,
                                                     nullptr, copies,
                                                     &numCopies);
                     }),
            4);
  EXPECT_EQ(2, numCopies);
  attnrt_pin pin = 0;
  EXPECT_GT(failEach(pages, both,
                     [&] {
                       return attnrt_sequence_pin(pages.pool, a, 2000, &pin,
                                                  nullptr);
                     }),
            3);
  auto what = sized<attnrt_compaction>();
  const std::vector<int32_t> keep = countUp(900, 1000);
  what.num_keep = 900;
  what.keep = keep.data();
  std::vector<attnrt_slot_copy> moves(900);
  int64_t count = 0;
  EXPECT_GT(failEach(pages, both,
                     [&] {
                       return attnrt_sequence_compact(
                           pages.pool, a, &what, moves.data(), 900, &count);
                     }),
            2);
  EXPECT_GT(count, 0);
  auto shape = sized<attnrt_page_table_params>();
  shape.rows = 4;
  shape.columns = 2000;
  attnrt_page_table *table = nullptr;
  EXPECT_GT(failEach(pages, both,
                     [&] {
                       return attnrt_page_table_create(pages.pool, &shape,
                                                       &table);
                     }),
            2);
  attnrt_page_forest *forest = nullptr;
  EXPECT_GT(
      failEach(pages, both,
               [&] { return attnrt_page_forest_create(pages.pool, &forest); }),
      1);
  auto shared = sized<attnrt_forest_params>();
  shared.heads = shared.query_group = 1;
  shared.num_sequences = 2;
  shared.sequences = both.data();
  shared.columns = 2000;
  auto problem = sized<attnrt_problem>();
  EXPECT_GT(failEach(pages, both,
                     [&] {
                       return attnrt_page_forest_build(forest, &shared,
                                                       &problem);
                     }),
            5);
  // Calls that take nothing away from the heap.
  std::vector<attnrt_table_change> changes(2000);
  allocationsLeft() = 0;
  EXPECT_EQ(ATTNRT_OK, attnrt_page_table_bind(table, 0, b));
  EXPECT_EQ(ATTNRT_OK,
            attnrt_page_table_changes(table, changes.data(), 2000, &count));
  EXPECT_EQ(ATTNRT_OK, attnrt_page_forest_build(forest, &shared, &problem));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_trim(pages.pool, b, -1, 8, 100));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, b, 4950));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_release(pages.pool, a));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_release(pages.pool, b));
  EXPECT_EQ(ATTNRT_OK, attnrt_pin_release(pages.pool, pin));
  EXPECT_EQ(0, allocationsLeft());
  allocationsLeft() = -1;
  EXPECT_EQ("", pages.audit());
  attnrt_page_forest_release(forest);
  attnrt_page_table_release(table);
}
