//===- PagePoolAsyncTest.cpp - An engine with steps in flight -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine launches a step while the last ones are still running, and what a
// step reads is read when it ends, as late as can be. Writes of the host, of
// copies and of other streams come at once: the worst order that there is. A
// write to a slot that a step in flight reads is an unsafe reuse.
//
//===----------------------------------------------------------------------===//
#include "PagePoolKit.h"

#include <algorithm>
#include <deque>
#include <random>

using namespace attnrt_test;

namespace {

class Engine {
public:
  Engine(uint32_t seed, bool usesFence)
      : rng(seed), usesFence(usesFence), pages(14, kPage),
        store(14 * kPage, -1) {}

  void run(int iterations) {
    for (int i = 0; i < iterations; ++i) {
      while (int(requests.size()) < 5 && admit()) {
      }
      for (size_t r = 0; r < requests.size();) {
        r += advance(r);
      }
      launch();
      while (inFlight.size() > 2 || (!inFlight.empty() && draw(0, 2) == 0)) {
        finish();
      }
      ASSERT_EQ("", pages.audit());
    }
  }

  int64_t unsafe = 0, corrupt = 0, done = 0, waited = 0, preempted = 0;

private:
  static constexpr int kPage = 4;
  struct Request {
    attnrt_sequence sequence;
    std::vector<int64_t> slots, written; ///< by position
    std::vector<int32_t> tokens;
    size_t target;
  };
  struct Read {
    int64_t slot, value;
  };
  struct Step {
    uint64_t number;
    std::vector<Read> reads;
  };

  int draw(int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(rng);
  }

  void write(int64_t slot, int64_t value) {
    for (const Step &step : inFlight) {
      for (const Read &read : step.reads) {
        unsafe += read.slot == slot;
      }
    }
    store[size_t(slot)] = value;
  }

  bool admit() {
    Request request;
    const int length = draw(1, 14), first = draw(0, 3);
    for (int i = 0; i < length; ++i) {
      request.tokens.push_back(i < 8 ? first : draw(0, 5));
    }
    request.target = size_t(length + draw(1, 12));
    request.sequence = pages.create(request.tokens);
    const std::vector<int32_t> table = pages.table(request.sequence);
    for (int64_t i = 0; i < pages.reused; ++i) {
      request.slots.push_back(int64_t(table[size_t(i / kPage)]) * kPage +
                              i % kPage);
      request.written.push_back(store[size_t(request.slots.back())]);
    }
    std::vector<int32_t> rest(request.tokens.begin() + pages.reused,
                              request.tokens.end());
    request.tokens.resize(size_t(pages.reused));
    if (!extend(request, rest)) {
      pages.release(request.sequence);
      return false;
    }
    requests.push_back(request);
    return true;
  }

  /// Appends, waiting for steps where that helps. False: it does not.
  bool extend(Request &request, const std::vector<int32_t> &tokens) {
    while (pages.tryAppend(request.sequence, tokens) != ATTNRT_OK) {
      // One page more than there is now, as often as it takes.
      const auto stats = pages.stats();
      uint64_t step = 0;
      if (attnrt_page_pool_when(
              pages.pool, stats.pages_free + stats.pages_cached + 1, &step)) {
        return false;
      }
      while (!inFlight.empty() && inFlight.front().number <= step) {
        finish();
      }
      ++waited;
    }
    for (const attnrt_page_copy &copy : pages.copies) {
      for (int32_t i = 0; i < copy.tokens; ++i) {
        write(int64_t(copy.dst) * kPage + i,
              store[size_t(int64_t(copy.src) * kPage + i)]);
      }
      for (size_t p = 0; p < request.slots.size(); ++p) {
        if (request.slots[p] / kPage == copy.src &&
            p / kPage == request.slots.size() / kPage) {
          request.slots[p] += int64_t(copy.dst - copy.src) * kPage;
        }
      }
    }
    for (size_t i = 0; i < tokens.size(); ++i) {
      write(pages.slots[i], ++lastValue);
      request.slots.push_back(pages.slots[i]);
      request.written.push_back(lastValue);
      request.tokens.push_back(tokens[i]);
    }
    return true;
  }

