//===- PagePoolFaultTest.cpp - Page pools when memory runs out ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "PagePoolKit.h"

#include <cstring>
#include <utility>

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

attnrt_page_pool_params twoGroups() {
  auto params = Pages::shape(4000, 4);
  params.num_groups = 2;
  params.side = ATTNRT_SIDE_POSITION;
  return params;
}

/// A pool with two sequences that share all, and what calls need.
struct Scene {
  Scene()
      : pages(twoGroups()), a(pages.start(countUp(2001))), b(pages.fork(a)),
        both{a, b}, tokens(countUp(3000)), keep(countUp(900, 1000)), moves(900),
        changes(2000) {
    what.num_keep = 900;
    what.keep = keep.data();
    shape.rows = 4;
    shape.columns = 2000;
    shared.heads = shared.query_group = 1;
    shared.num_sequences = 2;
    shared.sequences = both.data();
    shared.columns = 2000;
  }
  ~Scene() {
    attnrt_page_forest_release(forest);
    attnrt_page_table_release(table);
  }
  attnrt_status append() {
    const attnrt_content content = contentOf(tokens);
    return attnrt_sequence_append(pages.pool, b, &content, nullptr, copies,
                                  &numCopies);
  }

  Pages pages;
  attnrt_sequence a, b, out = 0;
  attnrt_pin pin = 0;
  std::vector<attnrt_sequence> both;
  std::vector<int32_t> tokens, keep;
  attnrt_page_copy copies[2] = {};
  int32_t numCopies = 0;
  attnrt_compaction what = sized<attnrt_compaction>();
  std::vector<attnrt_slot_copy> moves;
  int64_t count = 0;
  attnrt_page_table_params shape = sized<attnrt_page_table_params>();
  attnrt_page_table *table = nullptr;
  std::vector<attnrt_table_change> changes;
  attnrt_page_forest *forest = nullptr;
  attnrt_forest_params shared = sized<attnrt_forest_params>();
  attnrt_problem problem = sized<attnrt_problem>();
};

/// Runs the call with its n-th allocation failing, for every n, each time on a
/// scene of its own, which must look as before and must go on working. Returns
/// how many allocations the call needs.
template <class F> long failEach(F call) {
  for (long n = 0; n < 1000; ++n) {
    Scene scene;
    const Seen before(scene.pages, scene.both);
    allocationsLeft() = n;
    const attnrt_status status = call(scene);
    allocationsLeft() = -1;
    EXPECT_EQ("", scene.pages.audit());
    if (status == ATTNRT_OK) {
      return n;
    }
    EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, status);
    EXPECT_STREQ("not enough memory", attnrt_last_message());
    EXPECT_TRUE(before == Seen(scene.pages, scene.both)) << "allocation " << n;
    EXPECT_EQ(ATTNRT_OK, call(scene)) << attnrt_last_message();
    EXPECT_EQ("", scene.pages.audit());
  }
  ADD_FAILURE() << "it never ends";
  return -1;
}

} // namespace

TEST(PagePoolFault, EveryAllocationOfCreatingAPool) {
  attnrt_context *context = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  const attnrt_page_pool_params params = twoGroups();
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
}

TEST(PagePoolFault, EveryAllocationOfEveryCall) {
  EXPECT_GT(failEach([](Scene &s) {
              const attnrt_content content = contentOf(s.tokens);
              return attnrt_sequence_create(s.pages.pool, &content, 0, &s.out,
                                            nullptr);
            }),
            3);
  EXPECT_GT(failEach([](Scene &s) {
              return attnrt_sequence_fork(s.pages.pool, s.a, &s.out);
            }),
            3);
  EXPECT_GT(failEach([](Scene &s) { return s.append(); }), 4);
  EXPECT_GT(failEach([](Scene &s) {
              return attnrt_sequence_pin(s.pages.pool, s.a, 2000, &s.pin,
                                         nullptr);
            }),
            3);
  EXPECT_GT(failEach([](Scene &s) {
              return attnrt_sequence_compact(s.pages.pool, s.a, &s.what,
                                             s.moves.data(), 900, &s.count);
            }),
            1);
  EXPECT_GT(failEach([](Scene &s) {
              return attnrt_page_table_create(s.pages.pool, &s.shape, &s.table);
            }),
            2);
  EXPECT_GT(failEach([](Scene &s) {
              return s.forest
                         ? ATTNRT_OK
                         : attnrt_page_forest_create(s.pages.pool, &s.forest);
            }),
            1);
  EXPECT_GT(failEach([](Scene &s) {
              if (!s.forest) {
                const long left = std::exchange(allocationsLeft(), -1);
                attnrt_page_forest_create(s.pages.pool, &s.forest);
                allocationsLeft() = left;
              }
              return attnrt_page_forest_build(s.forest, &s.shared, &s.problem);
            }),
            5);
  EXPECT_GT(failEach([](Scene &s) {
              if (!s.forest) {
                const long left = std::exchange(allocationsLeft(), -1);
                attnrt_page_forest_create(s.pages.pool, &s.forest);
                allocationsLeft() = left;
              }
              auto prefixes = sized<attnrt_prefixes>();
              return attnrt_page_forest_prefixes(s.forest, &s.shared,
                                                 &prefixes);
            }),
            3);
}

TEST(PagePoolFault, CallsThatGiveBackNeedNoMemory) {
  Scene s;
  ASSERT_EQ(ATTNRT_OK, s.append());
  ASSERT_EQ(ATTNRT_OK,
            attnrt_sequence_pin(s.pages.pool, s.a, 2000, &s.pin, nullptr));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_page_table_create(s.pages.pool, &s.shape, &s.table));
  uint64_t step = 0;
  allocationsLeft() = 0;
  EXPECT_EQ(ATTNRT_OK, attnrt_page_table_bind(s.table, 0, s.b));
  EXPECT_EQ(ATTNRT_OK, attnrt_page_table_changes(s.table, s.changes.data(),
                                                 2000, &s.count));
  EXPECT_EQ(ATTNRT_OK,
            attnrt_page_pool_begin_step(s.pages.pool, nullptr, 0, &step));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_trim(s.pages.pool, s.b, -1, 8, 100));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_truncate(s.pages.pool, s.b, 4950));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_discard(s.pages.pool, s.b, 4940));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_release(s.pages.pool, s.a));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_release(s.pages.pool, s.b));
  EXPECT_EQ(ATTNRT_OK, attnrt_pin_release(s.pages.pool, s.pin));
  EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_end_step(s.pages.pool, step));
  EXPECT_EQ(0, allocationsLeft());
  allocationsLeft() = -1;
  EXPECT_EQ("", s.pages.audit());
}
