//===- PagePoolTraceTest.cpp - A recorded trace, replayed on page pools ---===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ATTN_TRACE names the trace: conversation_trace.jsonl of Mooncake's FAST'25
// release (12,031 requests). Only numbers of tokens and of blocks are replayed.
// Without it conversations are made up: the same replay, held to a count of the
// blocks that have been seen behind the same ones before.
//
//===----------------------------------------------------------------------===//
#include "PagePoolKit.h"
#include "Trace.h"

#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>

using namespace attnrt_test;

static bool read(std::vector<Request> &requests) {
  const char *path = std::getenv("ATTN_TRACE");
  return path && readTrace(path, requests);
}
#define NEED_TRACE(requests)                                                   \
  std::vector<Request> requests;                                               \
  if (!read(requests)) {                                                       \
    GTEST_SKIP() << "needs ATTN_TRACE=FILE, a trace of Mooncake (JSON lines)"; \
  }

TEST(PagePoolTrace, LinesThatAreRead) {
  const std::string path = testing::TempDir() + "attnrt_trace.jsonl";
  std::ofstream(path) << "{\"timestamp\": 0, \"input_length\": 600, "
                         "\"output_length\": 5, \"hash_ids\": [7, 9]}\n";
  std::vector<Request> requests;
  ASSERT_TRUE(readTrace(path, requests));
  ASSERT_EQ(1u, requests.size());
  EXPECT_EQ(600, requests[0].length);
  EXPECT_EQ((std::vector<int32_t>{7, 9}), requests[0].blocks);
  std::ofstream(path) << "{\"input_length\": 1025, \"hash_ids\": [7, 9]}\n";
  EXPECT_FALSE(readTrace(path, requests));
  EXPECT_FALSE(readTrace(path + ".none", requests));
  std::remove(path.c_str());
}

/// Conversations that go on, some behind a prompt that many have; the last
/// block of a request is partial, and full in the next one.
static std::vector<Request> makeTrace(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  auto draw = [&](int32_t least, int32_t most) {
    return std::uniform_int_distribution<int32_t>(least, most)(random);
  };
  std::vector<Request> requests;
  int32_t next = 4; // blocks 0 to 3 are prompts
  for (size_t i = 0; i < count; ++i) {
    std::vector<int32_t> blocks;
    if (i && draw(0, 1)) {
      blocks =
          requests[size_t(draw(int32_t(i) * 3 / 4, int32_t(i) - 1))].blocks;
      blocks.back() = next++; // its answer stands where the request ended
    } else if (draw(0, 3)) {
      blocks.push_back(draw(0, 3));
    }
    for (int32_t n = draw(1, 12); n > 0; --n) {
      blocks.push_back(next++);
    }
    const auto length = int64_t(blocks.size()) * kTraceBlock;
    requests.push_back({length - draw(1, 511), std::move(blocks)});
  }
  return requests;
}

/// Full blocks that stand behind the same blocks as in an earlier request.
static int64_t countSeen(const std::vector<Request> &requests) {
  std::map<std::pair<int64_t, int32_t>, int64_t> children; // of (parent, block)
  int64_t seen = 0;
  for (const Request &request : requests) {
    int64_t node = 0;
    for (int64_t i = 0; i < request.length / kTraceBlock; ++i) {
      const auto [it, isNew] = children.insert(
          {{node, request.blocks[size_t(i)]}, int64_t(children.size()) + 1});
      seen += !isNew;
      node = it->second;
    }
  }
  return seen;
}

/// All of them through a pool that has room: hits are those of countSeen.
static void replay(const std::vector<Request> &requests, int64_t &hits,
                   int64_t &fullBlocks, int64_t &tokens) {
  constexpr int32_t size = kTraceBlock;
  int64_t room = 1, operations = 0;
  hits = fullBlocks = tokens = 0;
  for (const Request &request : requests) {
    room += (request.length + size - 1) / size;
    tokens += request.length;
    fullBlocks += request.length / size;
  }
  Pages pages(int32_t(room), size); // nothing has to be evicted
  std::deque<std::pair<attnrt_sequence, int64_t>> live;
  int64_t liveMost = 0; // ceil(tokens / page) of all that live
  std::vector<int32_t> prompt;
  std::chrono::duration<double> time{};
  for (size_t i = 0; i < requests.size(); ++i) {
    writeTokens(requests[i], prompt);
    const auto start = std::chrono::steady_clock::now();
    attnrt_content all = contentOf(prompt);
    attnrt_sequence s = 0;
    int64_t reused = 0;
    int32_t numCopies = 0;
    attnrt_page_copy copies[1];
    ASSERT_EQ(ATTNRT_OK,
              attnrt_sequence_create(pages.pool, &all, 0, &s, &reused));
    all.tokens += reused;
    all.num_tokens -= reused;
    ASSERT_EQ(ATTNRT_OK, attnrt_sequence_append(pages.pool, s, &all, nullptr,
                                                copies, &numCopies));
    hits += reused / size;
    EXPECT_EQ(0, reused % size);
    live.push_back({s, (requests[i].length + size - 1) / size});
    liveMost += live.back().second;
    operations += 2;
    if (live.size() > 64) {
      liveMost -= live.front().second;
      ASSERT_EQ(ATTNRT_OK,
                attnrt_sequence_release(pages.pool, live.front().first));
      live.pop_front();
      ++operations;
    }
    time += std::chrono::steady_clock::now() - start;
    ASSERT_LE(pages.stats().pages_held, liveMost);
    if (i % 1000 == 0) {
      ASSERT_EQ("", pages.audit());
    }
  }
  EXPECT_EQ(countSeen(requests), hits);
  const auto stats = pages.stats();
  EXPECT_EQ(0, stats.pages_evicted);
  EXPECT_EQ(hits * size, stats.tokens_reused);
  EXPECT_EQ("", pages.audit());
  std::printf(
      "%lld of %lld full blocks hit; %lld operations, %.0f per second\n",
      (long long)hits, (long long)fullBlocks, (long long)operations,
      double(operations) / time.count());
}

