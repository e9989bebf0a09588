//===- PagePoolPlanTest.cpp - Plans and device tables from a page pool ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePoolKit.h"
#include "PlanModel.h"

#include <climits>
#include <map>
#include <random>

using namespace attnrt_test;

namespace {

constexpr int32_t kPage = 4, kColumns = 64;

attnrt_entry entry(int32_t packedRows) {
  auto entry = sized<attnrt_entry>();
  entry.max_packed_rows = packedRows;
  entry.kv_tile = 4;
  entry.states = 3;
  return entry;
}

/// Sequences of a pool, with what every slot of the cache contains.
struct Batch {
  explicit Batch(attnrt_page_pool_params params) : pages(params) {
    EXPECT_EQ(ATTNRT_OK, attnrt_page_forest_create(pages.pool, &forest));
  }
  ~Batch() { attnrt_page_forest_release(forest); }

  attnrt_problem build(int64_t minShared = 0) {
    auto params = sized<attnrt_forest_params>();
    params.group = group;
    params.heads = 2;
    params.query_group = 2;
    params.num_sequences = int64_t(sequences.size());
    params.sequences = sequences.data();
    params.rows = rows.data();
    params.columns = kColumns;
    params.min_shared = minShared;
    auto problem = sized<attnrt_problem>();
    EXPECT_EQ(ATTNRT_OK, attnrt_page_forest_build(forest, &params, &problem))
        << attnrt_last_message();
    return problem;
  }

  /// Plans and verifies; what every row reads through the dense table must be
  /// what its sequence has there, each ordinal once, as far as it sees.
  void check(const attnrt_problem &problem, int32_t packedRows,
             int64_t *read = nullptr) {
    auto planner = attnrt::test::makePlanner();
    const attnrt_plan *plan = nullptr;
    auto options = sized<attnrt_plan_options>();
    options.workers = 3;
    const attnrt_entry one = entry(packedRows);
    ASSERT_EQ(ATTNRT_OK, attnrt_planner_plan(planner.get(), &problem, &one,
                                             &options, &plan))
        << attnrt_last_message();
    ASSERT_EQ(ATTNRT_OK,
              attnrt_plan_verify(plan, plan->bytes, &problem, &one, &options))
        << attnrt_last_message();
    std::vector<int32_t> dense(sequences.size() * kColumns, 0);
    std::vector<int64_t> owner;
    for (size_t s = 0; s < sequences.size(); ++s) {
      const auto table = pages.table(sequences[s], group);
      std::copy(table.begin(), table.end(),
                dense.begin() + int64_t(s * kColumns));
      owner.insert(owner.end(), size_t(rows[s]), int64_t(s));
    }
    // By row: slots that it reads, by coordinate.
    std::vector<std::map<int32_t, int64_t>> seen(owner.size());
    for (uint32_t i = 0; i < plan->items.count; ++i) {
      const attnrt_item &item = attnrt_plan_items(plan)[i];
      if (read) {
        *read += item.kv_count;
      }
      if (item.head || item.sub_begin) {
        continue;
      }
      const attnrt_segment &segment = attnrt_plan_segments(plan)[item.seg];
      for (int32_t r = 0; r < item.row_count; ++r) {
        const int32_t row = attnrt_plan_rows(plan)[item.row_begin + r].q;
        for (int32_t t = item.kv_begin; t < item.kv_begin + item.kv_count;
             ++t) {
          const int32_t page = dense[size_t(segment.list + t / kPage)];
          EXPECT_NE(0, page) << "a trimmed page is read";
          EXPECT_TRUE(seen[size_t(row)]
                          .insert({segment.coord0 + t,
                                   int64_t(page) * kPage + t % kPage})
                          .second);
        }
      }
    }
    for (size_t row = 0; row < owner.size(); ++row) {
      const auto table = pages.table(sequences[size_t(owner[row])], group);
      EXPECT_EQ(owner[row], problem.sym[row]);
      for (int32_t t = problem.lo[row]; t < problem.limit[row]; ++t) {
        const int32_t page = table[size_t(t / kPage)];
        if (page) {
          EXPECT_EQ(int64_t(page) * kPage + t % kPage, seen[row][t])
              << "row " << row << ", ordinal " << t;
        }
      }
    }
  }

  Pages pages;
  attnrt_page_forest *forest = nullptr;
  int32_t group = 0;
  std::vector<attnrt_sequence> sequences;
  std::vector<int32_t> rows;
};

} // namespace

