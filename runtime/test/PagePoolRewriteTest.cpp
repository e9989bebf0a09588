//===- PagePoolRewriteTest.cpp - What a second turn finds in a rewritten cache
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attention over the pages themselves, in f64: keys are random directions, so
// that a query for a position gets its value and nothing else. The first turn
// asks for some positions; the cache is rewritten; the second turn asks for one
// that the first did not need. A full cache answers exactly. A rewritten one
// answers what the kept positions give, and says which ones it dropped.
//
//===----------------------------------------------------------------------===//
#include "PagePoolKit.h"

#include <cmath>
#include <random>

using namespace attnrt_test;

namespace {

constexpr int kDim = 48, kHeads = 2, kPage = 4, kTokens = 40;

/// Keys and values of positions, and a cache of them in the slots of a pool.
struct Turns {
  Turns() : pages(shape()), cache(64 * kPage * kHeads) {
    std::mt19937 rng(5);
    std::normal_distribution<double> normal;
    for (int p = 0; p < 100 * kHeads; ++p) {
      Token token;
      for (double &x : token.key) {
        x = normal(rng);
      }
      token.value = normal(rng);
      tokens.push_back(token);
    }
  }
  static attnrt_page_pool_params shape() {
    auto params = Pages::shape(64, kPage);
    params.side = ATTNRT_SIDE_POSITION | ATTNRT_SIDE_COUNT;
    params.side_heads = kHeads;
    return params;
  }
  struct Token {
    double key[kDim] = {}, value = NAN;
  };
  const Token &token(int64_t position, int head) const {
    return tokens[size_t(position) * kHeads + size_t(head)];
  }
  Token &slot(int64_t slot, int head) {
    return cache[size_t(slot) * kHeads + size_t(head)];
  }

  /// Appends what the text has at the next positions and writes it.
  void append(attnrt_sequence s, int32_t count) {
    auto info = sized<attnrt_sequence_info>();
    attnrt_sequence_describe(pages.pool, s, &info);
    pages.append(s, countUp(count, int32_t(info.next_position)));
    for (const attnrt_page_copy &copy : pages.copies) {
      for (int32_t i = 0; i < copy.tokens; ++i) {
        for (int h = 0; h < kHeads; ++h) {
          slot(int64_t(copy.dst) * kPage + i, h) =
              slot(int64_t(copy.src) * kPage + i, h);
        }
      }
    }
    for (int32_t i = 0; i < count; ++i) {
      for (int h = 0; h < kHeads; ++h) {
        slot(pages.slots[size_t(i)], h) = token(info.next_position + i, h);
      }
    }
  }
  std::vector<attnrt_slot_copy> compact(attnrt_sequence s,
                                        std::vector<int32_t> keep, int heads) {
    auto what = sized<attnrt_compaction>();
    what.heads = heads;
    what.num_keep = int64_t(keep.size()) / (heads ? heads : 1);
    what.keep = keep.data();
    std::vector<attnrt_slot_copy> copies(keep.size());
    int64_t count = 0;
    EXPECT_EQ(ATTNRT_OK,
              attnrt_sequence_compact(pages.pool, s, &what, copies.data(),
                                      int64_t(copies.size()), &count))
        << attnrt_last_message();
    copies.resize(size_t(count));
    for (const attnrt_slot_copy &copy : copies) {
      for (int32_t i = 0; i < copy.count; ++i) {
        for (int h = 0; h < kHeads; ++h) {
          if (copy.head < 0 || copy.head == h) {
            slot(copy.dst + i, h) = slot(copy.src + i, h);
          }
        }
      }
    }
    return copies;
  }