TEST(PagePoolTrace, HitsOfTheWholeConversationTrace) {
  NEED_TRACE(requests);
  ASSERT_EQ(12031u, requests.size());
  int64_t hits, fullBlocks, tokens;
  replay(requests, hits, fullBlocks, tokens);
  EXPECT_EQ(144793823, tokens);
  EXPECT_EQ(276491, fullBlocks);
  EXPECT_EQ(105592, hits);
}

TEST(PagePoolTrace, HitsOfConversationsThatAreMadeUp) {
  int64_t hits, fullBlocks, tokens;
  const size_t count = std::getenv("ATTN_TEST_LONG") ? 12000 : 500;
  replay(makeTrace(count, 1), hits, fullBlocks, tokens);
  EXPECT_GT(hits, fullBlocks / 4);
  EXPECT_LT(hits, fullBlocks);
}

TEST(PagePoolTrace, ABoundedPoolStaysSound) {
  const bool isLong = std::getenv("ATTN_TEST_LONG");
  std::vector<Request> requests;
  if (!read(requests)) {
    requests = makeTrace(isLong ? 12000 : 1500, 2);
  }
  constexpr int32_t size = 512;
  requests.resize(isLong ? requests.size() : 1500);
  auto params = Pages::shape(600, size);
  const attnrt_page_group rules[] = {{0, 0}, {4, 1024}};
  params.num_groups = 2;
  params.groups = rules;
  Pages pages(params);
  std::deque<attnrt_sequence> live;
  std::deque<uint64_t> steps;
  std::vector<int32_t> prompt;
  int64_t operations = 0, waited = 0;
  std::chrono::duration<double> time{};
  for (size_t i = 0; i < requests.size(); ++i) {
    writeTokens(requests[i], prompt);
    const auto start = std::chrono::steady_clock::now();
    const attnrt_sequence s = pages.create(prompt, i % 3);
    // In chunks, as a prefill is, each with its answer's first token behind.
    std::vector<int32_t> rest(prompt.begin() + pages.reused, prompt.end());
    rest.push_back(int32_t(i));
    for (size_t at = 0; at < rest.size(); at += 2048) {
      const std::vector<int32_t> chunk(
          rest.begin() + int64_t(at),
          rest.begin() + int64_t(std::min(at + 2048, rest.size())));
      while (pages.tryAppend(s, chunk)) {
        ASSERT_FALSE(live.empty() && steps.empty()) << attnrt_last_message();
        const auto now = pages.stats();
        uint64_t step = 0;
        if (attnrt_page_pool_when(pages.pool,
                                  now.pages_free + now.pages_cached + 1,
                                  &step) == ATTNRT_OK) {
          pages.endStep(step);
          ++waited;
        } else {
          ASSERT_FALSE(live.empty()) << attnrt_last_message();
          pages.release(live.front());
          live.pop_front();
        }
        ++operations;
      }
      ASSERT_EQ(ATTNRT_OK, attnrt_sequence_trim(pages.pool, s, 1, 4, 1024));
      steps.push_back(pages.beginStep());
      if (steps.size() > 2) {
        pages.endStep(steps.front());
        steps.pop_front();
      }
      operations += 4;
    }
    live.push_back(s);
    if (live.size() > 32) {
      pages.release(live.front());
      live.pop_front();
    }
    operations += 2;
    time += std::chrono::steady_clock::now() - start;
    ASSERT_EQ("", pages.audit()) << "request " << i;
  }
  const auto stats = pages.stats();
  EXPECT_GT(stats.pages_evicted, 1000);
  EXPECT_GT(stats.tokens_reused, 0);
  EXPECT_GT(waited, 0);
  std::printf("%zu requests in 599 pages: %lld of %lld tokens hit, %lld pages "
              "evicted, %lld waits, %.0f operations per second\n",
              requests.size(), (long long)stats.tokens_reused,
              (long long)stats.tokens_asked, (long long)stats.pages_evicted,
              (long long)waited, double(operations) / time.count());
}
