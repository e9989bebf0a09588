//===- PagePoolTest.cpp - What each call of a page pool promises ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../src/pool/Blocks.h"
#include "PagePoolKit.h"

#include <cstring>
#include <thread>

using namespace attnrt_test;

using Table = std::vector<int32_t>;

TEST(PagePool, SequencesGrowByAPageAndStayTogether) {
  Pages pages(400, 16);
  const attnrt_sequence a = pages.start(countUp(2049));
  // 2,049 tokens are 129 pages, not a doubled 256; the null page is not
  // counted.
  EXPECT_EQ(129, pages.stats().pages_held);
  EXPECT_EQ(399 - 129, pages.stats().pages_free);
  const Table table = pages.table(a);
  for (size_t i = 1; i < table.size(); ++i) {
    EXPECT_EQ(table[i - 1] + 1, table[i]);
  }
  EXPECT_EQ(int64_t(table[128]) * 16, pages.slots[2048]);
  // Two that grow in turns do not split each other.
  const attnrt_sequence b = pages.create(), c = pages.create();
  for (int32_t i = 0; i < 20; ++i) {
    pages.append(b, countUp(16, 16 * i));
    pages.append(c, countUp(16, 5000 + 16 * i));
  }
  for (attnrt_sequence s : {b, c}) {
    const Table runs = pages.table(s);
    for (size_t i = 1; i < runs.size(); ++i) {
      EXPECT_EQ(runs[i - 1] + 1, runs[i]);
    }
  }
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, PrefixesAreSharedWithinASalt) {
  Pages pages(64, 4);
  const attnrt_sequence a = pages.start(countUp(10), 1);
  const attnrt_sequence b = pages.create(countUp(10), 1);
  EXPECT_EQ(8, pages.reused); // full pages
  EXPECT_EQ((Table{pages.table(a)[0], pages.table(a)[1]}), pages.table(b));
  pages.create(countUp(10), 2);
  EXPECT_EQ(0, pages.reused);
  // The same page behind another one is other content.
  std::vector<int32_t> moved = countUp(4, 100);
  moved.insert(moved.end(), {4, 5, 6, 7});
  pages.create(moved, 1);
  EXPECT_EQ(0, pages.reused);
  pages.create(countUp(7), 1);
  EXPECT_EQ(4, pages.reused);
  // Also when nobody holds them any more.
  pages.release(a);
  pages.release(b);
  pages.create(countUp(9), 1);
  EXPECT_EQ(8, pages.reused);
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, HashesThatCollideDecideNothing) {
  attnrt::Blocks blocks(8, 1, 4, 1);
  const char *contents[] = {"aaaaaaa", "bbbbbbb", "ccccccc"};
  std::vector<int32_t> made;
  for (uint64_t salt : {1, 2}) {
    for (const char *content : contents) {
      for (int32_t parent : {-1, 0}) {
        EXPECT_EQ(-1, blocks.find(parent, salt, content, 0));
        blocks.reserve(1);
        made.push_back(blocks.add(parent, salt, content, 0));
        blocks.ref(made.back());
      }
    }
  }
  size_t next = 0;
  for (uint64_t salt : {1, 2}) {
    for (const char *content : contents) {
      for (int32_t parent : {-1, 0}) {
        EXPECT_EQ(made[next++], blocks.find(parent, salt, content, 0));
      }
    }
  }
  EXPECT_EQ(12, blocks.size());
}

TEST(PagePool, TruncatingIntoACachedPageAndAppending) {
  for (bool isShared : {false, true}) {
    Pages pages(32, 4);
    const attnrt_sequence a = pages.start(countUp(8));
    const int32_t page = pages.table(a)[1];
    attnrt_sequence other = isShared ? pages.create(countUp(8)) : 0;
    ASSERT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, a, 6));
    EXPECT_EQ("", pages.audit());
    pages.append(a, {77, 78});
    if (isShared) {
      // The other one goes on reading its page.
      ASSERT_EQ(1u, pages.copies.size());
      EXPECT_EQ(page, pages.copies[0].src);
      EXPECT_EQ(pages.table(a)[1], pages.copies[0].dst);
      EXPECT_EQ(2, pages.copies[0].tokens);
      EXPECT_EQ(page, pages.table(other)[1]);
    } else {
      EXPECT_EQ(0u, pages.copies.size());
      EXPECT_EQ(page, pages.table(a)[1]);
    }
    EXPECT_EQ("", pages.audit());
    // Nobody reads 77 and 78 who asks for 6 and 7.
    attnrt_sequence b = pages.create(countUp(8));
    EXPECT_EQ(isShared ? 8 : 4, pages.reused);
    pages.release(b);
    std::vector<int32_t> changed = countUp(6);
    changed.insert(changed.end(), {77, 78});
    pages.create(changed);
    EXPECT_EQ(8, pages.reused);
  }
}