  /// What a query for the position gets through the sequence's table.
  double ask(attnrt_sequence s, int64_t position, int head) {
    attnrt_sequence_view view{};
    attnrt_sequence_pages(pages.pool, s, 0, &view);
    double sum = 0, weights = 0;
    for (int64_t t = 0; t < view.length; ++t) {
      if (view.pages[t / kPage]) {
        add(position, head,
            slot(int64_t(view.pages[t / kPage]) * kPage + t % kPage, head), sum,
            weights);
      }
    }
    return sum / weights;
  }
  /// The same over these positions, without a cache.
  double expect(int64_t position, int head,
                const std::vector<int64_t> &kept) const {
    double sum = 0, weights = 0;
    for (int64_t p : kept) {
      add(position, head, token(p, head), sum, weights);
    }
    return sum / weights;
  }
  void add(int64_t position, int head, const Token &with, double &sum,
           double &weights) const {
    double score = 0;
    for (int i = 0; i < kDim; ++i) {
      score += token(position, head).key[i] * with.key[i];
    }
    const double weight = std::exp(score - kDim);
    sum += weight * with.value;
    weights += weight;
  }
  /// Positions below `end` that the cache says it has.
  std::vector<int64_t> kept(attnrt_sequence s, int64_t end, int head) const {
    std::vector<int64_t> positions;
    const std::vector<attnrt_range> gone = pages.missing(s, 0, end, 0, head);
    for (int64_t p = 0; p < end; ++p) {
      bool isThere = true;
      for (const attnrt_range &range : gone) {
        isThere &= p < range.begin || p >= range.end;
      }
      if (isThere) {
        positions.push_back(p);
      }
    }
    return positions;
  }
  /// Every position of a second turn, against what the cache says it dropped.
  void check(attnrt_sequence s, int64_t end, size_t keptCount) {
    for (int h = 0; h < kHeads; ++h) {
      const std::vector<int64_t> there = kept(s, end, h);
      EXPECT_EQ(keptCount, there.size());
      for (int64_t p = 0; p < end; ++p) {
        const double answer = ask(s, p, h);
        EXPECT_NEAR(expect(p, h, there), answer, 1e-9);
        const bool isThere = std::count(there.begin(), there.end(), p);
        if (isThere) {
          EXPECT_NEAR(token(p, h).value, answer, 1e-3) << p;
        } else {
          ++wrong;
          different += std::abs(token(p, h).value - answer) > 1e-2;
        }
      }
    }
    EXPECT_EQ("", pages.audit());
  }

  Pages pages;
  std::vector<Token> tokens, cache;
  int wrong = 0, different = 0;
};

} // namespace

TEST(PagePoolRewrite, AFullCacheAnswersExactly) {
  Turns turns;
  const attnrt_sequence s = turns.pages.create();
  turns.append(s, kTokens);
  turns.check(s, kTokens, kTokens);
  EXPECT_EQ(0u, turns.pages.missing(s, 0, 1000).size());
  EXPECT_EQ(0, turns.wrong);
}

TEST(PagePoolRewrite, ATrimmedCacheSaysWhatItDropped) {
  Turns turns;
  const attnrt_sequence s = turns.pages.create();
  turns.append(s, kTokens);
  const attnrt_sequence full = turns.pages.fork(s);
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(turns.pages.pool, s, 0, 4, 9));
  // Whole pages of [4, 31): 4 .. 27.
  const auto gone = turns.pages.missing(s, 0, kTokens);
  ASSERT_EQ(1u, gone.size());
  EXPECT_EQ(4, gone[0].begin);
  EXPECT_EQ(28, gone[0].end);
  turns.check(s, kTokens, kTokens - 24);
  EXPECT_EQ(24 * kHeads, turns.wrong);
  EXPECT_GT(turns.different, 24 * kHeads * 9 / 10); // an answer from elsewhere
  // The other one has all of it, and goes on having it.
  turns.append(s, 7);
  turns.append(full, 7);
  turns.check(full, kTokens + 7, kTokens + 7);
  turns.check(s, kTokens + 7, kTokens + 7 - 24);
}

TEST(PagePoolRewrite, ACompactedCacheSaysWhatItDropped) {
  Turns turns;
  const attnrt_sequence s = turns.pages.create();
  turns.append(s, kTokens);
  const attnrt_sequence full = turns.pages.fork(s);
  // The first page stays; of the rest the first turn needed every third.
  std::vector<int32_t> keep = countUp(kPage);
  for (int32_t p = kPage; p < kTokens; p += 3) {
    keep.push_back(p);
  }
  const int32_t first = turns.pages.table(s)[0];
  turns.compact(s, keep, 0);
  EXPECT_EQ(first, turns.pages.table(s)[0]);
  EXPECT_EQ((keep.size() + kPage - 1) / kPage, turns.pages.table(s).size());
  turns.check(s, kTokens, keep.size());
  EXPECT_GT(turns.different, 0);
  // The next token has the position that it would have had.
  turns.append(s, 6);
  std::vector<int32_t> positions(keep.size() + 6);
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_positions(turns.pages.pool, s, 0, 1, 0,
                                                 int64_t(positions.size()),
                                                 positions.data()));
  for (int32_t i = 0; i < 6; ++i) {
    keep.push_back(kTokens + i);
  }
  EXPECT_EQ(keep, positions);
  DLTensor side{};
  attnrt_page_pool_side(turns.pages.pool, ATTNRT_SIDE_POSITION, &side);
  const auto table = turns.pages.table(s);
  for (size_t t = 0; t < keep.size(); ++t) {
    for (size_t h = 0; h < kHeads; ++h) {
      const size_t slot = size_t(table[t / kPage]) * kPage + t % kPage;
      EXPECT_EQ(keep[t],
                static_cast<const int32_t *>(side.data)[slot * kHeads + h]);
    }
  }
  turns.append(full, 6);
  turns.check(full, kTokens + 6, kTokens + 6);
  turns.check(s, kTokens + 6, keep.size());
  // Nobody hits a compacted page, and everybody the full ones.
  turns.pages.create(countUp(kTokens + 6));
  EXPECT_EQ((kTokens + 6) / kPage * kPage, turns.pages.reused);
  // What was kept cannot be truncated, what came later can.
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_sequence_truncate(turns.pages.pool, s, kTokens - 1));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_truncate(turns.pages.pool, s, kTokens));
}