TEST(PagePoolPlan, ASharedPrefixIsOneSegment) {
  Batch batch(Pages::shape(500, kPage));
  const std::vector<int32_t> prefix = countUp(100);
  for (int32_t i = 0; i < 8; ++i) {
    std::vector<int32_t> prompt = prefix;
    for (int32_t k = 0; k <= i; ++k) {
      prompt.push_back(1000 + 10 * i + k);
    }
    batch.sequences.push_back(batch.pages.start(prompt));
    batch.rows.push_back(1);
  }
  const attnrt_problem problem = batch.build();
  EXPECT_EQ(9, problem.segment_count);
  EXPECT_EQ(100, problem.segments[0].count);
  EXPECT_EQ(8, problem.row_end[0] - problem.row_begin[0]);
  EXPECT_EQ(nullptr, problem.row_list);
  for (int32_t s = 1; s < 9; ++s) {
    const int32_t number = problem.segments[s].param;
    EXPECT_EQ(number + 1, problem.segments[s].count);
    EXPECT_EQ(100, problem.segments[s].coord0);
    EXPECT_EQ(number * kColumns + 25, problem.segments[s].list);
    EXPECT_EQ(number, problem.row_begin[s]);
  }
  int64_t forest = 0, flat = 0;
  batch.check(problem, 16, &forest);
  batch.check(batch.build(INT64_MAX), 16, &flat);
  // 100 x 2 heads once, and the rest; against eight times.
  EXPECT_EQ(2 * (100 + 36), forest);
  EXPECT_EQ(2 * (800 + 36), flat);
  // A prefix that is too short to be worth it goes to the sequences.
  EXPECT_EQ(8, batch.build(101).segment_count);
  batch.check(batch.build(101), 16);
}

TEST(PagePoolPlan, RowsOfANodeNeedNotFollowOneAnother) {
  Batch batch(Pages::shape(100, kPage));
  const attnrt_sequence a = batch.pages.start(countUp(17)),
                        b = batch.pages.start(countUp(17, 50));
  batch.sequences = {a, b, batch.pages.fork(a), batch.pages.fork(b)};
  batch.rows = {1, 2, 3, 1};
  const attnrt_problem problem = batch.build();
  ASSERT_NE(nullptr, problem.row_list);
  EXPECT_EQ(nullptr, problem.row_end);
  EXPECT_EQ(6, problem.segment_count); // two nodes, and the rest of each
  batch.check(problem, 16);
}

TEST(PagePoolPlan, ProblemsOfRandomPools) {
  std::mt19937 rng(3);
  auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(rng);
  };
  int64_t shared = 0;
  for (int round = 0; round < 150; ++round) {
    const attnrt_page_group rules[] = {{0, 0}, {draw(0, 1) * 5, 20}};
    auto params = Pages::shape(800, kPage);
    params.num_groups = 2;
    params.groups = rules;
    Batch batch(params);
    batch.group = draw(0, 1);
    for (int i = draw(0, 9); i > 0; --i) {
      attnrt_sequence s = 0;
      if (batch.sequences.empty() || draw(0, 2) == 0) {
        std::vector<int32_t> prompt(size_t(draw(0, 60)), draw(0, 1));
        s = batch.pages.start(prompt);
      } else {
        s = batch.pages.fork(
            batch.sequences[size_t(draw(0, int(batch.sequences.size()) - 1))]);
        const auto table = batch.pages.table(s);
        if (draw(0, 2) == 0) {
          attnrt_sequence_truncate(batch.pages.pool, s,
                                   draw(0, int(table.size()) * kPage));
        }
      }
      batch.pages.append(s,
                         std::vector<int32_t>(size_t(draw(1, 20)), draw(0, 3)));
      if (draw(0, 3) == 0) {
        attnrt_sequence_trim(batch.pages.pool, s, 1, rules[1].sink, 20);
      }
      if (draw(0, 5) == 0) {
        attnrt_sequence_trim(batch.pages.pool, s, -1, 4, 24);
      }
      batch.sequences.push_back(s);
      attnrt_sequence_view view{};
      attnrt_sequence_pages(batch.pages.pool, s, batch.group, &view);
      batch.rows.push_back(draw(0, 3) ? 1 : draw(0, int(view.length)));
    }
    const attnrt_problem problem =
        batch.build(draw(0, 1) ? 0 : draw(1, 3) * kPage);
    for (int64_t s = 0; s < problem.segment_count; ++s) {
      shared += problem.row_begin && problem.row_end &&
                problem.row_end[s] - problem.row_begin[s] > 1;
    }
    batch.check(problem, draw(0, 1) ? 16 : 4);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_GT(shared, 20);
}