  /// One step of a request; 1, or 0 if it is gone.
  size_t advance(size_t number) {
    Request &request = requests[number];
    if (draw(0, 3) == 0 && request.tokens.size() > 2) {
      // Rejected drafts.
      const size_t left = request.tokens.size() - size_t(draw(1, 2));
      EXPECT_EQ(ATTNRT_OK, attnrt_sequence_truncate(
                               pages.pool, request.sequence, int64_t(left)));
      request.tokens.resize(left);
      request.slots.resize(left);
      request.written.resize(left);
    }
    std::vector<int32_t> next;
    for (int i = draw(1, 3); i > 0; --i) {
      next.push_back(draw(0, 5));
    }
    const bool isDone = request.tokens.size() >= request.target;
    if (!isDone && extend(request, next)) {
      return 1;
    }
    done += isDone;
    preempted += !isDone;
    pages.release(request.sequence);
    requests.erase(requests.begin() + int64_t(number));
    return 0;
  }

  void launch() {
    Step step{0, {}};
    std::vector<attnrt_sequence> batch;
    for (const Request &request : requests) {
      batch.push_back(request.sequence);
      for (size_t p = 0; p < request.slots.size(); ++p) {
        step.reads.push_back({request.slots[p], request.written[p]});
      }
    }
    if (usesFence && !batch.empty()) {
      EXPECT_EQ(ATTNRT_OK, attnrt_page_pool_begin_step(pages.pool, batch.data(),
                                                       int64_t(batch.size()),
                                                       &step.number));
    }
    inFlight.push_back(step);
  }

  void finish() {
    const Step step = inFlight.front();
    inFlight.pop_front();
    for (const Read &read : step.reads) {
      corrupt += store[size_t(read.slot)] != read.value;
    }
    if (usesFence && step.number) {
      pages.endStep(step.number);
    }
  }

  std::mt19937 rng;
  bool usesFence;
  Pages pages;
  std::vector<int64_t> store;
  std::deque<Request> requests;
  std::deque<Step> inFlight;
  int64_t lastValue = 0;
};

} // namespace

TEST(PagePoolAsync, TheFenceMakesReuseSafe) {
  int64_t unsafe = 0, corrupt = 0;
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    Engine without(seed, false);
    without.run(600);
    unsafe += without.unsafe;
    corrupt += without.corrupt;
    Engine with(seed, true);
    with.run(600);
    EXPECT_EQ(0, with.unsafe) << "seed " << seed;
    EXPECT_EQ(0, with.corrupt) << "seed " << seed;
    EXPECT_GT(with.waited, 0);
    EXPECT_GT(with.done, 300) << "requests starve";
  }
  std::printf("without the fence: %lld unsafe writes, %lld values read wrong\n",
              (long long)unsafe, (long long)corrupt);
  EXPECT_GT(unsafe, 0);
  EXPECT_GT(corrupt, 0);
}

/// All pages are in limbo, none is free: a scheduler that preempts for that
/// throws work away, one that asks when there will be room waits for one step.
TEST(PagePoolAsync, AdmissionWaitsInsteadOfPreempting) {
  Pages pages(9, 4);
  int64_t admitted = 0;
  std::deque<uint64_t> inFlight;
  for (int i = 0; i < 200; ++i) {
    const attnrt_sequence s = pages.create(countUp(32, 100 * i));
    attnrt_status status = pages.tryAppend(s, countUp(32, 100 * i));
    if (status) {
      ASSERT_EQ(ATTNRT_RESOURCE_EXHAUSTED, status);
      EXPECT_GT(pages.stats().pages_limbo, 0);
      uint64_t step = 0;
      ASSERT_EQ(ATTNRT_OK, attnrt_page_pool_when(pages.pool, 8, &step));
      ASSERT_NE(0u, step);
      pages.endStep(step);
      while (!inFlight.empty() && inFlight.front() <= step) {
        inFlight.pop_front();
      }
      status = pages.tryAppend(s, countUp(32, 100 * i));
    }
    ASSERT_EQ(ATTNRT_OK, status) << "it was promised after that step";
    ++admitted;
    inFlight.push_back(pages.beginStep());
    pages.release(s); // while the step runs
  }
  EXPECT_EQ(200, admitted);
  EXPECT_EQ("", pages.audit());
}