TEST(PagePool, ForksCopyWhatTheyWrite) {
  auto params = Pages::shape(32, 4);
  params.side = ATTNRT_SIDE_POSITION | ATTNRT_SIDE_COUNT;
  Pages pages(params);
  const attnrt_sequence a = pages.start(countUp(6)), b = pages.fork(a);
  EXPECT_EQ(2, pages.stats().pages_held);
  pages.append(b, {50});
  ASSERT_EQ(1u, pages.copies.size());
  const attnrt_page_copy copy = pages.copies[0];
  EXPECT_EQ(pages.table(a)[1], copy.src);
  EXPECT_EQ(pages.table(b)[1], copy.dst);
  EXPECT_EQ(2, copy.tokens);
  EXPECT_EQ(0, copy.group);
  EXPECT_EQ(int64_t(copy.dst) * 4 + 2, pages.slots[0]);
  pages.append(a, {60}); // the last holder writes in place
  EXPECT_EQ(0u, pages.copies.size());
  DLTensor side{};
  ASSERT_EQ(ATTNRT_OK,
            attnrt_page_pool_side(pages.pool, ATTNRT_SIDE_POSITION, &side));
  EXPECT_EQ(2, side.ndim);
  EXPECT_EQ(32, side.shape[0]);
  EXPECT_EQ(4, side.shape[1]);
  const int32_t *positions = static_cast<const int32_t *>(side.data);
  for (int32_t page : {copy.src, copy.dst}) {
    EXPECT_EQ(4, positions[page * 4]);
    EXPECT_EQ(6, positions[page * 4 + 2]);
  }
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, AnAppendThatDoesNotFitChangesNothing) {
  Pages pages(6, 4); // five pages to have
  const attnrt_sequence a = pages.start(countUp(6));
  const attnrt_sequence b = pages.fork(a);
  const Table before = pages.table(b);
  // Three pages are free; it takes two and one for the copy of the tail.
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, pages.tryAppend(b, countUp(14)));
  EXPECT_STREQ(
      "expects 4 pages, but got 3 free, 0 cached and 0 in limbo behind "
      "steps to 0",
      attnrt_last_message());
  EXPECT_EQ(before, pages.table(b));
  EXPECT_EQ(1, pages.stats().refusals);
  EXPECT_EQ("", pages.audit());
  pages.append(b, countUp(10));
  EXPECT_EQ(4u, pages.table(b).size());
  EXPECT_EQ(0, pages.stats().pages_free);
  uint64_t step = 77;
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_page_pool_when(pages.pool, 1, &step));
  EXPECT_EQ(77u, step);
}