TEST(PagePoolPlan, PrefixesThatSchedulesTake) {
  // Two sequences share 24 tokens, a third one 12 of them, a fourth nothing.
  Batch batch(Pages::shape(100, kPage));
  std::vector<int32_t> text = countUp(30), part = countUp(14);
  part[13] = -1;
  attnrt_sequence a = batch.pages.start(text);
  text[25] = -1;
  batch.sequences = {batch.pages.start(countUp(9, 500)), a,
                     batch.pages.start(part), batch.pages.start(text)};
  auto params = sized<attnrt_forest_params>();
  params.num_sequences = 4;
  params.sequences = batch.sequences.data();
  auto prefixes = sized<attnrt_prefixes>();
  std::vector<std::pair<int32_t, int32_t>> nodes;
  std::vector<int32_t> leaves;
  auto build = [&] {
    EXPECT_EQ(ATTNRT_OK,
              attnrt_page_forest_prefixes(batch.forest, &params, &prefixes))
        << attnrt_last_message();
    nodes.clear();
    for (int32_t n = 0; n < prefixes.num_nodes; ++n) {
      nodes.push_back({prefixes.nodes[n].parent, prefixes.nodes[n].end});
    }
    leaves.assign(prefixes.leaf, prefixes.leaf + prefixes.num_leaves);
  };
  using Nodes = std::vector<std::pair<int32_t, int32_t>>;
  build();
  EXPECT_EQ((Nodes{{-1, 12}, {0, 24}}), nodes);
  EXPECT_EQ((std::vector<int32_t>{-1, 1, 0, 1}), leaves);
  // What is too short goes on in what lies deeper.
  params.min_shared = 16;
  build();
  EXPECT_EQ((Nodes{{-1, 24}}), nodes);
  EXPECT_EQ((std::vector<int32_t>{-1, 0, -1, 0}), leaves);
  params.min_shared = INT64_MAX;
  build();
  EXPECT_EQ(Nodes{}, nodes);
  EXPECT_EQ((std::vector<int32_t>{-1, -1, -1, -1}), leaves);
  // A request that may be shorter shares no more than it surely has.
  params.min_shared = 0;
  const int64_t least[] = {0, 30, 14, 19};
  params.least = least;
  build();
  EXPECT_EQ((Nodes{{-1, 12}, {0, 16}}), nodes);
  EXPECT_EQ((std::vector<int32_t>{-1, 1, 0, 1}), leaves);
  // Without sequences, and of one without tokens.
  params.least = nullptr;
  params.num_sequences = 0;
  build();
  EXPECT_TRUE(nodes.empty() && leaves.empty());
  attnrt_sequence empty = batch.pages.start({});
  params.num_sequences = 1;
  params.sequences = &empty;
  build();
  EXPECT_EQ(std::vector<int32_t>{-1}, leaves);
}

TEST(PagePoolPlan, TrimmedPagesAreSharedToo) {
  const attnrt_page_group rule{0, 8};
  auto shape = Pages::shape(100, kPage);
  shape.groups = &rule;
  Batch batch(shape);
  const attnrt_sequence a = batch.pages.start(countUp(24));
  const attnrt_sequence b = batch.pages.fork(a), c = batch.pages.fork(a);
  for (attnrt_sequence s : {a, b}) {
    ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(batch.pages.pool, s, 0, 0, 8));
  }
  batch.sequences = {a, b, c};
  auto params = sized<attnrt_forest_params>();
  params.num_sequences = 3;
  params.sequences = batch.sequences.data();
  auto prefixes = sized<attnrt_prefixes>();
  ASSERT_EQ(ATTNRT_OK,
            attnrt_page_forest_prefixes(batch.forest, &params, &prefixes));
  // The third has pages where the others have none.
  ASSERT_EQ(1, prefixes.num_nodes);
  EXPECT_EQ(24, prefixes.nodes[0].end);
  EXPECT_EQ(0, prefixes.leaf[0]);
  EXPECT_EQ(0, prefixes.leaf[1]);
  EXPECT_EQ(-1, prefixes.leaf[2]);
}