TEST(PagePoolRewrite, HeadsKeepWhatTheyNeed) {
  Turns turns;
  const attnrt_sequence s = turns.pages.create();
  turns.append(s, kTokens);
  std::vector<int32_t> keep;
  for (int32_t p = 0; p < kTokens; p += 2) {
    keep.push_back(p);
  }
  for (int32_t p = 0; p < kTokens; p += 2) {
    keep.push_back(p + 1);
  }
  turns.compact(s, keep, kHeads);
  EXPECT_EQ(1u, turns.pages.missing(s, 0, 2, 0, 0).size());
  EXPECT_EQ(0, turns.pages.missing(s, 0, 2, 0, 1)[0].begin);
  turns.check(s, kTokens, kTokens / 2);
  EXPECT_GT(turns.different, 0);
  // Once more, for all heads alike: positions of positions.
  turns.append(s, 4);
  std::vector<int32_t> again;
  for (int32_t t = 1; t < kTokens / 2 + 4; t += 2) {
    again.push_back(t);
  }
  turns.compact(s, again, 0);
  turns.check(s, kTokens + 4, again.size());
}

TEST(PagePoolRewrite, CompactionsThatAreRefused) {
  Turns turns;
  const attnrt_sequence s = turns.pages.create();
  turns.append(s, 12);
  const auto before = turns.pages.table(s);
  auto refuse = [&](std::vector<int32_t> keep, int32_t heads, int64_t numKeep,
                    int64_t capacity, attnrt_status expected) {
    auto what = sized<attnrt_compaction>();
    what.heads = heads;
    what.num_keep = numKeep;
    what.keep = keep.data();
    std::vector<attnrt_slot_copy> copies(100);
    int64_t count = -1;
    EXPECT_EQ(expected,
              attnrt_sequence_compact(turns.pages.pool, s, &what, copies.data(),
                                      capacity, &count));
    EXPECT_EQ(-1, count);
    EXPECT_EQ(before, turns.pages.table(s));
    EXPECT_EQ("", turns.pages.audit());
  };
  refuse({3, 3}, 0, 2, 100, ATTNRT_INVALID_ARGUMENT);
  refuse({3, 12}, 0, 2, 100, ATTNRT_INVALID_ARGUMENT);
  refuse({-1, 2}, 0, 2, 100, ATTNRT_INVALID_ARGUMENT);
  refuse({3, 4, 5}, 3, 1, 100, ATTNRT_INVALID_ARGUMENT); // side pools have 2
  refuse({3, 5, 7}, 0, 3, 2, ATTNRT_RESOURCE_EXHAUSTED);
  turns.check(s, 12, 12);
  // All of it: nothing moves, and it stays exact.
  EXPECT_EQ(0u, turns.compact(s, countUp(12), 0).size());
  auto info = sized<attnrt_sequence_info>();
  attnrt_sequence_describe(turns.pages.pool, s, &info);
  EXPECT_EQ(1, info.exact);
  // Ordinals of pages that are gone.
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(turns.pages.pool, s, 0, 4, 4));
  auto what = sized<attnrt_compaction>();
  const int32_t gone = 5;
  what.num_keep = 1;
  what.keep = &gone;
  attnrt_slot_copy copy;
  int64_t count = 0;
  EXPECT_EQ(
      ATTNRT_INVALID_ARGUMENT,
      attnrt_sequence_compact(turns.pages.pool, s, &what, &copy, 1, &count));
}