TEST(PagePool, TheDeepestPageUnusedForLongestIsEvicted) {
  Pages pages(9, 2); // eight pages
  const attnrt_sequence a = pages.start(countUp(6)),
                        b = pages.start(countUp(6, 50));
  const Table first = pages.table(a);
  attnrt_pin pin = 0;
  int64_t pinned = 0;
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_pin(pages.pool, b, 5, &pin, &pinned));
  EXPECT_EQ(4, pinned);
  pages.release(b);
  pages.release(a);
  EXPECT_EQ(2, pages.stats().pages_pinned);
  EXPECT_EQ(4, pages.stats().pages_cached);
  EXPECT_EQ(2, pages.stats().pages_held);
  // Two free pages, then the last of b, then a's from behind.
  const attnrt_sequence c = pages.create();
  pages.append(c, countUp(8, 100));
  EXPECT_EQ(2, pages.stats().pages_evicted);
  const std::vector<int32_t> tokens = countUp(6), others = countUp(6, 50);
  attnrt_content prompt = contentOf(tokens);
  attnrt_page_pool_match(pages.pool, &prompt, 0, &pages.reused);
  EXPECT_EQ(4, pages.reused);
  // All that is left goes; what is pinned stays.
  pages.append(c, countUp(4, 200));
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, pages.tryAppend(c, {1}));
  attnrt_page_pool_match(pages.pool, &prompt, 0, &pages.reused);
  EXPECT_EQ(0, pages.reused);
  prompt = contentOf(others);
  attnrt_page_pool_match(pages.pool, &prompt, 0, &pages.reused);
  EXPECT_EQ(4, pages.reused);
  EXPECT_EQ("", pages.audit());
  ASSERT_EQ(ATTNRT_OK, attnrt_pin_release(pages.pool, pin));
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_pin_release(pages.pool, pin));
  pages.append(c, {1});
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, APageIsFoundAgainBehindParentsThatWereEvicted) {
  Pages pages(7, 2);
  const attnrt_sequence a = pages.start(countUp(6));
  // The last page stays held, the first two go: only a trim can do that.
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(pages.pool, a, 0, 0, 2));
  const attnrt_sequence b = pages.start(countUp(10, 50));
  EXPECT_EQ(2, pages.stats().pages_evicted);
  pages.release(b);
  pages.create(countUp(6));
  EXPECT_EQ(0, pages.reused);
  const attnrt_sequence c = pages.start(countUp(4));
  pages.release(c);
  const attnrt_sequence d = pages.create(countUp(6));
  EXPECT_EQ(6, pages.reused);
  EXPECT_EQ(pages.table(a)[2], pages.table(d)[2]);
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, GroupsWithWindowsShareWhatTheySee) {
  const attnrt_page_group rules[] = {{0, 0}, {2, 5}};
  auto params = Pages::shape(64, 2);
  params.num_groups = 2;
  params.groups = rules;
  Pages pages(params);
  const attnrt_sequence a = pages.start(countUp(20));
  // Outside of its window nothing is lost.
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(pages.pool, a, 1, 2, 5));
  const Table window = pages.table(a, 1);
  EXPECT_EQ(std::count(window.begin(), window.end(), 0), 6);
  auto info = sized<attnrt_sequence_info>();
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_describe(pages.pool, a, &info));
  EXPECT_EQ(1, info.exact);
  pages.append(a, countUp(4, 20));
  const attnrt_sequence b = pages.create(countUp(24));
  EXPECT_EQ(24, pages.reused);
  // It holds the sink and what position 24 sees of (19, 24].
  const Table hit = pages.table(b, 1);
  EXPECT_EQ((Table{hit[0], 0, 0, 0, 0, 0, 0, 0, 0, 0, hit[10], hit[11]}), hit);
  EXPECT_NE(0, hit[0]);
  EXPECT_NE(0, hit[10]);
  // Back to 18 the window would be gone.
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_sequence_truncate(pages.pool, b, 18));
  EXPECT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, b, 24));
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, WhatIsComputedBehindALossIsNotShared) {
  Pages pages(64, 2);
  const attnrt_sequence a = pages.start(countUp(8));
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(pages.pool, a, -1, 2, 4));
  pages.append(a, countUp(4, 8));
  pages.create(countUp(12));
  EXPECT_EQ(8, pages.reused); // what was computed before
  auto info = sized<attnrt_sequence_info>();
  attnrt_sequence_describe(pages.pool, a, &info);
  EXPECT_EQ(0, info.exact);
  EXPECT_EQ(8, info.known_tokens);
  const attnrt_sequence fork = pages.fork(a);
  pages.append(fork, countUp(4, 12));
  pages.create(countUp(16));
  EXPECT_EQ(8, pages.reused);
}