TEST(PagePoolPlan, ProblemsThatAreRefused) {
  Batch batch(Pages::shape(100, kPage));
  batch.sequences = {batch.pages.start(countUp(5))};
  auto params = sized<attnrt_forest_params>();
  params.heads = params.query_group = 1;
  params.num_sequences = 1;
  params.sequences = batch.sequences.data();
  auto problem = sized<attnrt_problem>();
  const int32_t many = 6;
  params.rows = &many;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_page_forest_build(batch.forest, &params, &problem));
  EXPECT_STREQ("expects rows in 0..5 for sequence 0, but got 6",
               attnrt_last_message());
  params.rows = nullptr;
  params.group = 1;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_page_forest_build(batch.forest, &params, &problem));
  params.group = 0;
  const int64_t long_ = 6, short_ = 4;
  params.least = &long_;
  auto prefixes = sized<attnrt_prefixes>();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_page_forest_prefixes(batch.forest, &params, &prefixes));
  EXPECT_STREQ("expects a least length in 0..5 for sequence 0, but got 6",
               attnrt_last_message());
  params.least = &short_;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_page_forest_build(batch.forest, &params, &problem));
  EXPECT_STREQ("expects exact lengths in a problem, but got least ones: a "
               "schedule takes prefixes",
               attnrt_last_message());
  params.least = nullptr;
  const attnrt_sequence none = 5;
  params.sequences = &none;
  EXPECT_EQ(ATTNRT_NOT_FOUND,
            attnrt_page_forest_build(batch.forest, &params, &problem));
  params.num_sequences = 0;
  EXPECT_EQ(ATTNRT_OK,
            attnrt_page_forest_build(batch.forest, &params, &problem));
  EXPECT_EQ(0, problem.row_count);
}

TEST(PagePoolPlan, TablesChangeByWhatIsNew) {
  Pages pages(2000, 16);
  auto shape = sized<attnrt_page_table_params>();
  shape.rows = 3;
  shape.columns = 80;
  attnrt_page_table *table = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_page_table_create(pages.pool, &shape, &table));
  attnrt_sequence a = pages.start(countUp(1000)),
                  b = pages.start(countUp(16, 5000));
  ASSERT_EQ(ATTNRT_OK, attnrt_page_table_bind(table, 0, a));
  ASSERT_EQ(ATTNRT_OK, attnrt_page_table_bind(table, 2, b));
  std::vector<attnrt_table_change> changes(300);
  int64_t count = 0;
  auto take = [&](int64_t room = 300) {
    return attnrt_page_table_changes(table, changes.data(), room, &count);
  };
  // Too little room: how much it takes, and nothing is lost.
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, take(63));
  EXPECT_EQ(64, count);
  ASSERT_EQ(ATTNRT_OK, take(64));
  EXPECT_EQ(64, count);
  EXPECT_EQ(2 * 80, changes[63].offset);
  EXPECT_EQ(pages.table(b)[0], changes[63].value);
  ASSERT_EQ(ATTNRT_OK, take(0));
  EXPECT_EQ(0, count);
  // One token: a page or none.
  pages.append(a, {1});
  ASSERT_EQ(ATTNRT_OK, take());
  EXPECT_EQ(0, count);
  pages.append(a, countUp(16));
  pages.append(b, {1});
  ASSERT_EQ(ATTNRT_OK, take());
  ASSERT_EQ(2, count);
  EXPECT_EQ(63, changes[0].offset);
  EXPECT_EQ(2 * 80 + 1, changes[1].offset);
  // What is given up becomes null; so does the row of a sequence that is gone.
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, a, 960));
  pages.release(b);
  ASSERT_EQ(ATTNRT_OK, take());
  EXPECT_EQ(4 + 2, count);
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_EQ(0, changes[size_t(i)].value);
  }
  const int32_t *data = attnrt_page_table_data(table);
  const auto now = pages.table(a);
  EXPECT_TRUE(std::equal(now.begin(), now.end(), data));
  EXPECT_EQ(0, data[now.size()]);
  // Wider than the table.
  pages.append(a, countUp(16 * 25));
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, take());
  EXPECT_STREQ("expects sequences of at most 80 pages, but got 85 in row 0",
               attnrt_last_message());
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_page_table_bind(table, 3, a));
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_page_table_bind(table, 1, b));
  attnrt_page_table_release(table);
  shape.rows = 1 << 16;
  shape.columns = 1 << 16;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_page_table_create(pages.pool, &shape, &table));
}