TEST(PagePool, KeysOfTheEngine) {
  auto params = Pages::shape(64, 4);
  params.flags = ATTNRT_PAGES_BY_KEY;
  Pages pages(params);
  const attnrt_block_key keys[] = {{1, 9}, {2, 9}, {3, 9}};
  auto append = [&](attnrt_sequence s, int64_t tokens, int64_t from,
                    int64_t count) {
    auto content = sized<attnrt_content>();
    content.num_tokens = tokens;
    content.keys = count ? keys + from : nullptr;
    content.num_keys = count;
    attnrt_page_copy copies[1];
    int32_t numCopies;
    return attnrt_sequence_append(pages.pool, s, &content, nullptr, copies,
                                  &numCopies);
  };
  auto match = [&](int64_t tokens, int64_t count, uint64_t salt = 0) {
    auto content = sized<attnrt_content>();
    content.num_tokens = tokens;
    content.keys = keys;
    content.num_keys = count;
    EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_match(pages.pool, &content, salt,
                                                &pages.reused));
    return pages.reused;
  };
  const attnrt_sequence a = pages.create();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, append(a, 3, 0, 1));
  EXPECT_EQ(ATTNRT_OK, append(a, 9, 0, 2));
  EXPECT_EQ(8, match(12, 3));
  EXPECT_EQ(4, match(7, 3)); // the second page is not full
  EXPECT_EQ(0, match(12, 3, 5));
  EXPECT_EQ(ATTNRT_OK, append(a, 3, 2, 1));
  EXPECT_EQ(12, match(12, 3));
  // A page without a key ends what is known.
  const attnrt_sequence b = pages.create();
  EXPECT_EQ(ATTNRT_OK, append(b, 8, 0, 1));
  EXPECT_EQ(ATTNRT_OK, append(b, 4, 1, 1));
  auto info = sized<attnrt_sequence_info>();
  attnrt_sequence_describe(pages.pool, b, &info);
  EXPECT_EQ(4, info.known_tokens);
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, WhatWasNeverWrittenIsFoundByNobody) {
  Pages pages(64, 4);
  const attnrt_sequence a = pages.start(countUp(6));
  pages.append(a, countUp(10, 6)); // and then the step fails
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_discard(pages.pool, a, 6));
  EXPECT_EQ("", pages.audit());
  pages.create(countUp(16));
  EXPECT_EQ(4, pages.reused);
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_sequence_discard(pages.pool, a, 7));
  pages.append(a, countUp(10, 6));
  pages.create(countUp(16));
  EXPECT_EQ(16, pages.reused);
}

TEST(PagePool, UnknownTokensEndWhatIsShared) {
  Pages pages(64, 2);
  const attnrt_sequence a = pages.start(countUp(4));
  auto image = sized<attnrt_content>();
  image.num_tokens = 2;
  attnrt_page_copy copies[1];
  int32_t numCopies;
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_append(pages.pool, a, &image, nullptr,
                                              copies, &numCopies));
  pages.append(a, countUp(4, 6));
  pages.create(countUp(10));
  EXPECT_EQ(4, pages.reused);
  // Truncating to what is known opens it again.
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, a, 3));
  pages.append(a, countUp(3, 3));
  pages.create(countUp(10));
  EXPECT_EQ(6, pages.reused);
}

TEST(PagePool, PagesWaitForStepsInFlight) {
  Pages pages(6, 2);
  const attnrt_sequence a = pages.start(countUp(4)), b = pages.start({9, 9});
  const uint64_t one = pages.beginStep(), two = pages.beginStep();
  EXPECT_EQ(1u, one);
  pages.release(a);
  EXPECT_EQ(2, pages.stats().pages_limbo);
  EXPECT_EQ(0, pages.stats().pages_cached);
  EXPECT_EQ(2, pages.stats().pages_free);
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, pages.tryAppend(b, countUp(6)));
  uint64_t step = 0;
  EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_when(pages.pool, 3, &step));
  EXPECT_EQ(two, step);
  EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_when(pages.pool, 2, &step));
  EXPECT_EQ(0u, step);
  pages.endStep(one);
  EXPECT_EQ(2, pages.stats().pages_limbo);
  // A hit takes a page out of limbo: it is only read.
  pages.create({0, 1});
  EXPECT_EQ(2, pages.reused);
  EXPECT_EQ(1, pages.stats().pages_limbo);
  EXPECT_EQ(1, pages.stats().pages_revived);
  pages.endStep(two);
  EXPECT_EQ(0, pages.stats().pages_limbo);
  EXPECT_EQ(1, pages.stats().pages_cached);
  pages.append(b, countUp(6));
  pages.endStep(one); // again: it takes nothing back
  pages.release(b);
  EXPECT_EQ(0, pages.stats().pages_limbo);
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_page_pool_end_step(pages.pool, 3));
  EXPECT_EQ("", pages.audit());
}

TEST(PagePool, SlotsThatAStepReadsAreNotWrittenAgain) {
  Pages pages(16, 4);
  const attnrt_sequence a = pages.start(countUp(6));
  const int32_t page = pages.table(a)[1];
  const uint64_t step = pages.beginStep();
  pages.append(a, {6}); // the step does not read that slot
  EXPECT_EQ(0u, pages.copies.size());
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, a, 5));
  pages.append(a, {70}); // that one it does
  ASSERT_EQ(1u, pages.copies.size());
  EXPECT_EQ(page, pages.copies[0].src);
  EXPECT_EQ(1, pages.stats().pages_limbo);
  pages.endStep(step);
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_truncate(pages.pool, a, 5));
  pages.append(a, {71});
  EXPECT_EQ(0u, pages.copies.size());
}

TEST(PagePool, ASecondThreadIsNoOwner) {
  auto params = Pages::shape(8, 2);
  params.flags = ATTNRT_PAGES_CHECK_OWNER;
  Pages pages(params);
  const attnrt_sequence a = pages.start({1, 2});
  std::thread([&] {
    attnrt_sequence b = 0;
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_sequence_fork(pages.pool, a, &b));
    EXPECT_STREQ("expects calls from the thread that owns the page pool, but "
                 "got one from another (attnrt_page_pool_adopt hands it over)",
                 attnrt_last_message());
    EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_adopt(pages.pool));
    EXPECT_EQ(ATTNRT_OK, attnrt_sequence_fork(pages.pool, a, &b));
  }).join();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_page_pool_audit(pages.pool));
  EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_adopt(pages.pool));
  EXPECT_EQ("", pages.audit());
}

namespace {
/// An engine's memory, counted.
struct Memory {
  static attnrt_status allocate(void *self, DLDevice device, uint64_t bytes,
                                uint64_t alignment, void *, void **out) {
    Memory &memory = *static_cast<Memory *>(self);
    EXPECT_EQ(kDLExtDev, device.device_type);
    if (memory.left-- == 0) {
      return ATTNRT_UNAVAILABLE;
    }
    memory.held += bytes;
    *out = std::aligned_alloc(alignment, (bytes + 255) / 256 * 256);
    return ATTNRT_OK;
  }
  static void free(void *self, DLDevice, void *block, uint64_t bytes, void *) {
    static_cast<Memory *>(self)->held -= bytes;
    std::free(block);
  }
  int left = -1;
  uint64_t held = 0;
};
} // namespace

TEST(PagePool, SidePoolsComeFromTheEngine) {
  Memory memory;
  auto allocator = sized<attnrt_allocator>();
  allocator.self = &memory;
  allocator.allocate = Memory::allocate;
  allocator.free = Memory::free;
  auto context = sized<attnrt_context_params>();
  context.allocator = &allocator;
  {
    Pages none(Pages::shape(8, 4), &context);
    EXPECT_EQ(0u, memory.held); // nobody reads them
    DLTensor tensor{};
    EXPECT_EQ(ATTNRT_NOT_FOUND,
              attnrt_page_pool_side(none.pool, ATTNRT_SIDE_COUNT, &tensor));
    auto params = Pages::shape(8, 4);
    params.side = ATTNRT_SIDE_POSITION | ATTNRT_SIDE_COUNT;
    params.side_heads = 3;
    params.side_device = {kDLExtDev, 0};
    Pages both(params, &context);
    EXPECT_EQ(2u * 8 * 4 * 3 * 4, memory.held);
    ASSERT_EQ(ATTNRT_OK,
              attnrt_page_pool_side(both.pool, ATTNRT_SIDE_COUNT, &tensor));
    EXPECT_EQ(3, tensor.ndim);
    EXPECT_EQ(3, tensor.shape[2]);
    EXPECT_EQ(kDLFloat, int(tensor.dtype.code));
    both.start(countUp(9)); // the engine writes there, not the pool
    // The second of two pools is not to be had: nothing stays.
    memory.left = 1;
    attnrt_page_pool *pool = nullptr;
    EXPECT_EQ(ATTNRT_UNAVAILABLE,
              attnrt_page_pool_create(both.own, &params, &pool));
    EXPECT_EQ(nullptr, pool);
    EXPECT_EQ(2u * 8 * 4 * 3 * 4, memory.held);
  }
  EXPECT_EQ(0u, memory.held);
}

TEST(PagePool, ParametersOutOfRange) {
  attnrt_context *context = nullptr;
  attnrt_page_pool *pool = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  const attnrt_page_group one[] = {{0, 1}}, sink[] = {{4, 0}},
                          minus[] = {{0, -2}};
  void (*changes[])(attnrt_page_pool_params &) = {
      [](auto &p) { p.num_pages = 1; },
      [](auto &p) { p.num_pages = (1 << 30) + 1; },
      [](auto &p) { p.page_size = 0; },
      [](auto &p) { p.page_size = 65537; },
      [](auto &p) { p.num_pages = 1 << 30, p.page_size = 1024; },
      [](auto &p) { p.num_groups = 65; },
      [](auto &p) { p.num_groups = -1; },
      [](auto &p) { p.flags = 8; },
      [](auto &p) { p.side = 4; },
      [](auto &p) { p.side_heads = 2; },
      [](auto &p) { p.side = 1, p.side_heads = 4097; },
      [](auto &p) { p.reserved = 1; },
      [](auto &p) { p.struct_size = 4; }};
  for (auto change : changes) {
    auto params = Pages::shape(8, 4);
    change(params);
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_page_pool_create(context, &params, &pool));
  }
  for (const attnrt_page_group *rule : {one, sink, minus}) {
    auto params = Pages::shape(8, 4);
    params.groups = rule;
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_page_pool_create(context, &params, &pool));
  }
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_page_pool_create(context, nullptr, &pool));
  EXPECT_EQ(nullptr, pool);
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_page_pool_audit(nullptr));
  attnrt_page_pool_release(nullptr);
  attnrt_context_release(context);
}

TEST(PagePool, CallsOutOfRange) {
  Pages pages(16, 4);
  const attnrt_sequence a = pages.start(countUp(10));
  int64_t many = 0;
  uint64_t step = 0;
  attnrt_page_copy copies[1];
  int32_t count = 0;
  attnrt_sequence_view view{};
  int32_t place = 0;
  attnrt_range range;
  const std::vector<int32_t> token = {1};
  attnrt_content content = contentOf(token);
  auto sequence = [&](attnrt_status status) {
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, status);
    EXPECT_EQ("", pages.audit());
    EXPECT_EQ(3u, pages.table(a).size());
  };
  sequence(attnrt_sequence_truncate(pages.pool, a, 11));
  sequence(attnrt_sequence_truncate(pages.pool, a, -1));
  sequence(attnrt_sequence_trim(pages.pool, a, 1, 0, 0));
  sequence(attnrt_sequence_trim(pages.pool, a, -2, 0, 0));
  sequence(attnrt_sequence_trim(pages.pool, a, 0, -1, 0));
  sequence(attnrt_sequence_pages(pages.pool, a, 1, &view));
  sequence(attnrt_sequence_pages(pages.pool, a, 0, nullptr));
  sequence(attnrt_sequence_positions(pages.pool, a, 0, 0, 9, 2, &place));
  sequence(attnrt_sequence_positions(pages.pool, a, 0, -1, 0, 1, &place));
  sequence(
      attnrt_sequence_missing(pages.pool, a, 0, 0, 3, 2, &range, 1, &many));
  sequence(
      attnrt_sequence_missing(pages.pool, a, 0, 0, 0, 9, nullptr, 1, &many));
  sequence(attnrt_page_pool_begin_step(pages.pool, &a, -1, &step));
  sequence(attnrt_page_pool_begin_step(pages.pool, nullptr, 1, &step));
  sequence(attnrt_sequence_append(pages.pool, a, &content, nullptr, nullptr,
                                  &count));
  content.num_tokens = INT32_MAX;
  sequence(
      attnrt_sequence_append(pages.pool, a, &content, nullptr, copies, &count));
  content = contentOf(token);
  content.num_keys = 1;
  sequence(
      attnrt_sequence_append(pages.pool, a, &content, nullptr, copies, &count));
  attnrt_pin pin = 0;
  sequence(attnrt_sequence_pin(pages.pool, a, 11, &pin, nullptr));
  // A pin is no sequence, and 0 is neither.
  ASSERT_EQ(ATTNRT_OK, attnrt_sequence_pin(pages.pool, a, 8, &pin, nullptr));
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_sequence_release(pages.pool, pin));
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_pin_release(pages.pool, a));
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_sequence_release(pages.pool, 0));
  EXPECT_STREQ(
      "expects a live sequence, but got handle 0 of generation 0, which "
      "is none",
      attnrt_last_message());
}
